"""The vectors of a library's faces, kept by FAISS: a cache of the rows, keyed by face id, that answers who is nearest.

Exact up to a million faces; beyond that in partitions, once they have been trained (see partitions and training), as
codes where float32 numbers do not fit the memory (see codes).
Faces are added and removed in place in both. The file of a small library is searched without FAISS (see flat). Refuses
to decide what the rows say: what does not fit is rebuilt.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesearch.evaluation.distance import from_squared
from facesearch.library.index import overlay, partitions
from facesearch.library.index.codes import Codes, ExactOf, codes_of, empty_flat, encoded
from facesearch.library.index.flat import MOST_FACES, FlatSearch, flat_search
from facesearch.library.index.gpu import takes_gpu
from facesearch.library.index.overlay import Overlay
from facesearch.library.index.searching import NAMES, IndexSearch
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
_SAMPLE_OF_RANGES = 100_000
_PROBES_OF_CODES_AT_ONCE = 256  # whose candidates take some 10 MB each time


def load_search(faces: int) -> None:
    """Import FAISS before the first search among so many faces, where that needs it; also in another thread than the
    one that searches."""
    if faces > MOST_FACES:
        import faiss  # noqa: F401


class Vectors:
    """A search over embeddings, keyed by face id: exact, or in partitions where `training` says so."""

    most = sys.maxsize
    """How many faces one search can give."""

    def __init__(
        self,
        index: Any,
        training: Training | None = None,
        mapped: NDArray[np.uint8] | None = None,
        exact_of: ExactOf | None = None,
    ) -> None:
        self._index = index  # FlatSearch, or one of FAISS (see codes.codes_of)
        self.training = training
        self._mapped = mapped  # the file's bytes, while the index only looks at them
        self._overlay = Overlay()  # what was changed since, while it only looks
        self._search = IndexSearch(exact_of)

    @classmethod
    def build(cls, ids: NDArray[np.int64], embeddings: Floats) -> Vectors:
        """An exact search. ids: int64 (N,). embeddings: float32 (N, 32)."""
        import faiss

        vectors = cls(faiss.IndexIDMap(faiss.IndexFlatL2(EMBEDDING_SIZE)))
        vectors.add(ids, embeddings)
        return vectors

    @classmethod
    def gathered(cls, chunks: Chunks, faces: int, codes: Codes = "float32", exact_of: ExactOf | None = None) -> Vectors:
        """A search that compares a probe with all the vectors of some pieces, without another copy of them. faces: how
        many there are. codes: in which they are kept."""
        sample = np.empty((0, EMBEDDING_SIZE), np.float32)
        if codes != "float32":
            sample = partitions.sampled(chunks, faces, _SAMPLE_OF_RANGES)[1]
        vectors = cls(empty_flat(codes, sample), exact_of=exact_of)
        for ids, embeddings in chunks():
            vectors.add(ids, embeddings)
        return vectors

    @classmethod
    def load(cls, folder: Path, stamp: Stamp) -> Vectors:
        """Read the cache in a library's folder; raises VectorsUnusableError unless it is exactly that of `stamp`."""
        return cls.of_file(find_index(folder, stamp), stamp, lambda ids: {})

    @classmethod
    def of_file(cls, found: Found, stamp: Stamp, embeddings_of: ExactOf) -> Vectors:
        """The vectors of a file, and what was changed since it was written. embeddings_of: those of some faces in the
        library's space, by id, without those that are not there. Raises VectorsUnusableError where they do not fit."""
        flat = flat_search(found.mapped) if found.training is None and stamp.faces <= MOST_FACES else None
        index = flat or parse_index(found.mapped, in_place=True)
        if (found.training is None) == hasattr(index, "nlist"):
            raise VectorsUnusableError("it is another kind of index")
        if found.training is not None and found.training.codes != codes_of(index):
            raise VectorsUnusableError("it is another kind of index")
        vectors = cls(index, found.training, found.mapped, embeddings_of)
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
    def codes(self) -> Codes:
        """In which the faces are kept."""
        return "float32" if isinstance(self._index, FlatSearch) else codes_of(self._index) or "float32"

    @property
    def encode(self) -> Callable[[Floats], NDArray[np.uint8]] | None:
        """What makes 8-bit codes of faces, float32 (N, 32) to uint8 (N, 32); None where there are no such codes."""
        return partial(encoded, self._index) if self.codes == "8bit" else None

    def wants_training(self, codes: Codes = "float32") -> bool:
        """Whether the faces have outgrown the search that there is, or are to be kept in other codes."""
        return partitions.is_due(len(self), self.training, codes)

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
        """Whether a large file stays as it is and is searched together with so many changes."""
        return self._mapped is not None and len(self) >= overlay.FROM_FACES and self._overlay.has_room(count)

    @property
    def is_file(self) -> bool:
        """Whether the vectors are those of the loaded file, with a few changes beside it."""
        return self._mapped is not None

    def _changing(self) -> Any:
        """The index, to be changed: in memory of its own, and on no GPU."""
        if self._mapped is not None:
            self._index = parse_index(self._mapped, in_place=False)
            self._mapped = None
            self._overlay.put_into(self._index)
            self._overlay = Overlay()
        self._search.note_change()
        return self._index

    def _in_faiss(self) -> Any:
        """The index as FAISS has it, with all changes in it."""
        if self._overlay:
            return self._changing()
        if isinstance(self._index, FlatSearch) and self._mapped is not None:
            self._index = parse_index(self._mapped, in_place=True)
        return self._index

    def centre(self) -> None:
        """Put the centres of partitions amid the faces that they hold now, so that no centre stems from others."""
        if self.training is not None:
            partitions.centre(self._changing())

    def run_on(self, device: Device) -> None:
        """Search on a "cpu", a "gpu", or "auto" for what suits (see gpu.takes_gpu). Raises LibraryError where a GPU is
        asked for and missing."""
        takes_gpu(device, len(self))
        self._search.device = device

    @property
    def description(self) -> str:
        """How a search runs, and on what, in words."""
        place = self._search.place(self._index, len(self))
        codes = "" if self.codes == "float32" else NAMES[self.codes]
        if self.training is None:
            return f"all faces as {codes}, on the {place}" if codes else f"exact, on the {place}"
        return (
            f"{self._index.nprobe} of {self._index.nlist} partitions{codes and ' of '}{codes} "
            f"(recall@{partitions.RECALL_AT} {self.training.recall:.3f}), on the {place}"
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
        at_once = max(1, len(probes))
        if self.codes != "float32":
            at_once = _PROBES_OF_CODES_AT_ONCE
        elif self.training is None:
            at_once = _PROBES_AT_ONCE
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
        if self._search.takes_gpu(self._index, len(self)):
            self._index = self._in_faiss()
        index, there = self._index, int(self._index.ntotal) - self._overlay.removed_count
        if not self._overlay:
            return self._search.nearest(index, probes, k, there, None)
        squared, ids = np.empty((len(probes), 0), np.float32), np.empty((len(probes), 0), np.int64)
        if there:
            squared, ids = self._search.nearest(index, probes, min(k, there), there, self._overlay.selector)
        return self._overlay.merged(probes, squared, ids, k)
