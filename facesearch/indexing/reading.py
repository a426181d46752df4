"""Files worked through ahead of whoever takes the results, in several lanes, and handed on in their order.

A lane is a thread with a process of its own that decodes the photos, and sees their faces where that can be done there;
a bad photo cannot harm it. Nothing that comes out depends on the number of lanes or on timing.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from facesearch.errors import PhotoError
from facesearch.paths import is_in_bucket
from facesearch.photos import DecodingWorker, fingerprint, is_video
from facesearch.records import FaceDetector, Photo, PhotoFile
from facesearch.vision.detector.detector import Detector
from facesearch.vision.faces import SeeingWorker, SeenPhoto
from facesearch.vision.faces.faces_of_video import look_whole, see_video

AHEAD_A_LANE = 4
"""Photos on their way a lane: enough to keep it busy while a batch is embedded and committed."""

Seen = TypeVar("Seen")
Seen_co = TypeVar("Seen_co", covariant=True)


class Seer(Protocol[Seen_co]):
    """What a lane works with, entered once and used by one thread at a time. see: raises PhotoError. give_up: lets what
    takes long, a video, end at once with a PhotoError; called from another thread."""

    def see(self, file: PhotoFile) -> Seen_co: ...

    def give_up(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True)
class Known:
    """Content that need not be decoded: sizes in bytes that a copy could have, and the sha256 of what is known."""

    sizes_bytes: set[int]
    hashes: set[str]


def seer_here(detector: FaceDetector) -> Callable[[], Seer[SeenPhoto]]:
    """What a lane on this machine works with: a process of its own that decodes and detects; a detector that cannot be
    told to it looks here."""
    if isinstance(detector, Detector):
        return partial(SeeingWorker, detector)
    return partial(Onlooker, partial(look_whole, detector=detector), partial(see_video, detector=detector))


class Onlooker(DecodingWorker, Generic[Seen]):
    """Looks here at photos that are decoded in a process of their own.

    look: is given what was asked for, and the photo. look_at_video: without it a video is an error. Both are called
    from the threads of all lanes at once, and may raise PhotoError."""

    def __init__(
        self, look: Callable[[PhotoFile, Photo], Seen], look_at_video: Callable[[PhotoFile], Seen] | None = None
    ) -> None:
        super().__init__()
        self._look, self._look_at_video = look, look_at_video

    def see(self, file: PhotoFile) -> Seen:
        if self._look_at_video is not None and is_video(file.path):
            return self._look_at_video(file)
        return self._look(file, self.read_photo(file))


def work_ahead(
    files: Iterable[PhotoFile], known: Known, seer: Callable[[], Seer[Seen]], *, lanes: int, ahead: int
) -> Generator[tuple[PhotoFile, Seen | str | PhotoError]]:
    """Each file with what a lane's `seer` gives for it, with the sha256 alone where that content is known or was handed
    out before, or with what is wrong with it.

    Holds `ahead` results more than the one handed out, and takes a file from `files` no sooner than a lane may begin
    with it.
    """
    with _Lanes(seer, lanes) as pool:
        reading = _Reading(known, pool)
        waiting: deque[_Entry[Seen]] = deque()
        for file in files:
            waiting.append(reading.begin(file))
            if len(waiting) > ahead:
                yield reading.result(waiting.popleft())
        while waiting:
            yield reading.result(waiting.popleft())


@dataclass(eq=False)
class _Entry(Generic[Seen]):
    """A file on its way."""

    file: PhotoFile
    sha256: str | None  # of one that may be a copy
    future: Future[Seen | PhotoError] | None  # None where another file's result will do


@dataclass(eq=False)
class _Reading(Generic[Seen]):
    """Which content is on its way, so that copies are decoded once."""

    known: Known
    pool: _Lanes[Seen]
    begun: set[str] = field(default_factory=set)  # in a lane
    shown: set[str] = field(default_factory=set)  # handed out, and sound

    def begin(self, file: PhotoFile) -> _Entry[Seen]:
        sha256 = self._hash_of_copy(file)
        if sha256 is not None:
            if sha256 in self.known.hashes or sha256 in self.begun:
                return _Entry(file, sha256, None)
            self.begun.add(sha256)
        return _Entry(file, sha256, self.pool.submit(file))

    def result(self, entry: _Entry[Seen]) -> tuple[PhotoFile, Seen | str | PhotoError]:
        """What came out. A copy of what could not be read may be readable itself, and is tried."""
        if entry.future is None:
            assert entry.sha256 is not None
            if entry.sha256 in self.known.hashes or entry.sha256 in self.shown:
                return entry.file, entry.sha256
        result = (entry.future or self.pool.submit(entry.file)).result()
        if entry.sha256 is not None and not isinstance(result, PhotoError):
            self.shown.add(entry.sha256)
        return entry.file, result

    def _hash_of_copy(self, file: PhotoFile) -> str | None:
        """Only a file as long as another one can be a copy: its hash is worth a first look, unless the file would have
        to be fetched twice for it."""
        if file.size_bytes not in self.known.sizes_bytes or is_in_bucket(file.path):
            return None
        try:
            return fingerprint(file.path)
        except PhotoError:  # said by the lane
            return None


class _Lanes(Generic[Seen]):
    """Threads, each with a seer of its own from its first photo on."""

    def __init__(self, seer: Callable[[], Seer[Seen]], count: int) -> None:
        self._seer = seer
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="lane")
        self._seers = ExitStack()
        self._of_thread = threading.local()
        self._entered: list[Seer[Seen]] = []

    def submit(self, file: PhotoFile) -> Future[Seen | PhotoError]:
        return self._pool.submit(self._seen, file)

    def _seen(self, file: PhotoFile) -> Seen | PhotoError:
        seer: Seer[Seen] | None = getattr(self._of_thread, "seer", None)
        if seer is None:
            seer = self._of_thread.seer = self._seers.enter_context(self._seer())
            self._entered.append(seer)
        try:
            return seer.see(file)
        except PhotoError as error:
            return error

    def __enter__(self) -> _Lanes[Seen]:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        for seer in list(self._entered):  # of a run that is interrupted: photos are waited for, videos are not
            seer.give_up()
        self._pool.shutdown()
        self._seers.close()


def still_shows(path: Path, sha256: str) -> bool:
    """Whether a file that cannot be read is the one that could be once: then a package is missing, or memory."""
    try:
        return fingerprint(path) == sha256
    except PhotoError:  # it went away meanwhile
        return True
