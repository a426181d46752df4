"""Search on GPUs by FAISS: a copy of an index there, for reading, on several of them or with coarser codes where one
does not hold it. Refuses to pretend where there is no GPU."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesearch import gpu_driver
from facesearch.errors import LibraryError
from facesearch.library.index.codes import CODES, Codes, codes_of, recoded, size_bytes
from facesearch.records import Device, Floats

GPU_FROM_FACES = 1_000_000
"""From here on `auto` takes a GPU: below, many searches are over sooner than the vectors have been copied there."""

COPY_S = 3.0
"""How long `auto` searches on the CPU first: what a copy costs (a million faces in partitions, an H200 that others used
too), so that few questions never wait for one, and many never take more than twice as long as they would have to."""

_MOST_NEIGHBOURS = 2048  # FAISS's limit on a GPU, of neighbours and of lists alike
_SPARE = 32  # candidates beyond k: the GPU's distances are rounded otherwise, and the CPU's decide
_GPU_SHARE = 0.7  # of what is free: lists grow by doubling, and searches need room of their own
_RUNTIMES = ("libcudart.so.12", "libcudart.so.13", "libcudart.so.11.0")


@dataclass(frozen=True)
class Copy:
    """How an index is copied to GPUs."""

    codes: Codes
    gpus: int
    """Each holds as many of the faces."""


def copies(faces: int, codes: Codes, free_bytes: Sequence[int], gpus: int, *, coarser: bool) -> list[Copy]:
    """The ways to copy so many faces that fit, the most precise first, and of these the one on the fewest GPUs.

    codes: those on the CPU. free_bytes: of each GPU; empty where that is not known, and everything is worth a try.
    coarser: whether coarser codes will do.
    """
    ways = [
        Copy(each, count)
        for each in (CODES[CODES.index(codes) :] if coarser else (codes,))
        for count in sorted({1, gpus})
    ]
    return [
        way
        for way in ways
        if not free_bytes or size_bytes(faces, way.codes) / way.gpus <= _GPU_SHARE * min(free_bytes[: way.gpus])
    ]


def free_bytes_of_gpus(gpus: int) -> list[int]:
    """The free memory of each GPU, as CUDA's runtime says; empty where it says nothing."""
    for name in _RUNTIMES:
        try:
            runtime = ctypes.CDLL(name)
        except OSError:
            continue
        before, free, total, found = ctypes.c_int(), ctypes.c_size_t(), ctypes.c_size_t(), []
        runtime.cudaGetDevice(ctypes.byref(before))
        for gpu in range(gpus):
            if runtime.cudaSetDevice(gpu) or runtime.cudaMemGetInfo(ctypes.byref(free), ctypes.byref(total)):
                break
            found.append(free.value)
        runtime.cudaSetDevice(before)
        if len(found) == gpus:
            return found
    return []


def takes_gpu(device: Device, faces: int, searched_s: float = 0.0) -> bool:
    """Whether a search over so many faces runs on a GPU. Raises LibraryError where "gpu" is asked for and missing.

    searched_s: seconds that the CPU has searched already.
    """
    if device in ("cpu", "npu") or (device == "auto" and (faces < GPU_FROM_FACES or searched_s < COPY_S)):
        return False
    if gpu_driver.asked() == "stuck":  # FAISS would ask it, and wait forever
        if device == "gpu":
            raise LibraryError(gpu_driver.STUCK)
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
    """A copy of a CPU index on the first GPU, or on several; it does not follow changes of the original. Raises
    RuntimeError where it does not fit."""

    def __init__(self, index: Any, way: Copy) -> None:
        import faiss

        self.codes = way.codes
        self._resources = [faiss.StandardGpuResources() for _ in range(way.gpus)]
        self._is_flat = isinstance(index, faiss.IndexIDMap)
        if self._is_flat:
            self._ids = faiss.vector_to_array(index.id_map)
            self._flat = faiss.downcast_index(index.index)
            index = self._flat
        elif way.codes != codes_of(index):
            index = recoded(index, way.codes)
        if way.gpus == 1:
            self._index = faiss.index_cpu_to_gpu(self._resources[0], 0, index)
        else:
            options = faiss.GpuMultipleClonerOptions()
            options.shard = True  # each has a part of the faces
            self._index = faiss.index_cpu_to_gpu_multiple_py(self._resources, index, options, list(range(way.gpus)))

    def most_neighbours(self) -> int:
        return _MOST_NEIGHBOURS - _SPARE

    def search(self, probes: Floats, k: int, nprobe: int) -> tuple[Floats, NDArray[np.int64]]:
        """Squared distances and ids, (N, k), nearest first."""
        if not self._is_flat:
            self._look_into(min(nprobe, _MOST_NEIGHBOURS))
            squared, ids = self._index.search(probes, k)
            return squared, ids
        _, positions = self._index.search(probes, min(k + _SPARE, self._flat.ntotal))
        return reranked(self._flat, self._ids, positions, probes, k)

    def _look_into(self, nprobe: int) -> None:
        if len(self._resources) == 1:
            self._index.nprobe = nprobe
            return
        import faiss

        faiss.GpuParameterSpace().set_index_parameter(self._index, "nprobe", nprobe)


def reranked(
    flat: Any, ids: NDArray[np.int64], positions: NDArray[np.int64], probes: Floats, k: int
) -> tuple[Floats, NDArray[np.int64]]:
    """The k nearest of each probe's candidates by the CPU's distances. positions: int64 (N, M), rows of `flat`."""
    import faiss

    stored = faiss.rev_swig_ptr(flat.get_xb(), flat.ntotal * flat.d).reshape(flat.ntotal, flat.d)
    squared = ((stored[positions] - probes[:, None]) ** 2).sum(axis=2, dtype=np.float32)
    order = np.argsort(squared, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(squared, order, 1), np.take_along_axis(ids[positions], order, 1)
