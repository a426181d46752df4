"""When photos were taken, as their rows keep it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from facesearch.library.rows.database import Database
from facesearch.records import DateSource, Taken


class Dates:
    """Reads and changes the dates of a library's photos. Changes are made inside a transaction of the Database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, photo_id: int, taken: Taken) -> None:
        """Record when a photo was taken."""
        self._database.execute(
            "UPDATE photos SET taken_at = ?, taken_zone_min = ?, taken_source = ? WHERE id = ?",
            (taken.at, taken.zone_min, taken.source, photo_id),
        )

    def improve(self, photo_id: int, taken: Taken) -> None:
        """The same where no better source said so before: what a sidecar or another file's name says now."""
        before = self.of([photo_id]).get(photo_id)
        ranks = get_args(DateSource)
        if before is None or ranks.index(taken.source) <= ranks.index(before.source):
            self.put(photo_id, taken)

    def of(self, photo_ids: Iterable[int]) -> dict[int, Taken]:
        """When photos were taken, by photo id, without photos that were never searched for a date."""
        rows = self._database.rows_in(
            "SELECT id, taken_at, taken_zone_min, taken_source FROM photos "
            "WHERE taken_source IS NOT NULL AND id IN ({})",
            photo_ids,
        )
        return {photo_id: Taken(*row) for photo_id, *row in rows}

    def undated(self) -> set[int]:
        """The photos that were never searched for a date."""
        return {row[0] for row in self._database.rows("SELECT id FROM photos WHERE taken_source IS NULL")}
