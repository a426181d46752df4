"""Transactions and queries over one SQLite connection, for the rooms that hold the SQL.

Every change runs in a transaction, and one that adds or removes embeddings raises the library's generation, so that
vectors cached elsewhere can tell that they are stale. SQLite's own failures become LibraryError.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from facesearch.library import recent_changes
from facesearch.library.recent_changes import RecentChanges
from facesearch.library.rows.failures import FAILURES, library_error
from facesearch.records import Floats

PICTURE = "coalesce(-(photo_id << 32) - CAST(round(1000 * at_s) AS INTEGER), photo_id)"
"""The same number for the faces of one photo, or of one frame of a video, as SQL: `StoredFace.picture`."""

COHORT_SETTING = "cohort"
"""The setting that keeps the cohort of the library's tower, as JSON of its card; empty or missing where it has none."""

_VARIABLES_A_QUERY = 500  # SQLite's oldest limit is 999


@dataclass(eq=False)
class VectorChanges:
    """What a transaction did to the embeddings, complete once it has ended."""

    added: list[tuple[int, Floats]] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)  # faces that had an embedding
    remapped: bool = False  # all of them lie elsewhere in the library's space now
    generation: int = 0  # before, and then after it

    @property
    def concern_vectors(self) -> bool:
        """Whether vectors that were current before are no more."""
        return bool(self.added or self.removed or self.remapped)


class Database:
    """A SQLite connection in autocommit mode: reading at any time, changes only inside `transaction`.

    Raises LibraryError when the disk is full or the file is damaged, LibraryLockedError when another process keeps it
    locked for too long.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._changes: VectorChanges | None = None

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[VectorChanges]:
        """All of the changes inside, or none. Raises the generation when embeddings were added, removed or moved."""
        self.execute("BEGIN IMMEDIATE")
        try:
            changes = self._changes = VectorChanges(generation=self.generation())
            yield changes
            if changes.concern_vectors:
                recent = self._recent_after(changes)
                changes.generation = recent.generation
                self.set_settings({"generation": str(recent.generation), recent_changes.SETTING: recent.text()})
            self.execute("COMMIT")
        finally:
            self._changes = None
            if self._connection.in_transaction:
                self._connection.rollback()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """One view of the library for all the reading inside, whatever a writer commits meanwhile."""
        if self._connection.in_transaction:
            yield
            return
        self.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.rollback()

    @property
    def changes(self) -> VectorChanges:
        """What the open transaction has done so far."""
        if self._changes is None:
            raise RuntimeError("rows are changed only inside Database.transaction()")
        return self._changes

    def note_removal(self, face_ids: Iterable[int]) -> None:
        """Inside a transaction: faces are about to be deleted."""
        rows = self.rows_in("SELECT id FROM faces WHERE embedding IS NOT NULL AND id IN ({})", face_ids)
        self.changes.removed.extend(row[0] for row in rows)

    def note_other_faces(self, face_ids: Iterable[int]) -> None:
        """Inside a transaction: faces have come, or are about to go. A reindex under way reads their photos again."""
        self.execute_many(
            "DELETE FROM next_photos WHERE photo_id = (SELECT photo_id FROM faces WHERE id = ?)",
            [(face_id,) for face_id in face_ids],
        )

    def execute(self, sql: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        with _failures_named():
            return self._connection.execute(sql, values)

    def execute_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        with _failures_named():
            self._connection.executemany(sql, rows)

    def insert(self, sql: str, values: Sequence[object]) -> int:
        """Run an INSERT; returns the new row's id."""
        row_id = self.execute(sql, values).lastrowid
        assert row_id is not None
        return row_id

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with _failures_named():
            return self._connection.execute(sql, values).fetchall()

    def rows_in(self, sql: str, ids: Iterable[int]) -> list[tuple[Any, ...]]:
        """Rows of a query with `IN ({})`, asked in pieces that fit SQLite's limit of variables."""
        wanted = sorted(set(ids))
        rows = []
        for start in range(0, len(wanted), _VARIABLES_A_QUERY):
            piece = wanted[start : start + _VARIABLES_A_QUERY]
            rows += self.rows(sql.format(",".join("?" * len(piece))), piece)
        return rows

    def vacuum(self) -> bool:
        """Write the file again from its rows and empty the log; False where a reader keeps the log from being emptied.

        Outside of any transaction."""
        self.execute("VACUUM")
        return self.empty_log()

    def empty_log(self) -> bool:
        """Bring what the log holds into the file, and empty it; False where a reader keeps it from being emptied."""
        ((busy, _, _),) = self.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        return not busy

    def has_free_pages(self) -> bool:
        """Whether the file has pages that nothing uses since rows were deleted."""
        return bool(self.rows("PRAGMA freelist_count")[0][0])

    def settings(self) -> dict[str, str]:
        return dict(self.rows("SELECT key, value FROM settings"))

    def set_settings(self, values: Mapping[str, str]) -> None:
        self.execute_many(
            "INSERT INTO settings VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            list(values.items()),
        )

    def version(self) -> object:
        """Another object once somebody may have changed a row; inside a transaction, only that it is another one."""
        return self._changes or (self.rows("PRAGMA data_version"), self._connection.total_changes)

    def recent_changes(self) -> RecentChanges | None:
        """What the last transactions did to the embeddings, and how many there are; None where that is not known, as
        inside a transaction. Call it inside a snapshot with what is read beside it."""
        if self._changes is not None:
            return None
        settings = self.settings()
        return RecentChanges.read(settings.get(recent_changes.SETTING), int(settings.get("generation", 0)))

    def embedded_count(self) -> int:
        """How many faces have an embedding: as the last transaction counted them, or counted now."""
        recent = self.recent_changes()
        return self.counted_embeddings() if recent is None else recent.faces

    def counted_embeddings(self) -> int:
        """The same counted now, in a time that grows with the library."""
        ((count,),) = self.rows(  # each from an index alone
            "SELECT (SELECT count(*) FROM faces) - (SELECT count(*) FROM faces WHERE embedding IS NULL)"
        )
        return int(count)

    def _recent_after(self, changes: VectorChanges) -> RecentChanges:
        """Inside a transaction, at its end: the changes of the last ones, with its own."""
        before = RecentChanges.read(self.settings().get(recent_changes.SETTING), changes.generation)
        after = (before or RecentChanges(changes.generation, 0, "", ())).after(
            changes.removed, [face_id for face_id, _ in changes.added], remapped=changes.remapped
        )
        return replace(after, faces=self.counted_embeddings()) if before is None or changes.remapped else after

    def generation(self) -> int:
        """How many transactions have changed the embeddings."""
        rows = self.rows("SELECT value FROM settings WHERE key = 'generation'")
        return int(rows[0][0]) if rows else 0


def now() -> str:
    """The time in UTC as every row keeps it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def as_text(value: str) -> str:
    """The same without bytes that are no UTF-8, which file names can bring along and SQLite's TEXT cannot hold."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@contextmanager
def _failures_named() -> Iterator[None]:
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError):
        raise  # a bug of ours, not a state of the disk
    except FAILURES as error:
        raise library_error("the library's database failed", error) from error
