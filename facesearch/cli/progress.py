"""Progress on stderr: a bar with rate and time left on a terminal, otherwise a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from facesearch.cli.output import complain, has_colours, is_terminal

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from facesearch.api.values import IndexProgress
    from facesearch.records import NodeWork

_LINE_EVERY_S = 10.0
_NODES_SHOWN = 8  # the others are in `status --json`


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

    def update(self, done: int, total: int, nodes: Sequence[NodeWork] = ()) -> None:
        """Show that `done` of `total` are done, and the load of a cluster's machines. Without work, shows nothing."""
        if not total:
            return
        if self._on_terminal:
            self._draw(done, total, nodes)
        else:
            self._say(done, total, nodes)

    def show(self, now: IndexProgress) -> None:
        """Show how far a run over photos is."""
        self.update(now.done, now.total, now.nodes)

    def _draw(self, done: int, total: int, nodes: Sequence[NodeWork]) -> None:
        if self._bar is None:
            self._bar = _rich_bar(self._unit)
            self._bar.start()
            self._task = self._bar.add_task(self._action, total=total, rate="", nodes="")
        assert self._task is not None
        rate = f"{self._rate(done):.1f}/s"
        self._bar.update(self._task, completed=done, total=total, rate=rate, nodes=node_work(nodes))
        if done == total:
            self._stop()

    def _say(self, done: int, total: int, nodes: Sequence[NodeWork]) -> None:
        now_s = time.monotonic()
        if now_s - self._said_s < _LINE_EVERY_S:
            return
        self._said_s = now_s
        rate = self._rate(done)
        at_nodes = f"; {node_work(nodes)}" if nodes else ""
        complain(f"{self._action}: {how_far(done, total, self._unit, rate)}{at_nodes}")

    def _rate(self, done: int) -> float:
        return done / max(time.monotonic() - self._started_s, 1e-9)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        """Free the terminal for other output; the next piece of work gets a new bar."""
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
        TextColumn("{task.fields[nodes]}", markup=False),
        console=Console(stderr=True, no_color=not has_colours(sys.stderr)),
    )


def how_far(done: int, total: int, unit: str, rate: float) -> str:
    """`10 of 3,000 photos, 1.0 a second, 50 min left`."""
    left = f", {duration((total - done) / rate)} left" if rate else ""
    return f"{done:,} of {total:,} {unit}, {rate:.1f} a second{left}"


def node_work(nodes: Sequence[NodeWork]) -> str:
    """`alpha 7.9 a second, 4 in flight; beta 8.1 a second, 4 in flight`; of many nodes the first, and the sum."""
    each = [f"{node.name} {node.photos_a_second:.1f} a second, {node.in_flight} in flight" for node in nodes]
    if len(nodes) > _NODES_SHOWN:
        in_flight = sum(node.in_flight for node in nodes)
        each[_NODES_SHOWN:] = [f"and {len(nodes) - _NODES_SHOWN:,} more nodes; {in_flight:,} in flight in all"]
    return "; ".join(each)


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3 h 05 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"
