"""Named regions where the detector found no face, which become faces of their own.

Never brings back what was forgotten: adds nothing to a photo that lost a face to `forget`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facesearch.errors import PhotoError
from facesearch.exchange.areas import pair_up
from facesearch.library import AddedFace, Library
from facesearch.people import FaceReader
from facesearch.people.added import LEAST_PX
from facesearch.photos import is_video, photo_file, read_photo_apart
from facesearch.records import Floats, Photo


@dataclass(frozen=True, eq=False)
class LoneRegion:
    """A named region without a face of the library's."""

    path: Path
    photo_id: int
    name: str
    box: Floats  # float32 (4,) x1 y1 x2 y2 px of the photo in the file, in it or beyond its edge

    def within(self, size_px: tuple[int, int]) -> Floats:
        """The part of the box in the photo."""
        return np.asarray(np.clip(self.box, 0, np.array([*size_px] * 2, np.float32)), np.float32)


@dataclass(frozen=True, eq=False)
class NewFace:
    """A region that becomes a face."""

    region: LoneRegion
    face: AddedFace


def usable(library: Library, regions: Sequence[LoneRegion]) -> dict[int, list[LoneRegion]]:
    """Those that can become faces, by photo: each place on a photo once, inside the photo and large enough."""
    photos = {region.photo_id for region in regions}
    closed, sizes = library.catalog.with_forgotten_faces(photos), library.catalog.photo_sizes(photos)
    found: defaultdict[int, list[LoneRegion]] = defaultdict(list)
    for region in regions:
        box = region.within(sizes[region.photo_id])
        others = [other.box for other in found[region.photo_id]]
        is_large = min(box[2] - box[0], box[3] - box[1]) >= LEAST_PX
        if region.photo_id not in closed and is_large and not pair_up([box], others):
            found[region.photo_id].append(region)
    return {photo_id: kept for photo_id, kept in found.items() if kept}


def look_at(library: Library, regions: Sequence[LoneRegion], reader: FaceReader) -> list[NewFace]:
    """The regions of one photo as faces; none where the photo cannot be read or has changed. Raises TowerError."""
    photo_id = regions[0].photo_id
    photo = next(_readable(library, photo_id), None)
    if photo is None:
        return []
    known = [face.box for face in library.catalog.faces_on([photo_id])]
    size_px = library.catalog.photo_sizes([photo_id])[photo_id]
    boxes = [region.within(size_px) for region in regions]
    new = []
    for region, box, embedded in zip(regions, boxes, reader.look(photo, boxes), strict=True):
        # It may be a face that is known, by another region's name: then there is no other.
        if not pair_up([box if embedded is None else embedded.face.box], known):
            new.append(NewFace(region, AddedFace(box, "import", embedded)))
    return new


def _readable(library: Library, photo_id: int) -> Iterator[Photo]:
    """The photo from those of its files that still show it."""
    where = library.catalog.photo_paths([photo_id]).get(photo_id)
    sha256 = library.catalog.photo_contents([photo_id])[photo_id]
    for path in () if where is None else (where.path, *where.copies):
        if is_video(path):
            continue
        try:
            photo = read_photo_apart(photo_file(path))
        except PhotoError:
            continue
        if photo.sha256 == sha256:
            yield photo
