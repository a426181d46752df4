"""The people near the faces of a photo, by the rule of `ranking`, with how likely each is, and whether it is nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facesearch.evaluation.distance import row_distances
from facesearch.library import Library
from facesearch.query.answers import PersonMatch, ProbeFace
from facesearch.query.judge import Wish
from facesearch.query.neighbours import Within, by_person, nearest_groups
from facesearch.query.ranking import PROTOTYPE_FACES, Belief, Contenders, beliefs, person_distances
from facesearch.records import Floats
from facesearch.tuning.calibration import Judge

_Samples = dict[int, tuple[int, Floats]]


def identify(
    library: Library, places: Sequence[Floats], faces: Sequence[ProbeFace], judge: Judge, wish: Wish
) -> tuple[ProbeFace, ...]:
    """The faces of one photo with their people. places: of the faces in the library's space, float32 (32,) each.

    Whoever has a face within reach is ranked: with a calibration by the posterior, which takes off what is chance where
    somebody has many faces, otherwise by the person's distance.
    """
    within = [nearest_groups(library, place, wish.k, by_person) for place in places]
    people = {found.face.person_id for each in within for found in each.groups}
    samples = library.people.sampled_faces((each for each in people if each is not None), PROTOTYPE_FACES)
    space = library.space
    known = {person: (count, space.map(embeddings)) for person, (count, embeddings) in samples.items()}
    contenders = [_contenders(place, each, known) for place, each in zip(places, within, strict=True)]
    if judge.calibration is None:
        return tuple(
            replace(face, people=_matches(library, (each, near, None), judge, wish.k))
            for face, each, near in zip(faces, within, contenders, strict=True)
        )
    hypotheses = library.people.hypotheses(len(library.vectors()))
    believed = beliefs(contenders, judge.calibration, hypotheses, wish.prior)
    return tuple(
        _answered(replace(face, people=_matches(library, (each, near, belief), judge, wish.k)), belief)
        for face, each, near, belief in zip(faces, within, contenders, believed, strict=True)
    )


def _contenders(place: Floats, within: Within, known: _Samples) -> Contenders:
    """Everybody within reach of a face, as `ranking` takes them."""
    people = [found.face.person_id for found in within.groups]
    nearest = np.array([found.neighbour.distance for found in within.groups], np.float64)
    means = np.full((len(people), len(place)), np.nan)
    counts = np.ones(len(people), np.int64)
    for row, person in enumerate(people):
        if person is not None:
            counts[row], embeddings = known[person]
            means[row] = embeddings.mean(axis=0, dtype=np.float64)
    prototype = row_distances(place, means).astype(np.float64)
    distances = person_distances(nearest, np.where(counts > 1, prototype, nearest))
    return Contenders([found.group for found in within.groups], distances, counts, within.reach)


def _matches(
    library: Library, seen: tuple[Within, Contenders, Belief | None], judge: Judge, k: int
) -> tuple[PersonMatch, ...]:
    """The k likeliest of those who are within reach of a face."""
    within, near, belief = seen
    order = _order(*seen)[:k]
    found = [within.groups[place] for place in order]
    counts = library.people.photo_counts(each.face.person_id for each in found if each.face.person_id is not None)
    return tuple(
        PersonMatch(
            rank=rank,
            person_id=each.face.person_id,
            name=each.face.name,
            face_id=each.face.face_id,
            distance=each.neighbour.distance,
            same_person=each.neighbour.distance <= judge.threshold,
            nearest_photo=each.photo.path,
            missing=each.photo.missing,
            photo_count=1 if each.face.person_id is None else counts[each.face.person_id],
            probability=judge.probability(each.neighbour.distance),
            person_distance=float(near.distances[place]),
            posterior=None if belief is None else round(float(belief.posterior[place]), 4),
        )
        for rank, (place, each) in enumerate(zip(order, found, strict=True), start=1)
    )


def _order(within: Within, near: Contenders, belief: Belief | None) -> NDArray[np.intp]:
    """The places of the contenders, the likeliest first; equals by distance, then by face id."""
    ids = np.array([found.face.face_id for found in within.groups], np.int64)
    if belief is None:
        return np.lexsort((ids, near.distances))
    return np.lexsort((ids, near.distances, -belief.posterior))


def _answered(face: ProbeFace, belief: Belief) -> ProbeFace:
    """With what is said of the face as a whole."""
    best = [*np.sort(belief.posterior)[::-1][:2].tolist(), 0.0, 0.0]
    return replace(
        face,
        nobody=round(belief.nobody, 4),
        is_nobody=belief.likeliest is None,
        margin=round(best[0] - best[1], 4),
        set_apart=belief.likeliest != belief.likeliest_alone,
    )
