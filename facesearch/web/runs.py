"""Long runs that the page starts: index a folder, group faces, teach, calibrate.

One at a time, in a thread of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facesearch.errors import FacesearchError, LibraryLockedError, UsageError
from facesearch.web.library_threads import Place
from facesearch.web.wording import on_the_page

if TYPE_CHECKING:
    from facesearch.api.values import IndexProgress

_MOST_SKIPPED = 500  # are listed


@dataclass(frozen=True)
class RunState:
    """How far the run at hand is, or how the last one ended."""

    number: int  # 1 for the first since the server was started
    what: str  # "index", "group", "teach" or "calibrate"
    folders: tuple[str, ...]
    is_running: bool = True
    is_stopping: bool = False
    done: int = 0
    total: int | None = None  # None before it is known
    faces: int = 0
    current: str | None = None  # the file at hand
    summary: Any = None  # what it did, as the command prints it with --json
    error: str | None = None  # why it failed


class Runs:
    """Starts, follows and stops runs. Safe in threads."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._state: RunState | None = None
        self._thread: threading.Thread | None = None

    def state(self) -> RunState | None:
        """The run at hand, or the last one; None before the first."""
        return self._state

    def index(self, folders: Sequence[Path]) -> RunState:
        """Index some folders. Raises LibraryLockedError where a run is under way."""
        return self._start(RunState(0, "index", tuple(map(str, folders))), lambda: self._index(folders))

    def group(self) -> RunState:
        """Group the faces that have no person. Raises LibraryLockedError where a run is under way."""
        return self._start(RunState(0, "group", ()), self._group)

    def teach(self) -> RunState:
        """Learn from names and corrections. Raises LibraryLockedError where a run is under way."""
        return self._start(RunState(0, "teach", ()), self._teach)

    def calibrate(self, far: float) -> RunState:
        """Fit threshold and probabilities. far: the share of pairs of different people to pass. Raises
        LibraryLockedError where a run is under way."""
        return self._start(RunState(0, "calibrate", ()), lambda: self._calibrate(far))

    def stop(self) -> RunState:
        """Let the run finish the photo at hand and keep what it has. Raises UsageError where none is under way."""
        with self._lock:
            if self._state is None or not self._state.is_running:
                raise UsageError("nothing is running")
            if self._state.what != "index":
                raise UsageError(f"{self._state.what} cannot be stopped; it ends by itself")
            self._state = replace(self._state, is_stopping=True)
            return self._state

    def close(self) -> None:
        """Stop the run at hand, and wait for it."""
        thread = self._thread
        if thread is not None and thread.is_alive():
            self._note(is_stopping=True)
            thread.join()

    def _start(self, state: RunState, work: Callable[[], Any]) -> RunState:
        with self._lock:
            if self._state is not None and self._state.is_running:
                raise LibraryLockedError("a run is under way already; wait until it is done, or stop it")
            number = 1 if self._state is None else self._state.number + 1
            self._state = replace(state, number=number)
            self._thread = threading.Thread(target=self._run, args=(work,), name="run")
            self._thread.start()
            return self._state

    def _run(self, work: Callable[[], Any]) -> None:
        try:
            self._note(summary=work())
        except FacesearchError as error:
            self._note(error=on_the_page(str(error)))
        except Exception as error:  # noqa: BLE001 - reported where the run was started
            self._note(error=f"a bug: {type(error).__name__}: {error}; please report it")
        finally:
            self._note(is_running=False, is_stopping=False, current=None)

    def _index(self, folders: Sequence[Path]) -> Any:
        from facesearch.api.values import IndexInterrupted

        with self._place.open() as library:
            try:
                summary = library.index(*folders, on_progress=self._indexed)
            except IndexInterrupted as interruption:
                summary = interruption.summary
        return replace(summary, skipped=summary.skipped[:_MOST_SKIPPED])

    def _indexed(self, progress: IndexProgress) -> None:
        name = None if progress.current is None else str(progress.current)
        self._note(done=progress.done, total=progress.total, faces=progress.faces, current=name)
        if self._state is not None and self._state.is_stopping:
            raise KeyboardInterrupt

    def _group(self) -> Any:
        with self._place.open() as library:
            return library.people.group(on_progress=lambda done, total: self._note(done=done, total=total))

    def _teach(self) -> Any:
        with self._place.open() as library:
            return library.tuning.teach(on_run=lambda done, total: self._note(done=done, total=total))

    def _calibrate(self, far: float) -> Any:
        with self._place.open() as library:
            return library.tuning.calibrate(far).to_json()

    def _note(self, **changes: Any) -> None:
        with self._lock:
            assert self._state is not None
            self._state = replace(self._state, **changes)
