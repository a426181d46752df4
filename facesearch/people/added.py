"""Faces that the detector missed and somebody drew a box around. The detector looks at the box and around it.

A face that it sees there is embedded and compared like any other; otherwise only the box and the name are kept. Adds no
face where there is one already, and changes no photo.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facesearch.errors import UsageError
from facesearch.library import Library
from facesearch.library.rows.added_faces import AddedFace, KeptFace
from facesearch.names import person_name
from facesearch.people.addressing import photo_at
from facesearch.people.corrections import USER
from facesearch.photos import is_video, photo_file, read_photo_apart, shown_path
from facesearch.records import EmbeddedFace, Embedder, FaceDetector, Floats, FoundBy, Photo
from facesearch.vision.boxes import MEANT, pair_up
from facesearch.vision.edits import Edit
from facesearch.vision.faces import DrawnFace, cut_out_drawn, embed_faces

LEAST_PX = 8
"""Sides of the smallest box that is taken for a face."""


@dataclass(frozen=True)
class FaceAdded:
    """A face that was added to a photo."""

    change: int | None  # its number in the journal
    face_id: int
    photo_id: int
    photo: Path
    box: tuple[float, float, float, float]  # x1 y1 x2 y2 px of the upright photo
    found_by: FoundBy
    embedded: bool  # False: no face is seen there, so that it is never compared with others
    quality: float | None  # how well it can be recognised, 0 to 1; None where it is not embedded
    person_id: int | None
    name: str | None


@dataclass(frozen=True, eq=False)
class FaceReader:
    """What looks at added faces: the detector that places their landmarks, and the library's tower."""

    detector: FaceDetector
    tower: Embedder

    def look(
        self, photo: Photo, boxes: Sequence[Floats], former: Sequence[Floats | None] | None = None
    ) -> list[EmbeddedFace | None]:
        """The faces in some boxes, None where none is seen. boxes, and the faces: in px of the photo in the file.
        former: landmarks that do where the detector places none. Raises TowerError for embeddings that are no numbers.
        """
        drawn = [DrawnFace(box, points) for box, points in zip(boxes, former or [None] * len(boxes), strict=True)]
        faces = cut_out_drawn(photo, drawn, self.detector)
        seen = [face for face in faces if face is not None]
        found = iter(embed_faces(self.tower, seen))
        return [None if face is None else next(found) for face in faces]


def add_face(
    library: Library, path: Path, box: Sequence[float], reader: FaceReader, name: str | None = None
) -> FaceAdded:
    """Add a face that the detector missed, as one change. box: x1 y1 x2 y2 px of the upright photo.

    name: the person, who may be new. Raises PhotoError if the photo cannot be read or has changed since it was indexed,
    UsageError if the library does not have the photo, the box is too small or outside it, or there is a face already,
    and TowerError if the library was built with another tower.
    """
    name = None if name is None else person_name(name)
    library.use_tower(reader.tower)
    file = photo_file(path)
    if is_video(path):
        raise UsageError(f"{shown_path(path)} is a video; faces can be added to photos only")
    photo_id = photo_at(library, path)
    if photo_id is None:
        raise UsageError(f"{shown_path(path)} is not in the library in {library.path}; index it first")
    drawn = checked_box(box, library.catalog.photo_sizes([photo_id])[photo_id])
    _refuse_known(library, photo_id, drawn)
    photo = read_photo_apart(file)
    if photo.sha256 != library.catalog.photo_contents([photo_id])[photo_id]:
        raise UsageError(f"{shown_path(path)} has changed since it was indexed; run facesearch index first")
    (embedded,) = reader.look(photo, [drawn])
    if embedded is not None:
        _refuse_known(library, photo_id, embedded.face.box)
    with library.changing():
        person_id = None if name is None else library.people.find(name)
        with library.people.change("add-face") as change:
            face_id = change.add_face(photo_id, AddedFace(drawn, "user", embedded))
            if name is not None:
                person_id = change.create(name) if person_id is None else person_id
                change.move([face_id], person_id, USER)
    left, top, right, bottom = (round(side, 1) for side in drawn.tolist())
    return FaceAdded(
        change=change.line_id,
        face_id=face_id,
        photo_id=photo_id,
        photo=path,
        box=(left, top, right, bottom),
        found_by="user",
        embedded=embedded is not None,
        quality=None if embedded is None else embedded.quality,
        person_id=person_id,
        name=name,
    )


def look_again(reader: FaceReader, photo: Photo, faces: Sequence[KeptFace], edit: Edit) -> list[AddedFace]:
    """Added faces as this detector and tower see them on a photo: by the landmarks that the detector places, else by
    those that were placed before. edit: what led from the photo that they were added to, to this one."""
    moved = [after_edit(face, edit) for face in faces]
    seen = reader.look(photo, [face.box for face in moved], [face.landmarks for face in moved])
    return [AddedFace(face.box, face.found_by, found) for face, found in zip(moved, seen, strict=True)]


def after_edit(face: KeptFace, edit: Edit) -> KeptFace:
    """Where an added face lies after its photo was edited."""
    landmarks = None if face.landmarks is None else edit.points(face.landmarks)
    return replace(face, box=edit.box(face.box), landmarks=landmarks)


def checked_box(box: Sequence[float], size_px: tuple[int, int]) -> Floats:
    """A box as float32 (4,). size_px: width and height of the photo. Raises UsageError where it does not lie in the
    photo, or is too small for a face."""
    width, height = size_px
    said = ",".join(f"{side:g}" for side in box)
    if len(box) != 4 or not all(map(math.isfinite, box)):
        raise UsageError(f"{said} is not a box; give x1, y1, x2 and y2 in pixels")
    left, top, right, bottom = box
    corners = f"{left:g},{top:g} to {right:g},{bottom:g}"
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise UsageError(f"the box from {corners} does not lie in the photo, which has {width} x {height} px")
    if min(right - left, bottom - top) < LEAST_PX:
        raise UsageError(f"the box from {corners} is too small for a face; both sides need {LEAST_PX} px or more")
    return np.array(box, np.float32)


def _refuse_known(library: Library, photo_id: int, box: Floats) -> None:
    faces = library.catalog.faces_on([photo_id])
    pairs = pair_up([face.box for face in faces], [box], MEANT)
    if pairs:
        face_id = faces[pairs[0][0]].face_id
        raise UsageError(f"face #{face_id} is there already; to name it: facesearch people name face:{face_id} NAME")
