"""How precisely FAISS keeps the faces of a large library: as float32, float16 or 8-bit codes, whichever fit the memory.

Codes only propose faces. Distances come from the float32 numbers in the rows (`exactly_ranked`), so that an answer can
miss a face but never shows a wrong distance. Small libraries always fit, and use no codes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from facesearch.records import EMBEDDING_SIZE, Chunk, Chunks, Floats

Codes = Literal["float32", "float16", "8bit"]
CODES: tuple[Codes, ...] = get_args(Codes)
"""The most precise first."""
ExactOf = Callable[[Sequence[int]], Mapping[int, Floats]]
"""The float32 numbers of some faces in the library's space, by id, without those that are not there."""

CANDIDATES_A_NEIGHBOUR = 4
"""How many times as many faces codes propose as are wanted."""
_MORE_CANDIDATES = 32

_BYTES = {"float32": 4, "float16": 2, "8bit": 1}
_ID_BYTES = 8
_SHARE = 0.5
"""Of the memory, for faces: the system needs it too, to keep the database at hand."""
_DEVIATIONS = 5.0
"""Codes of 8 bits reach so many standard deviations to either side of a number's mean."""
_OF_RESIDUALS = False
"""Codes are of the numbers themselves, not of what they differ by from a partition's centroid."""
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def size_bytes(faces: int, codes: Codes) -> int:
    """What so many faces take in memory, without the little that partitions take."""
    return faces * (EMBEDDING_SIZE * _BYTES[codes] + _ID_BYTES)


def fitting(faces: int, memory_bytes: int) -> Codes:
    """The most precise codes with which so many faces fit in half of the memory; 8 bits if none do."""
    return next((codes for codes in CODES if size_bytes(faces, codes) <= _SHARE * memory_bytes), CODES[-1])


def coarser(one: Codes, other: Codes) -> Codes:
    """The less precise of two."""
    return max(one, other, key=CODES.index)


def memory_bytes() -> int:
    """The memory of this machine, or of the container that the process runs in."""
    found = []
    if sys.platform != "win32":
        with suppress(ValueError, OSError):  # a name that this system does not know
            found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for limit in _CGROUP_LIMITS:
        with suppress(OSError, ValueError):  # "max" where there is none
            found.append(int(Path(limit).read_text()))
    return min(found, default=8 << 30)


def candidates(k: int, stored: int) -> int:
    """How many faces codes have to propose for the k nearest."""
    return min(CANDIDATES_A_NEIGHBOUR * k + _MORE_CANDIDATES, stored)


def codes_of(index: Any) -> Codes | None:
    """Those of a FAISS index of a library; None where it is another kind of index."""
    import faiss

    if isinstance(index, faiss.IndexIDMap):
        index = faiss.downcast_index(index.index)
    if type(index) in (faiss.IndexIVFFlat, faiss.IndexFlatL2):
        return "float32"
    if type(index) in (faiss.IndexIVFScalarQuantizer, faiss.IndexScalarQuantizer) and not _by_residual(index):
        return {faiss.ScalarQuantizer.QT_fp16: CODES[1], faiss.ScalarQuantizer.QT_8bit: CODES[2]}.get(index.sq.qtype)
    return None


def empty_flat(codes: Codes, sample: Floats) -> Any:
    """A FAISS index that compares a probe with every face, without faces. sample: float32 (N, 32), of which 8-bit codes
    take the range of each number."""
    import faiss

    if codes == "float32":
        return faiss.IndexIDMap(faiss.IndexFlatL2(EMBEDDING_SIZE))
    index = faiss.IndexScalarQuantizer(EMBEDDING_SIZE, _quantizer_type(codes), faiss.METRIC_L2)
    _take_ranges(index, sample)
    return faiss.IndexIDMap(index)


def empty_partitions(centroids: Any, codes: Codes, sample: Floats) -> Any:
    """The same in partitions. centroids: a FAISS index of theirs."""
    import faiss

    if codes == "float32":
        return faiss.IndexIVFFlat(centroids, EMBEDDING_SIZE, centroids.ntotal)
    index = faiss.IndexIVFScalarQuantizer(
        centroids, EMBEDDING_SIZE, centroids.ntotal, _quantizer_type(codes), faiss.METRIC_L2, _OF_RESIDUALS
    )
    _take_ranges(index, sample)
    return index


def as_stored(index: Any, chunks: Chunks) -> Iterator[Chunk]:
    """Faces as an index keeps them: rounded to its codes."""
    codes = codes_of(index)
    for ids, embeddings in chunks():
        yield ids, (embeddings if codes == "float32" else decoded(index, encoded(index, embeddings)))


def encoded(index: Any, embeddings: Floats) -> NDArray[np.uint8]:
    """The codes of some faces, uint8 (N, 64) or (N, 32), as an index with codes keeps them."""
    return np.asarray(_quantizer(index).compute_codes(np.ascontiguousarray(embeddings, np.float32)), np.uint8)


def decoded(index: Any, codes: NDArray[np.uint8]) -> Floats:
    """What codes stand for: float32 (N, 32)."""
    return np.asarray(_quantizer(index).decode(np.ascontiguousarray(codes)), np.float32)


def listed(index: Any) -> Iterator[tuple[int, Floats]]:
    """The vectors in each list of partitions that has some, float32 (N, 32), decoded where the index holds codes.
    Valid until the index is changed."""
    import faiss

    for number in range(index.nlist):
        size = index.invlists.list_size(number)
        if size:
            stored = faiss.rev_swig_ptr(index.invlists.get_codes(number), size * index.code_size).reshape(size, -1)
            yield number, (stored.view(np.float32) if codes_of(index) == "float32" else decoded(index, stored))


def recoded(index: Any, codes: Codes) -> Any:
    """A copy of partitions with coarser codes."""
    import faiss

    lists = index.invlists
    kept = [
        (number, faiss.rev_swig_ptr(lists.get_ids(number), len(numbers)).copy(), numbers)
        for number, numbers in listed(index)
    ]
    sample = np.concatenate([numbers[:64] for _, _, numbers in kept]) if kept else np.zeros((1, EMBEDDING_SIZE), "f4")
    copy = empty_partitions(faiss.clone_index(index.quantizer), codes, sample)
    for number, ids, numbers in kept:
        rows = encoded(copy, numbers)
        copy.invlists.add_entries(number, len(ids), faiss.swig_ptr(ids), faiss.swig_ptr(rows))
    copy.ntotal, copy.nprobe = index.ntotal, index.nprobe
    return copy


def exactly_ranked(
    probes: Floats, proposed: NDArray[np.int64], exact_of: ExactOf, k: int
) -> tuple[Floats, NDArray[np.int64]]:
    """The k nearest of each probe's proposed faces by their float32 numbers: squared distances and ids, (N, k).

    probes: float32 (N, 32). proposed: int64 (N, M), -1 for none, M >= k. Faces that are not there any more come last,
    infinitely far away and as -1.
    """
    wanted = np.unique(proposed[proposed >= 0])
    found = exact_of(wanted.tolist())
    numbers = np.full((len(wanted) + 1, EMBEDDING_SIZE), np.inf, np.float32)  # the last one is of none
    for row, face_id in enumerate(wanted.tolist()):
        if face_id in found:
            numbers[row] = found[face_id]
    rows = np.where(proposed >= 0, np.searchsorted(wanted, proposed), len(wanted))
    squared = ((numbers[rows] - probes[:, None]) ** 2).sum(axis=2, dtype=np.float32)
    ids = np.where(np.isfinite(squared), proposed, -1)
    order = np.lexsort((ids, squared), axis=1)[:, :k]
    return np.take_along_axis(squared, order, 1), np.take_along_axis(ids, order, 1)


def _quantizer(index: Any) -> Any:
    import faiss

    return (faiss.downcast_index(index.index) if isinstance(index, faiss.IndexIDMap) else index).sq


def _quantizer_type(codes: Codes) -> int:
    import faiss

    return int({"float16": faiss.ScalarQuantizer.QT_fp16, "8bit": faiss.ScalarQuantizer.QT_8bit}[codes])


def _take_ranges(index: Any, sample: Floats) -> None:
    """From mean and deviation, so that no number of a single face stays in the index."""
    import faiss

    index.sq.rangestat, index.sq.rangestat_arg = faiss.ScalarQuantizer.RS_meanstd, _DEVIATIONS
    index.train(np.ascontiguousarray(sample, np.float32))


def _by_residual(index: Any) -> bool:
    return bool(getattr(index, "by_residual", False))
