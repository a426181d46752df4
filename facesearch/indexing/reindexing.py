"""A library moved to another tower or detector: every photo is read again, and the answers change all at once.

Until the switch the library answers as before, and can be indexed into as before. Faces keep their ids and people,
found again by their boxes. Refuses to switch while photos are out of reach, or cannot be read although they are
unchanged or show people with a name, unless told to give them up.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from facesearch.errors import PhotoError
from facesearch.indexing.reading import AHEAD_A_LANE, Known, Seer, seer_here, still_shows, work_ahead
from facesearch.indexing.summary import (
    AbsentFolder,
    IndexOptions,
    IndexProgress,
    ReindexInterrupted,
    ReindexSummary,
)
from facesearch.library import AddedFace, KeptFace, Library
from facesearch.photos import photo_file
from facesearch.records import (
    AlignedFace,
    DetectedFace,
    EmbeddedFace,
    Embedder,
    FaceDetector,
    Models,
    PhotoFile,
    SkippedFile,
    Span,
)
from facesearch.vision.boxes import MEANT, pair_up
from facesearch.vision.faces import DrawnFace, KnownPhoto, SeenPhoto, embed_faces
from facesearch.vision.faces.tracks import joined, matched_in_time, with_others_in_film

log = logging.getLogger(__name__)

_BATCH_FACES = 32
_BATCH_PHOTOS = 64
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
        run.finish_batch()
        raise ReindexInterrupted(run.summary(switched=False, interrupted=True)) from None
    if (run.waiting or run.unread) and not force:
        return run.summary(switched=False)
    run.named_lost = library.succession.named_faces_without_successor()
    with library.changing():
        if library.models.tower != run.models.tower:
            run.heads_dropped = library.heads.clear()
        run.calibration_dropped = library.own_calibration.drop()
        library.succession.switch(run.models)
        library.purge.begin()
    if not library.purge.run():
        log.warning("another process is reading the old embeddings: the next index or verify --repair deletes them")
    return run.summary(switched=True)


_Pairs = list[tuple[EmbeddedFace, int | None]]  # faces, each with the known face that it is


@dataclass(frozen=True, eq=False)
class _Read:
    """A photo that was read."""

    photo_id: int
    size_px: tuple[int, int]
    faces: Sequence[AlignedFace]
    former: Sequence[int | None]  # the known face that each of them is, but for those in a film
    added: Sequence[tuple[KeptFace, AlignedFace | None]]  # those that the detector does not find, as they are seen now
    in_film: Sequence[tuple[int, DetectedFace, Span | None]]  # the known faces in the film of a motion photo


@dataclass(eq=False)
class _Reindexing:
    """One run, and what it has done so far."""

    library: Library
    detector: FaceDetector
    tower: Embedder
    seer: Callable[[], Seer[SeenPhoto]]
    options: IndexOptions
    started_s: float = field(default_factory=time.monotonic)
    batch: list[_Read] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    waiting: Counter[Path] = field(default_factory=Counter)
    unread: list[SkippedFile] = field(default_factory=list)
    named_lost: int = 0
    heads_dropped: int = 0
    calibration_dropped: bool = False

    def __post_init__(self) -> None:
        self.models = Models.of(self.detector, self.tower)
        self.same_detector = self.models.detector == self.library.models.detector

    def work_through(self, on_progress: Callable[[IndexProgress], None]) -> None:
        """Read every photo that has not been read yet, batch after batch."""
        work = self._work()
        hashes = {photo_id: sha256 for sha256, photo_id in self.library.catalog.photo_ids().items()}
        lanes = self.options.lanes_for(len(work))
        files = (self._known_photo(photo_id, file) for photo_id, file in work)
        with closing(work_ahead(files, _NOTHING_KNOWN, self.seer, lanes=lanes, ahead=AHEAD_A_LANE * lanes)) as results:
            for done, ((photo_id, _), (file, result)) in enumerate(zip(work, results, strict=True), start=1):
                self._take(photo_id, hashes[photo_id], file, result)
                if len(self.batch) >= _BATCH_PHOTOS or sum(len(each.faces) for each in self.batch) >= _BATCH_FACES:
                    self.finish_batch()
                on_progress(IndexProgress(done, len(work), self.counts["faces"], self.counts["failed"], file.path))
        self.finish_batch()

    def _known_photo(self, photo_id: int, file: PhotoFile) -> KnownPhoto:
        """What is asked of a photo. The same detector would find what is known: that is taken as it is."""
        faces = [face for _, face in self._detected(photo_id)] if self.same_detector else None
        drawn = [DrawnFace(face.box, face.landmarks) for face in self.library.added.on([photo_id])]
        return KnownPhoto(file.path, file.size_bytes, file.mtime_ns, faces, drawn)

    def _work(self) -> list[tuple[int, PhotoFile]]:
        """The photos to be read, each with a file that shows it; the others are waited for."""
        pending = self.library.succession.pending()
        files: dict[int, list[Path]] = {}
        for name, _, photo_id, _ in self.library.files.of(pending):
            files.setdefault(photo_id, []).append(Path(os.fsdecode(name)))
        work = []
        for photo_id in pending:
            for path in files.get(photo_id, []):
                try:
                    work.append((photo_id, photo_file(path)))
                except PhotoError:
                    continue
                break
            else:
                self.waiting.update(path.parent for path in files.get(photo_id, [])[:1])
        return work

    def _take(self, photo_id: int, sha256: str, file: PhotoFile, result: SeenPhoto | str | PhotoError) -> None:
        """Put a photo into the batch, with its faces as the new detector finds them."""
        if isinstance(result, SeenPhoto) and result.sha256 == sha256:
            if result.duration_s is not None:
                self._take_video(photo_id, result)
            else:
                self._take_photo(photo_id, result)
        elif isinstance(result, PhotoError) and isinstance(result.__cause__, OSError) and result.__cause__.errno:
            self.waiting[file.path.parent] += 1  # the disk's fault, not the content's
        elif isinstance(result, PhotoError) and (self._is_precious(photo_id) or still_shows(file.path, sha256)):
            self.unread.append(SkippedFile(file.path, result.reason))
        else:
            self._fail(photo_id, result.reason if isinstance(result, PhotoError) else None)

    def _is_precious(self, photo_id: int) -> bool:
        """Whether a photo shows people with a name, or faces that were added."""
        faces = self.library.catalog.faces_in([photo_id])
        return any(face.name is not None or face.found_by != "detector" for face in faces)

    def _take_photo(self, photo_id: int, seen: SeenPhoto) -> None:
        faces = [face for face in seen.faces if face.span is None]
        film = [face for face in seen.faces if face.span is not None]
        added = self.library.added.on([photo_id])
        faces, former = self._with_known(photo_id, faces, added)
        drawn = zip(added, seen.drawn, strict=True)
        lone = [(face, now) for face, now in drawn if face.face_id not in former]
        self.batch.append(_Read(photo_id, seen.size_px, [*faces, *film], former, lone, self._in_film(photo_id)))

    def _with_known(
        self, photo_id: int, faces: list[AlignedFace], added: Sequence[KeptFace]
    ) -> tuple[list[AlignedFace], list[int | None]]:
        """The faces of a photo, and the known face that each of them is. Of a photo of which faces were forgotten, only
        known ones are taken. An added face that another detector finds is one like others."""
        known = self._detected(photo_id)
        if self.same_detector:
            return faces, [face_id for face_id, _ in known]
        boxes = [*(face.box for _, face in known), *(face.box for face in added)]
        known_ids = [*(face_id for face_id, _ in known), *(face.face_id for face in added)]
        ids: list[int | None] = [None] * len(faces)
        for new, old in pair_up([face.face.box for face in faces], boxes, MEANT):  # those that overlap most come first
            ids[new] = known_ids[old]
        if self.library.catalog.with_forgotten_faces([photo_id]):
            faces = [face for face, face_id in zip(faces, ids, strict=True) if face_id is not None]
            return faces, [face_id for face_id in ids if face_id is not None]
        return faces, ids

    def _detected(self, photo_id: int) -> list[tuple[int, DetectedFace]]:
        """The known faces of a photo that the detector found, but for those in its film."""
        in_film = {face_id for face_id, _, _ in self._in_film(photo_id)}
        return [each for each in self.library.catalog.detected_faces(photo_id) if each[0] not in in_film]

    def _in_film(self, photo_id: int) -> list[tuple[int, DetectedFace, Span | None]]:
        """The known faces in a video, or in the film of a motion photo."""
        spans = {face.face_id: face.span for face in self.library.catalog.faces_in([photo_id]) if face.span is not None}
        if not spans:
            return []
        known = self.library.catalog.detected_faces(photo_id)
        return [(face_id, face, spans[face_id]) for face_id, face in known if face_id in spans]

    def _with_former(self, read: _Read, new: Sequence[EmbeddedFace]) -> _Pairs:
        """The faces of a photo, each with the known face that it is."""
        faces = with_others_in_film(new, self.tower.card.threshold)
        film = faces[len(read.former) :]
        former = matched_in_time(film, read.in_film)
        pairs = list(zip(faces, [*read.former, *former], strict=True))
        return self._unforgotten(read.photo_id, pairs) if film else pairs

    def _unforgotten(self, photo_id: int, pairs: _Pairs) -> _Pairs:
        """Of a photo of which faces were forgotten, only those that are known."""
        is_partly_forgotten = self.library.catalog.with_forgotten_faces([photo_id])
        return [pair for pair in pairs if pair[1] is not None] if is_partly_forgotten else pairs

    def _take_video(self, photo_id: int, seen: SeenPhoto) -> None:
        """Put a video into the batch: its faces are found again, and each is the known one that was seen at its place
        at about its time."""
        embedded = embed_faces(self.tower, seen.faces)
        faces = joined(embedded, self.tower.card.threshold, seen.duration_s or 0.0)
        former = matched_in_time(faces, self._in_film(photo_id))
        pairs = self._unforgotten(photo_id, list(zip(faces, former, strict=True)))
        with self.library.changing():
            self.library.succession.put(photo_id, seen.size_px, pairs)
        self.counts.update(photos=1, faces=len(pairs), kept=sum(face_id is not None for _, face_id in pairs))

    def _fail(self, photo_id: int, reason: str | None) -> None:
        self.counts["changed" if reason is None else "failed"] += 1
        with self.library.changing():
            self.library.succession.put_failed(photo_id, reason)

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
                self.library.succession.put(read.photo_id, read.size_px, faces, added)
                kept = sum(face_id is not None for _, face_id in faces) + len(added)
                counts.update(photos=1, faces=len(faces) + len(added), kept=kept)
        self.batch = []
        self.counts += counts

    def summary(self, *, switched: bool, interrupted: bool = False) -> ReindexSummary:
        return ReindexSummary(
            tower=self.models.tower_name,
            switched=switched,
            photos=self.counts["photos"],
            photos_failed=self.counts["failed"],
            photos_changed=self.counts["changed"],
            faces=self.counts["faces"],
            faces_kept=self.counts["kept"],
            named_lost=self.named_lost,
            heads_dropped=self.heads_dropped,
            calibration_dropped=self.calibration_dropped,
            waiting=tuple(AbsentFolder(folder, photos) for folder, photos in sorted(self.waiting.items())),
            unread=tuple(self.unread),
            elapsed_s=time.monotonic() - self.started_s,
            interrupted=interrupted,
        )


def _seen(added: Iterable[tuple[KeptFace, AlignedFace | None]]) -> list[AlignedFace]:
    return [now for _, now in added if now is not None]
