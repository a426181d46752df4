"""Whether two sets of faces and embeddings are the same, whatever their order, without holding either in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesearch.library.index.codes import listed
from facesearch.records import EMBEDDING_SIZE, Floats

_FACES_A_PIECE = 65_536
# One odd 64-bit factor for each word of an embedding, drawn once: a changed word changes the sum.
_FACTORS = np.random.default_rng(0x46534C42).integers(1 << 62, size=EMBEDDING_SIZE, dtype=np.uint64) * 2 + 1

Chunks = Iterable[tuple[NDArray[np.int64], Floats]]


def digest(chunks: Chunks) -> int:
    """A 64-bit number that is equal for equal sets and, but for one in 2^64, different for others.

    chunks: ids int64 (N,) and embeddings float32 (N, 32), in any order and pieces. Each face is hashed, id and every
    bit of the embedding, and the hashes are added up.
    """
    total = 0
    for ids, embeddings in chunks:
        words = np.ascontiguousarray(embeddings, "<f4").view("<u4").astype(np.uint64)
        hashes = _mixed((words * _FACTORS).sum(axis=1) ^ _mixed(ids.astype(np.uint64)))
        total = (total + int(hashes.sum(dtype=np.uint64))) % (1 << 64)
    return total


def without(chunks: Chunks, ids: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], Floats]]:
    """The same faces but for some."""
    for some, embeddings in chunks:
        others = ~np.isin(some, ids)
        yield (some, embeddings) if others.all() else (some[others], embeddings[others])


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """splitmix64's finalizer: every bit of a value reaches every bit of the result."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def indexed(index: Any) -> Iterator[tuple[NDArray[np.int64], Floats]]:
    """What a FAISS index of a library holds: flat under an id map, or in partitions; of codes what they stand for."""
    import faiss

    if isinstance(index, faiss.IndexIDMap):
        ids, flat = faiss.vector_to_array(index.id_map), faiss.downcast_index(index.index)
        for start in range(0, len(ids), _FACES_A_PIECE):
            piece = ids[start : start + _FACES_A_PIECE]
            yield piece, flat.reconstruct_n(start, len(piece))  # codes as what they stand for
        return
    for number, embeddings in listed(index):
        yield faiss.rev_swig_ptr(index.invlists.get_ids(number), len(embeddings)), embeddings
