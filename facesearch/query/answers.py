"""What a question about a photo is answered with: plain values, ready for JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

Box = tuple[float, float, float, float]  # x1 y1 x2 y2 px


@dataclass(frozen=True)
class PersonMatch:
    """A person of the library and how near the probe is.

    A person is a named one, an unnamed group (name is None), or a single face in no group yet (person_id is None too).
    distance: to the nearest of their faces; same_person: whether that is at most the threshold. nearest_photo: where
    that face is; missing: the file was not there at the last run. photo_count: photos that show the person, copies
    counted once. probability: that two faces `distance` apart are one person, were one and two as likely beforehand.
    person_distance: halfway between that and the distance of the mean of the faces. posterior: that it is this
    person, among all in the library and nobody; both are None where neither tower nor library has a calibration.
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
    person_distance: float = 0.0
    posterior: float | None = None


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
    box: Box
    person_id: int | None
    name: str | None
    probability: float | None = None  # as in PersonMatch


@dataclass(frozen=True)
class ProbeFace:
    """A face in the probe. box: x1 y1 x2 y2 px. `people` is filled by query_photo, `photos` by query_faces.

    nobody: the posterior of nobody in the library. is_nobody: whether that is likelier than anybody. margin: how much
    likelier the first is than the runner-up, as a difference of posteriors. set_apart: the other faces of the photo
    changed who is likeliest, for one person rarely stands twice in a photo. All but set_apart None, and that False,
    without a calibration.
    """

    box: Box
    score: float
    people: tuple[PersonMatch, ...] = ()
    photos: tuple[FaceMatch, ...] = ()
    nobody: float | None = None
    is_nobody: bool | None = None
    margin: float | None = None
    set_apart: bool = False


@dataclass(frozen=True)
class QueryAnswer:
    """The faces in the probe, the largest first, each with its matches, the nearest first.

    prior: how likely it was taken to be that somebody on the photo is in the library. calibrated_by: "tower", "head"
    (what was taught) or "library" (its own names); None where nothing was.
    """

    photo: Path
    threshold: float
    faces: tuple[ProbeFace, ...]
    prior: float
    calibrated_by: str | None = None


@dataclass(frozen=True)
class Comparison:
    """The distance between the most prominent face of one photo and that of another. Boxes: x1 y1 x2 y2 px."""

    first: Path
    second: Path
    first_box: Box
    second_box: Box
    distance: float
    threshold: float
    same_person: bool
    probability: float | None = None  # as in PersonMatch
    calibrated_by: str | None = None  # as in QueryAnswer
