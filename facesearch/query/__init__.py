"""A photo against a library: for every face in it the nearest people, or the nearest photos.

Nothing of the probe is stored, and a library that is open for reading stays as it is to the byte. Refuses to compare
across towers, and to decide who somebody is: it says how far, how likely, and how likely it is nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from facesearch.evaluation.distance import row_distances
from facesearch.library import Library
from facesearch.query.answers import Box, Comparison, FaceMatch, PersonMatch, ProbeFace, QueryAnswer
from facesearch.query.identities import identify
from facesearch.query.judge import Wish, judge_of
from facesearch.query.neighbours import by_face, nearest_groups
from facesearch.query.probe import Probe, look_at, look_at_most_prominent
from facesearch.query.ranking import PRIOR
from facesearch.query.words import SET_APART, likelihood, meanings
from facesearch.records import DetectedFace, EmbeddedFace, Embedder, FaceDetector, Floats, Models, StoredFace
from facesearch.tuning.calibration import Judge

__all__ = [
    "SET_APART",
    "Comparison",
    "FaceMatch",
    "PersonMatch",
    "ProbeFace",
    "QueryAnswer",
    "compare_photos",
    "judge_of",
    "likelihood",
    "meanings",
    "query_faces",
    "query_photo",
    "query_probe",
]


@dataclass(frozen=True, eq=False)
class _Question:
    """What is asked of a photo. faces: the answer for its faces. on_probe: is given the photo beforehand."""

    wish: Wish
    faces: Callable[[Probe, Judge], tuple[ProbeFace, ...]]
    on_probe: Callable[[Probe], None] | None


def query_photo(
    library: Library,
    path: Path,
    detector: FaceDetector,
    tower: Embedder,
    *,
    k: int = 5,
    threshold: float | None = None,
    prior: float = PRIOR,
    on_probe: Callable[[Probe], None] | None = None,
) -> QueryAnswer:
    """The k nearest people for every face in a photo; fewer where the library holds fewer.

    How near a person is, how likely, and how the faces of a photo are set apart: see `ranking`. Equally near ones come
    by face id. threshold: a distance, by default the library's own, or the tower's. prior: how likely it is, before
    looking, that somebody on the photo is in the library. on_probe: is given the photo as it was looked at, its faces
    in the order of the answer's. Raises PhotoError, NoFaceError, LibraryError, TowerError, and UsageError for a k,
    threshold or prior that cannot be meant.
    """
    wish = Wish(k, threshold, prior)
    return _answer(library, path, (detector, tower), _Question(wish, _people(library, wish), on_probe))


def query_probe(
    library: Library,
    probe: Probe,
    tower: Embedder,
    *,
    k: int = 5,
    threshold: float | None = None,
    prior: float = PRIOR,
) -> QueryAnswer:
    """The same for a photo that was looked at already, by this tower."""
    wish = Wish(k, threshold, prior)
    with library.snapshot():
        library.check_tower(tower.identity, tower.card.name)
        return _answered(probe, judge_of(tower, library, threshold), _Question(wish, _people(library, wish), None))


def query_faces(
    library: Library,
    path: Path,
    detector: FaceDetector,
    tower: Embedder,
    *,
    k: int = 5,
    threshold: float | None = None,
    prior: float = PRIOR,
    on_probe: Callable[[Probe], None] | None = None,
) -> QueryAnswer:
    """The k nearest faces for every face in a photo, whoever they are; otherwise as query_photo."""
    wish = Wish(k, threshold, prior)

    def faces(probe: Probe, judge: Judge) -> tuple[ProbeFace, ...]:
        space = library.space
        return tuple(
            replace(_probe_face(face), photos=_photos(library, space.map(face.embedding), k, judge))
            for face in probe.faces
        )

    return _answer(library, path, (detector, tower), _Question(wish, faces, on_probe))


def compare_photos(
    first: Path, second: Path, detector: FaceDetector, tower: Embedder, library: Library | None = None
) -> Comparison:
    """How far apart the most prominent faces of two photos are. Raises PhotoError, NoFaceError and TowerError.

    library: whose space, threshold and calibration to use instead of the tower's; of it nothing else is read.
    """
    one, two = (look_at_most_prominent(path, detector, tower).faces[0] for path in (first, second))
    if library is None:
        return _compared((first, second), (one, two), (one.embedding, two.embedding), judge_of(tower, None))
    with library.snapshot():
        library.check_models(Models.of(detector, tower))
        space = library.space
        places = (space.map(one.embedding), space.map(two.embedding))
        return _compared((first, second), (one, two), places, judge_of(tower, library))


def _answer(
    library: Library,
    path: Path,
    models: tuple[FaceDetector, Embedder],
    question: _Question,
) -> QueryAnswer:
    """Look at the photo, then at the library as it is at one moment."""
    detector, tower = models
    library.check_models(Models.of(detector, tower))
    probe = look_at(path, detector, tower)
    if question.on_probe is not None:
        question.on_probe(probe)
    wish = question.wish
    with library.snapshot():
        library.check_models(Models.of(detector, tower))  # once more: a reindex may have ended meanwhile
        return _answered(probe, judge_of(tower, library, wish.threshold), question)


def _answered(probe: Probe, judge: Judge, question: _Question) -> QueryAnswer:
    faces = question.faces(probe, judge)
    return QueryAnswer(probe.path, judge.threshold, faces, question.wish.prior, judge.calibrated_by)


def _people(library: Library, wish: Wish) -> Callable[[Probe, Judge], tuple[ProbeFace, ...]]:
    """What answers for the faces of a photo with the people near them."""

    def faces(probe: Probe, judge: Judge) -> tuple[ProbeFace, ...]:
        space = library.space
        places = [space.map(face.embedding) for face in probe.faces]
        return identify(library, places, [_probe_face(face) for face in probe.faces], judge, wish)

    return faces


def _compared(
    paths: tuple[Path, Path], faces: tuple[EmbeddedFace, EmbeddedFace], places: tuple[Floats, Floats], judge: Judge
) -> Comparison:
    distance = float(row_distances(*places))
    return Comparison(
        first=paths[0],
        second=paths[1],
        first_box=_box(faces[0].face),
        second_box=_box(faces[1].face),
        distance=distance,
        threshold=judge.threshold,
        same_person=distance <= judge.threshold,
        probability=judge.probability(distance),
        calibrated_by=judge.calibrated_by,
    )


def _photos(library: Library, place: Floats, k: int, judge: Judge) -> tuple[FaceMatch, ...]:
    return tuple(
        FaceMatch(
            rank=rank,
            face_id=found.face.face_id,
            distance=found.neighbour.distance,
            same_person=found.neighbour.distance <= judge.threshold,
            photo=found.photo.path,
            missing=found.photo.missing,
            copies=found.photo.copies,
            box=_box(found.face),
            person_id=found.face.person_id,
            name=found.face.name,
            probability=judge.probability(found.neighbour.distance),
        )
        for rank, found in enumerate(nearest_groups(library, place, k, by_face).groups[:k], start=1)
    )


def _probe_face(probe: EmbeddedFace) -> ProbeFace:
    return ProbeFace(_box(probe.face), probe.face.score)


def _box(face: DetectedFace | StoredFace) -> Box:
    left, top, right, bottom = (round(side, 1) for side in face.box.tolist())
    return left, top, right, bottom
