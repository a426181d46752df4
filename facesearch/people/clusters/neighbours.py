"""The graph of nearest neighbours of many embeddings, in batches and without a matrix of all pairs.

Exact for some ten thousand faces; beyond that in the partitions that large libraries are searched in, trained on these
embeddings and tuned to find all but a few in a thousand of the neighbours. Refuses to say which of them are one person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesearch.library.index.partitions import partitioned
from facesearch.records import Chunk, Floats

Progress = Callable[[int, int], None]  # faces done, faces in all

EXACT_UP_TO_FACES = 50_000
_FACES_A_BATCH = 8192
_FACES_A_CHUNK = 65_536


@dataclass(frozen=True, eq=False)
class Edges:
    """Pairs of rows that are near: first < second, both int64 (E,), each pair once, in ascending order."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.first)


def near_pairs(
    embeddings: Floats, scales: Floats, neighbours: int, reach: float, progress: Progress | None = None
) -> Edges:
    """The pairs at most `reach` apart of which one is among the nearest `neighbours` of the other by plain distance.

    embeddings: float32 (N, D). scales: local scales, (N,), by which the distance up to `reach` is judged. Peak memory
    besides: one copy of the embeddings, and the pairs.
    """
    faces = len(embeddings)
    neighbours = min(neighbours + 1, faces)  # a face is its own nearest
    index = _index(embeddings)
    keys = [np.empty(0, np.int64)]
    for start in range(0, faces, _FACES_A_BATCH):
        squared, found = index.search(embeddings[start : start + _FACES_A_BATCH], neighbours)
        rows = np.repeat(np.arange(start, start + len(found)), found.shape[1])
        others = found.ravel()
        farthest = (reach * (scales[rows] + scales[others]) / 2) ** 2
        near = (others >= 0) & (others != rows) & (squared.ravel() <= farthest)
        low, high = np.minimum(rows[near], others[near]), np.maximum(rows[near], others[near])
        keys.append(low * faces + high)
        if progress is not None:
            progress(start + len(found), faces)
    pairs = np.unique(np.concatenate(keys))
    return Edges(*(np.asarray(part, np.int64) for part in np.divmod(pairs, max(faces, 1))))


def _index(embeddings: Floats) -> Any:
    """What searches the embeddings, each under its row."""
    import faiss

    if len(embeddings) <= EXACT_UP_TO_FACES:
        exact = faiss.IndexFlatL2(embeddings.shape[1])
        exact.add(embeddings)
        return exact

    def chunks() -> Iterator[Chunk]:
        for start in range(0, len(embeddings), _FACES_A_CHUNK):
            piece = embeddings[start : start + _FACES_A_CHUNK]
            yield np.arange(start, start + len(piece)), piece

    index, _ = partitioned(chunks, len(embeddings), lambda: True)
    return index
