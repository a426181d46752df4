"""Photos decoded in a process of their own, so that a file which brings its decoder down harms nothing else.

Decoders are C and C++, and a hostile or damaged file can crash one, keep it busy forever, or make it ask for all the
memory. The process has a limit of time a photo and one of memory; when it ends, the photo is a PhotoError with the
reason, and the next one gets a new process. Where none may be started, photos are decoded here, with a warning.
Requests and answers are JSON and bare pixels: nothing is pickled, and the main program is not imported again. What the
process does is in `serving`. To start one imports neither NumPy nor Pillow, so that it can be the first thing of all.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from facesearch.errors import FacesearchError, PhotoError
from facesearch.import_path import environment_of_children, installed_path
from facesearch.paths import is_in_bucket
from facesearch.photos.decoding.large_photo_lock import shared_descriptor
from facesearch.photos.decoding.worker_process import READY
from facesearch.photos.files import MAX_SIDE_PX, photo_error
from facesearch.records import Photo, PhotoFile, Pixels, Taken

log = logging.getLogger(__name__)

# Where it imports from is settled before it imports anything. A newline is in no folder of an installation.
_PROGRAM = "import sys; sys.path[:] = sys.argv[1].split('\\n'); from {} import serve; serve(*sys.argv[2:])"


@dataclass(frozen=True)
class WorkerLimits:
    """What a photo may cost."""

    seconds: float = 120.0  # of processors' time, and five times as many by the clock
    memory_bytes: int = 3 << 30  # address space beyond that of an idle process; held on Linux only


DEFAULT_LIMITS = WorkerLimits()


class DecodingWorker:
    """Reads photos like `read_photo`, in a process that is started at once and replaced when a photo brings it down.

    Use it as a context manager, from one thread at a time.
    """

    serving = "facesearch.photos.decoding.worker_process"  # the module whose `serve` the process runs

    def __init__(self, limits: WorkerLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ready = False
        self._is_at_video = False
        self._is_here = False  # where no process may be started
        if sys.platform == "win32":  # no limits of time and memory there, nor a lock to hand on
            self._is_here = True
            return
        try:
            self._process = self._started()
        except OSError as error:
            log.warning("photos are decoded in this process, because no other can be started (%s)", error.strerror)
            self._is_here = True

    def read_photo(
        self, file: PhotoFile, max_side_px: int = MAX_SIDE_PX, *, draft: bool = False, at_s: float | None = None
    ) -> Photo:
        """Read a file once, as `decode.read_photo`; raises PhotoError too where the photo brings the process down."""
        if self._is_here:
            from facesearch.photos.dates import when_taken
            from facesearch.photos.decoding.decode import read_photo

            return replace(read_photo(file, max_side_px, draft=draft, at_s=at_s), taken=when_taken(file))
        current, answer, pixels = self._answered(file, max_side_px, draft, at_s)
        original = answer["original_size_px"]
        size_px = None if original is None else (original[0], original[1])
        return Photo(current, answer["sha256"], pixels, size_px, answer["damage"], Taken(**answer["taken"]))

    def _answered(
        self,
        file: PhotoFile,
        max_side_px: int,
        draft: bool,
        at_s: float | None = None,
        known: dict[str, Any] | None = None,
    ) -> tuple[PhotoFile, dict[str, Any], Pixels]:
        """The file as it was when it was read, what the process says of it, and the bytes that come with that."""
        path = file.path if is_in_bucket(file.path) else file.path.absolute()
        request = {"path": str(path), "size_bytes": file.size_bytes, "mtime_ns": file.mtime_ns}
        request |= {"max_side_px": max_side_px, "draft": draft, "at_s": at_s, "known": known}
        process = self._asked(json.dumps(request).encode() + b"\n")
        answered = _answer_of(process)
        while answered is not None and "asks" in answered[0]:
            said = b"" if answered[1] is None else self.say(answered[1])
            requests, _ = _pipes(process)
            with suppress(OSError):  # a process that has ended meanwhile gives no answer either
                requests.write(b"%d\n" % len(said) + said)
                requests.flush()
            answered = _answer_of(process)
        if answered is None:
            raise self._brought_down(file.path)
        answer, content = answered
        if content is None:
            raise _as_error(file.path, answer)
        return PhotoFile(file.path, answer["size_bytes"], answer["mtime_ns"]), answer, content

    def arguments(self) -> list[str]:
        """What the process is given beside its limits."""
        return []

    def say(self, content: Pixels) -> bytes:
        """What the process is told that asks about some bytes before it answers."""
        raise NotImplementedError("a process that decodes photos has nothing to ask")

    def _asked(self, request: bytes) -> subprocess.Popen[bytes]:
        """Send a request to a process that is there: one that the system ended since the last photo is replaced."""
        for _ in range(2):
            if self._process is None:
                self._process = self._started()
            requests, answers = _pipes(self._process)
            self._is_ready = self._is_ready or answers.readline() == READY
            if not self._is_ready:
                break
            with suppress(OSError):
                requests.write(request)
                requests.flush()
                return self._process
            self._stop()
        self.close()
        raise FacesearchError("the process that decodes photos cannot be started, for the reason given above")

    def _started(self) -> subprocess.Popen[bytes]:
        self._is_ready = False
        if sys.platform == "win32":
            raise NotImplementedError("photos are decoded in the process that asks for them")
        shared = shared_descriptor()
        limits = [str(self._limits.seconds), str(self._limits.memory_bytes), str(shared)]
        program, path = _PROGRAM.format(self.serving), "\n".join(installed_path())
        return subprocess.Popen(
            [sys.executable, "-P", "-c", program, path, *limits, *self.arguments()],
            env={"OPENBLAS_NUM_THREADS": "1"} | environment_of_children(),  # it has one core
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[shared],
            pipesize=1 << 20,  # pixels in fewer pieces, where the system can do that
            start_new_session=True,  # Ctrl-C is for the indexer, which lets the photo at hand be finished
        )

    def _stop(self) -> int:
        """End the process; returns how it ended."""
        process, self._process = self._process, None
        assert process is not None
        for pipe in _pipes(process):
            with suppress(OSError):  # what was not sent is not missed
                pipe.close()
        try:
            return process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def _brought_down(self, path: Path) -> PhotoError:
        ended = self._stop()
        how = signal.Signals(-ended).name if ended < 0 else f"exit code {ended}"
        if how in ("SIGPROF", "SIGALRM"):
            reason = f"takes longer than {self._limits.seconds:.0f} seconds to decode: export a smaller copy"
        elif how == "SIGKILL":
            reason = "was being decoded when the system ended the process, usually for lack of memory: try again"
        else:
            reason = f"is damaged: it crashes its decoder ({how}): copy it again from the original"
        error = photo_error(path, reason)
        if how == "SIGKILL":  # not the photo's fault: an error with a number is tried again
            error.__cause__ = OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        return error

    def give_up(self) -> None:
        """Let a video that is being read end with a PhotoError; a photo is soon finished. From any thread."""
        process = self._process
        if self._is_at_video and process is not None:
            process.kill()

    @property
    def process_id(self) -> int | None:
        """Of the process that waits for the next photo; None where that will be a new one."""
        return None if self._process is None else self._process.pid

    def close(self) -> None:
        """End the process; the next photo would start another one."""
        if self._process is not None:
            self._stop()

    def kill(self) -> None:
        """End the process whatever it is doing; the next photo would start another one."""
        if self._process is not None:
            self._process.kill()
            self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], BufferedReader]:
    """For requests, and for answers."""
    assert process.stdin is not None and isinstance(process.stdout, BufferedReader)
    return process.stdin, process.stdout


def _answer_of(process: subprocess.Popen[bytes]) -> tuple[dict[str, Any], Pixels | None] | None:
    """An answer with its bytes, if it has any; None where the process has ended meanwhile."""
    _, answers = _pipes(process)
    line = answers.readline()
    if not line.endswith(b"\n"):
        return None
    answer = json.loads(line)
    if "shape" not in answer:
        return answer, None
    import numpy as np

    pixels = np.empty(answer["shape"], np.uint8)
    left = pixels.data.cast("B")
    while left:
        count = answers.readinto(left)
        if not count:
            return None
        left = left[count:]
    pixels.flags.writeable = False
    return answer, pixels


def _as_error(path: Path, answer: dict[str, Any]) -> Exception:
    if "bug" in answer:
        return RuntimeError(f"decoding {path} failed in its process:\n{answer['bug']}")
    error = photo_error(path, answer["reason"])
    if answer["errno"] is not None:
        error.__cause__ = OSError(answer["errno"], os.strerror(answer["errno"]))
    return error
