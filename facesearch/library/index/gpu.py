"""Search on a GPU by FAISS: a copy of an index there, for reading. Refuses to pretend where there is no GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesearch.errors import LibraryError
from facesearch.records import Device, Floats

GPU_FROM_FACES = 1_000_000
"""From here on `auto` takes a GPU: below, many searches are over sooner than the vectors have been copied there."""

COPY_S = 3.0
"""How long `auto` searches on the CPU first: what a copy costs (a million faces in partitions, an H200 that others used
too), so that few questions never wait for one, and many never take more than twice as long as they would have to."""

_MOST_NEIGHBOURS = 2048  # FAISS's limit on a GPU, of neighbours and of lists alike
_SPARE = 32  # candidates beyond k: the GPU's distances are rounded otherwise, and the CPU's decide


def takes_gpu(device: Device, faces: int, searched_s: float = 0.0) -> bool:
    """Whether a search over so many faces runs on a GPU. Raises LibraryError where "gpu" is asked for and missing.

    searched_s: seconds that the CPU has searched already.
    """
    if device == "cpu" or (device == "auto" and (faces < GPU_FROM_FACES or searched_s < COPY_S)):
        return False
    import faiss

    if faiss.get_num_gpus() > 0:
        return True
    if device == "gpu":
        raise LibraryError(
            "no GPU that FAISS can use: install NVIDIA's driver and faiss-gpu, or run with `--device cpu`"
        )
    return False


class GpuSearch:
    """A copy of a CPU index on the first GPU; it does not follow changes of the original."""

    def __init__(self, index: Any) -> None:
        import faiss

        self._resources = faiss.StandardGpuResources()
        self._is_flat = isinstance(index, faiss.IndexIDMap)
        if self._is_flat:
            self._ids = faiss.vector_to_array(index.id_map)
            self._flat = faiss.downcast_index(index.index)
            index = self._flat
        self._index = faiss.index_cpu_to_gpu(self._resources, 0, index)

    def most_neighbours(self) -> int:
        return _MOST_NEIGHBOURS - _SPARE

    def search(self, probes: Floats, k: int, nprobe: int) -> tuple[Floats, NDArray[np.int64]]:
        """Squared distances and ids, (N, k), nearest first."""
        if not self._is_flat:
            self._index.nprobe = min(nprobe, _MOST_NEIGHBOURS)
            squared, ids = self._index.search(probes, k)
            return squared, ids
        _, positions = self._index.search(probes, min(k + _SPARE, self._flat.ntotal))
        return reranked(self._flat, self._ids, positions, probes, k)


def reranked(
    flat: Any, ids: NDArray[np.int64], positions: NDArray[np.int64], probes: Floats, k: int
) -> tuple[Floats, NDArray[np.int64]]:
    """The k nearest of each probe's candidates by the CPU's distances. positions: int64 (N, M), rows of `flat`."""
    import faiss

    stored = faiss.rev_swig_ptr(flat.get_xb(), flat.ntotal * flat.d).reshape(flat.ntotal, flat.d)
    squared = ((stored[positions] - probes[:, None]) ** 2).sum(axis=2, dtype=np.float32)
    order = np.argsort(squared, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(squared, order, 1), np.take_along_axis(ids[positions], order, 1)
