"""The process that decodes photos: requests from standard input, answers with bare bytes on standard output.

`DecodingWorker` starts it and talks to it. It imports only what decodes: NumPy only for photos of rare kinds. Keeps to
its limits of time and memory for a photo. Answers with a photo's pixels; a process that answers otherwise calls `serve`
with its own function.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol

from facesearch.errors import PhotoError
from facesearch.photos.decoding.large_photo_lock import one_at_a_time
from facesearch.records import PhotoFile

if TYPE_CHECKING:
    from facesearch.photos.decoding.decode import Picture

READY = b"ready\n"


class Fingerprinted(Protocol):
    """A photo or a video that was read."""

    @property
    def file(self) -> PhotoFile: ...

    @property
    def sha256(self) -> str: ...

    @property
    def damage(self) -> str | None: ...


class Answer(NamedTuple):
    """What is answered of a photo, beside its fingerprint and the file's size and time."""

    photo: Fingerprinted
    facts: dict[str, Any]  # with "shape", that of the content as an array of uint8
    content: bytes


@dataclass(frozen=True)
class Request:
    """What is asked for."""

    file: PhotoFile
    max_side_px: int
    draft: bool  # whether a draft of the photo will do
    at_s: float | None  # the frame of a video
    read_picture: Callable[..., Picture]  # `decode.read_picture`
    alive: Callable[[], None]  # to be called now and then by what takes longer than a photo may: the limit starts again
    ask: Callable[[tuple[int, ...], bytes], bytes]  # of whoever started the process: about bytes of that shape
    known: dict[str, Any] | None = None  # of the photo, for what makes something else of it than pixels

    def read(self, draft: bool) -> Picture:
        """The photo asked for, or the frame of a video."""
        return self.read_picture(self.file, self.max_side_px, draft, *([] if self.at_s is None else [self.at_s]))


def pixels_of(request: Request) -> Answer:
    """What is answered where pixels are asked for."""
    picture = request.read(request.draft)
    return Answer(picture, {"shape": picture.shape}, picture.content)


def serve(seconds: str, memory_bytes: str, shared: str, make: Callable[[Request], Answer] = pixels_of) -> None:
    """Answer requests from standard input until there are no more. make: reads a photo and says what is answered of it;
    may raise PhotoError."""
    if sys.platform == "win32":
        raise NotImplementedError("photos are decoded in the process that asks for them")
    import fcntl

    from facesearch.photos import dates
    from facesearch.photos.decoding import decode, formats  # before the limit of memory is set

    formats.opener("JPEG")
    _limit_memory(int(memory_bytes))
    one_at_a_time.share(int(shared))
    answers = os.fdopen(fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, 3), "wb")  # 3: beyond one that may be closed
    try:
        answers.write(READY)
        answers.flush()
        for descriptor in (1, 2):  # decoders in C write lines about damaged files
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
        for request in sys.stdin.buffer:
            _set_timers(float(seconds))
            alive = partial(_set_timers, float(seconds))
            answer, content = _answer(decode.read_picture, make, json.loads(request), alive, partial(_asked, answers))
            if content is not None and "taken" not in answer:
                answer["taken"] = asdict(dates.when_taken(_file(json.loads(request))))
            _set_timers(0)
            answers.write(json.dumps(answer).encode() + b"\n")
            if content is not None:
                answers.write(content)
            answers.flush()
    except BrokenPipeError:  # the indexer has ended; leaving in the usual way would try to write once more
        os._exit(0)


def _asked(answers: IO[bytes], shape: tuple[int, ...], content: bytes) -> bytes:
    """What whoever started this process says about bytes, before it gets its answer. EOFError where it has ended."""
    answers.write(json.dumps({"asks": True, "shape": shape}).encode() + b"\n")
    answers.write(content)
    answers.flush()
    length = int(sys.stdin.buffer.readline() or -1)
    said = sys.stdin.buffer.read(length) if length >= 0 else b""
    if len(said) != length:
        raise EOFError("the process that was asked has ended")
    return said


def _set_timers(seconds: float) -> None:
    """Their signals end the process, also deep in C. 0 stops them."""
    if sys.platform == "win32":
        return
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, 5 * seconds)


def _limit_memory(memory_bytes: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limit = pages * resource.getpagesize() + memory_bytes
        for set_already in resource.getrlimit(resource.RLIMIT_AS):  # by `ulimit -v`, which no process may raise
            limit = limit if set_already == resource.RLIM_INFINITY else min(limit, set_already)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _answer(
    read: Callable[..., Picture],
    make: Callable[[Request], Answer],
    request: dict[str, Any],
    alive: Callable[[], None] = lambda: None,
    ask: Callable[[tuple[int, ...], bytes], bytes] = lambda shape, content: b"",
) -> tuple[dict[str, Any], bytes | None]:
    max_side_px, draft, at_s = request["max_side_px"], request["draft"], request.get("at_s")
    try:
        asked = Request(_file(request), max_side_px, draft, at_s, read, alive, ask, request.get("known"))
        picture, facts, content = make(asked)
    except PhotoError as error:
        cause = error.__cause__
        return {"reason": error.reason, "errno": cause.errno if isinstance(cause, OSError) else None}, None
    except Exception:  # noqa: BLE001 - raised again by whoever asked
        import traceback

        return {"bug": traceback.format_exc()}, None
    answer = {
        "sha256": picture.sha256,
        "size_bytes": picture.file.size_bytes,
        "mtime_ns": picture.file.mtime_ns,
        "original_size_px": getattr(picture, "original_size_px", None),
        "damage": picture.damage,
    }
    return answer | facts, content


def _file(request: dict[str, Any]) -> PhotoFile:
    return PhotoFile(Path(request["path"]), request["size_bytes"], request["mtime_ns"])
