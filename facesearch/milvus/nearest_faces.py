"""The nearest faces of a library, proposed by Milvus and measured in the library's rows."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Self

import numpy as np

from facesearch.errors import ClusterError, LibraryError
from facesearch.evaluation.distance import row_distances
from facesearch.library import Library
from facesearch.milvus.collection import MOST_NEIGHBOURS, Collection, Published
from facesearch.milvus.connection import Connection, MilvusPlace
from facesearch.records import Floats, Neighbour

log = logging.getLogger(__name__)


class MilvusSearch:
    """A search in a library's published faces, with the interface of the library's own vectors.

    Distances are those of the rows, so that an answer is the same to the bit whatever the index rounds, and a face that
    the rows know no more is passed over. Raises ClusterError where Milvus cannot be asked, and LibraryError where what
    is there lies in another space than the library does now, or is not there at all.
    """

    most = MOST_NEIGHBOURS - 1

    def __init__(self, library: Library, place: MilvusPlace) -> None:
        self._library = library
        self._connection = Connection(place)
        try:
            self._collection = Collection(self._connection, library.library_id)
            self._refuse_other(self._found(), place)
            self._kind = self._collection.index_kind()
            self._count = self._collection.count()
        except BaseException:
            self.close()
            raise

    def _found(self) -> Published:
        known = self._collection.published() if self._collection.exists else {}
        if self._library.library_id not in known:
            raise ClusterError(
                f"{self._connection.place} holds no faces of the library in {self._library.path}: run facesearch "
                f"publish --milvus {self._connection.place.uri}"
            )
        return known[self._library.library_id]

    def _refuse_other(self, found: Published, place: MilvusPlace) -> None:
        library = self._library
        with library.snapshot():
            tower, space, generation = library.models.tower, library.space.digest, library.published.generation()
        if found.tower != tower or found.space != space:
            why = (
                "the library has moved to another tower since"
                if found.tower != tower
                else "the library was taught since"
            )
            raise LibraryError(f"{place} cannot be searched, because {why}: run facesearch publish again")
        if not found.complete:
            log.warning("the last publication to %s was not finished: some faces are not found", place)
        elif found.generation != generation:
            log.warning("the library has changed since it was published to %s: run facesearch publish again", place)

    def __len__(self) -> int:
        return self._count

    def search(self, probe: Floats, k: int) -> list[Neighbour]:
        """The k faces nearest to a probe, float32 (32,), nearest first; of equally near ones the lower id first. Call
        it inside a snapshot of the library."""
        k = min(k, self.most)
        reach = k + 1  # one more: where it is as near as the k-th, who comes in is decided by all equals
        while True:
            found = self._collection.nearest(np.asarray(probe, np.float32).tolist(), reach, self._kind)
            stored = self._library.catalog.embeddings_by_id(found)
            if not stored:
                return []
            points = self._library.space.map(np.stack(list(stored.values())))
            distances = row_distances(points, probe).tolist()
            near = sorted(zip(distances, stored, strict=True))
            is_all = len(found) < reach or reach == MOST_NEIGHBOURS or len(near) <= k
            if is_all or near[-1][0] != near[k - 1][0]:
                return [Neighbour(face_id, distance) for distance, face_id in near[:k]]
            reach = min(2 * reach, MOST_NEIGHBOURS)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
