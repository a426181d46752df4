"""Faces of a library cut out of their photos again, as small JPEGs: the face, and the photo with a frame around it.

A photo is read once for all the faces wanted of it, no larger than they need, by several threads, and let go at once:
in memory are a photo a thread and the JPEGs. Refuses to cut a box out of a file that has changed since it was indexed.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw

from facesearch.errors import PhotoError
from facesearch.library import Library
from facesearch.pages import jpeg
from facesearch.photos import MAX_SIDE_PX, photo_file, read_photo_apart
from facesearch.records import Floats, Photo, PhotoPath, Pixels, StoredFace
from facesearch.vision.runtime import available_cores

FACE_PX = 192
"""Side of a cut face; shown at half of that, so that it is sharp on a phone."""

PHOTO_PX = 400
"""Longer side of a photo with a frame around a face of the library."""

_ROOM = 1.7  # side of the square around a face, for the longer side of its box: some hair and chin
_MOST_THREADS = 8
_FRAME = ((0, 0, 0), (255, 214, 10))  # dark outside, bright inside: seen on any photo


@dataclass(frozen=True)
class Cut:
    """A face as JPEGs. face: square. photo: all of its photo, the face framed; None also where none was wanted.
    reason: why there are no pictures, in a few words."""

    face: bytes | None = None
    photo: bytes | None = None
    reason: str = ""


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
class _Place:
    """A photo, where it lies, and which of its faces are wanted; of those in `framed` the photo too."""

    where: PhotoPath | None
    sha256: str
    size_px: tuple[int, int]
    faces: Sequence[StoredFace]
    framed: frozenset[int]


def _places(library: Library, faces: Iterable[StoredFace], framed: set[int]) -> list[_Place]:
    by_photo: defaultdict[int, list[StoredFace]] = defaultdict(list)
    for face in faces:
        by_photo[face.photo_id].append(face)
    paths, sizes = library.catalog.photo_paths(by_photo), library.catalog.photo_sizes(by_photo)
    contents = library.catalog.photo_contents(by_photo)
    return [
        _Place(
            paths.get(photo_id),
            contents[photo_id],
            sizes[photo_id],
            own,
            frozenset(face.face_id for face in own if face.face_id in framed),
        )
        for photo_id, own in by_photo.items()
    ]


@dataclass(frozen=True)
class PhotoCuts:
    """A photo and all its faces as JPEGs. reason: why there are no pictures, in a few words."""

    photo: bytes | None = None  # without frames
    faces: Mapping[int, bytes] = field(default_factory=dict)  # squares by face id
    reason: str = ""


def cut_photo(library: Library, photo_id: int, longest_px: int = PHOTO_PX) -> PhotoCuts:
    """A photo, read once, as a JPEG of at most longest_px a side, and its faces."""
    with library.snapshot():
        faces = library.catalog.faces_in([photo_id])
        sizes, contents = library.catalog.photo_sizes([photo_id]), library.catalog.photo_contents([photo_id])
        where = library.catalog.photo_paths([photo_id]).get(photo_id)
    if photo_id not in contents:
        return PhotoCuts(reason="the photo is gone from the library")
    read = _read(_Place(where, contents[photo_id], sizes[photo_id], faces, frozenset()), longest_px)
    if isinstance(read, str):
        return PhotoCuts(reason=read)
    cut = {face.face_id: cut_face(read.pixels, face.box * np.float32(read.scale)) for face in faces}
    return PhotoCuts(framed_photo(read.pixels, [], longest_px=longest_px), cut)


def _cut_photo(place: _Place) -> dict[int, Cut]:
    read = _read(place)
    if isinstance(read, str):
        return {face.face_id: Cut(reason=read) for face in place.faces}
    found = {}
    for face in place.faces:
        box = face.box * np.float32(read.scale)
        photo = framed_photo(read.pixels, [box]) if face.face_id in place.framed else None
        found[face.face_id] = Cut(cut_face(read.pixels, box), photo)
    return found


def _read(place: _Place, longest_px: int = PHOTO_PX) -> Photo | str:
    """The photo as it was indexed, from the first of its copies that is still that; or why there is none."""
    if place.where is None:
        return "the photo is in no file any more"
    reason = ""
    for path in (place.where.path, *place.where.copies):
        try:
            photo = read_photo_apart(photo_file(path), _side_px(place, longest_px))
        except PhotoError:
            reason = reason or ("the photo cannot be read any more" if path.exists() else "the photo is not there")
            continue
        if photo.sha256 == place.sha256:
            return photo
        reason = "the photo has changed since it was indexed"
    return reason


def _side_px(place: _Place, longest_px: int) -> int:
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
