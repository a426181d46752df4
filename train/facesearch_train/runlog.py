"""What a run writes down as it goes: a CSV of every epoch, and TensorBoard scalars. Reads nothing back."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

FIELDS = (
    "epoch", "input_size_px", "loss", "rate", "beta1", "genuine_distance", "impostor_distance",
    "val_loss", "val_genuine_distance", "val_impostor_distance", "val_gap",
    "val_accuracy", "val_threshold", "val_spread", "elapsed_s",
)  # fmt: skip


class RunLog:
    """`history.csv` and `tensorboard/` in a run's folder; a resumed run appends."""

    def __init__(self, folder: Path, append: bool) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        path = folder / "history.csv"
        is_new = not (append and path.exists())
        self._file = path.open("w" if is_new else "a", newline="", encoding="utf-8")
        self._rows = csv.DictWriter(self._file, FIELDS)
        if is_new:
            self._rows.writeheader()
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
