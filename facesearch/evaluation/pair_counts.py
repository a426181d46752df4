"""All pairs of a set of faces, counted by distance and never listed: 20,000 faces are 200 million pairs.

Pure NumPy over embeddings; knows no photo.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesearch.records import Floats

# Bins over the range that distances can have: with the usual embeddings they are 0.00005 apart.
BINS = 1 << 17
_BLOCK_VALUES = 1 << 21  # distances held at once, 16 MB


@dataclass(frozen=True, eq=False)
class PairCounts:
    """How many pairs of each kind lie in each bin: above the edge before (the first: from 0), up to edges[i]."""

    edges: NDArray[np.float64]  # float64 (B,), rising
    # genuine, impostor: int64 (B,)
    genuine: NDArray[np.int64]
    impostor: NDArray[np.int64]
    sums: tuple[float, float]  # of the distances of either kind
    threshold: float
    # pairs judged correctly when those at most `threshold` apart are taken as one person, exact
    right_at_threshold: int


def count_pairs(
    embeddings: NDArray[np.float64],
    people: NDArray[np.int64],
    threshold: float,
    longest: float | None = None,
    scales: Floats | None = None,
) -> PairCounts:
    """Count all pairs of different rows. embeddings: (N, D). people: (N,) numbers. longest: the last edge, no distance
    being longer; by default as far as these embeddings can lie apart. scales: local scales (N,), by which distances are
    judged (see cohort)."""
    longest = longest_distance(embeddings, scales) if longest is None else longest
    counts = np.zeros((2, BINS), dtype=np.int64)
    sums, right = [0.0, 0.0], 0
    for start, block, later in pair_blocks(embeddings, scales):
        impostor = (people[start : start + len(block), None] != people[None, start:])[later]
        distances = block[later]
        bins = np.minimum((distances * (BINS / longest)).astype(np.int64), BINS - 1)
        for kind in (0, 1):
            mine = impostor == bool(kind)
            counts[kind] += np.bincount(bins[mine], minlength=BINS)
            sums[kind] += float(distances[mine].sum())
        right += int(((distances > threshold) == impostor).sum())
    edges = np.linspace(longest / BINS, longest, BINS, dtype=np.float64)
    return PairCounts(edges, counts[0], counts[1], (sums[0], sums[1]), threshold, right)


def longest_distance(embeddings: NDArray[np.float64], scales: Floats | None = None) -> float:
    """What no two of these (N, D) lie farther apart than; 1 where all are equal. scales: local scales (N,)."""
    centred = embeddings - embeddings.mean(axis=0)
    longest = 2 * float(np.sqrt((centred**2).sum(axis=1).max())) or 1.0
    return longest if scales is None else longest / float(scales.min())


def pair_blocks(
    embeddings: NDArray[np.float64], scales: Floats | None = None
) -> Iterator[tuple[int, NDArray[np.float64], NDArray[np.bool_]]]:
    """All distances of (N, D), block by block: the first row `start` of each, the distances of its R rows to all rows
    from `start` on (R, N - start), and which of them are pairs not met before. scales: local scales (N,)."""
    halves = None if scales is None else scales.astype(np.float64) / 2
    centred = embeddings - embeddings.mean(axis=0)
    squares = (centred**2).sum(axis=1)
    height = max(_BLOCK_VALUES // len(centred), 1)
    for start in range(0, len(centred), height):
        stop = min(start + height, len(centred))
        products = centred[start:stop] @ centred[start:].T
        distances = np.sqrt(np.maximum(squares[start:stop, None] + squares[None, start:] - 2 * products, 0))
        if halves is not None:
            distances /= halves[start:stop, None] + halves[None, start:]
        yield start, distances, np.arange(start, len(centred))[None, :] > np.arange(start, stop)[:, None]


def missed_pairs(found: Sequence[str], absent: Sequence[str]) -> tuple[int, int]:
    """How many genuine and impostor pairs have a face that was not found. found, absent: the identity of each photo."""
    totals = [_pairs_of(found), _pairs_of([*found, *absent])]
    return totals[1][0] - totals[0][0], totals[1][1] - totals[0][1]


def _pairs_of(identities: Sequence[str]) -> tuple[int, int]:
    genuine = sum(count * (count - 1) // 2 for count in Counter(identities).values())
    return genuine, len(identities) * (len(identities) - 1) // 2 - genuine
