"""A photo against a library: for every face in it the nearest people, or the nearest photos.

Nothing of the probe is stored, and a library that is open for reading stays as it is to the byte. Refuses to compare
across towers, and to guess who somebody is: it says how far, and whether that is under the threshold.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from facesearch.calibration import Calibration
from facesearch.distance import row_distances
from facesearch.errors import UsageError
from facesearch.library import Library
from facesearch.looking import Probe, look_at, look_at_most_prominent
from facesearch.records import (
    DetectedFace,
    EmbeddedFace,
    Embedder,
    FaceDetector,
    Models,
    Neighbour,
    PhotoPath,
    StoredFace,
)

_FIRST_REACH = 64  # neighbours asked for at first; a person with many photos can fill them all


@dataclass(frozen=True)
class PersonMatch:
    """A person of the library and how near the probe is to the nearest of their faces.

    A person is a named one, an unnamed group (name is None), or a single face in no group yet (person_id is None too).
    same_person: whether distance is at most the threshold. nearest_photo: where the nearest face is; missing: the file
    was not there at the last run. photo_count: photos that show the person, copies counted once. probability: that two
    faces so far apart are one person, were one and two as likely beforehand; None where the tower's card has no
    calibration.
    """

    rank: int
    person_id: int | None
    name: str | None
    face_id: int
    distance: float
    same_person: bool
    nearest_photo: Path
    missing: bool
    photo_count: int
    probability: float | None = None


@dataclass(frozen=True)
class FaceMatch:
    """A face of the library, the photo that shows it, and its person, if any. box: x1 y1 x2 y2 px in that photo.
    copies: other files with the same content."""

    rank: int
    face_id: int
    distance: float
    same_person: bool
    photo: Path
    missing: bool
    copies: tuple[Path, ...]
    box: tuple[float, float, float, float]
    person_id: int | None
    name: str | None
    probability: float | None = None  # as in PersonMatch


@dataclass(frozen=True)
class ProbeFace:
    """A face in the probe. box: x1 y1 x2 y2 px. `people` is filled by query_photo, `photos` by query_faces."""

    box: tuple[float, float, float, float]
    score: float
    people: tuple[PersonMatch, ...] = ()
    photos: tuple[FaceMatch, ...] = ()


@dataclass(frozen=True)
class QueryAnswer:
    """The faces in the probe, the largest first, each with its matches, the nearest first."""

    photo: Path
    threshold: float
    faces: tuple[ProbeFace, ...]


@dataclass(frozen=True)
class Comparison:
    """The distance between the most prominent face of one photo and that of another. Boxes: x1 y1 x2 y2 px."""

    first: Path
    second: Path
    first_box: tuple[float, float, float, float]
    second_box: tuple[float, float, float, float]
    distance: float
    threshold: float
    same_person: bool
    probability: float | None = None  # as in PersonMatch


@dataclass(frozen=True)
class _Judge:
    """What is said of a distance."""

    threshold: float
    calibration: Calibration | None

    def probability(self, distance: float) -> float | None:
        return None if self.calibration is None else round(self.calibration.probability(distance), 4)


def query_photo(
    library: Library,
    path: Path,
    detector: FaceDetector,
    tower: Embedder,
    *,
    k: int = 5,
    threshold: float | None = None,
    on_probe: Callable[[Probe], None] | None = None,
) -> QueryAnswer:
    """The k nearest people for every face in a photo; fewer where the library holds fewer.

    A person is as far as their nearest face; equally near ones come by face id. threshold: a distance, by default the
    tower's. on_probe: is given the photo as it was looked at, its faces in the order of the answer's.
    Raises PhotoError, NoFaceError, LibraryError, TowerError, and UsageError for a k or threshold below 0.
    """
    judge = _checked(library, detector, tower, k, threshold)
    probe = look_at(path, detector, tower)
    if on_probe is not None:
        on_probe(probe)
    with library.snapshot():
        library.check_models(Models.of(detector, tower))  # once more: a reindex may have ended meanwhile
        faces = tuple(replace(_probe_face(face), people=_people(library, face, k, judge)) for face in probe.faces)
    return QueryAnswer(path, judge.threshold, faces)


def query_faces(
    library: Library,
    path: Path,
    detector: FaceDetector,
    tower: Embedder,
    *,
    k: int = 5,
    threshold: float | None = None,
    on_probe: Callable[[Probe], None] | None = None,
) -> QueryAnswer:
    """The k nearest faces for every face in a photo, whoever they are; otherwise as query_photo."""
    judge = _checked(library, detector, tower, k, threshold)
    probe = look_at(path, detector, tower)
    if on_probe is not None:
        on_probe(probe)
    with library.snapshot():
        library.check_models(Models.of(detector, tower))  # once more: a reindex may have ended meanwhile
        faces = tuple(replace(_probe_face(face), photos=_photos(library, face, k, judge)) for face in probe.faces)
    return QueryAnswer(path, judge.threshold, faces)


def compare_photos(first: Path, second: Path, detector: FaceDetector, tower: Embedder) -> Comparison:
    """How far apart the most prominent faces of two photos are. Raises PhotoError, NoFaceError and TowerError."""
    one, two = (look_at_most_prominent(path, detector, tower).faces[0] for path in (first, second))
    distance = float(row_distances(one.embedding, two.embedding))
    judge = _judge(tower, None)
    boxes = (_box(one.face), _box(two.face))
    same = distance <= judge.threshold
    return Comparison(first, second, *boxes, distance, judge.threshold, same, judge.probability(distance))


def _checked(library: Library, detector: FaceDetector, tower: Embedder, k: int, threshold: float | None) -> _Judge:
    """The judge that holds, once everything else is known to be sound."""
    if k < 1:
        raise UsageError(f"k is {k}; ask for 1 or more")
    if threshold is not None and not (math.isfinite(threshold) and threshold >= 0):
        raise UsageError(f"the threshold is {threshold}; it is a distance, so give 0 or more")
    library.check_models(Models.of(detector, tower))
    return _judge(tower, threshold)


def _judge(tower: Embedder, threshold: float | None) -> _Judge:
    """By a threshold, or by the tower's."""
    distance = float(tower.card.threshold) if threshold is None else float(threshold)
    return _Judge(distance, Calibration.from_card(tower.card.calibration))


def _people(library: Library, probe: EmbeddedFace, k: int, judge: _Judge) -> tuple[PersonMatch, ...]:
    found = _nearest(library, probe, k, _person)
    counts = library.people.photo_counts(face.person_id for _, face, _ in found if face.person_id is not None)
    return tuple(
        PersonMatch(
            rank=rank,
            person_id=face.person_id,
            name=face.name,
            face_id=face.face_id,
            distance=neighbour.distance,
            same_person=neighbour.distance <= judge.threshold,
            nearest_photo=photo.path,
            missing=photo.missing,
            photo_count=1 if face.person_id is None else counts[face.person_id],
            probability=judge.probability(neighbour.distance),
        )
        for rank, (neighbour, face, photo) in enumerate(found, start=1)
    )


def _photos(library: Library, probe: EmbeddedFace, k: int, judge: _Judge) -> tuple[FaceMatch, ...]:
    return tuple(
        FaceMatch(
            rank=rank,
            face_id=face.face_id,
            distance=neighbour.distance,
            same_person=neighbour.distance <= judge.threshold,
            photo=photo.path,
            missing=photo.missing,
            copies=photo.copies,
            box=_box(face),
            person_id=face.person_id,
            name=face.name,
            probability=judge.probability(neighbour.distance),
        )
        for rank, (neighbour, face, photo) in enumerate(_nearest(library, probe, k, _face), start=1)
    )


def _nearest(
    library: Library, probe: EmbeddedFace, k: int, group: Callable[[StoredFace], tuple[str, int]]
) -> list[tuple[Neighbour, StoredFace, PhotoPath]]:
    """The nearest face of each of the k nearest groups.

    Reaches for more neighbours until k groups lie safely within reach, so that one person with thousands of photos
    hides nobody. A face whose photo lies nowhere any more is passed over.
    """
    vectors = library.vectors()
    place = library.space.map(probe.embedding)
    reach = max(_FIRST_REACH, 8 * k)
    while True:
        neighbours = vectors.search(place, reach)
        faces = library.catalog.faces(neighbour.face_id for neighbour in neighbours)
        photos = library.catalog.photo_paths(face.photo_id for face in faces.values())
        first: dict[tuple[str, int], tuple[Neighbour, StoredFace, PhotoPath]] = {}
        for neighbour in neighbours:
            face = faces[neighbour.face_id]
            if face.photo_id in photos:
                first.setdefault(group(face), (neighbour, face, photos[face.photo_id]))
        found = list(first.values())[:k]
        if reach >= len(vectors):
            return found
        # As far as the last neighbour there can be another with a lower id: only what is nearer is certain.
        if len(found) == k and found[-1][0].distance < neighbours[-1].distance:
            return found
        reach *= 4


def _person(face: StoredFace) -> tuple[str, int]:
    return ("face", face.face_id) if face.person_id is None else ("person", face.person_id)


def _face(face: StoredFace) -> tuple[str, int]:
    return ("face", face.face_id)


def _probe_face(probe: EmbeddedFace) -> ProbeFace:
    return ProbeFace(_box(probe.face), probe.face.score)


def _box(face: DetectedFace | StoredFace) -> tuple[float, float, float, float]:
    left, top, right, bottom = (round(side, 1) for side in face.box.tolist())
    return left, top, right, bottom
