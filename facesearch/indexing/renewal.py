"""What a reindex has read, through the new tower, into the rows to come: batch after batch, each whole or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from facesearch.errors import PhotoError
from facesearch.indexing.found_again import KnownOnPhoto, edit_of, looked_for
from facesearch.indexing.reading import still_shows
from facesearch.library import AddedFace, KeptFace, Library
from facesearch.records import AlignedFace, EmbeddedFace, Embedder, FaceDetector, PhotoFile, SkippedFile
from facesearch.vision.boxes import FOUND_AGAIN, MEANT
from facesearch.vision.faces import SeenPhoto, embed_faces
from facesearch.vision.faces.tracks import joined, matched_in_time, with_others_in_film

_BATCH_FACES = 32
_BATCH_PHOTOS = 64
_ANOTHER = "shows other faces than the photo that was indexed there"

_Pairs = list[tuple[EmbeddedFace, int | None]]  # faces, each with the known face that it is


@dataclass(frozen=True, eq=False)
class _Read:
    """A photo that was read."""

    known: KnownOnPhoto
    size_px: tuple[int, int]
    faces: Sequence[AlignedFace]
    former: Sequence[int | None]  # the known face that each of them is, but for those in a film
    added: Sequence[tuple[KeptFace, AlignedFace | None]]  # known ones that the detector does not find, as seen now
    new_sha256: str | None  # of a photo that was edited


@dataclass(eq=False)
class Renewal:
    """Takes photos for another detector and tower, and keeps count of what they brought."""

    library: Library
    detector: FaceDetector
    tower: Embedder
    same_detector: bool  # as the library's: known faces are taken as they are
    batch: list[_Read] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    waiting: Counter[Path] = field(default_factory=Counter)  # photos out of reach, by folder
    unread: list[SkippedFile] = field(default_factory=list)
    edited: list[int] = field(default_factory=list)  # photos whose files show something else by now

    def __post_init__(self) -> None:
        self.hashes = {photo_id: sha256 for sha256, photo_id in self.library.catalog.photo_ids().items()}

    @property
    def is_full(self) -> bool:
        """Whether to finish the batch."""
        return len(self.batch) >= _BATCH_PHOTOS or sum(len(each.faces) for each in self.batch) >= _BATCH_FACES

    def take(self, photo_id: int, file: PhotoFile, seen: SeenPhoto) -> None:
        """Put a photo into the batch, with its faces as the new detector finds them."""
        if seen.sha256 != self.hashes[photo_id]:
            self.edited.append(photo_id)
            return
        known = KnownOnPhoto.of(self.library, photo_id)
        if seen.duration_s is not None:
            self._take_video(known, seen)
            return
        drawn = dict(zip((face.face_id for face in known.added), seen.drawn, strict=True))
        if self.same_detector:
            self._take_photo(known, seen, [face_id for face_id, _ in known.detected], drawn)
            return
        former = known.matched(seen.faces, MEANT)
        missed = looked_for(file, seen.sha256, known.missed(former), self.detector)
        self._take_photo(known, seen, former, drawn | missed)

    def take_edited(self, photo_id: int, file: PhotoFile, seen: SeenPhoto) -> None:
        """The same of a photo that was edited: known faces are found by their places."""
        at_least = FOUND_AGAIN if self.same_detector else MEANT
        before, sha256 = KnownOnPhoto.of(self.library, photo_id), self.hashes[photo_id]
        edit = edit_of(self.library, before, seen, at_least)
        is_known = seen.sha256 != sha256 and self.library.succession.knows(seen.sha256)
        is_known |= any(read.new_sha256 == seen.sha256 for read in self.batch)
        if edit is None or is_known or (seen.damage is not None and seen.sha256 != sha256):
            self._leave(photo_id, file, seen)
            return
        known = before.after(edit, is_video=seen.duration_s is not None)
        if seen.duration_s is not None:
            self._take_video(known, seen)
            return
        former = known.matched(seen.faces, at_least)
        lone = [
            replace(face, landmarks=None)  # where no face is seen any more, none is to be learned
            for face in [*known.added, *known.missed(former)]
            if face.face_id not in former
        ]
        self._take_photo(known, seen, former, looked_for(file, seen.sha256, lone, self.detector))

    def _take_photo(
        self,
        known: KnownOnPhoto,
        seen: SeenPhoto,
        former: Sequence[int | None],
        lone: Mapping[int, AlignedFace | None],
    ) -> None:
        """Put a photo into the batch. former: the known face that each of its faces is, but for those in a film. lone:
        known faces that the detector did not find, as they are seen in their boxes."""
        faces = [face for face in seen.faces if face.span is None]
        film = [face for face in seen.faces if face.span is not None]
        if known.is_partly_forgotten:
            faces = [face for face, face_id in zip(faces, former, strict=True) if face_id is not None]
            former = [face_id for face_id in former if face_id is not None]
        kept = [*known.added, *known.missed(former)]
        added = [(face, lone.get(face.face_id)) for face in kept if face.face_id not in former]
        new_sha256 = None if seen.sha256 == self.hashes[known.photo_id] else seen.sha256
        self.batch.append(_Read(known, seen.size_px, [*faces, *film], former, added, new_sha256))

    def _take_video(self, known: KnownOnPhoto, seen: SeenPhoto) -> None:
        """Take a video: its faces are found again, and each is the known one that was seen at its place at about its
        time."""
        embedded = embed_faces(self.tower, seen.faces)
        faces = joined(embedded, self.tower.card.threshold, seen.duration_s or 0.0)
        former = matched_in_time(faces, known.in_film)
        new_sha256 = None if seen.sha256 == self.hashes[known.photo_id] else seen.sha256
        if new_sha256 is not None and 2 * len({*former} - {None}) < len(known.in_film):
            self._leave(known.photo_id, seen.file, seen)
            return
        pairs = _unforgotten(known, list(zip(faces, former, strict=True)))
        with self.library.changing():
            self.library.succession.put(known.photo_id, seen.size_px, pairs, new_sha256=new_sha256)
        kept = sum(face_id is not None for _, face_id in pairs)
        self.counts.update(photos=1, faces=len(pairs), kept=kept, edited=new_sha256 is not None)

    def _leave(self, photo_id: int, file: PhotoFile, seen: SeenPhoto) -> None:
        """A photo whose file shows something else by now, or only a part of it."""
        if self._is_precious(photo_id):
            self.unread.append(SkippedFile(file.path, seen.damage or _ANOTHER))
        else:
            self._fail(photo_id, None)

    def take_failure(self, photo_id: int, file: PhotoFile, error: PhotoError) -> None:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno:
            self.waiting[file.path.parent] += 1  # the disk's fault, not the content's
        elif self._is_precious(photo_id) or still_shows(file.path, self.hashes[photo_id]):
            self.unread.append(SkippedFile(file.path, error.reason))
        else:
            self._fail(photo_id, error.reason)

    def _is_precious(self, photo_id: int) -> bool:
        """Whether a photo shows people with a name, or faces that were added."""
        faces = self.library.catalog.faces_in([photo_id])
        return any(face.name is not None or face.found_by != "detector" for face in faces)

    def _fail(self, photo_id: int, reason: str | None) -> None:
        self.counts["changed" if reason is None else "failed"] += 1
        with self.library.changing():
            self.library.succession.put_failed(photo_id, reason)

    def _with_former(self, read: _Read, new: Sequence[EmbeddedFace]) -> _Pairs:
        """The faces of a photo, each with the known face that it is."""
        faces = with_others_in_film(new, self.tower.card.threshold)
        film = faces[len(read.former) :]
        pairs = list(zip(faces, [*read.former, *matched_in_time(film, read.known.in_film)], strict=True))
        return _unforgotten(read.known, pairs) if film else pairs

    def finish_batch(self) -> None:
        """Embed the faces of the batch and keep them, whole. Safe to be called again when it was interrupted."""
        every = [face for read in self.batch for face in [*read.faces, *_seen(read.added)]]
        embedded = iter(embed_faces(self.tower, every))
        counts: Counter[str] = Counter()
        with self.library.changing():
            for read in self.batch:
                faces = self._with_former(read, list(islice(embedded, len(read.faces))))
                added = [
                    (AddedFace(face.box, face.found_by, None if now is None else next(embedded)), face.face_id)
                    for face, now in read.added
                ]
                self.library.succession.put(read.known.photo_id, read.size_px, faces, added, new_sha256=read.new_sha256)
                kept = sum(face_id is not None for _, face_id in faces) + len(added)
                edited = read.new_sha256 is not None
                counts.update(photos=1, faces=len(faces) + len(added), kept=kept, edited=edited)
        self.batch = []
        self.counts += counts


def _unforgotten(known: KnownOnPhoto, pairs: _Pairs) -> _Pairs:
    """Of a photo of which faces were forgotten, only those that are known."""
    return [pair for pair in pairs if pair[1] is not None] if known.is_partly_forgotten else pairs


def _seen(added: Iterable[tuple[KeptFace, AlignedFace | None]]) -> list[AlignedFace]:
    return [now for _, now in added if now is not None]
