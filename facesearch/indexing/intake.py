"""What was read, through the tower, into the rows of a library: batch after batch, each whole or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from facesearch.errors import PhotoError
from facesearch.indexing.doubtful import fill_in
from facesearch.indexing.summary import DamagedPhoto
from facesearch.library import Library
from facesearch.paths import stored_path
from facesearch.people import FaceReader, keep_people
from facesearch.people.edited import Carried, Content, carried_faces
from facesearch.photos import when_taken
from facesearch.photos.files import photo_error
from facesearch.records import (
    AlignedFace,
    EmbeddedFace,
    KnownFile,
    NewPhoto,
    PhotoFile,
    SkippedFile,
    Taken,
)
from facesearch.vision.faces import SeenPhoto, embed_faces
from facesearch.vision.faces.tracks import joined, with_others_in_film

_BATCH_FILES = 64  # a batch is committed after so many files even when they show few faces


@dataclass(frozen=True, eq=False)
class _Finished:
    """A file that waits for its batch."""

    file: PhotoFile
    sha256: str = ""
    size_px: tuple[int, int] = (0, 0)
    faces: Sequence[AlignedFace] = ()  # none where the content is known
    reason: str | None = None  # why it gave no photo
    damage: str | None = None  # as in Photo
    taken: Taken | None = None
    duration_s: float | None = None  # of a video
    in_doubt: int | None = None  # the photo of that content whose faces are to be filled in


@dataclass(eq=False)
class Intake:
    """Takes files unchanged read, and keeps count of what they brought."""

    library: Library
    reader: FaceReader
    known: Mapping[bytes, KnownFile]  # what the library knew before this run, by `stored_path`
    software: str  # what decodes and detects, see `software_of`
    skipped: list[SkippedFile]
    counts: Counter[str] = field(default_factory=Counter)
    shown: list[tuple[Path, int]] = field(default_factory=list)  # every file that was read, with the photo in it
    damaged: list[DamagedPhoto] = field(default_factory=list)
    batch: list[_Finished] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.in_doubt: set[int | None] = {*self.library.doubts.photos()}  # photos whose faces are to be filled in

    @property
    def faces_waiting(self) -> int:
        """The faces of the batch, which are not committed yet."""
        return sum(len(finished.faces) for finished in self.batch)

    def is_full(self, batch_faces: int) -> bool:
        """Whether to finish the batch. batch_faces: how many faces fill one."""
        return self.faces_waiting >= batch_faces or len(self.batch) >= _BATCH_FILES

    def take(self, file: PhotoFile, result: SeenPhoto | str | PhotoError) -> None:
        """Put a file into the batch, with its faces if its content is new."""
        # Its path comes back from another process as a copy, and is kept until the run ends: one of the two will do.
        read = replace(result.file, path=file.path) if isinstance(result, SeenPhoto) else file
        if isinstance(result, PhotoError):
            self._skip(file, result)
            return
        if isinstance(result, SeenPhoto) and result.damage is not None and self._was_whole(file):
            what = f"is damaged ({result.damage}), and was whole before: copy it again from the original"
            self._skip(file, photo_error(file.path, what))
            return
        if isinstance(result, str):
            self.batch.append(_Finished(file, result, taken=when_taken(file)))
        else:
            self._take_seen(read, result)
        if isinstance(result, SeenPhoto) and result.damage is not None:
            self.damaged.append(DamagedPhoto(result.file.path, result.damage, len(result.faces)))

    def _take_seen(self, read: PhotoFile, seen: SeenPhoto) -> None:
        """A photo that was read; without its faces where these are known, or wait in the batch."""
        photo_id = self.library.catalog.photo_with(seen.sha256)
        in_doubt = photo_id if photo_id in self.in_doubt else None
        if any(finished.sha256 == seen.sha256 for finished in self.batch) or (photo_id is not None and not in_doubt):
            self.batch.append(_Finished(read, seen.sha256, taken=seen.taken))
            return
        finished = _Finished(
            read, seen.sha256, seen.size_px, seen.faces, None, seen.damage, seen.taken, seen.duration_s, in_doubt
        )
        self.batch.append(finished)

    def _was_whole(self, file: PhotoFile) -> bool:
        """Whether a file showed a photo before of which nothing was missing."""
        before = self.known.get(stored_path(file.path))
        photo_id = None if before is None else before.photo_id
        return photo_id is not None and not self.library.photo_search.damaged([photo_id])

    def _skip(self, file: PhotoFile, error: PhotoError) -> None:
        """Note why a file gave no photo. The library remembers it if that is the content's fault, not the disk's; of a
        file that showed a photo it keeps that one, and reads the file again in the next run."""
        self.skipped.append(SkippedFile(file.path, error.reason))
        if not (isinstance(error.__cause__, OSError) and error.__cause__.errno is not None):
            self.batch.append(_Finished(file, reason=error.reason))

    def finish_batch(self) -> None:
        """Embed the faces of the batch and commit it, whole. Safe to be called again when it was interrupted."""
        if not self.batch:
            return
        every = [face for finished in self.batch for face in finished.faces]
        embedded = iter(embed_faces(self.reader.tower, every))
        batch = [(each, self._as_tracks(each, list(islice(embedded, len(each.faces))))) for each in self.batch]
        carried = {finished.sha256: self._carried(finished, faces) for finished, faces in batch}
        counts: Counter[str] = Counter()
        shown: list[tuple[Path, int]] = []
        edited: list[tuple[int, int]] = []
        with self.library.changing():
            for finished, faces in batch:
                if finished.in_doubt is None:
                    counts["faces_new"] += len(faces)
                else:
                    counts["faces_new"] += fill_in(self.library, finished.in_doubt, faces)
                photo_id, outcome = self._place(finished, faces, edited)
                counts[outcome] += 1
                if photo_id is not None:
                    shown.append((finished.file.path, photo_id))
            of_photos = self.library.catalog.photo_contents(photo_id for _, photo_id in edited)
            by_photo = {photo_id: carried[sha256] for photo_id, sha256 in of_photos.items()}
            counts["faces_kept"] += keep_people(self.library, edited, by_photo)
        self.in_doubt -= {finished.in_doubt for finished in self.batch}
        self.batch = []
        self.shown += shown
        self.counts += counts

    def _as_tracks(self, finished: _Finished, faces: Sequence[EmbeddedFace]) -> Sequence[EmbeddedFace]:
        """The faces of a file, those in a video or in the film of a motion photo as the tracks that they form."""
        threshold = self.reader.tower.card.threshold
        if finished.duration_s is not None:
            return joined(faces, threshold, finished.duration_s)
        return with_others_in_film(faces, threshold) if any(face.span is not None for face in faces) else faces

    def _carried(self, finished: _Finished, faces: Sequence[EmbeddedFace]) -> list[Carried]:
        """The faces that had been added to what a file showed before, where it shows something new."""
        before = self.known.get(stored_path(finished.file.path))
        if finished.in_doubt or before is None or before.photo_id is None or finished.size_px == (0, 0):
            return []
        content = Content(finished.sha256, finished.size_px, faces)
        return carried_faces(self.library, self.reader, before.photo_id, finished.file, content)

    def _place(
        self, finished: _Finished, faces: Sequence[EmbeddedFace], edited: list[tuple[int, int]]
    ) -> tuple[int | None, str]:
        """Write the rows of one file; returns the photo that it shows, and what that is: new, changed, linked... To
        edited goes what it showed before, where that is another photo, and what it shows."""
        catalog, files = self.library.catalog, self.library.files
        before = self.known.get(stored_path(finished.file.path))
        if finished.reason is not None:
            if before is not None and before.photo_id is not None:  # its faces wait, as for a file that is gone
                files.set_missing([before.file_id], missing=True)
            else:
                files.put(finished.file, None, finished.reason, self.software)
            return None, "failed"
        photo_id = catalog.photo_with(finished.sha256)
        is_new = photo_id is None
        if photo_id is None:
            new = NewPhoto(
                finished.sha256, *finished.size_px, faces, finished.damage, finished.taken, finished.duration_s
            )
            photo_id = catalog.add_photo(new)
        elif finished.taken is not None:
            self.library.dates.improve(photo_id, finished.taken)
        files.put(finished.file, photo_id)
        if is_new and before is not None and before.photo_id is not None:
            edited.append((before.photo_id, photo_id))
        if before is not None and before.photo_id == photo_id:
            return photo_id, "unchanged"  # only its time is new
        return photo_id, "changed" if before is not None else "new" if is_new else "linked"
