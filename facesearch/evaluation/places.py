"""Faces in one distance space, each with its local scale, and how far apart they are. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesearch.evaluation.cohort import judged_distances
from facesearch.evaluation.distance import pair_distances, row_distances
from facesearch.records import Floats, Ints


@dataclass(frozen=True, eq=False)
class Places:
    """Where N faces lie, and how far apart strangers lie around each (see cohort).

    Distances between them are judged ones; where every scale is 1, as in a space without a cohort, that is the plain
    Euclidean distance, to the bit.
    """

    points: Floats  # (N, D)
    scales: Floats  # (N,)

    @classmethod
    def plain(cls, points: Floats) -> Places:
        """In a space without a cohort."""
        return cls(points, np.ones(len(points), np.float32))

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, rows: Sequence[int] | Ints | NDArray[np.bool_] | slice) -> Places:
        return Places(self.points[rows], self.scales[rows])

    def middle(self, point: Floats | None = None) -> Places:
        """A point in the middle of all, float32 (D,), by default their mean, with the mean of their scales."""
        mean = self.points.mean(axis=0, dtype=np.float64) if point is None else point
        return Places(
            np.asarray(mean, np.float32)[None], np.asarray(self.scales.mean(dtype=np.float64), np.float32)[None]
        )

    def distances_to(self, others: Places) -> Floats:
        """Every distance between two sets: float32 (N, M)."""
        return judged_distances(pair_distances(self.points, others.points), self.scales[:, None], others.scales)

    def distances_beside(self, others: Places) -> Floats:
        """The distance of each to its partner: float32 (N,). One place is the partner of all."""
        return judged_distances(row_distances(self.points, others.points), self.scales, others.scales)
