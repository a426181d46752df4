"""Where a library's faces lie in its space: their embeddings, mapped, each with its local scale.

Call what takes embeddings or scales inside the `snapshot` that these were read in.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facesearch.evaluation.places import Places
from facesearch.library.rows.catalog import Catalog
from facesearch.library.rows.database import Database
from facesearch.library.scales import Scales
from facesearch.library.spaces import Spaces
from facesearch.records import Floats, Ints, Values


class FacePlaces:
    """Reads the places of stored faces."""

    def __init__(self, database: Database, spaces: Spaces, scales: Scales) -> None:
        self._database = database
        self._catalog = Catalog(database)
        self._spaces = spaces
        self._scales = scales

    def of(self, face_ids: Sequence[int]) -> Places:
        """Of some faces, in their order, N >= 1. Raises KeyError for one that is not there, or has no embedding."""
        stored, scales = self._catalog.embeddings_by_id(face_ids), self._catalog.local_scales_by_id(face_ids)
        return self.of_embeddings(
            np.stack([stored[face_id] for face_id in face_ids]),
            np.array([scales[face_id] for face_id in face_ids], np.float64),
        )

    def all(self) -> tuple[Ints, Places]:
        """Of every face that has an embedding, with the faces' ids, int64 (N,), ascending."""
        with self._database.snapshot():
            ids, embeddings = self._catalog.embeddings()
            return ids, self.of_embeddings(embeddings, self._catalog.local_scales())

    def of_embeddings(self, embeddings: Floats, local_scales: Values) -> Places:
        """Of faces whose embeddings were read already. embeddings: as the rows keep them, float32 (N, 32).
        local_scales: as the rows keep them, float64 (N,), NaN for none; those that do not hold in the library's space
        are computed."""
        points = self._spaces.current().map(embeddings)
        return Places(points, self._scales.of(local_scales, points))

    def local_scales(self, face_ids: Sequence[int], stored: Values) -> Floats:
        """The local scales of some faces, float32 (N,). stored: as the rows keep them, NaN for none. Reads the
        embeddings of those whose stored scale does not hold."""
        if self._scales.hold(stored):
            return stored.astype(np.float32)
        has_cohort = self._spaces.current().cohort is not None
        return self.of(face_ids).scales if has_cohort else np.ones(len(stored), np.float32)
