"""A library moved to another tower or detector: every photo is read again, and the answers change all at once.

Until the switch the library answers as before, and can be indexed into as before. Faces keep their ids and people,
found again by their boxes. Refuses to switch while photos are out of reach, unless told to give them up.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from facesearch.errors import PhotoError
from facesearch.indexing.intake import embedded
from facesearch.indexing.reading import Known, read_ahead
from facesearch.indexing.summary import AbsentFolder, IndexProgress, ReindexInterrupted, ReindexSummary
from facesearch.library import AddedFace, Library
from facesearch.people import FaceReader
from facesearch.people.added import look_again
from facesearch.photos import photo_file
from facesearch.records import (
    AlignedFace,
    DetectedFace,
    EmbeddedFace,
    Embedder,
    FaceDetector,
    Models,
    Photo,
    PhotoFile,
    Span,
)
from facesearch.vision.boxes import MEANT, pair_up
from facesearch.vision.faces import SeenPhoto, cut_out
from facesearch.vision.faces.faces_of_video import see_video_apart, with_film_apart
from facesearch.vision.faces.tracks import joined, matched_in_time, with_others_in_film

log = logging.getLogger(__name__)

_BATCH_FACES = 32
_BATCH_PHOTOS = 64
_DECODE_AHEAD = 3


def reindex(
    library: Library,
    detector: FaceDetector,
    tower: Embedder,
    *,
    force: bool = False,
    on_progress: Callable[[IndexProgress], None] | None = None,
) -> ReindexSummary:
    """Move a writable library to a detector and a tower; goes on where a former run was ended.

    force: give up the photos that are out of reach, with their names. Raises ReindexInterrupted on Ctrl-C, LibraryError
    and TowerError.
    """
    run = _Reindexing(library, detector, tower)
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
    if run.waiting and not force:
        return run.summary(switched=False)
    run.named_lost = library.succession.named_faces_without_successor()
    with library.changing():
        if library.models.tower != run.models.tower:
            run.heads_dropped = library.heads.clear()
        run.calibration_dropped = library.own_calibration.drop()
        library.succession.switch(run.models)
        library.purge.begin()
    if not library.purge.run():
        log.warning("the former embeddings go with the next index or verify --repair: another process reads them now")
    return run.summary(switched=True)


_Pairs = list[tuple[EmbeddedFace, int | None]]  # faces, each with the known face that it is


@dataclass(frozen=True, eq=False)
class _Read:
    """A photo that was read."""

    photo_id: int
    size_px: tuple[int, int]
    faces: Sequence[AlignedFace]
    former: Sequence[int | None]  # the known face that each of them is, but for those in a film
    added: Sequence[tuple[AddedFace, int]]  # those that the detector does not find, with the known face of each
    in_film: Sequence[tuple[int, DetectedFace, Span | None]]  # the known faces in the film of a motion photo


@dataclass(eq=False)
class _Reindexing:
    """One run, and what it has done so far."""

    library: Library
    detector: FaceDetector
    tower: Embedder
    started_s: float = field(default_factory=time.monotonic)
    batch: list[_Read] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    waiting: Counter[Path] = field(default_factory=Counter)
    named_lost: int = 0
    heads_dropped: int = 0
    calibration_dropped: bool = False

    def __post_init__(self) -> None:
        self.models = Models.of(self.detector, self.tower)
        self.reader = FaceReader(self.detector, self.tower)
        self.same_detector = self.models.detector == self.library.models.detector

    def work_through(self, on_progress: Callable[[IndexProgress], None]) -> None:
        """Read every photo that has not been read yet, batch after batch."""
        work = self._work()
        hashes = {photo_id: sha256 for sha256, photo_id in self.library.catalog.photo_ids().items()}
        with closing(self._read([file for _, file in work])) as decoded:
            for done, ((photo_id, _), (file, result)) in enumerate(zip(work, decoded, strict=True), start=1):
                self._take(photo_id, hashes[photo_id], file, result)
                if len(self.batch) >= _BATCH_PHOTOS or sum(len(each.faces) for each in self.batch) >= _BATCH_FACES:
                    self.finish_batch()
                on_progress(IndexProgress(done, len(work), self.counts["faces"], self.counts["failed"], file.path))
        self.finish_batch()

    def _read(self, files: Sequence[PhotoFile]) -> Generator[tuple[PhotoFile, Photo | SeenPhoto | str | PhotoError]]:
        see = partial(see_video_apart, detector=self.detector)
        return read_ahead(files, Known(set(), set()), see, _DECODE_AHEAD)

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

    def _take(self, photo_id: int, sha256: str, file: PhotoFile, result: Photo | SeenPhoto | str | PhotoError) -> None:
        """Put a photo into the batch, with its faces as the new detector finds them."""
        if isinstance(result, SeenPhoto) and result.sha256 == sha256:
            self._take_video(photo_id, result)
        elif isinstance(result, Photo) and result.sha256 == sha256:
            faces, former = self._found(photo_id, result)
            try:
                seen = cut_out(result, faces)
            except PhotoError as error:  # landmarks without extent
                self._fail(photo_id, error.reason)
                return
            added = [face for face in self.library.added.on([photo_id]) if face.face_id not in former]
            looked = list(zip(look_again(self.reader, result, added), (face.face_id for face in added), strict=True))
            seen = with_film_apart(seen, self.detector)
            self.batch.append(_Read(photo_id, seen.size_px, seen.faces, former, looked, self._in_film(photo_id)))
        elif isinstance(result, PhotoError) and isinstance(result.__cause__, OSError) and result.__cause__.errno:
            self.waiting[file.path.parent] += 1  # the disk's fault, not the content's
        else:
            self._fail(photo_id, result.reason if isinstance(result, PhotoError) else None)

    def _found(self, photo_id: int, photo: Photo) -> tuple[list[DetectedFace], list[int | None]]:
        """The faces in px of the decoded photo, and the known face that each of them is.

        The same detector would find what is known: its boxes and landmarks are taken as they are. Of a photo of which
        faces were forgotten, only known ones are taken. An added face that another detector finds is one like others.
        """
        in_film = {face_id for face_id, _, _ in self._in_film(photo_id)}
        known = [
            (face_id, face.enlarged(photo.scale))
            for face_id, face in self.library.catalog.detected_faces(photo_id)
            if face_id not in in_film
        ]
        if self.same_detector:
            return [face for _, face in known], [face_id for face_id, _ in known]
        faces = list(self.detector.detect(photo.pixels))
        added = self.library.added.on([photo_id])
        boxes = [*(face.box for _, face in known), *(face.box * np.float32(photo.scale) for face in added)]
        known_ids = [*(face_id for face_id, _ in known), *(face.face_id for face in added)]
        ids: list[int | None] = [None] * len(faces)
        for new, old in pair_up([face.box for face in faces], boxes, MEANT):  # those that overlap most come first
            ids[new] = known_ids[old]
        if self.library.catalog.with_forgotten_faces([photo_id]):
            faces = [face for face, face_id in zip(faces, ids, strict=True) if face_id is not None]
            return faces, [face_id for face_id in ids if face_id is not None]
        return faces, ids

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
        """Put a video into the batch: its faces are found anew, and each is the known one that was seen at its place at
        about its time."""
        crops = [face.crop for face in seen.faces]
        embeddings = embedded(self.tower, crops)
        faces = joined(
            [
                EmbeddedFace(face.face, embedding, face.quality, face.span)
                for face, embedding in zip(seen.faces, embeddings, strict=True)
            ],
            self.tower.card.threshold,
            seen.duration_s or 0.0,
        )
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
        crops = [face.crop for read in self.batch for face in read.faces]
        embeddings = iter(embedded(self.tower, crops))
        counts: Counter[str] = Counter()
        with self.library.changing():
            for read in self.batch:
                new = [EmbeddedFace(face.face, next(embeddings), face.quality, face.span) for face in read.faces]
                faces = self._with_former(read, new)
                self.library.succession.put(read.photo_id, read.size_px, faces, read.added)
                kept = sum(face_id is not None for _, face_id in faces) + len(read.added)
                counts.update(photos=1, faces=len(faces) + len(read.added), kept=kept)
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
            elapsed_s=time.monotonic() - self.started_s,
            interrupted=interrupted,
        )
