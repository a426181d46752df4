"""Partitions for libraries that have outgrown exact search: train them, and tune how many of them a search looks into.

The vectors lie in lists around centroids (Sivic and Zisserman 2003; FAISS's IndexIVFFlat, or IndexIVFScalarQuantizer
for codes), and a search reads the lists that are nearest to the probe. How many is measured on the library's own
vectors: as few as find RECALL of the ten nearest. Adding and removing change the lists in place; only growth beyond
GROWTH, or other codes, ask for another training.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesearch.library.index.codes import Codes, candidates, codes_of, empty_partitions, listed
from facesearch.library.index.vector_file import Training
from facesearch.records import EMBEDDING_SIZE, Chunk, Chunks, Floats

PARTITIONS_FROM_FACES = 1_000_000
GROWTH = 2.0
RECALL_AT = 10
RECALL = 0.995  # asked of the sample, so that the promise of 0.99 survives its error and some growth

_CENTROIDS_FOR_ROOT = 2.0  # times the root of the number of faces
_SAMPLES_A_CENTROID = 64
_ROUNDS = 10  # of k-means
_PROBES = 400  # 4,000 neighbours: the recall has a standard error of 0.1 %


class TrainingCancelledError(Exception):
    """The training was cancelled; never leaves the store."""


def is_due(faces: int, training: Training | None, codes: Codes = "float32") -> bool:
    """Whether this many faces want to be partitioned, or partitioned again. codes: in which they are to be kept."""
    if faces < PARTITIONS_FROM_FACES:
        return False
    return training is None or faces >= GROWTH * training.faces or training.codes != codes


def partitioned(
    chunks: Chunks, faces: int, go_on: Callable[[], bool], codes: Codes = "float32"
) -> tuple[Any, Training]:
    """A trained and tuned IndexIVFFlat, or IndexIVFScalarQuantizer, of all the vectors, read twice; holds a small
    sample of them besides.

    faces: how many vectors there are. codes: in which they are kept. Raises TrainingCancelledError soon after `go_on`
    has become false.
    """
    import faiss

    lists = max(1, round(_CENTROIDS_FOR_ROOT * math.sqrt(faces)))
    ids, sample = sampled(chunks, faces, max(lists * _SAMPLES_A_CENTROID, _PROBES), go_on)
    quantizer = faiss.IndexFlatL2(EMBEDDING_SIZE)
    quantizer.add(_centroids(sample, min(lists, len(sample)), go_on))
    index = empty_partitions(quantizer, codes, sample)
    ids, probes = ids[:_PROBES], sample[:_PROBES]
    exact = _Exact(ids, probes)
    for chunk_ids, embeddings in chunks():
        _check(go_on)
        index.add_with_ids(embeddings, chunk_ids)
        if codes != "float32":
            exact.look_at(chunk_ids, embeddings)
    return index, Training(index.ntotal, _tune(index, exact, go_on), codes)


def _check(go_on: Callable[[], bool]) -> None:
    if not go_on():
        raise TrainingCancelledError


def sampled(chunks: Chunks, faces: int, wanted: int, go_on: Callable[[], bool] = lambda: True) -> Chunk:
    """About `wanted` of the vectors in random order, the same every time."""
    rng = np.random.default_rng(0)
    share = wanted / max(faces, 1)
    taken = []
    for ids, embeddings in chunks():
        _check(go_on)
        chosen = rng.random(len(ids)) < share
        taken.append((ids[chosen], embeddings[chosen]))
    order = rng.permutation(sum(len(ids) for ids, _ in taken))
    return np.concatenate([ids for ids, _ in taken])[order], np.concatenate([rows for _, rows in taken])[order]


def _centroids(sample: Floats, count: int, go_on: Callable[[], bool]) -> Floats:
    """k-means, a round at a time so that it can be stopped."""
    import faiss

    kmeans = faiss.Kmeans(EMBEDDING_SIZE, count, niter=1, seed=0, min_points_per_centroid=1)
    centroids = None
    for _ in range(_ROUNDS):
        _check(go_on)
        kmeans.train(sample, init_centroids=centroids)
        centroids = kmeans.centroids
    return np.asarray(centroids, np.float32)


def centre(index: Any) -> None:
    """Move each centroid to the mean of the vectors in its list, and those of empty lists to the mean of all."""
    centroids = np.full((index.nlist, EMBEDDING_SIZE), np.nan, np.float32)
    for number, rows in listed(index):
        centroids[number] = rows.mean(axis=0, dtype=np.float64)
    is_empty = np.isnan(centroids[:, 0])
    centroids[is_empty] = 0.0 if is_empty.all() else centroids[~is_empty].mean(axis=0)
    index.quantizer.reset()
    index.quantizer.add(centroids)


class _Exact:
    """The nearest others of some faces by their float32 numbers, and how many of them a search finds."""

    def __init__(self, ids: NDArray[np.int64], probes: Floats) -> None:
        self._own, self._probes = ids, np.ascontiguousarray(probes)
        self._squared = np.full((len(ids), RECALL_AT), np.inf, np.float32)
        self._ids = np.full((len(ids), RECALL_AT), -1, np.int64)
        self._worst: Floats | None = None

    def look_at(self, ids: NDArray[np.int64], embeddings: Floats) -> None:
        """Some of all the faces."""
        import faiss

        squared, rows = faiss.knn(self._probes, np.ascontiguousarray(embeddings), min(RECALL_AT + 1, len(ids)))
        found = ids[rows]
        squared = np.concatenate([self._squared, np.where(found == self._own[:, None], np.inf, squared)], axis=1)
        found = np.concatenate([self._ids, found], axis=1)
        order = np.argsort(squared, axis=1, kind="stable")[:, :RECALL_AT]
        self._squared, self._ids = np.take_along_axis(squared, order, 1), np.take_along_axis(found, order, 1)

    def recall(self, index: Any, nprobe: int) -> float:
        """The share that a search of so many lists finds. What codes propose is ranked by float32 numbers, so that all
        they have to do is to propose it."""
        if codes_of(index) == "float32":
            if self._worst is None:
                self._worst = _others(index, self._own, self._probes, index.nlist)[:, -1:]
            return float((_others(index, self._own, self._probes, nprobe) <= self._worst).mean())
        import faiss

        reach = candidates(RECALL_AT + 1, index.ntotal)
        _, proposed = index.search(self._probes, reach, params=faiss.SearchParametersIVF(nprobe=nprobe))
        is_there = self._ids >= 0
        return float((self._ids[:, :, None] == proposed[:, None, :]).any(axis=2)[is_there].mean())


def _tune(index: Any, exact: _Exact, go_on: Callable[[], bool]) -> float:
    """Set index.nprobe to the fewest lists that find RECALL of each probe's nearest others; returns that recall."""

    def recall(nprobe: int) -> float:
        _check(go_on)
        return exact.recall(index, nprobe)

    too_few, enough = 0, 1
    while enough < index.nlist and recall(enough) < RECALL:
        too_few, enough = enough, min(2 * enough, index.nlist)
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if recall(middle) >= RECALL else (middle, enough)
    index.nprobe = enough
    return recall(enough)


def _others(index: Any, ids: NDArray[np.int64], probes: Floats, nprobe: int) -> Floats:
    """Squared distances to the nearest faces but the probe's own, float32 (N, RECALL_AT); missing ones are infinite."""
    import faiss

    squared, found = index.search(probes, RECALL_AT + 1, params=faiss.SearchParametersIVF(nprobe=nprobe))
    squared = np.where((found == ids[:, None]) | (found < 0), np.inf, squared)
    return np.asarray(np.sort(squared, axis=1)[:, :RECALL_AT], np.float32)
