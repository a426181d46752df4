"""One run of the indexer: what is new, through detector and tower, into rows, batch after batch.

Decoding, detection and alignment run in lanes ahead of it; here, in one thread, faces are embedded and rows committed.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from facesearch.errors import PhotoError
from facesearch.indexing.embedding import embedded
from facesearch.indexing.reading import Known, see_ahead, work_ahead
from facesearch.indexing.settling import settle
from facesearch.indexing.software import software_of
from facesearch.indexing.summary import DamagedPhoto, IndexOptions, IndexProgress, IndexSummary
from facesearch.indexing.survey import Survey, look_around
from facesearch.library import Library
from facesearch.people import keep_people, name_by_folder
from facesearch.photos import is_named_as_photo
from facesearch.records import (
    AlignedFace,
    EmbeddedFace,
    Embedder,
    FaceDetector,
    NewPhoto,
    PhotoFile,
    SkippedFile,
)
from facesearch.vision.detector.detector import Detector
from facesearch.vision.faces import SeeingWorker, SeenPhoto, look

_BATCH_FILES = 64  # a batch is committed after so many files even when they show few faces
_AHEAD_A_LANE = 4  # photos on their way a lane: enough to keep it busy while a batch is embedded and committed


@dataclass(frozen=True, eq=False)
class _Finished:
    """A file that waits for its batch. faces: none where the content is known; reason: why it gave no photo."""

    file: PhotoFile
    sha256: str = ""
    size_px: tuple[int, int] = (0, 0)
    faces: Sequence[AlignedFace] = ()
    reason: str | None = None
    damage: str | None = None  # as in Photo


@dataclass(eq=False)
class Run:
    """One run over some roots, and what it has done so far."""

    library: Library
    paths: Sequence[Path]
    detector: FaceDetector
    tower: Embedder
    options: IndexOptions
    started_s: float = field(default_factory=time.monotonic)
    survey: Survey = field(default_factory=lambda: Survey([], [], {}))
    software: str = ""
    batch: list[_Finished] = field(default_factory=list)
    skipped: list[SkippedFile] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    shown: list[tuple[Path, int]] = field(default_factory=list)  # every file that was read, with the photo in it
    damaged: list[DamagedPhoto] = field(default_factory=list)
    unnamed: list[SkippedFile] = field(default_factory=list)  # what people_from_folders could not name anybody after

    def look_around(self) -> None:
        """List what is there, and tell what is new or changed from what is not."""
        self.software = software_of(self.detector)
        self.survey = look_around(self.library, self.paths, self.software, self.options)
        self.skipped = list(self.survey.skipped)

    def work_through(self, on_progress: Callable[[IndexProgress], None]) -> None:
        """Decode, detect and align every file that needs it, batch after batch."""
        total = len(self.survey.work)
        on_progress(IndexProgress(0, total, 0, len(self.skipped), None))
        if not total:
            return
        self.library.vectors()  # from here on they follow every commit
        saved_s = time.monotonic()
        with closing(self._reading()) as decoded:
            for done, (file, result) in enumerate(decoded, start=1):
                self._take(file, result)
                faces = sum(len(finished.faces) for finished in self.batch)
                if faces >= self.options.batch_faces or len(self.batch) >= _BATCH_FILES:
                    self.finish_batch()
                    faces = 0
                    if time.monotonic() - saved_s > self.options.save_every_s:
                        self.library.save_vectors()
                        saved_s = time.monotonic()
                on_progress(IndexProgress(done, total, self.counts["faces_new"] + faces, len(self.skipped), file.path))
        self.finish_batch()

    def _reading(self) -> Generator[tuple[PhotoFile, SeenPhoto | str | PhotoError]]:
        library, work = self.library, self.survey.work
        lengths = Counter(file.size_bytes for file in work)
        maybe_copies = {size for size, count in lengths.items() if count > 1} | (library.files.sizes() & set(lengths))
        hashes = set(library.catalog.photo_ids()) if maybe_copies else set()
        known, lanes = Known(maybe_copies, hashes), min(self.options.lanes, len(work))
        ahead = _AHEAD_A_LANE * lanes
        if isinstance(self.detector, Detector):
            return work_ahead(work, known, partial(SeeingWorker, self.detector), lanes=lanes, ahead=ahead)
        return see_ahead(work, known, partial(look, detector=self.detector), lanes=lanes, ahead=ahead)

    def _take(self, file: PhotoFile, result: SeenPhoto | str | PhotoError) -> None:
        """Put a file into the batch, with its faces if its content is new."""
        if isinstance(result, PhotoError):
            self._skip(file, result)
        elif isinstance(result, str):
            self.batch.append(_Finished(file, result))
        elif any(finished.sha256 == result.sha256 for finished in self.batch) or (
            self.library.catalog.photo_with(result.sha256) is not None
        ):
            self.batch.append(_Finished(result.file, result.sha256))
        else:
            self.batch.append(_Finished(result.file, result.sha256, result.size_px, result.faces, damage=result.damage))
        if isinstance(result, SeenPhoto) and result.damage is not None:
            self.damaged.append(DamagedPhoto(result.file.path, result.damage, len(result.faces)))

    def _skip(self, file: PhotoFile, error: PhotoError) -> None:
        """Note why a file gave no photo. The library remembers it if that is the content's fault, not the disk's."""
        self.skipped.append(SkippedFile(file.path, error.reason))
        if not (isinstance(error.__cause__, OSError) and error.__cause__.errno is not None):
            self.batch.append(_Finished(file, reason=error.reason))

    def finish_batch(self) -> None:
        """Embed the faces of the batch and commit it, whole. Safe to be called again when it was interrupted."""
        if not self.batch:
            return
        crops = [face.crop for finished in self.batch for face in finished.faces]
        embeddings = iter(embedded(self.tower, crops))
        counts: Counter[str] = Counter()
        shown: list[tuple[Path, int]] = []
        edited: list[tuple[int, int]] = []
        with self.library.changing():
            for finished in self.batch:
                faces = [EmbeddedFace(face.face, next(embeddings), face.quality) for face in finished.faces]
                photo_id, outcome = self._place(finished, faces, edited)
                counts[outcome] += 1
                if photo_id is not None:
                    shown.append((finished.file.path, photo_id))
            counts["faces_kept"] += keep_people(self.library, edited)
        self.batch = []
        self.shown += shown
        self.counts += counts
        self.counts["faces_new"] += len(crops)

    def _place(
        self, finished: _Finished, faces: Sequence[EmbeddedFace], edited: list[tuple[int, int]]
    ) -> tuple[int | None, str]:
        """Write the rows of one file; returns the photo that it shows, and what that is: new, changed, linked... To
        edited goes what it showed before, where that is another photo, and what it shows."""
        catalog, files = self.library.catalog, self.library.files
        if finished.reason is not None:
            files.put(finished.file, None, finished.reason, self.software)
            return None, "failed"
        before = self.survey.known.get(os.fsencode(finished.file.path))
        photo_id = catalog.photo_with(finished.sha256)
        is_new = photo_id is None
        if photo_id is None:
            photo_id = catalog.add_photo(NewPhoto(finished.sha256, *finished.size_px, faces, finished.damage))
        files.put(finished.file, photo_id)
        if is_new and before is not None and before.photo_id is not None:
            edited.append((before.photo_id, photo_id))
        if before is not None and before.photo_id == photo_id:
            return photo_id, "unchanged"  # only its time is new
        return photo_id, "changed" if before is not None else "new" if is_new else "linked"

    def settle(self) -> None:
        """After a whole run: what was moved, what is missing, and what nothing shows any more."""
        self.counts["moved"], self.counts["missing"] = settle(self.library, self.survey)

    def name_by_folder(self) -> None:
        """Name people after the folders of the photos that were seen; only once all are known can be told which photo
        lies in several people's folders."""
        if self.options.people_from_folders:
            done = name_by_folder(self.library, [*self.survey.unchanged, *self.shown])
            self.counts["faces_named"] += done.named
            self.unnamed += done.unnamed

    def _misnamed(self) -> tuple[Path, ...]:
        skipped = {file.path for file in self.skipped}
        return tuple(
            file.path for file in self.survey.work if not is_named_as_photo(file.path.name) and file.path not in skipped
        )

    def summary(self, *, interrupted: bool) -> IndexSummary:
        return IndexSummary(
            photos_new=self.counts["new"],
            photos_changed=self.counts["changed"],
            photos_unchanged=len(self.survey.unchanged) + self.counts["unchanged"],
            photos_copied=max(0, self.counts["linked"] - self.counts["moved"]),
            photos_moved=self.counts["moved"],
            photos_missing=self.counts["missing"],
            skipped=tuple(self.skipped),
            skipped_known=self.survey.skipped_known,
            absent=tuple(self.survey.absent),
            other_files=self.survey.other_files,
            folders_left_out=self.survey.folders_left_out,
            photos_misnamed=self._misnamed(),
            photos_damaged=tuple(self.damaged),
            faces_new=self.counts["faces_new"],
            faces_named=self.counts["faces_named"],
            unnamed=tuple(self.unnamed),
            faces_kept=self.counts["faces_kept"],
            faces_without_person=self.library.people.faces_without_person(),
            photos_without_faces=self.library.catalog.present_photo_count(without_faces=True),
            photos_present=self.library.catalog.present_photo_count(),
            elapsed_s=time.monotonic() - self.started_s,
            interrupted=interrupted,
        )
