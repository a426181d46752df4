"""Frozen dataclasses that carry data between rooms, and the protocols that rooms expect of one another.

Holds no behaviour beyond derived properties; imports nothing but the standard library.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]  # (H, W, 3) RGB
    Floats = NDArray[np.float32]  # embeddings, boxes, distances
    Values = NDArray[np.float64]  # statistics
    Ints = NDArray[np.int64]  # ids, counts, rows
    Chunk = tuple[Ints, Floats]  # face ids (N,), embeddings (N, 32)
    Chunks = Callable[[], Iterator[Chunk]]  # all embeddings of a library, each time it is called
else:  # to import NumPy takes longer than to decode a photo, and the process that decodes needs none
    Pixels = Floats = Values = Ints = Chunk = Chunks = Any

Device = Literal["auto", "cpu", "gpu", "npu"]  # where networks and search run
FoundBy = Literal["detector", "user", "import"]  # who found a face: the last two where the detector had missed it
DateSource = Literal["exif", "xmp", "video", "name", "file"]  # who says when a photo was taken, the best first

CROP_SIZE_PX = 112
EMBEDDING_SIZE = 32


@dataclass(frozen=True)
class PhotoFile:
    """A file as the folder walk saw it."""

    path: Path
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class NodeWork:
    """What a machine of a cluster does for a run."""

    name: str
    photos: int  # that it has answered for
    photos_a_second: float  # of these, since its first worker was ready
    in_flight: int  # photos that it works on now


@dataclass(frozen=True)
class WriterAtWork:
    """A process that writes to a library now, and how far it is. Plain values only, ready for JSON."""

    pid: int
    since: str  # UTC, ISO 8601
    action: str | None = None  # "index" or "reindex"; None for one that does not tell
    done: int = 0  # photos of this run
    total: int = 0
    photos_a_second: float = 0.0
    nodes: tuple[NodeWork, ...] = ()  # what the machines of a cluster do


@dataclass(frozen=True)
class Taken:
    """When a photo was taken."""

    at: str  # local time there, ISO 8601 to the second, such as 2019-07-04T15:30:12
    zone_min: int | None  # minutes ahead of UTC; None where that is not known
    source: DateSource


@dataclass(frozen=True)
class SkippedFile:
    """A file or folder that the folder walk could not take, and why, in words for the user."""

    path: Path
    reason: str


@dataclass(frozen=True, eq=False)
class Photo:
    """A decoded photo."""

    file: PhotoFile
    sha256: str
    pixels: Pixels  # uint8 (H, W, 3) RGB, upright
    original_size_px: tuple[int, int] | None = None  # upright (width, height) in the file, if it was reduced
    damage: str | None = None  # what is missing of it, in words, where only a part can be seen
    taken: Taken | None = None  # where the file was read for a library

    @property
    def width_px(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height_px(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def scale(self) -> float:
        """Pixels here for one pixel in the file: 1, or less where a very large photo was reduced."""
        if self.original_size_px is None:
            return 1.0
        return max(self.width_px, self.height_px) / max(self.original_size_px)


@dataclass(frozen=True)
class Span:
    """When a face is seen in a video, in seconds from its beginning."""

    start_s: float
    end_s: float
    at_s: float  # of the frame that its box, landmarks and embedding come from
    track: int  # the same for the faces of one person who is seen without a long break


@dataclass(frozen=True, eq=False)
class DetectedFace:
    """A face in a photo."""

    box: Floats  # float32 (4,) x1 y1 x2 y2 in px
    landmarks: Floats  # float32 (5, 2) x y in px: the eyes, the nose, the mouth's corners, each from the image's left
    score: float  # 0..1

    @property
    def size_px(self) -> float:
        """The longer side of the box."""
        return float(max(self.box[2] - self.box[0], self.box[3] - self.box[1]))

    def enlarged(self, factor: float) -> DetectedFace:
        """The same face in the same photo at `factor` times the size."""
        return self if factor == 1 else replace(self, box=self.box * factor, landmarks=self.landmarks * factor)


@dataclass(frozen=True, eq=False)
class AlignedFace:
    """A face and its crop."""

    face: DetectedFace
    crop: Pixels  # uint8 (112, 112, 3) RGB on the five-point template
    quality: float | None = None  # how well it can be recognised, 0..1 (vision.quality); None where nobody has asked
    span: Span | None = None  # of a face in a video
    embedding: Floats | None = None  # float32 (32,), where it was embedded where it was found; the crop is then empty


@dataclass(frozen=True, eq=False)
class EmbeddedFace:
    """A face and where it lies in the distance space."""

    face: DetectedFace
    embedding: Floats  # float32 (32,)
    quality: float | None = None  # as in AlignedFace
    span: Span | None = None  # of a face in a video


@dataclass(frozen=True)
class Neighbour:
    """A stored face and its Euclidean distance from the probe (smaller is more alike)."""

    face_id: int
    distance: float


@dataclass(frozen=True)
class KnownFile:
    """What a library knows of a path."""

    file_id: int
    size_bytes: int
    mtime_ns: int
    photo_id: int | None  # None for a file that could not be read
    reason: str | None  # why it could not be read
    missing: bool  # whether it was gone when its folder was last indexed
    software: str | None = None  # the decoder and detector that could not read it


@dataclass(frozen=True, eq=False)
class NewPhoto:
    """A photo to be added to a library, with its faces."""

    sha256: str
    width_px: int
    height_px: int
    faces: Sequence[EmbeddedFace]
    damage: str | None = None  # as in Photo
    taken: Taken | None = None
    duration_s: float | None = None  # of a video


@dataclass(frozen=True, eq=False)
class StoredFace:
    """A stored face but for its embedding, and the person it belongs to, if any."""

    face_id: int
    photo_id: int
    box: Floats  # float32 (4,) px
    score: float
    quality: float | None  # as in AlignedFace; None for a face from before there was one
    person_id: int | None
    name: str | None
    local_scale: float | None = None  # as the row keeps it: FacePlaces.of_embeddings says what it means
    found_by: FoundBy = "detector"
    is_embedded: bool = True  # False for an added face in which no landmarks could be placed
    span: Span | None = None  # of a face in a video

    @property
    def picture(self) -> int:
        """The same number for the faces of one picture: a photo, or a frame of a video. Equals `photo_id` for photos,
        and is negative for frames."""
        if self.span is None:
            return self.photo_id
        return -(self.photo_id << 32) - round(1000 * self.span.at_s)


@dataclass(frozen=True)
class PhotoPath:
    """Where a photo lies: of several copies the first by path that is not missing, and then the others."""

    path: Path
    missing: bool
    copies: tuple[Path, ...] = ()


class FaceDetector(Protocol):
    """What finds faces, in several threads at once. identity changes with the way in which faces are found."""

    @property
    def identity(self) -> str: ...

    def detect(self, pixels: Pixels) -> list[DetectedFace]: ...


class TowerCard(Protocol):
    """What a library needs to know of a tower's card."""

    @property
    def name(self) -> str: ...

    @property
    def threshold(self) -> float: ...

    @property
    def calibration(self) -> dict[str, Any] | None: ...

    @property
    def cohort(self) -> dict[str, Any] | None: ...


class Embedder(Protocol):
    """What embeds crops, uint8 (N, 112, 112, 3), as float32 (N, 32). identity: sha256 of its weights. precision: in
    which it computes."""

    @property
    def identity(self) -> str: ...

    @property
    def precision(self) -> str: ...

    @property
    def card(self) -> TowerCard: ...

    def embed(self, crops: Pixels) -> Floats: ...


@dataclass(frozen=True)
class Models:
    """The detector and the tower that a library's faces come from."""

    detector: str  # its identity
    tower: str  # SHA-256 of its weights
    tower_name: str
    threshold: float  # the tower's, for plain distances
    precision: str = "f32"  # in which the tower computed: "f32", "bf16" or "int8"
    cohort: str = ""  # what makes distances judged ones, as JSON of the tower's card; empty where it has none

    @classmethod
    def of(cls, detector: FaceDetector, tower: Embedder) -> Models:
        card, precision = tower.card, tower.precision
        return cls(detector.identity, tower.identity, card.name, float(card.threshold), precision, cohort_text(card))


def cohort_text(card: TowerCard) -> str:
    """The cohort of a tower's card as a library records it; empty where it has none."""
    return "" if card.cohort is None else json.dumps(card.cohort, sort_keys=True)
