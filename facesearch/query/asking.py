"""A probe against a library: the nearest people, or faces, for every face on it; and one probe against another.

Stores nothing. Refuses to compare across towers.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from facesearch.errors import TowerError
from facesearch.evaluation.distance import row_distances
from facesearch.library import Library, Space, tower_space
from facesearch.query.answers import (
    DEFAULT_OPTIONS,
    Comparison,
    FaceMatch,
    ProbeFace,
    QueryAnswer,
    QueryOptions,
    box_of,
)
from facesearch.query.candidates import by_face, nearest_groups
from facesearch.query.identities import identify
from facesearch.query.probe import Probe, probe_prominent_face
from facesearch.query.verdict import pair_verdict
from facesearch.records import EmbeddedFace, Embedder, FaceDetector
from facesearch.tuning.calibration import Judge, judge_in


def ask(library: Library, probe: Probe, options: QueryOptions = DEFAULT_OPTIONS) -> QueryAnswer:
    """The nearest people, or faces, for every face of a probe, from the library as it is at one moment.

    Fewer than k where the library holds fewer. `ranking` says how people are ranked and the faces of one photo are kept
    apart; people at the same distance come by face id. Raises LibraryError, and TowerError where the library was built
    with another tower than the probe.
    """
    with library.snapshot():
        library.check_tower(probe.models.tower, probe.models.tower_name)
        judge = judge_of(probe, library, options.threshold)
        if options.faces:
            faces = tuple(_with_photos(library, face, judge, options.k) for face in probe.faces)
        else:
            faces = identify(library, probe.faces, judge, options)
        return QueryAnswer(
            photo=probe.path,
            threshold=judge.threshold,
            faces=faces,
            prior=options.prior,
            calibrated_by=judge.calibrated_by,
            damage=probe.photo.damage,
            distances=library.space.distances,
            duration_s=probe.duration_s,
        )


def compare_probes(first: Probe, second: Probe, library: Library | None = None) -> Comparison:
    """How far apart the first faces of two probes are. Raises TowerError for probes of different towers.

    library: its space, threshold and calibration replace the tower's; nothing else of it is read.
    """
    if first.models.tower != second.models.tower:
        names = f"{first.models.tower_name} and {second.models.tower_name}"
        raise TowerError(f"distances of different towers cannot be compared: {names}; use one tower for both photos")
    if library is None:
        return _compared(first, second, tower_space(first.models), judge_of(first))
    with library.snapshot():
        library.check_tower(first.models.tower, first.models.tower_name)
        return _compared(first, second, library.space, judge_of(first, library))


def compare_photos(
    first: Path, second: Path, detector: FaceDetector, tower: Embedder, library: Library | None = None
) -> Comparison:
    """The same for the most prominent faces of two photos. Raises PhotoError (unreadable, no face), too."""
    one, two = (probe_prominent_face(photo, detector, tower) for photo in (first, second))
    return compare_probes(one, two, library)


def judge_of(probe: Probe, library: Library | None = None, threshold: float | None = None) -> Judge:
    """The threshold and calibration that apply to a probe; threshold: replaces the one in force. Inside a snapshot."""
    space = tower_space(probe.models) if library is None else library.space
    judge = judge_in(library, space, probe.models.threshold, probe.calibration)
    return judge if threshold is None else replace(judge, threshold=threshold)


def _compared(first: Probe, second: Probe, space: Space, judge: Judge) -> Comparison:
    one, two = (space.place(each.faces[0].embedding) for each in (first, second))
    distance = float(one.distances_beside(two)[0])
    probability = judge.probability(distance)
    return Comparison(
        first=first.path,
        second=second.path,
        first_box=box_of(first.faces[0].face),
        second_box=box_of(second.faces[0].face),
        distance=distance,
        threshold=judge.threshold,
        same_person=distance <= judge.threshold,
        verdict=pair_verdict(distance, judge.threshold, probability),
        probability=probability,
        calibrated_by=judge.calibrated_by,
        first_quality=first.faces[0].quality,
        second_quality=second.faces[0].quality,
        first_faces=len(first.faces) + first.others,
        second_faces=len(second.faces) + second.others,
        plain_distance=float(row_distances(one.points, two.points)[0]),
        distances=space.distances,
    )


def _with_photos(library: Library, face: EmbeddedFace, judge: Judge, k: int) -> ProbeFace:
    place, hidden = library.space.place(face.embedding), library.people.hidden()
    wanted, most = k, library.nearest().most
    while True:
        within = nearest_groups(library, place, wanted, by_face)
        near = [each for each in within.candidates if each.face.person_id not in hidden][:k]
        if len(near) == k or math.isinf(within.reach) or wanted >= most:
            break
        wanted *= 4
    photos = tuple(
        FaceMatch(
            rank=rank,
            face_id=each.face.face_id,
            distance=each.distance,
            plain_distance=each.plain_distance,
            same_person=each.distance <= judge.threshold,
            photo=each.photo.path,
            missing=each.photo.missing,
            copies=each.photo.copies,
            box=box_of(each.face),
            person_id=each.face.person_id,
            name=each.face.name,
            probability=judge.probability(each.distance),
            quality=each.face.quality,
            span=each.face.span,
        )
        for rank, each in enumerate(near, start=1)
    )
    return ProbeFace(box_of(face.face), face.face.score, quality=face.quality, photos=photos, span=face.span)
