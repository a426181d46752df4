"""The log of a run: one CSV row per epoch, and TensorBoard scalars. Draws no conclusions."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

FIELDS = (
    "epoch", "input_size_px", "loss", "rate", "beta1", "genuine_distance", "impostor_distance",
    "val_loss", "val_genuine_distance", "val_impostor_distance", "val_gap",
    "val_accuracy", "val_threshold", "val_spread", "elapsed_s",
)  # fmt: skip


class RunLog:
    """`history.csv` and `tensorboard/` in a run's folder.

    epochs_done: where a resumed run continues, 0 for a new one. Drops the rows of later epochs, whose weights a stopped
    run did not keep: these epochs run again.
    """

    def __init__(self, folder: Path, epochs_done: int) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        path = folder / "history.csv"
        kept = _rows_until(path, epochs_done) if epochs_done and path.exists() else []
        replace_file(path, lambda temporary: _write_rows(temporary, kept))  # a run stopped now loses no row
        self._file = path.open("a", newline="", encoding="utf-8")
        self._rows = csv.DictWriter(self._file, FIELDS)
        self._events = EventFileWriter(str(folder / "tensorboard"))
        self._start = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._events.close()

    def write(self, epoch: int, figures: dict[str, Any]) -> None:
        """One epoch's figures, named as in FIELDS."""
        row = {"epoch": epoch, **figures, "elapsed_s": round(time.monotonic() - self._start, 1)}
        self._rows.writerow(row)
        self._file.flush()
        self._scalars(epoch, {name: value for name, value in row.items() if name != "epoch"})

    def _scalars(self, epoch: int, values: dict[str, float]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        summary = Summary(value=[Summary.Value(tag=tag, simple_value=float(value)) for tag, value in values.items()])
        self._events.add_event(Event(wall_time=time.time(), step=epoch, summary=summary))
        self._events.flush()


def _write_rows(path: str, rows: list[dict[str, str]]) -> None:
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, FIELDS)
        table.writeheader()
        table.writerows(rows)


def _rows_until(path: Path, epoch: int) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if int(row["epoch"]) <= epoch]


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write a new file and rename it over the old one, so that a reader sees one or the other."""
    replace_file(
        path, lambda temporary: Path(temporary).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    )


def replace_file(path: Path, write: Callable[[str], Any]) -> None:
    """Have `write` write a temporary file beside `path`, then rename it over."""
    temporary = path.with_name(f"new-{path.name}")
    write(str(temporary))
    temporary.replace(path)
