"""The people near each face of a probe, in the order of `ranking`, with their probabilities, and that of nobody."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facesearch.evaluation.places import Places
from facesearch.library import Library
from facesearch.query.answers import PersonMatch, ProbeFace, QueryOptions, box_of
from facesearch.query.candidates import Candidate, Group, Within
from facesearch.query.loose import LooseFaces, nearest_people
from facesearch.query.owners import LooseShares
from facesearch.query.ranking import PROTOTYPE_FACES, Belief, Contenders, beliefs, person_distances
from facesearch.query.verdict import verdict_of
from facesearch.records import EmbeddedFace
from facesearch.tuning.calibration import Judge

_Samples = dict[Group, tuple[int, Places]]  # by person: how many faces they have, and their middle
HIDDEN = "somebody hidden"
"""What a verdict calls a person who is hidden."""


@dataclass(frozen=True, eq=False)
class _Ranked:
    """A person within reach of a face, as they are ranked."""

    candidate: Candidate
    person_distance: float
    posterior: float | None  # None without a calibration


def identify(
    library: Library, faces: Sequence[EmbeddedFace], judge: Judge, options: QueryOptions
) -> tuple[ProbeFace, ...]:
    """The faces of one probe, each with its likeliest people and a verdict. Call it inside a snapshot.

    Everybody with a face within reach is ranked: with a calibration by the posterior, which discounts how near somebody
    with many faces comes by chance, otherwise by the person's distance.
    """
    space = library.space
    places = [space.place(face.embedding) for face in faces]
    hidden = library.people.hidden()
    within, loose = nearest_people(library, places, options.k)
    people = {each.face.person_id for near in within for each in near.candidates}
    samples = library.face_owners.sampled_faces((each for each in people if each is not None), PROTOTYPE_FACES)
    owners = {
        person: library.places.of_embeddings(embeddings, scales) for person, (_, embeddings, scales) in samples.items()
    }
    known: _Samples = {("person", person): (samples[person][0], own.middle()) for person, own in owners.items()} | {
        group: (loose.faces[group], nearest.middle()) for group, nearest in loose.places.items()
    }
    contenders = [_contenders(place, near, known) for place, near in zip(places, within, strict=True)]
    believed: Sequence[Belief | None] = [None] * len(faces)
    if judge.calibration is not None:
        hypotheses = library.face_owners.hypotheses(len(library.nearest())) - loose.merged
        # The faces of a film are not faces of one picture: one person can be seen in it again and again. Those on a
        # motion photo come before those in its film.
        on_photo = sum(face.span is None for face in faces)
        pictures = [contenders[:on_photo]] * (on_photo > 0) + [[each] for each in contenders[on_photo:]]
        believed = [
            belief for picture in pictures for belief in beliefs(picture, judge.calibration, hypotheses, options.prior)
        ]
        shares = LooseShares(library, owners, known, loose, judge.calibration, hypotheses, options.prior)
        believed = [shares.given(near, belief) for near, belief in zip(within, believed, strict=True) if belief]
    limit, wanted = options.threshold, max(options.k, 2)  # a verdict that is not clear names two
    if judge.calibration is None:
        limit, wanted = judge.threshold, sys.maxsize  # any of them can be the first within the threshold
    found = []
    for face, near, contender, belief in zip(faces, within, contenders, believed, strict=True):
        unseen = sum(each.face.person_id in hidden for each in near.candidates)
        matches = _matches(library, _ranked(near, contender, belief, wanted + unseen), judge, loose)
        found.append(_probe_face(face, matches, belief, limit, k=options.k, hidden=hidden))
    return tuple(found)


def _contenders(place: Places, within: Within, known: _Samples) -> Contenders:
    """Everybody within reach of a face, as `ranking` takes them."""
    groups = [each.group for each in within.candidates]
    nearest = np.array([each.distance for each in within.candidates], np.float64)
    means = np.full((len(groups), place.points.shape[1]), np.nan, np.float32)
    scales = np.ones(len(groups), np.float32)
    counts = np.ones(len(groups), np.int64)
    for row, group in enumerate(groups):
        if group in known:
            counts[row], middle = known[group]
            means[row], scales[row] = middle.points[0], middle.scales[0]
    prototype = Places(means, scales).distances_beside(place).astype(np.float64)
    distances = person_distances(nearest, np.where(counts > 1, prototype, nearest))
    return Contenders(groups, distances, counts, within.reach)


def _ranked(within: Within, contenders: Contenders, belief: Belief | None, k: int) -> list[_Ranked]:
    """The k likeliest, the likeliest first; equally likely ones by distance, then by face id."""
    ids = np.array([each.face.face_id for each in within.candidates], np.int64)
    keys: list[NDArray[np.generic]] = [ids, contenders.distances]
    if belief is not None:
        keys.append(-belief.posterior)
    return [
        _Ranked(
            within.candidates[row],
            float(contenders.distances[row]),
            None if belief is None else round(float(belief.posterior[row]), 4),
        )
        for row in np.lexsort(keys)[:k].tolist()
    ]


def _matches(library: Library, ranked: Sequence[_Ranked], judge: Judge, loose: LooseFaces) -> tuple[PersonMatch, ...]:
    people = [each.candidate.face.person_id for each in ranked]
    photo_counts = library.people.photo_counts(person for person in people if person is not None)
    return tuple(
        PersonMatch(
            rank=rank,
            person_id=person,
            name=each.candidate.face.name,
            face_id=each.candidate.face.face_id,
            distance=each.candidate.distance,
            plain_distance=each.candidate.plain_distance,
            same_person=each.candidate.distance <= judge.threshold,
            nearest_photo=each.candidate.photo.path,
            missing=each.candidate.photo.missing,
            photo_count=loose.photos.get(each.candidate.group, 1) if person is None else photo_counts[person],
            probability=judge.probability(each.candidate.distance),
            person_distance=each.person_distance,
            posterior=each.posterior,
            span=each.candidate.face.span,
        )
        for rank, (person, each) in enumerate(zip(people, ranked, strict=True), start=1)
    )


def _probe_face(
    face: EmbeddedFace,
    people: tuple[PersonMatch, ...],
    belief: Belief | None,
    limit: float | None,
    *,
    k: int,
    hidden: set[int],
) -> ProbeFace:
    """hidden: people who are neither shown nor named in the verdict; no other person takes their place."""
    seen = [match for match in people if match.person_id not in hidden][:k]
    shown = tuple(replace(match, rank=rank) for rank, match in enumerate(seen, start=1))
    people = tuple(
        replace(match, name=HIDDEN, person_id=None) if match.person_id in hidden else match for match in people
    )
    found = ProbeFace(box_of(face.face), face.face.score, shown, quality=face.quality, span=face.span)
    if belief is None:
        return replace(found, verdict=verdict_of(people, None, limit))
    best = [*np.sort(belief.posterior)[::-1][:2].tolist(), 0.0, 0.0]
    nobody = round(belief.nobody, 4)
    return replace(
        found,
        nobody=nobody,
        is_nobody=belief.likeliest is None,
        margin=round(best[0] - best[1], 4),
        set_apart=belief.likeliest != belief.likeliest_alone,
        verdict=verdict_of(people, nobody, limit),
    )
