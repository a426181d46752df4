"""Many photos cut by several threads into part files, so that an interrupted build loses ten seconds of work, not all.

Knows no cache and no index: a folder of parts in, the same folder with the missing parts out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facesearch.vision.detector.detector import load_detector
from facesearch_train.data.cutting import Cut, Cutter, are_aligned_crops, detecting_cutter, resizing_cutter
from facesearch_train.data.datasets import Dataset
from facesearch_train.data.packs import PhotoReader, TrainingPhoto

# Photos done between two saves: 256 crops are 10 MB, some ten seconds of work.
PART_SIZE = 256
# How many photos of a record file are checked for being aligned crops.
_LOOKED_AT = 100

Progress = Callable[[int, int], None]  # photos done, photos in all


class PhotoCounter:
    """Counts photos across threads, and reports the count."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._lock = threading.Lock()
        self._done, self._total, self._progress = 0, total, progress
        self.stopped = threading.Event()

    def add(self, photos: int) -> None:
        if self._progress is None:
            return
        with self._lock:
            self._done += photos
            self._progress(self._done, self._total)


def cut_parts(dataset: Dataset, partial: Path, size_px: int, counter: PhotoCounter, workers: int) -> None:
    """Cut all photos that no earlier, interrupted build has cut: a file of PART_SIZE photos each.

    Threads suffice: decoding, resizing and inference release Python's lock. Measured on two busy cores and photos of
    100 to 250 px, twice: 33 and 54 photos a second with two threads, 26 and 48 with two processes, 18 and 39 with one
    thread.
    """
    with PhotoReader(partial) as reader:
        _cut_missing(_Work(dataset, reader, _are_aligned(dataset, reader), size_px, counter), partial, workers)


@dataclass(frozen=True)
class _Work:
    """What the threads share."""

    dataset: Dataset
    reader: PhotoReader
    aligned: bool  # whether the photos are aligned crops already
    size_px: int
    counter: PhotoCounter

    def new_cutter(self) -> Cutter:
        """A cutter for one thread."""
        if self.aligned:
            return resizing_cutter(self.size_px, self.reader)
        return detecting_cutter(load_detector(), self.size_px, self.reader)


def _cut_missing(work: _Work, partial: Path, workers: int) -> None:
    dataset, counter = work.dataset, work.counter
    mine = threading.local()

    def cut_part(start: int) -> None:
        target = partial / f"{start:08d}.npz"
        photos = dataset.photos[start : start + PART_SIZE]
        if target.exists():
            counter.add(len(photos))
            return
        if not hasattr(mine, "cutter"):
            mine.cutter = work.new_cutter()
        _save_part(_cut_all(photos, mine.cutter, counter), work.size_px, target)

    pool = ThreadPoolExecutor(workers)
    try:
        tasks = [pool.submit(cut_part, start) for start in range(0, len(dataset.photos), PART_SIZE)]
        for task in tasks:
            task.result()
    finally:  # after an error or Ctrl-C the threads end at their next photo; finished parts stay
        counter.stopped.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _are_aligned(dataset: Dataset, reader: PhotoReader) -> bool:
    """Whether all photos are aligned crops. Checks some of a record file's millions: they are all of a kind."""
    step = max(1, len(dataset.photos) // _LOOKED_AT) if dataset.layout == "recordio" else 1
    return are_aligned_crops(dataset.photos[::step], reader)


def _cut_all(photos: Sequence[TrainingPhoto], cutter: Cutter, counter: PhotoCounter) -> list[Cut]:
    cuts = []
    for photo in photos:
        if counter.stopped.is_set():
            raise CancelledError
        cuts.append(cutter(photo))
        counter.add(1)
    return cuts


def _save_part(cuts: list[Cut], size_px: int, target: Path) -> None:
    crops = [cut.crop for cut in cuts if cut.crop is not None]
    arrays: dict[str, Any] = {
        "crops": np.stack(crops) if crops else np.empty((0, size_px, size_px, 3), dtype=np.uint8),
        "has_crop": np.array([cut.crop is not None for cut in cuts]),
        "landmarks": np.stack([cut.landmarks for cut in cuts]),
        "sizes": np.array([cut.size for cut in cuts], dtype=np.int32),
        "scores": np.array([cut.score for cut in cuts], dtype=np.float32),
        "origins": np.array([cut.origin for cut in cuts]),
        "reasons": np.array([cut.reason for cut in cuts]),
    }
    writing = target.with_suffix(".writing")
    with writing.open("wb") as stream:
        np.savez(stream, **arrays)
    writing.replace(target)
