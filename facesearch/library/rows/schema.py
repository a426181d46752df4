"""The database of a library: created, opened, and brought up to date by the steps in `migrations`.

The version is the database's `user_version`: the number of steps that it has taken. Refuses a database that is not a
library's, and one written by a newer facesearch. An older one is copied before it is changed. Reading a library of the
current version needs only sqlite3: sqlite-utils, slow to import, is loaded to create or to migrate.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from facesearch.errors import LibraryError
from facesearch.library.private import open_private_file, rename_over, sync_folder
from facesearch.library.rows.failures import FAILURES, library_error
from facesearch.library.rows.migrations import MIGRATIONS

if TYPE_CHECKING:
    from sqlite_utils import Database

APPLICATION_ID = 0x46534C42  # "FSLB", so that `file` and we can tell a library from any other SQLite file
BUSY_TIMEOUT_S = 30.0
_EFFECTIVE_IDS = os.access in os.supports_effective_ids


def create(path: Path, settings: Mapping[str, str]) -> None:
    """Create a library database with mode 0600; its -wal and -shm files inherit the mode from it.

    It is built beside and renamed, so that a database under its final name is always whole.
    """
    beside = path.with_name(path.name + ".new")
    with failures_named(f"cannot create {path}"):
        for leftover in ("", "-wal", "-shm"):  # of a creation that was killed: a stale -wal would be replayed
            beside.with_name(beside.name + leftover).unlink(missing_ok=True)
        os.close(open_private_file(beside))
        _apply_migrations(beside)
        with closing(sqlite3.connect(beside)) as connection, connection:
            connection.executemany("INSERT INTO settings VALUES (?, ?)", settings.items())
        for leftover in ("-wal", "-shm"):  # of a database that is not there any more: the same
            path.with_name(path.name + leftover).unlink(missing_ok=True)
        rename_over(beside, path)
        sync_folder(path.parent)


def connect(path: Path, *, writable: bool, lenient: bool = False) -> sqlite3.Connection:
    """Open a library database whose version is the current one.

    A reader opens the file for writing too where it may, but sets query_only: SQLite's own read-only mode would leave
    an empty -wal and a -shm file behind, and this way the folder is the same after as before.
    lenient: also where the list of tables is damaged, with those that can be read.
    Raises LibraryError for a file that is no library, is damaged, or is of another version.
    """
    try:
        connection = _open(path, writable=writable)
        if lenient:
            connection.execute("PRAGMA writable_schema = ON")  # before anything reads the list
        return _configured(connection, writable=writable)
    except FAILURES as error:
        raise library_error(f"cannot open {path}", error) from error


def current_version() -> int:
    """The version that this facesearch works with: a database's, once it has taken every step."""
    return len(MIGRATIONS)


def version(path: Path) -> int:
    """The number of steps that a database has taken. Raises LibraryError when it is not a library's, or too new."""
    application_id, number = stamp(path)
    if application_id != APPLICATION_ID or number < 1:
        raise LibraryError(f"{path} is not a facesearch library; choose another place with --library")
    if number > current_version():
        raise LibraryError(
            f"{path} was written by a newer facesearch (library version {number}, this one knows up to "
            f"{current_version()}); update facesearch"
        )
    return number


def stamp(path: Path) -> tuple[int, int]:
    """The application's id and the version that a database bears, whoever wrote it. Raises LibraryError."""
    try:
        with closing(_open(path, writable=False)) as connection:
            (application_id,) = connection.execute("PRAGMA application_id").fetchone()
            (number,) = connection.execute("PRAGMA user_version").fetchone()
    except FAILURES as error:
        raise library_error(f"cannot read {path}", error) from error
    return int(application_id), int(number)


def migrate(path: Path) -> Path | None:
    """Bring an older database to the current version, after a copy of it; returns the copy, None if not needed.

    Only for the holder of the writer lock. Raises LibraryError (disk full, damaged): the older version is left whole,
    and no part of a copy.
    """
    number = version(path)
    if number == current_version():
        return None
    backup = path.with_name(f"{path.name}.version-{number}.backup")
    with failures_named(f"cannot bring {path} up to date"):
        try:
            os.close(open_private_file(backup, os.O_TRUNC))
            with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(backup)) as target:
                source.backup(target)
        except BaseException:
            for part in (backup, backup.with_name(f"{backup.name}-journal")):
                part.unlink(missing_ok=True)
            raise
        _apply_migrations(path)
    return backup


@contextmanager
def failures_named(what: str) -> Iterator[None]:
    """SQLite's own failures, and the disk's, as a LibraryError that begins with `what`."""
    try:
        yield
    except FAILURES as error:
        raise library_error(what, error) from error


def _sqlite_utils_database() -> type[Database]:
    """The class, imported without pandas, which sqlite-utils imports where it is installed, for 0.15 s."""
    is_loaded = "pandas" in sys.modules
    sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]
    try:
        from sqlite_utils import Database
    finally:
        if not is_loaded:
            del sys.modules["pandas"]
    return Database


def _apply_migrations(path: Path) -> None:
    """Take every step that the database has not taken, each in a transaction with its number."""
    database_of = _sqlite_utils_database()
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as connection:
        db = database_of(connection, execute_plugins=False)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA foreign_keys = OFF")  # a step that writes a table again must not delete what refers to it
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        (taken,) = db.execute("PRAGMA user_version").fetchone()
        for number, step in enumerate(MIGRATIONS[taken:], start=taken + 1):
            with db.atomic():  # commits, or rolls back
                step(db)
                db.execute(f"PRAGMA user_version = {number}")


def _open(path: Path, *, writable: bool) -> sqlite3.Connection:
    """A connection in autocommit: transactions are begun and ended in the catalog, by name."""
    if not writable and not all(os.access(each, os.W_OK, effective_ids=_EFFECTIVE_IDS) for each in (path.parent, path)):
        # Nobody can write here, and WAL would need to: read the file as it stands.
        wal = path.with_name(path.name + "-wal")
        if wal.exists() and wal.stat().st_size > 0:
            raise LibraryError(
                f"{path} was left in the middle of writing and its folder is read-only; "
                "make the folder writable once, and run facesearch status"
            )
        mode = "ro&immutable=1"
    else:
        mode = "rw"
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)


def _configured(connection: sqlite3.Connection, *, writable: bool) -> sqlite3.Connection:
    connection.execute("PRAGMA foreign_keys = ON")
    if writable:
        # FULL: a commit that a power cut could take back would let the vectors run ahead of the rows.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")  # a removed embedding is overwritten, not only unlinked
    else:
        connection.execute("PRAGMA query_only = ON")
    return connection
