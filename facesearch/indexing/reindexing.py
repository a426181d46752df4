"""A library moved to another tower or detector: every photo is read again, and the answers change all at once.

Until the switch the library answers as before, and can be indexed into as before. Faces keep their ids and people,
found again by their boxes. Refuses to switch while photos are out of reach, cannot be read although they are unchanged,
or cannot be read or show something else and showed people with a name, unless told to give them up.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from facesearch.errors import PhotoError
from facesearch.indexing.found_again import KnownOnPhoto
from facesearch.indexing.reading import AHEAD_A_LANE, Known, Seer, seer_here, still_shows, work_ahead
from facesearch.indexing.renewal import Renewal
from facesearch.indexing.summary import (
    AbsentFolder,
    IndexOptions,
    IndexProgress,
    LostNames,
    ReindexInterrupted,
    ReindexSummary,
)
from facesearch.library import Library
from facesearch.photos import photo_file
from facesearch.records import (
    Embedder,
    FaceDetector,
    Models,
    PhotoFile,
)
from facesearch.vision.faces import DrawnFace, KnownPhoto, SeenPhoto

log = logging.getLogger(__name__)

_NOTHING_KNOWN = Known(set(), set())  # every photo is read, of copies one


def reindex(
    library: Library,
    detector: FaceDetector,
    tower: Embedder,
    *,
    force: bool = False,
    workers: int = 0,
    seer: Callable[[], Seer[SeenPhoto]] | None = None,
    on_progress: Callable[[IndexProgress], None] | None = None,
) -> ReindexSummary:
    """Move a writable library to a detector and a tower; goes on where a former run was ended.

    force: give up the photos that are out of reach, with their names. workers, seer: as in `index_photos`. Raises
    ReindexInterrupted on Ctrl-C, LibraryError, TowerError, and what a seer raises.
    """
    run = _Reindexing(library, detector, tower, seer or seer_here(detector), IndexOptions(workers=workers))
    if (library.models.tower, library.models.detector) == (run.models.tower, run.models.detector):
        with library.changing():
            library.succession.end()
        return run.summary(switched=True)
    if library.succession.models() != run.models:
        with library.changing():
            library.succession.begin(run.models)
    try:
        run.work_through(on_progress or (lambda progress: None))
    except KeyboardInterrupt:
        run.renewal.finish_batch()
        raise ReindexInterrupted(run.summary(switched=False, interrupted=True)) from None
    if (run.renewal.waiting or run.renewal.unread) and not force:
        return run.summary(switched=False)
    with library.changing():
        library.succession.leave_known_contents()
    run.lost = _names_lost(library)
    with library.changing():
        if library.models.tower != run.models.tower:
            run.heads_dropped = library.heads.clear()
        run.calibration_dropped = library.own_calibration.drop()
        library.succession.switch(run.models)
        library.purge.begin()
    if not library.purge.run():
        log.warning("another process is reading the old embeddings: the next index or verify --repair deletes them")
    return run.summary(switched=True)


@dataclass(eq=False)
class _Reindexing:
    """One run, and what it has done so far."""

    library: Library
    detector: FaceDetector
    tower: Embedder
    seer: Callable[[], Seer[SeenPhoto]]
    options: IndexOptions
    started_s: float = field(default_factory=time.monotonic)
    done: int = 0
    total: int = 0
    lost: tuple[LostNames, ...] = ()
    heads_dropped: int = 0
    calibration_dropped: bool = False

    def __post_init__(self) -> None:
        self.models = Models.of(self.detector, self.tower)
        same_detector = self.models.detector == self.library.models.detector
        self.renewal = Renewal(self.library, self.detector, self.tower, same_detector)

    def work_through(self, on_progress: Callable[[IndexProgress], None]) -> None:
        """Read every photo that has not been read yet, batch after batch; then once more those that were edited, as
        what is known of them does not say where their faces are."""
        work = self._work(self.library.succession.pending())
        self._read(work, on_progress, self.renewal.take)
        if self.renewal.edited:
            again = self._work(self.renewal.edited, edited=True)
            self._read(again, on_progress, self.renewal.take_edited, edited=True)

    def _read(
        self,
        work: Sequence[tuple[int, PhotoFile]],
        on_progress: Callable[[IndexProgress], None],
        take: Callable[[int, PhotoFile, SeenPhoto], None],
        *,
        edited: bool = False,
    ) -> None:
        renewal, lanes = self.renewal, self.options.lanes_for(len(work))
        files = (self._asked(photo_id, file, edited=edited) for photo_id, file in work)
        self.total += len(work)
        with closing(work_ahead(files, _NOTHING_KNOWN, self.seer, lanes=lanes, ahead=AHEAD_A_LANE * lanes)) as results:
            for (photo_id, _), (file, result) in zip(work, results, strict=True):
                if isinstance(result, SeenPhoto):
                    take(photo_id, file, result)
                elif isinstance(result, PhotoError):
                    renewal.take_failure(photo_id, file, result)
                if renewal.is_full:
                    renewal.finish_batch()
                self.done += 1
                faces, failed = renewal.counts["faces"], renewal.counts["failed"]
                on_progress(IndexProgress(self.done, self.total, faces, failed, file.path))
        renewal.finish_batch()

    def _asked(self, photo_id: int, file: PhotoFile, *, edited: bool) -> KnownPhoto:
        """What is asked of a photo. The same detector would find what is known: that is taken as it is."""
        if edited:
            return KnownPhoto(file.path, file.size_bytes, file.mtime_ns, None)
        known = KnownOnPhoto.of(self.library, photo_id)
        faces = [face for _, face in known.detected] if self.renewal.same_detector else None
        drawn = [DrawnFace(face.box, face.landmarks) for face in known.added]
        return KnownPhoto(file.path, file.size_bytes, file.mtime_ns, faces, drawn)

    def _work(self, photo_ids: Iterable[int], *, edited: bool = False) -> list[tuple[int, PhotoFile]]:
        """The photos to be read, each with a file that shows it; the others are waited for. edited: they are not what
        their first file shows by now, and a copy may still show them."""
        paths: dict[int, list[Path]] = {photo_id: [] for photo_id in photo_ids}
        for name, _, photo_id, _ in self.library.files.of(paths):
            paths[photo_id].append(Path(os.fsdecode(name)))
        work = []
        for photo_id, every in paths.items():
            there = [file for path in every if (file := _file_at(path)) is not None]
            if edited and len(there) > 1:
                sha256 = self.renewal.hashes[photo_id]
                there = [file for file in there if still_shows(file.path, sha256)] or there
            if there:
                work.append((photo_id, there[0]))
            else:
                self.renewal.waiting.update(path.parent for path in every[:1])
        return work

    def summary(self, *, switched: bool, interrupted: bool = False) -> ReindexSummary:
        return ReindexSummary(
            tower=self.models.tower_name,
            switched=switched,
            photos=self.renewal.counts["photos"],
            photos_failed=self.renewal.counts["failed"],
            photos_changed=self.renewal.counts["changed"],
            faces=self.renewal.counts["faces"],
            faces_kept=self.renewal.counts["kept"],
            named_lost=sum(len(photo.names) for photo in self.lost),
            photos_edited=self.renewal.counts["edited"],
            lost=self.lost,
            heads_dropped=self.heads_dropped,
            calibration_dropped=self.calibration_dropped,
            waiting=tuple(AbsentFolder(folder, photos) for folder, photos in sorted(self.renewal.waiting.items())),
            unread=tuple(self.renewal.unread),
            elapsed_s=time.monotonic() - self.started_s,
            interrupted=interrupted,
        )


def _file_at(path: Path) -> PhotoFile | None:
    try:
        return photo_file(path)
    except PhotoError:
        return None


def _names_lost(library: Library) -> tuple[LostNames, ...]:
    """The names that the switch will take from photos."""
    lost: dict[int, list[str]] = {}
    for photo_id, name in library.succession.names_without_successor():
        lost.setdefault(photo_id, []).append(name)
    paths = library.catalog.photo_paths(lost)
    return tuple(LostNames(paths[photo_id].path, tuple(names)) for photo_id, names in lost.items() if photo_id in paths)
