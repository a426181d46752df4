"""The known faces of a photo that a reindex reads again, found again on it by their places.

A photo that another program has edited since it was indexed is no exception: the former tower may be gone, so that
nobody can say whether a face looks as before. Refuses to guess where an edited photo shows other faces at other places,
or bears another date: it may be another photo of that name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from facesearch.errors import PhotoError
from facesearch.library import KeptFace, Library
from facesearch.people.added import after_edit
from facesearch.photos import read_photo_apart
from facesearch.records import AlignedFace, DetectedFace, FaceDetector, PhotoFile, Span, Taken
from facesearch.vision.boxes import pair_up
from facesearch.vision.edits import Edit, possible_edits
from facesearch.vision.faces import DrawnFace, SeenPhoto, cut_out_drawn

FilmFace = tuple[int, DetectedFace, Span | None]  # a known face in a video, or in the film of a motion photo, by id


@dataclass(frozen=True, eq=False)
class KnownOnPhoto:
    """The known faces of a photo, those in a film apart."""

    photo_id: int
    detected: list[tuple[int, DetectedFace]]  # that the former detector found, by id
    added: list[KeptFace]
    in_film: list[FilmFace]
    named: frozenset[int]  # those of all that somebody with a name has
    is_partly_forgotten: bool  # more faces were forgotten: only known ones may be found

    @classmethod
    def of(cls, library: Library, photo_id: int) -> KnownOnPhoto:
        stored = library.catalog.faces_in([photo_id])
        spans = {face.face_id: face.span for face in stored if face.span is not None}
        detected = library.catalog.detected_faces(photo_id)
        return cls(
            photo_id,
            [each for each in detected if each[0] not in spans],
            library.added.on([photo_id]),
            [(face_id, face, spans[face_id]) for face_id, face in detected if face_id in spans],
            frozenset(face.face_id for face in stored if face.name is not None),
            bool(library.catalog.with_forgotten_faces([photo_id])),
        )

    def after(self, edit: Edit, *, is_video: bool) -> KnownOnPhoto:
        """Where they lie after an edit. Those in the film of a motion photo lie where they lay."""
        film = [(face_id, _after(edit, face), span) for face_id, face, span in self.in_film]
        return replace(
            self,
            detected=[(face_id, _after(edit, face)) for face_id, face in self.detected],
            added=[after_edit(face, edit) for face in self.added],
            in_film=film if is_video else self.in_film,
        )

    def matched(self, faces: Sequence[AlignedFace], at_least: float) -> list[int | None]:
        """The known face that each of the faces of a photo is, but for those in a film: at_least of the boxes' union in
        common. An added face that the detector finds is one like others."""
        boxes = [face.face.box for face in faces if face.span is None]
        ids: list[int | None] = [None] * len(boxes)
        known_ids = [*(face_id for face_id, _ in self.detected), *(face.face_id for face in self.added)]
        known = [*(face.box for _, face in self.detected), *(face.box for face in self.added)]
        for new, old in pair_up(boxes, known, at_least):  # the best pairs come first
            ids[new] = known_ids[old]
        return ids

    def missed(self, found: Sequence[int | None]) -> list[KeptFace]:
        """The faces of people with a name that were not found again, as if they had been added: the box and the name
        stay. found: the known faces that were."""
        return [
            KeptFace(face_id, self.photo_id, face.box, face.landmarks, None, "user")
            for face_id, face in self.detected
            if face_id in self.named and face_id not in found
        ]


def edit_of(library: Library, known: KnownOnPhoto, seen: SeenPhoto, at_least: float) -> Edit | None:
    """What led from a photo to what its file shows now; None where that cannot be told: it may be another photo.

    At least half of the faces that were found before have to be found again where they were, at_least of the boxes'
    union in common.
    """
    taken = library.dates.of([known.photo_id]).get(known.photo_id)
    edits = possible_edits(library.catalog.photo_sizes([known.photo_id])[known.photo_id], seen.size_px)
    if not edits or _is_of_another_time(taken, seen.taken):
        return None
    boxes = [face.face.box for face in seen.faces if face.span is None]

    def found_after(edit: Edit) -> int:
        return len(pair_up(boxes, [edit.box(face.box) for _, face in known.detected], at_least))

    edit = max(edits, key=found_after)
    return edit if 2 * found_after(edit) >= len(known.detected) else None


def looked_for(
    file: PhotoFile, sha256: str, faces: Sequence[KeptFace], detector: FaceDetector
) -> dict[int, AlignedFace | None]:
    """Faces of a photo as they are seen in their boxes, by id; without those where nothing can be seen any more."""
    if not faces:
        return {}
    try:
        photo = read_photo_apart(file)
    except PhotoError:
        return {}
    if photo.sha256 != sha256:
        return {}
    drawn = [DrawnFace(face.box, face.landmarks) for face in faces]
    return dict(zip((face.face_id for face in faces), cut_out_drawn(photo, drawn, detector), strict=True))


def _after(edit: Edit, face: DetectedFace) -> DetectedFace:
    return DetectedFace(edit.box(face.box), edit.points(face.landmarks), face.score)


def _is_of_another_time(before: Taken | None, now: Taken | None) -> bool:
    """Whether the camera says that a photo was taken at another time."""
    return before is not None and now is not None and before.source == now.source == "exif" and before.at != now.at
