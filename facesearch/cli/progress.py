"""Progress on stderr: a bar with rate and time left on a terminal, otherwise a line now and then."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from facesearch.cli.output import complain, has_colours, is_terminal

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_LINE_EVERY_S = 10.0


class Progress:
    """Shows how far a piece of work is, from its first update on. Use it as a context manager.

    action: what is done, as in "indexing". unit: what is counted, as in "photos".
    """

    def __init__(self, action: str, unit: str) -> None:
        self._action = action
        self._unit = unit
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None
        self._on_terminal = is_terminal(sys.stderr)
        self._started_s = self._said_s = time.monotonic()

    def update(self, done: int, total: int) -> None:
        """Show that `done` of `total` are done. Nothing is shown for work that is none."""
        if not total:
            return
        if self._on_terminal:
            self._draw(done, total)
        else:
            self._say(done, total)

    def _draw(self, done: int, total: int) -> None:
        if self._bar is None:
            self._bar = _rich_bar(self._unit)
            self._bar.start()
            self._task = self._bar.add_task(self._action, total=total, rate="")
        assert self._task is not None
        self._bar.update(self._task, completed=done, total=total, rate=f"{self._rate(done):.1f}/s")
        if done == total:
            self._stop()

    def _say(self, done: int, total: int) -> None:
        now_s = time.monotonic()
        if now_s - self._said_s < _LINE_EVERY_S:
            return
        self._said_s = now_s
        rate = self._rate(done)
        left = f", {duration((total - done) / rate)} left" if rate else ""
        complain(f"{self._action}: {done:,} of {total:,} {self._unit}, {rate:.1f} a second{left}")

    def _rate(self, done: int) -> float:
        return done / max(time.monotonic() - self._started_s, 1e-9)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        """Leave the terminal to others; another piece of work gets a bar of its own."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            self._started_s = time.monotonic()


def _rich_bar(unit: str) -> RichProgress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=Console(stderr=True, no_color=not has_colours(sys.stderr)),
    )


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3 h 05 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"
