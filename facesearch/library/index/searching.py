"""Searches of a FAISS index: on the CPU or, once that pays, in a copy on GPUs; with codes ranked by exact numbers."""

from __future__ import annotations

import logging
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesearch.errors import LibraryError
from facesearch.library.index import gpu
from facesearch.library.index.codes import Codes, ExactOf, candidates, codes_of, exactly_ranked
from facesearch.library.index.flat import FlatSearch
from facesearch.library.index.gpu import Copy, GpuSearch, takes_gpu
from facesearch.library.index.partitions import RECALL_AT
from facesearch.records import Device, Floats

log = logging.getLogger(__name__)

Found = tuple[Floats, NDArray[np.int64]]
"""Squared distances and ids, (N, k), nearest first; infinite and -1 for none."""

_MANY_DISTANCES = 10_000_000  # some 50 ms of one core


class IndexSearch:
    """Searches an index that its owner changes. exact_of: where the faces of codes lie; None for an owner who has no
    codes."""

    def __init__(self, exact_of: ExactOf | None) -> None:
        self.device: Device = "cpu"
        self._exact_of = exact_of
        self._copy: GpuSearch | None = None
        self._is_refused = False  # by every GPU
        self._searched_s = 0.0  # by the CPU, since the last change

    def note_change(self) -> None:
        """The index is about to change: its copy is out of date, and the next one must pay for itself again."""
        self._copy, self._is_refused, self._searched_s = None, False, 0.0

    def takes_gpu(self, index: Any, faces: int) -> bool:
        """Whether a search among so many faces runs on GPUs. Raises LibraryError where "gpu" is asked for and
        missing."""
        if self._is_refused or not takes_gpu(self.device, faces, self._searched_s):
            return False
        return isinstance(index, FlatSearch) or hasattr(index, "nlist") or codes_of(index) == "float32"

    def place(self, index: Any, faces: int) -> str:
        """What a search runs on, in words."""
        if not self.takes_gpu(index, faces):
            return "cpu"
        way = next(iter(self._ways(index, faces)), Copy(codes_of(index) or "float32", 1))
        codes = "" if way.codes == codes_of(index) else f" as {NAMES[way.codes]}"
        return f"gpu (FAISS{codes})" if way.gpus == 1 else f"{way.gpus} gpus (FAISS{codes})"

    def nearest(self, index: Any, probes: Floats, k: int, there: int, selector: Any) -> Found:
        """The k nearest of each probe. there: how many faces the selector leaves, k or more."""
        if isinstance(index, FlatSearch):
            return index.search(probes, k)
        self._copy_if_due(index, there)
        codes = codes_of(index) if self._copy is None else self._copy.codes
        if codes == "float32":
            return self._proposed(index, probes, k, k, selector)
        assert self._exact_of is not None
        _, ids = self._proposed(index, probes, k, candidates(k, there), selector)
        return exactly_ranked(probes, ids, self._exact_of, k)

    def _proposed(self, index: Any, probes: Floats, k: int, reach: int, selector: Any) -> Found:
        """`reach` faces, of which at least k are some: from as many partitions as it takes to find these."""
        copy = self._copy
        if copy is not None and reach > copy.most_neighbours():
            copy = None
        import faiss

        if not hasattr(index, "nlist"):
            settings = None if selector is None else faiss.SearchParameters(sel=selector)
            return self._by_cpu(index, probes, reach, settings) if copy is None else copy.search(probes, reach, 0)
        # Tuned for ten neighbours: whoever wants many more of them finds them in more partitions.
        nprobe = min(index.nlist, index.nprobe * -(-k // (4 * RECALL_AT)))
        while True:
            if copy is not None:
                squared, ids = copy.search(probes, reach, nprobe)
            else:
                settings = faiss.SearchParametersIVF(nprobe=nprobe, sel=selector)
                squared, ids = self._by_cpu(index, probes, reach, settings)
            if nprobe >= index.nlist or ids[:, k - 1].min() >= 0:
                return squared, ids
            nprobe, copy = min(2 * nprobe, index.nlist), None

    def _by_cpu(self, index: Any, probes: Floats, k: int, settings: Any) -> Found:
        """On the CPU; little work on one core, because a busy second one joins in later than it is over: 0.04 ms
        instead of 12 were measured for one probe and 10,000 faces, 4.4 instead of 28 for a million."""
        import faiss

        begin = time.perf_counter()
        cores = faiss.omp_get_max_threads()
        is_little = len(probes) == 1 or len(probes) * index.ntotal < _MANY_DISTANCES
        faiss.omp_set_num_threads(1 if is_little else cores)  # of this thread alone
        try:
            squared, ids = index.search(probes, k, params=settings)
        finally:
            faiss.omp_set_num_threads(cores)
        self._searched_s += time.perf_counter() - begin
        return squared, ids

    def _ways(self, index: Any, faces: int) -> list[Copy]:
        import faiss

        gpus = faiss.get_num_gpus()
        coarser = self._exact_of is not None and hasattr(index, "nlist")
        free_bytes = gpu.free_bytes_of_gpus(gpus)
        return gpu.copies(faces, codes_of(index) or "float32", free_bytes, gpus, coarser=coarser)

    def _copy_if_due(self, index: Any, faces: int) -> None:
        """Make the copy on GPUs at the first search that takes them."""
        if self._copy is None and self.takes_gpu(index, faces):
            for way in self._ways(index, faces):
                try:
                    self._copy = GpuSearch(index, way)
                except RuntimeError as error:  # out of memory, as FAISS says it
                    log.info("no copy on a GPU %s: %s", way, error)
                else:
                    return
            if self.device == "gpu":
                raise LibraryError(f"no GPU has room for the embeddings of {faces:,} faces; run with `--device cpu`")
            log.warning("the CPU goes on searching: no GPU has room for the embeddings of %s faces", f"{faces:,}")
            self._is_refused = True


NAMES: dict[Codes, str] = {"float32": "float32", "float16": "float16 codes", "8bit": "8-bit codes"}
"""Codes in words."""
