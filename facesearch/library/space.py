"""The distance space of a library: its tower's own, or what a head over it makes of that.

Rows keep the tower's embeddings, whatever was taught. Vectors, probes and everything that is compared with them are
mapped by `Space.map` first. Refuses a head whose numbers cannot be used. NumPy only.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesearch.evaluation.calibration import Calibration
from facesearch.evaluation.cohort import Cohort
from facesearch.evaluation.places import Places
from facesearch.records import EMBEDDING_SIZE, Floats

_STORED = np.dtype("<f4")
_ROWS_AT_ONCE = 2048  # both blocks, of float64, stay in a core's cache


@dataclass(frozen=True, eq=False)
class Space:
    """A map of embeddings: linear by `head`, float32 (32, 32), or the identity where that is None.

    Raises ValueError for a head of another shape, or with a number that is not finite.
    """

    head: Floats | None = None
    # from distances in this space to probabilities; None where the tower's own holds, as in its own space
    calibration: Calibration | None = None
    # strangers where they lie in this space, which judged distances come from, with their threshold; None for plain
    # distances
    cohort: Cohort | None = None

    def __post_init__(self) -> None:
        if self.head is None:
            return
        if self.head.shape != (EMBEDDING_SIZE, EMBEDDING_SIZE) or not np.isfinite(self.head).all():
            raise ValueError(f"a head is {EMBEDDING_SIZE} x {EMBEDDING_SIZE} finite numbers")

    @property
    def is_taught(self) -> bool:
        """Whether this is another space than the tower's own."""
        return self.head is not None

    @property
    def digest(self) -> str:
        """SHA-256 of the head's numbers, '' for the tower's own space: vectors of two digests cannot be compared."""
        return "" if self.head is None else hashlib.sha256(head_bytes(self.head)).hexdigest()

    @property
    def distances(self) -> str:
        """Of which kind distances here are: "judged" or "plain"."""
        return "plain" if self.cohort is None else "judged"

    @property
    def measure(self) -> str:
        """What distances here depend on besides the embeddings: local scales, thresholds and probabilities of two
        measures cannot be compared. Without a cohort the digest."""
        return self.digest if self.cohort is None else f"{self.digest} judged by {self.cohort.identity}"

    def calibration_or(self, plain: Calibration | None) -> Calibration | None:
        """What holds of distances here. plain: the tower's own, of plain distances."""
        if self.calibration is not None:
            return self.calibration
        return plain if self.cohort is None else self.cohort.calibration

    def place(self, embeddings: Floats) -> Places:
        """Where faces lie, with their local scales: float32 (N, 32), or (32,) for one."""
        points = self.map(np.atleast_2d(embeddings))
        return Places.plain(points) if self.cohort is None else Places(points, self.cohort.local_scale(points))

    def map(self, embeddings: Floats) -> Floats:
        """Where embeddings lie in this space: float32 (N, 32) or (32,) to the same shape. In the tower's own space that
        is the input itself.

        A row's answer is the same to the bit in whatever company it comes, because each number is summed in float64 in
        one order. (A product of matrices is not: its order of summing depends on how many rows there are.)
        """
        if self.head is None:
            return embeddings
        rows = np.atleast_2d(np.asarray(embeddings, np.float64))
        weights = self.head.astype(np.float64)
        mapped = np.empty(rows.shape, np.float32)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            mapped[start : start + _ROWS_AT_ONCE] = _product(rows[start : start + _ROWS_AT_ONCE], weights)
        return mapped.reshape(np.shape(embeddings))


def head_bytes(head: Floats) -> bytes:
    """A head as it is stored: float32, little-endian, row by row."""
    return np.ascontiguousarray(head, _STORED).tobytes()


def head_from_bytes(stored: bytes) -> Floats:
    """The head that was stored. Raises ValueError where it cannot be one."""
    values = np.frombuffer(stored, _STORED)
    if values.size != EMBEDDING_SIZE**2:
        raise ValueError(f"a head is {EMBEDDING_SIZE} x {EMBEDDING_SIZE} finite numbers")
    return values.reshape(EMBEDDING_SIZE, EMBEDDING_SIZE).astype(np.float32)


def _product(rows: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """rows (N, 32) times the transpose of weights (32, 32), a column of rows at a time."""
    total = np.zeros((len(rows), len(weights)))
    for column in range(len(weights)):
        total += rows[:, column, None] * weights[None, :, column]
    return total
