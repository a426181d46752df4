"""An exact search by NumPy, over the vectors in a file that FAISS wrote, without FAISS, which takes longer to import
than such a search takes.

Reads what FAISS writes for an IndexIDMap over an IndexFlatL2, and nothing else. Refuses to change it.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from facesearch.records import EMBEDDING_SIZE, Floats

MOST_FACES = 50_000
"""Up to here a library is searched by NumPy: some 4 ms a probe then, and 1 ms for 10,000 faces, where to import FAISS
takes 90 to 150."""

# FAISS's index_write.cpp: a name of four letters, then d, ntotal, two numbers that are not used, is_trained, metric.
_HEADER = struct.Struct("<4siqqq?i")
_COUNT = struct.Struct("<Q")
_METRIC_L2 = 1
_ROWS_AT_ONCE = 2048  # float64 differences of so many rows stay in a core's cache


class FlatSearch:
    """Who is nearest among some vectors: ids int64 (N,), embeddings float32 (N, 32)."""

    def __init__(self, ids: NDArray[np.int64], embeddings: Floats) -> None:
        self._ids = ids
        self._embeddings = embeddings
        self.ntotal = len(ids)

    def search(self, probes: Floats, k: int) -> tuple[Floats, NDArray[np.int64]]:
        """Squared distances and ids, (M, k), nearest first, of probes float32 (M, 32). Summed in float64: the same to
        the bit on every processor, and within rounding what FAISS finds."""
        squared = np.stack([self._squared(probe) for probe in probes])
        places = np.argpartition(squared, k - 1, axis=1)[:, :k]
        order = np.argsort(np.take_along_axis(squared, places, 1), axis=1, kind="stable")
        places = np.take_along_axis(places, order, 1)
        return np.take_along_axis(squared, places, 1), self._ids[places]

    def _squared(self, probe: Floats) -> Floats:
        squared = np.empty(self.ntotal, np.float32)
        for start in range(0, self.ntotal, _ROWS_AT_ONCE):
            rows = self._embeddings[start : start + _ROWS_AT_ONCE]
            difference = np.subtract(rows, probe, dtype=np.float64)
            squared[start : start + len(rows)] = np.einsum("nd,nd->n", difference, difference)
        return squared


def flat_search(mapped: NDArray[np.uint8]) -> FlatSearch | None:
    """A search over the bytes of FAISS's file; None where it is another kind of index, or another version's."""
    content, place = mapped.data, 0
    counts = []
    for name in (b"IxMp", b"IxF2"):
        if len(content) < place + _HEADER.size:
            return None
        kind, size, count, _, _, _, metric = _HEADER.unpack_from(content, place)
        if (kind, size, metric) != (name, EMBEDDING_SIZE, _METRIC_L2) or count < 1:
            return None
        counts.append(count)
        place += _HEADER.size
    (count, other), numbers = counts, counts[0] * EMBEDDING_SIZE
    if count != other or len(content) != place + 2 * _COUNT.size + 4 * numbers + 8 * count:
        return None
    ids_at = place + _COUNT.size + 4 * numbers
    if (_COUNT.unpack_from(content, place)[0], _COUNT.unpack_from(content, ids_at)[0]) != (numbers, count):
        return None
    embeddings = np.frombuffer(content, "<f4", numbers, place + _COUNT.size).astype(np.float32)
    ids = np.frombuffer(content, "<i8", count, ids_at + _COUNT.size).astype(np.int64)
    return FlatSearch(ids, embeddings.reshape(count, EMBEDDING_SIZE))
