"""The local scales of a library's faces, kept in the rows and up to date after every transaction.

The setting `scales` names the space and cohort that they belong to (`Space.measure`). A reader who finds another name
there, or no scale, computes what it needs from the embeddings. Keeps no scales if distances are plain.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from facesearch.errors import LibraryError
from facesearch.library.rows.database import Database
from facesearch.library.rows.face_columns import embeddings_from
from facesearch.library.spaces import Spaces
from facesearch.records import Floats, Values

if TYPE_CHECKING:
    from facesearch.library.care.checks import Problem

_SETTING = "scales"
_FACES_AT_ONCE = 8192
_TOLERANCE = 1e-5  # of a scale: the space's map may round otherwise on another processor


class Scales:
    """Computes and reads the local scales of a library."""

    def __init__(self, database: Database, spaces: Spaces) -> None:
        self._database = database
        self._spaces = spaces

    def of(self, stored: Values, points: Floats) -> Floats:
        """The local scales of some faces in the library's space, float32 (N,).

        stored: what the rows keep, float64 (N,), NaN for none. points: where they lie in the space, float32 (N, 32).
        """
        cohort = self._spaces.current().cohort
        if cohort is None:
            return np.ones(len(stored), np.float32)
        scales = stored.astype(np.float32)
        unknown = np.isnan(scales) if self._are_current() else np.ones(len(scales), bool)
        if unknown.any():
            scales[unknown] = cohort.local_scale(points[unknown])
        return scales

    def hold(self, stored: Values) -> bool:
        """Whether scales that the rows keep are there, and those of the library's space."""
        return self._spaces.current().cohort is not None and not np.isnan(stored).any() and self._are_current()

    def settle(self) -> None:
        """Inside a transaction, at its end: give every face with an embedding its scale in the space as it is now."""
        space = self._spaces.current()
        if not self._are_current():
            self._database.execute("UPDATE faces SET local_scale = NULL WHERE local_scale IS NOT NULL")
            self._database.set_settings({_SETTING: "" if space.cohort is None else space.measure})
        for ids, _, scales in self._computed("local_scale IS NULL AND embedding IS NOT NULL"):
            self._database.execute_many(
                "UPDATE faces SET local_scale = ? WHERE id = ?", zip(scales.tolist(), ids, strict=True)
            )

    def wrong(self) -> list[int]:
        """The faces whose rows keep another scale than their embeddings have. Reads every face."""
        wrong: list[int] = []
        if self._are_current():
            for ids, kept, right in self._computed("local_scale IS NOT NULL"):
                off = np.abs(np.array(kept) - right) > _TOLERANCE * right
                wrong += np.array(ids)[off].tolist()
        return wrong

    def _computed(self, condition: str) -> Iterator[tuple[list[int], list[float | None], Floats]]:
        """The faces of a condition, in pieces: ids, the scales that the rows keep, and those that their embeddings
        have. Nothing without a cohort. What is written meanwhile to the faces of a piece changes none that follows."""
        space, last = self._spaces.current(), -1
        while space.cohort is not None:
            rows = self._database.rows(
                f"SELECT id, local_scale, embedding FROM faces WHERE {condition} AND id > ? ORDER BY id LIMIT ?",
                (last, _FACES_AT_ONCE),
            )
            if not rows:
                return
            ids, kept, blobs = zip(*rows, strict=True)
            last = ids[-1]
            yield list(ids), list(kept), space.place(embeddings_from(blobs)).scales

    def _are_current(self) -> bool:
        space = self._spaces.current()
        return self._database.settings().get(_SETTING, "") == ("" if space.cohort is None else space.measure)


def scale_problems(database: Database) -> list[Problem]:
    """Local scales that are not those of their faces' embeddings. Call it where the embeddings are sound."""
    from facesearch.library.care.checks import Problem

    scales = Scales(database, Spaces(database))
    try:
        wrong = scales.wrong()
    except LibraryError:  # a damaged head or cohort, which is reported elsewhere
        return []
    if not wrong:
        return []

    def mend() -> None:
        database.execute_many("UPDATE faces SET local_scale = NULL WHERE id = ?", [(face_id,) for face_id in wrong])
        scales.settle()

    problem = f"{len(wrong)} faces have a wrong local scale, which falsifies their distances"
    return [Problem("embeddings", problem, "computed them again", mend)]
