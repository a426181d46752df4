"""Photos that are asked for one at a time, decoded in one process beside this one, which a bad photo cannot harm.

For questions about a photo or two, as `DecodingWorker` is for runs over thousands. The process is started ahead of the
first photo (`start_reading`) or with it, and ends with this one. Safe in threads, which wait for one another.
"""

from __future__ import annotations

import atexit
import os
import threading

from facesearch.errors import PhotoError
from facesearch.photos.decoding.worker import DecodingWorker
from facesearch.photos.files import MAX_SIDE_PX
from facesearch.records import Photo, PhotoFile


class _Beside:
    """The process, and which process it belongs to: a fork must not talk to that of its parent."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._worker: DecodingWorker | None = None
        self._owner = -1

    def start(self) -> DecodingWorker:
        if self._worker is None or self._owner != os.getpid():
            self._worker, self._owner = DecodingWorker(), os.getpid()
        return self._worker

    def read(self, file: PhotoFile, max_side_px: int, draft: bool, at_s: float | None) -> Photo:
        with self._lock:
            worker = self.start()
            try:
                return worker.read_photo(file, max_side_px, draft=draft, at_s=at_s)
            except PhotoError:
                raise
            except BaseException:  # Ctrl-C too: what it has not answered yet must not answer the next question
                worker.kill()
                raise

    def end(self) -> None:
        if self._worker is not None and self._owner == os.getpid():
            self._worker.kill()


_beside = _Beside()
atexit.register(_beside.end)


def start_reading() -> None:
    """Start the process, so that it is ready when the first photo comes. Returns at once."""
    _beside.start()


def read_photo_apart(
    file: PhotoFile, max_side_px: int = MAX_SIDE_PX, *, draft: bool = False, at_s: float | None = None
) -> Photo:
    """Read a file once, as `decode.read_photo`; raises PhotoError too where the photo brings the process down."""
    return _beside.read(file, max_side_px, draft, at_s)
