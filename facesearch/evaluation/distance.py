"""The one public measure: Euclidean distance between embeddings, smaller is more alike. NumPy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from facesearch.records import Floats


def row_distances(first: ArrayLike, second: ArrayLike) -> Floats:
    """The distance of each row to its partner: (..., D) and (..., D), broadcast -> float32 (...)."""
    difference = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    return np.asarray(np.sqrt((difference**2).sum(axis=-1)), dtype=np.float32)


def pair_distances(first: ArrayLike, second: ArrayLike) -> Floats:
    """Every distance between two sets: (N, D) and (M, D) -> float32 (N, M).

    By |a|² + |b|² - 2ab in float64, exact to about 1e-7 of the embeddings' length, without an (N, M, D) array.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * a @ b.T
    return from_squared(squared)


def from_squared(squared: ArrayLike) -> Floats:
    """Distances from squared ones, as FAISS's L2 indexes give them: any shape -> float32 of that shape.

    Rounding can leave a square slightly below 0: it counts as 0.
    """
    return np.asarray(np.sqrt(np.maximum(np.asarray(squared), 0)), dtype=np.float32)
