"""The few faces that were added or removed since a large file of vectors was written.

Searches take both, so that one new photo does not load the file into memory or rewrite it. Holds at most `MOST_FACES`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesearch.library.index.flat import FlatSearch
from facesearch.library.recent_changes import MOST_FACES
from facesearch.records import EMBEDDING_SIZE, Floats, Ints

FROM_FACES = 500_000
"""From here on: the file of fewer faces is copied and written in a fifth of a second."""


class Overlay:
    """Faces that are not in the file, and faces in it that are gone."""

    def __init__(self) -> None:
        self._removed: set[int] = set()
        self._added: dict[int, Floats] = {}

    def __bool__(self) -> bool:
        return bool(self._removed or self._added)

    @property
    def growth(self) -> int:
        """How many faces more there are than in the file; fewer where negative."""
        return len(self._added) - len(self._removed)

    @property
    def removed_count(self) -> int:
        """How many faces in the file are gone."""
        return len(self._removed)

    def has_room(self, count: int) -> bool:
        """Whether so many changes more can be taken."""
        return len(self._added) + len(self._removed) + count <= MOST_FACES

    def add(self, ids: Iterable[int], embeddings: Iterable[Floats]) -> None:
        """embeddings: float32 (32,) each."""
        self._added.update(zip(ids, embeddings, strict=True))

    def remove(self, ids: Iterable[int]) -> None:
        """Faces that are there."""
        for face_id in ids:
            if self._added.pop(face_id, None) is None:
                self._removed.add(face_id)

    def put_into(self, index: Any) -> None:
        """Do to an index what was done since. index: FAISS's, in memory of its own."""
        if self._removed:
            index.remove_ids(self._gone)
        if self._added:
            index.add_with_ids(*self._rows())

    @property
    def selector(self) -> Any:
        """FAISS's choice of the faces that are still there; None for all."""
        if not self._removed:
            return None
        import faiss  # 0.1 s, which a search of a small library need not wait for

        return faiss.IDSelectorNot(faiss.IDSelectorBatch(self._gone))

    def merged(self, probes: Floats, squared: Floats, ids: Ints, k: int) -> tuple[Floats, Ints]:
        """The k nearest of what was found in the file and of the faces beside it. probes: float32 (N, 32). squared,
        ids: (N, M), nearest first, -1 and infinite for none."""
        if self._added:
            embeddings, own = self._rows()
            near, found = FlatSearch(own, embeddings).search(probes, min(k, len(own)))
            squared, ids = np.concatenate([squared, near], axis=1), np.concatenate([ids, found], axis=1)
        order = np.argsort(np.where(ids < 0, np.inf, squared), axis=1, kind="stable")[:, :k]
        return np.take_along_axis(squared, order, 1), np.take_along_axis(ids, order, 1)

    @property
    def _gone(self) -> NDArray[np.int64]:
        return np.fromiter(self._removed, np.int64, len(self._removed))

    def _rows(self) -> tuple[Floats, NDArray[np.int64]]:
        embeddings = np.array(list(self._added.values()), np.float32).reshape(-1, EMBEDDING_SIZE)
        return embeddings, np.fromiter(self._added, np.int64, len(self._added))
