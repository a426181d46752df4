"""Faces of a library cut out of their photos again, as small JPEGs: the face, and the photo with a frame around it.

A photo is read once for all the faces wanted of it, no larger than they need, by several threads, and let go at once:
in memory are a photo a thread and the JPEGs. Refuses to cut a box out of a file that has changed since it was indexed.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from facesearch.errors import PhotoError
from facesearch.library import Library
from facesearch.pages import jpeg
from facesearch.paths import is_in_bucket
from facesearch.photos import MAX_SIDE_PX, fingerprint, photo_file, read_photo_apart
from facesearch.records import Floats, Photo, PhotoPath, Pixels, StoredFace
from facesearch.vision.runtime import available_cores

FACE_PX = 192
"""Side of a cut face; shown at half of that, so that it is sharp on a phone."""

PHOTO_PX = 400
"""Longer side of a photo with a frame around a face of the library."""

_ROOM = 1.7  # side of the square around a face, for the longer side of its box: some hair and chin
_COVER_SHARE = 0.1  # of a video without faces, from its beginning
_MOST_THREADS = 8
_FRAME = ((0, 0, 0), (255, 214, 10))  # dark outside, bright inside: seen on any photo


@dataclass(frozen=True)
class Cut:
    """A face as JPEGs."""

    face: bytes | None = None  # square
    photo: bytes | None = None  # all of its photo, the face framed; None also where none was wanted
    reason: str = ""  # why there are no pictures, in a few words


def cut_faces(
    library: Library,
    face_ids: Iterable[int],
    *,
    with_photos: Iterable[int] = (),
    on_photo: Callable[[int, int], None] | None = None,
) -> dict[int, Cut]:
    """The faces by id; every one that is wanted is there. with_photos: the ids whose photos are wanted too. on_photo:
    is called with how many photos are done, and of how many."""
    wanted, framed = set(face_ids), set(with_photos)
    with library.snapshot():
        faces = library.catalog.faces(wanted | framed)
        places = _places(library, faces.values(), framed)
    cuts = dict.fromkeys(wanted | framed, Cut(reason="the face is gone from the library"))
    with ThreadPoolExecutor(min(available_cores(), _MOST_THREADS), thread_name_prefix="cut") as pool:
        for done, found in enumerate(pool.map(_cut_photo, places), start=1):
            cuts.update(found)
            if on_photo is not None:
                on_photo(done, len(places))
    return cuts


@dataclass(frozen=True)
class Place:
    """A photo, where it lies, and which of its faces are wanted; of those in `framed` the photo too."""

    where: PhotoPath | None
    sha256: str
    size_px: tuple[int, int]
    faces: Sequence[StoredFace]
    framed: frozenset[int]
    duration_s: float | None  # of a video
    stamps: Mapping[Path, tuple[int, int]]  # size in bytes and time in ns with which a video's files were indexed

    @property
    def moments(self) -> dict[float | None, list[StoredFace]]:
        """The faces by the frame of a video that shows them; None for a photo."""
        by_time: defaultdict[float | None, list[StoredFace]] = defaultdict(list)
        for face in self.faces:
            by_time[None if face.span is None else face.span.at_s].append(face)
        return dict(by_time)

    @property
    def cover_s(self) -> float | None:
        """The time of the frame that stands for a video: that of its best face; None for a photo."""
        if self.duration_s is None:
            return None
        spans = [(-(face.quality or 0.0), face.span.at_s) for face in self.faces if face.span is not None]
        return min(spans)[1] if spans else _COVER_SHARE * self.duration_s


def _places(library: Library, faces: Iterable[StoredFace], framed: set[int]) -> list[Place]:
    by_photo: defaultdict[int, list[StoredFace]] = defaultdict(list)
    for face in faces:
        by_photo[face.photo_id].append(face)
    paths, sizes = library.catalog.photo_paths(by_photo), library.catalog.photo_sizes(by_photo)
    contents, durations = library.catalog.photo_contents(by_photo), library.catalog.durations(by_photo)
    return [
        Place(
            paths.get(photo_id),
            contents[photo_id],
            sizes[photo_id],
            own,
            frozenset(face.face_id for face in own if face.face_id in framed),
            durations.get(photo_id),
            _stamps(library, paths.get(photo_id)) if photo_id in durations else {},
        )
        for photo_id, own in by_photo.items()
    ]


def _stamps(library: Library, where: PhotoPath | None) -> dict[Path, tuple[int, int]]:
    files = [] if where is None else [where.path, *where.copies]
    known = library.files.under(files)
    return {Path(os.fsdecode(path)): (each.size_bytes, each.mtime_ns) for path, each in known.items()}


@dataclass(frozen=True)
class PhotoCuts:
    """A photo and all its faces as JPEGs."""

    photo: bytes | None = None  # without frames
    faces: Mapping[int, bytes] = field(default_factory=dict)  # squares by face id
    reason: str = ""  # why there are no pictures, in a few words


def cut_photo(library: Library, photo_id: int, longest_px: int = PHOTO_PX) -> PhotoCuts:
    """A photo, read once, as a JPEG of at most longest_px a side, and its faces."""
    with library.snapshot():
        faces = library.catalog.faces_in([photo_id])
        sizes, contents = library.catalog.photo_sizes([photo_id]), library.catalog.photo_contents([photo_id])
        where = library.catalog.photo_paths([photo_id]).get(photo_id)
        duration_s = library.catalog.durations([photo_id]).get(photo_id)
        stamps = {} if duration_s is None else _stamps(library, where)
    if photo_id not in contents:
        return PhotoCuts(reason="the photo is gone from the library")
    place = Place(where, contents[photo_id], sizes[photo_id], faces, frozenset(), duration_s, stamps)
    read = _read(place, longest_px, place.cover_s)
    if isinstance(read, str):
        return PhotoCuts(reason=read)
    whole, cut = framed_photo(read.pixels, [], longest_px=longest_px), dict[int, bytes]()
    for at_s, own in place.moments.items():
        shown = read if at_s == place.cover_s else _read(place, longest_px, at_s)
        if not isinstance(shown, str):
            cut |= {face.face_id: cut_face(shown.pixels, face.box * np.float32(shown.scale)) for face in own}
    return PhotoCuts(whole, cut)


def _cut_photo(place: Place) -> dict[int, Cut]:
    found: dict[int, Cut] = {}
    for at_s, faces in place.moments.items():
        read = _read(place, at_s=at_s)
        if isinstance(read, str):
            found |= {face.face_id: Cut(reason=read) for face in faces}
            continue
        for face in faces:
            box = face.box * np.float32(read.scale)
            photo = framed_photo(read.pixels, [box]) if face.face_id in place.framed else None
            found[face.face_id] = Cut(cut_face(read.pixels, box), photo)
    return found


def places_of(library: Library, photo_ids: Collection[int]) -> dict[int, Place]:
    """Where photos lie, for `small_photo`. Call it inside a snapshot."""
    paths, sizes = library.catalog.photo_paths(photo_ids), library.catalog.photo_sizes(photo_ids)
    contents, durations = library.catalog.photo_contents(photo_ids), library.catalog.durations(photo_ids)
    faces: defaultdict[int, list[StoredFace]] = defaultdict(list)
    for face in library.catalog.faces_in(durations):
        faces[face.photo_id].append(face)
    return {
        photo_id: Place(
            where,
            contents[photo_id],
            sizes[photo_id],
            faces[photo_id],
            frozenset(),
            durations.get(photo_id),
            _stamps(library, where) if photo_id in durations else {},
        )
        for photo_id, where in paths.items()
    }


def small_photo(place: Place) -> tuple[bytes | None, str]:
    """A photo, or the frame that stands for a video, as a JPEG of at most PHOTO_PX a side; or why there is none. Safe
    in threads."""
    read = _read(replace(place, faces=()), at_s=place.cover_s)
    return (None, read) if isinstance(read, str) else (framed_photo(read.pixels, []), "")


def _read(place: Place, longest_px: int = PHOTO_PX, at_s: float | None = None) -> Photo | str:
    """The photo, or the frame of a video, as it was indexed, from the first of its copies that is still that; or why
    there is none."""
    if place.where is None:
        return "the photo is no longer in any file"
    reason = ""
    for path in (place.where.path, *place.where.copies):
        try:
            file = photo_file(path)
            photo = read_photo_apart(file, _side_px(place, longest_px), at_s=at_s)
            is_as_indexed = photo.sha256 == place.sha256
            if at_s is not None:  # to hash a long video takes much longer than to decode a frame
                stamp = file.size_bytes, file.mtime_ns
                is_as_indexed = place.stamps.get(path) == stamp or fingerprint(path) == place.sha256
        except PhotoError:
            reason = reason or (
                "the photo cannot be read any more" if is_in_bucket(path) or path.exists() else "the photo is not there"
            )
            continue
        if is_as_indexed:
            return photo
        reason = "the photo has changed since it was indexed"
    return reason


def _side_px(place: Place, longest_px: int) -> int:
    """How large the photo must be for its smallest wanted face to fill its picture, and for the photo's own."""
    longest = max(place.size_px)
    smallest = min((max(1.0, float(max(face.box[2:] - face.box[:2]))) for face in place.faces), default=float(longest))
    for_face = longest * FACE_PX / (_ROOM * smallest)
    return min(math.ceil(max(for_face, longest_px)), MAX_SIDE_PX)


def cut_face(pixels: Pixels, box: Floats, size_px: int = FACE_PX) -> bytes:
    """A square with some room around the face, as a JPEG of size_px a side or less. box: x1 y1 x2 y2 px in pixels."""
    return jpeg(np.asarray(_square(pixels, box, size_px)))


def _square(pixels: Pixels, box: Floats, size_px: int) -> Image.Image:
    """At the photo's edge the square is moved inside, and made smaller only where the photo is."""
    height, width = pixels.shape[:2]
    side = min(max(1, round(_ROOM * float(max(box[2] - box[0], box[3] - box[1])))), width, height)
    left, top = (
        min(max(0, round(float(low + high - side) / 2)), room - side)
        for low, high, room in ((box[0], box[2], width), (box[1], box[3], height))
    )
    square = Image.fromarray(pixels[top : top + side, left : left + side])
    return square.resize((size_px, size_px), Image.Resampling.LANCZOS, reducing_gap=3.0) if side > size_px else square


def framed_photo(
    pixels: Pixels, boxes: Sequence[Floats], *, longest_px: int = PHOTO_PX, numbered: bool = False
) -> bytes:
    """The whole photo with a frame around each face, as a JPEG. boxes: px in pixels. numbered: 1 for the first face."""
    image = Image.fromarray(pixels)
    factor = min(1.0, longest_px / max(image.size))
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0) if factor < 1 else image.copy()
    draw = ImageDraw.Draw(image)
    line_px = max(2, round(max(size) / 120))
    for number, box in enumerate(boxes, start=1):
        frame = _outward(box * np.float32(factor), size, line_px)
        for colour, inward, width in ((_FRAME[0], 0, line_px + 2), (_FRAME[1], 1, line_px)):
            inner = [frame[0] + inward, frame[1] + inward, frame[2] - inward, frame[3] - inward]
            if inner[0] <= inner[2] and inner[1] <= inner[3]:
                draw.rectangle(inner, outline=colour, width=width)
        if numbered:
            corner = (frame[0] + line_px, frame[1] + line_px)
            draw.rectangle((*corner, corner[0] + 9 + 9 * len(str(number)), corner[1] + 19), fill=_FRAME[0])
            draw.text((corner[0] + 5, corner[1] + 1), str(number), fill=_FRAME[1], font_size=15)
    return jpeg(np.asarray(image))


def _outward(box: Floats, size_px: tuple[int, int], line_px: int) -> list[int]:
    """The corners of a frame that leaves the face free, inside the picture."""
    low = [max(0, math.floor(float(side)) - line_px - 1) for side in box[:2]]
    high = [min(room - 1, math.ceil(float(side)) + line_px + 1) for side, room in zip(box[2:], size_px, strict=True)]
    return [*low, *high]
