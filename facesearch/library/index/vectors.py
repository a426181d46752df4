"""The vectors of a library's faces, kept by FAISS: a cache of the rows, keyed by face id, that answers who is nearest.

Exact up to a million faces; beyond that in partitions, once they have been trained (see partitions and training).
Faces are added and removed in place in both. The file of a small library is searched without FAISS (see flat). Refuses
to decide what the rows say: what does not fit is rebuilt.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesearch.evaluation.distance import from_squared
from facesearch.library.index import overlay, partitions
from facesearch.library.index.flat import MOST_FACES, FlatSearch, flat_search
from facesearch.library.index.gpu import GpuSearch, takes_gpu
from facesearch.library.index.overlay import Overlay
from facesearch.library.index.vector_file import (
    DESCRIPTION_NAME,
    INDEX_NAME,
    Found,
    Stamp,
    Training,
    VectorsUnusableError,
    find_index,
    parse_index,
    write_index,
)
from facesearch.library.recent_changes import net
from facesearch.records import EMBEDDING_SIZE, Chunks, Device, Floats, Neighbour

__all__ = ["DESCRIPTION_NAME", "INDEX_NAME", "Stamp", "Training", "Vectors", "VectorsUnusableError", "load_search"]

# Up to 19 probes at a time FAISS takes differences, beyond it expands |a|² + |b|² - 2ab, which is less exact.
_PROBES_AT_ONCE = 19
_MANY_DISTANCES = 10_000_000  # some 50 ms of one core


def load_search(faces: int) -> None:
    """Import FAISS before the first search among so many faces, where that needs it; also in another thread than the
    one that searches."""
    if faces > MOST_FACES:
        import faiss  # noqa: F401


class Vectors:
    """A search over embeddings, keyed by face id: exact, or in partitions where `training` says so."""

    most = sys.maxsize
    """How many faces one search can give."""

    def __init__(self, index: Any, training: Training | None = None, mapped: NDArray[np.uint8] | None = None) -> None:
        self._index = index  # FlatSearch, faiss.IndexIDMap over IndexFlatL2, or faiss.IndexIVFFlat
        self.training = training
        self._mapped = mapped  # the file's bytes, while the index only looks at them
        self._overlay = Overlay()  # what was changed since, while it only looks
        self._device: Device = "cpu"
        self._gpu: GpuSearch | None = None
        self._searched_s = 0.0  # by the CPU, since the last change

    @classmethod
    def build(cls, ids: NDArray[np.int64], embeddings: Floats) -> Vectors:
        """An exact search. ids: int64 (N,). embeddings: float32 (N, 32)."""
        import faiss

        vectors = cls(faiss.IndexIDMap(faiss.IndexFlatL2(EMBEDDING_SIZE)))
        vectors.add(ids, embeddings)
        return vectors

    @classmethod
    def gathered(cls, chunks: Chunks) -> Vectors:
        """An exact search over all the vectors of some pieces, without another copy of them."""
        vectors = cls.build(np.empty(0, np.int64), np.empty((0, EMBEDDING_SIZE), np.float32))
        for ids, embeddings in chunks():
            vectors.add(ids, embeddings)
        return vectors

    @classmethod
    def load(cls, folder: Path, stamp: Stamp) -> Vectors:
        """Read the cache in a library's folder; raises VectorsUnusableError unless it is exactly that of `stamp`."""
        return cls.of_file(find_index(folder, stamp), stamp, lambda ids: {})

    @classmethod
    def of_file(
        cls, found: Found, stamp: Stamp, embeddings_of: Callable[[Sequence[int]], Mapping[int, Floats]]
    ) -> Vectors:
        """The vectors of a file, and what was changed since it was written. embeddings_of: those of some faces in the
        library's space, by id, without those that are not there. Raises VectorsUnusableError where they do not fit."""
        flat = flat_search(found.mapped) if found.training is None and stamp.faces <= MOST_FACES else None
        index = flat or parse_index(found.mapped, in_place=True)
        if (found.training is None) != _is_flat(index):
            raise VectorsUnusableError("it is another kind of index")
        vectors = cls(index, found.training, found.mapped)
        removed, added = net(found.later)
        embeddings = embeddings_of(sorted(added)) if added else {}
        vectors.follow(sorted(removed), sorted(embeddings.items()))
        if len(vectors) != stamp.faces:
            raise VectorsUnusableError(f"it has {len(vectors)} faces instead of {stamp.faces}")
        return vectors

    def save(self, folder: Path, stamp: Stamp) -> None:
        """Write the cache, durably. Raises LibraryError when it cannot be written."""
        write_index(folder, stamp, self._in_faiss(), self.training)

    def __len__(self) -> int:
        return int(self._index.ntotal) + self._overlay.growth

    def close(self) -> None:
        """Nothing to give up: a search elsewhere has connections."""

    @property
    def wants_training(self) -> bool:
        """Whether the faces have outgrown the search that there is."""
        return partitions.is_due(len(self), self.training)

    def add(self, ids: NDArray[np.int64], embeddings: Floats) -> None:
        """ids: int64 (N,), none of them there yet. embeddings: float32 (N, 32)."""
        if len(ids) and self._takes_beside(len(ids)):
            self._overlay.add(ids.tolist(), np.asarray(embeddings, np.float32))
        elif len(ids):
            self._changing().add_with_ids(np.ascontiguousarray(embeddings, np.float32), ids)

    def remove(self, ids: NDArray[np.int64]) -> None:
        if len(ids) and self._takes_beside(len(ids)):
            self._overlay.remove(ids.tolist())
        elif len(ids):
            self._changing().remove_ids(ids)

    def follow(self, removed: Sequence[int], added: Sequence[tuple[int, Floats]]) -> None:
        """Do what a transaction did: remove and add faces, but not those that it added and removed again."""
        gone = set(removed)
        staying = [(face_id, embedding) for face_id, embedding in added if face_id not in gone]
        self.remove(np.array(removed, np.int64))
        self.add(
            np.array([face_id for face_id, _ in staying], np.int64),
            np.array([embedding for _, embedding in staying], np.float32),
        )

    def _takes_beside(self, count: int) -> bool:
        """Whether so many changes leave a large file as it is, to be searched with them."""
        return self._mapped is not None and len(self) >= overlay.FROM_FACES and self._overlay.has_room(count)

    @property
    def is_file(self) -> bool:
        """Whether they are those of the file that they were loaded from, and a few changes beside it."""
        return self._mapped is not None

    def _changing(self) -> Any:
        """The index, to be changed: in memory of its own, and on no GPU."""
        if self._mapped is not None:
            self._index = parse_index(self._mapped, in_place=False)
            self._mapped = None
            self._overlay.put_into(self._index)
            self._overlay = Overlay()
        self._gpu, self._searched_s = None, 0.0  # the next copy must pay for itself again
        return self._index

    def _in_faiss(self) -> Any:
        """The index as FAISS has it, with all changes in it."""
        if self._overlay:
            return self._changing()
        if isinstance(self._index, FlatSearch) and self._mapped is not None:
            self._index = parse_index(self._mapped, in_place=True)
        return self._index

    def run_on(self, device: Device) -> None:
        """Search on a "cpu", a "gpu", or "auto" for what suits (see gpu.takes_gpu). Raises LibraryError where a GPU is
        asked for and missing."""
        takes_gpu(device, len(self))
        self._device = device

    @property
    def description(self) -> str:
        """How a search runs, and on what, in words."""
        device = "gpu (FAISS)" if self._takes_gpu() else "cpu"
        if self.training is None:
            return f"exact, on the {device}"
        return (
            f"{self._index.nprobe} of {self._index.nlist} partitions (recall@{partitions.RECALL_AT} "
            f"{self.training.recall:.3f}), on the {device}"
        )

    def search(self, probe: Floats, k: int) -> list[Neighbour]:
        """The k faces nearest to a probe, float32 (32,), nearest first; of equally near ones the lower id first."""
        return self.search_batch(np.asarray(probe)[None], k)[0]

    def search_batch(self, probes: Floats, k: int) -> list[list[Neighbour]]:
        """The same for each of the probes, float32 (N, 32)."""
        k = min(k, len(self))
        if k < 1:
            return [[] for _ in probes]
        probes = np.ascontiguousarray(probes, np.float32)
        at_once = _PROBES_AT_ONCE if self.training is None else max(1, len(probes))
        found: list[list[Neighbour]] = []
        for start in range(0, len(probes), at_once):
            found += self._search_some(probes[start : start + at_once], k)
        return found

    def _search_some(self, probes: Floats, k: int, reach: int = 0) -> list[list[Neighbour]]:
        """One more than k is looked for: where it is as near as the k-th, who comes in is decided by all equals."""
        reach = min(max(reach, k + 1), len(self))
        squared, ids = self._nearest(probes, reach)
        found = []
        for row, distances in enumerate(from_squared(squared)):
            if reach < len(self) and distances[-1] == distances[k - 1]:
                found += self._search_some(probes[row : row + 1], k, 2 * reach)
            else:
                nearest = sorted(zip(distances.tolist(), ids[row].tolist(), strict=True))[:k]
                found.append([Neighbour(face_id, distance) for distance, face_id in nearest if face_id >= 0])
        return found

    def _nearest(self, probes: Floats, k: int) -> tuple[Floats, NDArray[np.int64]]:
        """Squared distances and ids, (N, k), nearest first."""
        if not self._overlay:
            return self._nearest_in_index(probes, k)
        if self._takes_gpu():
            self._changing()
            return self._nearest_in_index(probes, k)
        there = min(k, int(self._index.ntotal) - self._overlay.removed_count)
        squared, ids = np.empty((len(probes), 0), np.float32), np.empty((len(probes), 0), np.int64)
        if there:
            squared, ids = self._nearest_in_index(probes, there)
        return self._overlay.merged(probes, squared, ids, k)

    def _nearest_in_index(self, probes: Floats, k: int) -> tuple[Floats, NDArray[np.int64]]:
        """The same without what was changed beside it; from as many partitions as it takes to find k."""
        if self._gpu is None and self._takes_gpu():
            self._gpu = GpuSearch(self._in_faiss())
        gpu = self._gpu if self._gpu is not None and k <= self._gpu.most_neighbours() else None
        if self.training is None:
            return gpu.search(probes, k, 0) if gpu is not None else self._search_here(probes, k, self._flat_settings())
        import faiss

        # Tuned for ten neighbours: whoever wants many more of them finds them in more partitions.
        nprobe = min(self._index.nlist, self._index.nprobe * -(-k // (4 * partitions.RECALL_AT)))
        while True:
            if gpu is not None:
                squared, ids = gpu.search(probes, k, nprobe)
            else:
                settings = faiss.SearchParametersIVF(nprobe=nprobe, sel=self._overlay.selector)
                squared, ids = self._search_here(probes, k, settings)
            if nprobe >= self._index.nlist or ids[:, -1].min() >= 0:
                return squared, ids
            nprobe, gpu = min(2 * nprobe, self._index.nlist), None

    def _flat_settings(self) -> Any:
        selector = self._overlay.selector
        if selector is None:
            return None
        import faiss

        return faiss.SearchParameters(sel=selector)

    def _takes_gpu(self) -> bool:
        return takes_gpu(self._device, len(self), self._searched_s)

    def _search_here(self, probes: Floats, k: int, settings: Any) -> tuple[Floats, NDArray[np.int64]]:
        """On the CPU; little work on one core, because a busy second one joins in later than it is over: 0.04 ms
        instead of 12 were measured for one probe and 10,000 faces, 4.4 instead of 28 for a million."""
        if isinstance(self._index, FlatSearch):
            return self._index.search(probes, k)
        import faiss

        begin = time.perf_counter()
        cores = faiss.omp_get_max_threads()
        is_little = len(probes) == 1 or len(probes) * len(self) < _MANY_DISTANCES
        faiss.omp_set_num_threads(1 if is_little else cores)  # of this thread alone
        try:
            squared, ids = self._index.search(probes, k, params=settings)
        finally:
            faiss.omp_set_num_threads(cores)
        self._searched_s += time.perf_counter() - begin
        return squared, ids


def _is_flat(index: Any) -> bool:
    if isinstance(index, FlatSearch):
        return True
    import faiss

    return isinstance(index, faiss.IndexIDMap) and isinstance(faiss.downcast_index(index.index), faiss.IndexFlatL2)
