"""What can be asked of a probe, and the answer: plain values, ready for JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from facesearch.errors import UsageError
from facesearch.query.ranking import PRIOR
from facesearch.records import DetectedFace, Span, StoredFace

Box = tuple[float, float, float, float]  # x1 y1 x2 y2 px


@dataclass(frozen=True)
class QueryOptions:
    """What to ask of a probe. Raises UsageError for a value out of range."""

    k: int = 5  # people for each face of the probe
    threshold: float | None = None  # nobody farther than this is a match; None for the library's own, or the tower's
    prior: float = PRIOR  # the probability, before looking, that somebody on the photo is in the library
    faces: bool = False  # list the k nearest faces, whoever they are, instead of people

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UsageError(f"k is {self.k}; ask for 1 or more")
        if self.threshold is not None and not (math.isfinite(self.threshold) and self.threshold >= 0):
            raise UsageError(f"the threshold is {self.threshold}; it is a distance, so give 0 or more")
        if not 0 < self.prior < 1:
            raise UsageError(f"the prior is {self.prior}; it is a probability, so give more than 0 and less than 1")


DEFAULT_OPTIONS = QueryOptions()


@dataclass(frozen=True)
class PersonMatch:
    """A person of the library near a face of the probe: a named one, an unnamed group, or a face in no group."""

    rank: int  # from 1
    person_id: int | None  # None for a face in no group
    name: str | None  # None for an unnamed group and a face in no group
    face_id: int  # their face that is nearest to the probe
    distance: float  # of that face, judged where the library has a cohort
    same_person: bool  # whether `distance` is at most the threshold
    nearest_photo: Path  # shows that face
    missing: bool  # that photo was gone at the last run
    photo_count: int  # photos that show the person, copies counted once
    probability: float | None = None  # that two faces `distance` apart are one person, assuming even odds beforehand
    person_distance: float = 0.0  # halfway between `distance` and the distance of the mean of their faces
    posterior: float | None = None  # that the face is this person, among all in the library and nobody
    plain_distance: float = 0.0  # Euclidean, of that face; the same as `distance` where the library has no cohort
    span: Span | None = None  # when that face is seen, where `nearest_photo` is a video


@dataclass(frozen=True)
class FaceMatch:
    """A face of the library near a face of the probe, the photo that shows it, and its person, if any."""

    rank: int  # from 1
    face_id: int
    distance: float
    same_person: bool  # whether `distance` is at most the threshold
    photo: Path
    missing: bool  # that photo was gone at the last run
    copies: tuple[Path, ...]  # other files with the same content
    box: Box  # of the face in that photo
    person_id: int | None
    name: str | None
    probability: float | None = None  # as in PersonMatch
    quality: float | None = None  # as in ProbeFace; None for a face that was indexed before faces had one
    plain_distance: float = 0.0  # as in PersonMatch
    span: Span | None = None  # when the face is seen, where `photo` is a video


@dataclass(frozen=True)
class Choice:
    """A person that a face may show, or nobody in the library."""

    person_id: int | None  # None for a face in no group, and for nobody
    name: str | None
    face_id: int | None  # their face that is nearest to the probe; None for nobody in the library
    probability: float | None  # among all people in the library and nobody; None without a calibration


@dataclass(frozen=True)
class PairVerdict:
    """Whether two faces are one person."""

    text: str  # in words, as every page and terminal prints it
    is_match: bool  # the same person
    is_clear: bool  # the probability is at least 90 %, or the threshold alone decided


@dataclass(frozen=True)
class FaceVerdict:
    """The one answer for a face."""

    text: str  # in words, as every page and terminal prints it
    is_match: bool  # whether it names a person of the library first
    is_clear: bool  # the probability is at least 90 %, or the threshold alone decided
    first: Choice | None = None  # the likeliest; None if nobody is within the threshold, or the library holds nobody
    second: Choice | None = None  # the next, where the first is not clear


@dataclass(frozen=True)
class ProbeFace:
    """A face of the probe with its matches. Without a calibration there is no probability of nobody."""

    box: Box
    score: float  # the detector's, 0 to 1
    people: tuple[PersonMatch, ...] = ()  # the likeliest first; empty where faces were asked for
    photos: tuple[FaceMatch, ...] = ()  # the nearest first; filled where faces were asked for
    nobody: float | None = None  # the posterior of nobody in the library
    is_nobody: bool | None = None  # whether that is more likely than anybody
    margin: float | None = None  # by how much the first is likelier than the second, as a difference of posteriors
    quality: float | None = None  # how well the face can be recognised, 0 to 1
    set_apart: bool = False  # the other faces of the photo changed who is likeliest: one person is rarely on it twice
    verdict: FaceVerdict | None = None  # None where faces were asked for
    span: Span | None = None  # when the face is seen, in a video or the film of a motion photo


@dataclass(frozen=True)
class QueryAnswer:
    """The faces of a probe, in its order, each with its matches."""

    photo: Path
    threshold: float  # up to this distance two faces count as one person
    faces: tuple[ProbeFace, ...]
    prior: float  # the probability, before looking, that somebody on the photo is in the library
    calibrated_by: str | None = None  # "tower", "head" (what was taught), "library" (its own names) or None
    damage: str | None = None  # what is missing of the photo, in words, where only a part can be seen
    distances: str = "plain"  # or "judged", by a cohort of strangers
    duration_s: float | None = None  # of a video; its faces are tracks, in the order of their beginnings


@dataclass(frozen=True)
class Comparison:
    """How far apart the most prominent faces of two photos are."""

    first: Path
    second: Path
    first_box: Box
    second_box: Box
    distance: float
    threshold: float  # up to this distance two faces count as one person
    same_person: bool  # whether `distance` is at most the threshold
    verdict: PairVerdict
    probability: float | None = None  # as in PersonMatch
    calibrated_by: str | None = None  # as in QueryAnswer
    first_quality: float | None = None  # as in ProbeFace
    second_quality: float | None = None
    plain_distance: float = 0.0  # as in PersonMatch
    distances: str = "plain"  # as in QueryAnswer
    first_faces: int = 1  # how many faces the first photo shows
    second_faces: int = 1


def box_of(face: DetectedFace | StoredFace) -> Box:
    """A face's box, rounded to a tenth of a pixel."""
    left, top, right, bottom = (round(side, 1) for side in face.box.tolist())
    return left, top, right, bottom
