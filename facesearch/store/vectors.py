"""The vectors of a library's faces in FAISS: a cache of the rows, in one file with a description beside it.

`faces.faiss` is FAISS's own file; `faces.json` says of which library and generation it is, with its size and checksum.
The file is believed only when all of that agrees; otherwise the caller rebuilds from the rows. Refuses to unpickle
anything, and to hand FAISS a file whose checksum is wrong.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesearch.distance import from_squared
from facesearch.records import EMBEDDING_SIZE, Floats, Neighbour
from facesearch.store.private import replace_private_file

INDEX_NAME = "faces.faiss"
DESCRIPTION_NAME = "faces.json"
_FORMAT = 1


class VectorsUnusableError(Exception):
    """The cached vectors cannot be used, and why; never leaves the store: the answer is to rebuild."""


@dataclass(frozen=True)
class Stamp:
    """Whose vectors, and of when: they are those of the rows when library, generation and number of faces agree."""

    library_id: str
    generation: int
    faces: int


class Vectors:
    """An exact search over embeddings, keyed by face id."""

    def __init__(self, index: Any) -> None:
        self._index = index  # faiss.IndexIDMap2 over IndexFlatL2

    @classmethod
    def build(cls, ids: NDArray[np.int64], embeddings: Floats) -> Vectors:
        """ids: int64 (N,). embeddings: float32 (N, 32)."""
        import faiss

        vectors = cls(faiss.IndexIDMap2(faiss.IndexFlatL2(EMBEDDING_SIZE)))
        vectors.add(ids, embeddings)
        return vectors

    @classmethod
    def load(cls, folder: Path, stamp: Stamp) -> Vectors:
        """Read the cache in a library's folder; raises VectorsUnusableError unless it is exactly that of `stamp`."""
        try:
            description = json.loads((folder / DESCRIPTION_NAME).read_bytes())
            if description != {**description, **asdict(stamp), "format": _FORMAT}:
                raise VectorsUnusableError("it belongs to another state of the library")
            data = np.fromfile(folder / INDEX_NAME, np.uint8)
        except FileNotFoundError as error:
            raise VectorsUnusableError("it is not there") from error
        except (OSError, ValueError, TypeError) as error:
            raise VectorsUnusableError(f"it cannot be read ({error})") from error
        if description.get("size_bytes") != data.size or description.get("crc32") != zlib.crc32(data.data):
            raise VectorsUnusableError("its checksum is wrong")
        return cls(_parse(data, stamp.faces))

    def save(self, folder: Path, stamp: Stamp) -> None:
        """Write the cache, durably. A crash in between leaves a description that does not fit: a rebuild, no harm."""
        import faiss

        data = faiss.serialize_index(self._index)
        replace_private_file(folder / INDEX_NAME, [data.data])
        description = {"format": _FORMAT, **asdict(stamp), "size_bytes": data.size, "crc32": zlib.crc32(data.data)}
        replace_private_file(folder / DESCRIPTION_NAME, [json.dumps(description, indent=1).encode()])

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def add(self, ids: NDArray[np.int64], embeddings: Floats) -> None:
        """ids: int64 (N,), none of them there yet. embeddings: float32 (N, 32)."""
        if len(ids):
            self._index.add_with_ids(np.ascontiguousarray(embeddings, np.float32), ids)

    def remove(self, ids: NDArray[np.int64]) -> None:
        if len(ids):
            self._index.remove_ids(ids)

    def follow(self, removed: Sequence[int], added: Sequence[tuple[int, Floats]]) -> None:
        """Do what a transaction did: remove and add faces, but not those that it added and removed again."""
        gone = set(removed)
        staying = [(face_id, embedding) for face_id, embedding in added if face_id not in gone]
        self.remove(np.array(removed, np.int64))
        self.add(
            np.array([face_id for face_id, _ in staying], np.int64),
            np.array([embedding for _, embedding in staying], np.float32),
        )

    def search(self, probe: Floats, k: int) -> list[Neighbour]:
        """The k faces nearest to a probe, float32 (32,), nearest first; of equally near ones the lower id first."""
        k = min(k, len(self))
        if k < 1:
            return []
        squared, ids = self._index.search(np.ascontiguousarray(probe, np.float32)[None], k)
        nearest = zip(ids[0].tolist(), from_squared(squared[0]).tolist(), strict=True)
        return [Neighbour(face_id, distance) for face_id, distance in sorted(nearest, key=lambda pair: pair[::-1])]


def _parse(data: NDArray[np.uint8], faces: int) -> Any:
    import faiss

    try:
        index = faiss.deserialize_index(data)
    except RuntimeError as error:
        raise VectorsUnusableError("FAISS cannot read it") from error
    if not isinstance(index, faiss.IndexIDMap2) or index.d != EMBEDDING_SIZE or index.ntotal != faces:
        raise VectorsUnusableError("it is another kind of index")
    return index
