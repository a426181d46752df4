"""The same picture twice in a set: files that are equal byte for byte, and crops that show one shot.

Compares files and pixels, never faces: two shots of one moment are not copies. Refuses to say which label is right.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from facesearch.errors import PhotoError
from facesearch.records import Floats, Pixels
from facesearch_train.data.packs import PhotoReader, TrainingPhoto

THUMBNAIL_PX = 16
# Correlation of two thumbnails from which on they are one shot. Of 300 LFW photos saved again smaller and coarser 89 %
# reach it, and no stranger's; by embeddings as many cost hundreds of strangers' pairs (scripts/bench_checking.py).
SAME_SHOT = 0.97
_BLOCK = 2048

Ignored = Callable[[int], Any]


def equal_files(
    photos: Sequence[TrainingPhoto], progress: Ignored | None = None, scratch: Path | None = None
) -> list[tuple[int, ...]]:
    """Groups of photos with the same bytes, packed or not: N photos -> numbers of two and more, in their order.

    Photos of a size of their own are not read, nor are those that cannot be. progress: is called with the number looked
    at. scratch: see PhotoReader.
    """
    sizes: dict[int, list[int]] = defaultdict(list)
    for number, photo in enumerate(photos):
        try:
            sizes[photo.span[1] if photo.pack else photo.path.stat().st_size].append(number)
        except OSError:
            continue
    candidates = sorted(number for numbers in sizes.values() if len(numbers) > 1 for number in numbers)
    groups: dict[str, list[int]] = defaultdict(list)
    with PhotoReader(scratch) as reader, ThreadPoolExecutor() as pool:
        digests = pool.map(lambda number: _sha256(photos[number], reader), candidates)
        for number, digest in zip(candidates, digests, strict=True):
            if digest:
                groups[digest].append(number)
            if progress:
                progress(1)
    return sorted(tuple(sorted(numbers)) for numbers in groups.values() if len(numbers) > 1)


def _sha256(photo: TrainingPhoto, reader: PhotoReader) -> str | None:
    try:
        if photo.pack:
            return hashlib.sha256(reader.content(photo)).hexdigest()
        with photo.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, PhotoError):
        return None


def thumbnails(crops: Pixels) -> Floats:
    """Thumbnails without light, contrast and fine detail: uint8 (N, S, S, 3) -> float32 (N, 256), unit rows.

    A crop of one shade gives zeros, and so resembles nothing.
    """
    rows = [_thumbnails_of(np.asarray(crops[start : start + _BLOCK])) for start in range(0, len(crops), _BLOCK)]
    return np.concatenate(rows) if rows else np.empty((0, THUMBNAIL_PX**2), np.float32)


def _thumbnails_of(crops: Pixels) -> Floats:
    """S must be a multiple of 16."""
    count, side = crops.shape[:2]
    cell = side // THUMBNAIL_PX
    grey = crops.mean(axis=3, dtype=np.float32)
    cells = grey.reshape(count, THUMBNAIL_PX, cell, THUMBNAIL_PX, cell).mean(axis=(2, 4)).reshape(count, -1)
    centred = cells - cells.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(np.divide(centred, lengths, out=np.zeros_like(centred), where=lengths > 1.0))


def same_shots(small: Floats, groups: Sequence[int], least: float = SAME_SHOT) -> Iterator[tuple[int, int, float]]:
    """Pairs of crops of different groups whose thumbnails correlate with `least` or more: (first, second, correlation).

    small: (N, 256) of `thumbnails`. groups: N numbers, a person's photos have one. All pairs are tried, in blocks.
    """
    group = np.asarray(groups)
    for start in range(0, len(small), _BLOCK):
        block = small[start : start + _BLOCK]
        likeness = block @ small[start:].T
        first, second = np.nonzero(likeness >= least)
        other = (second > first) & (group[start + first] != group[start + second])
        for row, column in zip(first[other], second[other], strict=True):
            yield start + int(row), start + int(column), float(likeness[row, column])
