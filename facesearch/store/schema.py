"""The tables of a library and the numbered steps that lead to them (sqlite-utils migrations).

Refuses a database that is not a library's, and one written by a newer facesearch. An older one is copied before it
is changed. Reading a library of the current version needs only the standard library's sqlite3: sqlite-utils, slow to
import, is loaded to create or to migrate.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from facesearch.errors import LibraryError
from facesearch.store.failures import FAILURES, remedy, said
from facesearch.store.private import open_private_file, sync_folder

if TYPE_CHECKING:
    from sqlite_utils import Database

APPLICATION_ID = 0x46534C42  # "FSLB", so that `file` and we can tell a library from any other SQLite file
BUSY_TIMEOUT_S = 30.0
_EFFECTIVE_IDS = os.access in os.supports_effective_ids


def _first_tables(db: Database) -> None:
    """Version 1. Paths are BLOBs because a file name is bytes, not text; boxes and landmarks are in pixels."""
    for statement in (
        "CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
        """CREATE TABLE roots (
            id INTEGER PRIMARY KEY,
            path BLOB NOT NULL UNIQUE,
            walked_at TEXT NOT NULL) STRICT""",
        # A photo is its content: copies share one row, one set of faces and one set of embeddings.
        """CREATE TABLE photos (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            sha256 TEXT NOT NULL UNIQUE,
            width_px INTEGER NOT NULL,
            height_px INTEGER NOT NULL,
            added_at TEXT NOT NULL) STRICT""",
        # A file either shows a photo or says why it does not.
        """CREATE TABLE files (
            id INTEGER PRIMARY KEY,
            path BLOB NOT NULL UNIQUE,
            size_bytes INTEGER NOT NULL,
            mtime_ns INTEGER NOT NULL,
            photo_id INTEGER REFERENCES photos (id),
            reason TEXT,
            missing INTEGER NOT NULL DEFAULT 0 CHECK (missing IN (0, 1)),
            CHECK ((photo_id IS NULL) <> (reason IS NULL))) STRICT""",
        "CREATE INDEX files_photo ON files (photo_id)",
        # AUTOINCREMENT: an id is never used twice, neither in the vectors nor in the journal.
        """CREATE TABLE people (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT UNIQUE CHECK (name <> ''),
            created_at TEXT NOT NULL) STRICT""",
        # box: float32 x1 y1 x2 y2; landmarks: float32 (5, 2); embedding: float32 (32,); all little-endian.
        """CREATE TABLE faces (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            photo_id INTEGER NOT NULL REFERENCES photos (id) ON DELETE CASCADE,
            box BLOB NOT NULL CHECK (length(box) = 16),
            landmarks BLOB NOT NULL CHECK (length(landmarks) = 40),
            score REAL NOT NULL,
            embedding BLOB NOT NULL CHECK (length(embedding) = 128),
            person_id INTEGER REFERENCES people (id) ON DELETE SET NULL,
            person_source TEXT,
            CHECK (person_id IS NULL OR person_source IS NOT NULL)) STRICT""",
        "CREATE INDEX faces_photo ON faces (photo_id)",
        "CREATE INDEX faces_person ON faces (person_id) WHERE person_id IS NOT NULL",
        """CREATE TABLE journal (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            at TEXT NOT NULL,
            action TEXT NOT NULL,
            details TEXT NOT NULL) STRICT""",
    ):
        db.execute(statement)


def _failures_and_moves(db: Database) -> None:
    """Version 2. software: what failed to read a file, so that another one tries again. settled: 0 for a file that
    shows a known photo, until a whole run has found out whether the photo was copied or moved there."""
    db.execute("ALTER TABLE files ADD COLUMN software TEXT")
    db.execute("ALTER TABLE files ADD COLUMN settled INTEGER NOT NULL DEFAULT 1 CHECK (settled IN (0, 1))")
    db.execute("CREATE INDEX files_unsettled ON files (photo_id) WHERE settled = 0")


def _face_counts(db: Database) -> None:
    """Version 3. How many faces a photo has, so that a lost one is missed."""
    db.execute("ALTER TABLE photos ADD COLUMN face_count INTEGER NOT NULL DEFAULT 0")
    db.execute("UPDATE photos SET face_count = (SELECT count(*) FROM faces WHERE photo_id = photos.id)")


def _forgotten_faces(db: Database) -> None:
    """Version 4. How many faces of a photo were forgotten on request: they are not to come back, nor another face to be
    taken for theirs."""
    db.execute("ALTER TABLE photos ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0")


def _faces_to_come(db: Database) -> None:
    """Version 5. The photos and faces of another tower or detector, until they take the place of the present ones.
    former_id: the face whose place a face takes. reason: why a photo cannot be read; '' where it is another by now."""
    db.execute(
        """CREATE TABLE next_photos (
            photo_id INTEGER PRIMARY KEY REFERENCES photos (id) ON DELETE CASCADE,
            width_px INTEGER,
            height_px INTEGER,
            reason TEXT,
            CHECK ((width_px IS NULL) = (height_px IS NULL) AND (width_px IS NULL) = (reason IS NOT NULL))) STRICT"""
    )
    db.execute(
        """CREATE TABLE next_faces (
            id INTEGER PRIMARY KEY,
            photo_id INTEGER NOT NULL REFERENCES next_photos (photo_id) ON DELETE CASCADE,
            former_id INTEGER UNIQUE REFERENCES faces (id) ON DELETE CASCADE,
            box BLOB NOT NULL CHECK (length(box) = 16),
            landmarks BLOB NOT NULL CHECK (length(landmarks) = 40),
            score REAL NOT NULL,
            embedding BLOB NOT NULL CHECK (length(embedding) = 128)) STRICT"""
    )
    db.execute("CREATE INDEX next_faces_photo ON next_faces (photo_id)")


def _rejections(db: Database) -> None:
    """Version 6. Faces that somebody has said are not a person's; and when people were born, as an ISO date."""
    db.execute("ALTER TABLE people ADD COLUMN born TEXT")
    db.execute(
        """CREATE TABLE rejections (
            face_id INTEGER NOT NULL REFERENCES faces (id) ON DELETE CASCADE,
            person_id INTEGER NOT NULL REFERENCES people (id) ON DELETE CASCADE,
            PRIMARY KEY (face_id, person_id)) STRICT"""
    )
    db.execute("CREATE INDEX rejections_person ON rejections (person_id)")


def _heads(db: Database) -> None:
    """Version 7. What a library was taught, the last of them in force. weights: float32 (32, 32), row by row,
    little-endian, over the embeddings of the tower with that SHA-256. details: JSON."""
    db.execute(
        """CREATE TABLE heads (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            created_at TEXT NOT NULL,
            tower TEXT NOT NULL,
            weights BLOB NOT NULL CHECK (length(weights) = 4096),
            details TEXT NOT NULL) STRICT"""
    )


def _drives(db: Database) -> None:
    """Version 8. Folders below the walked ones in which another drive was mounted: one whose folder is gone may come
    back, which a folder that was deleted does not."""
    db.execute(
        """CREATE TABLE drives (
            id INTEGER PRIMARY KEY,
            path BLOB NOT NULL UNIQUE,
            walked_at TEXT NOT NULL) STRICT"""
    )


# The version of a database is the number of steps it has taken. Steps are appended, never changed.
MIGRATIONS: tuple[Callable[[Database], None], ...] = (
    _first_tables,
    _failures_and_moves,
    _face_counts,
    _forgotten_faces,
    _faces_to_come,
    _rejections,
    _heads,
    _drives,
)


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
        beside.replace(path)
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
        raise LibraryError(f"cannot open {path}: {said(error)}; {remedy(error)}") from error


def version(path: Path) -> int:
    """The number of migrations a database has taken. Raises LibraryError when it is no library's or too new."""
    try:
        with closing(_open(path, writable=False)) as connection:
            (application_id,) = connection.execute("PRAGMA application_id").fetchone()
            (number,) = connection.execute("PRAGMA user_version").fetchone()
    except FAILURES as error:
        raise LibraryError(f"cannot read {path}: {said(error)}; {remedy(error)}") from error
    if application_id != APPLICATION_ID or number < 1:
        raise LibraryError(f"{path} is not a facesearch library; choose another place with --library")
    if number > len(MIGRATIONS):
        raise LibraryError(
            f"{path} was written by a newer facesearch (library version {number}, this one knows up to "
            f"{len(MIGRATIONS)}); update facesearch"
        )
    return int(number)


def migrate(path: Path) -> Path | None:
    """Bring an older database to the current version, after a copy of it; returns the copy, None if not needed.

    Only for the holder of the writer lock. Raises LibraryError (disk full, damaged): the older version is left whole.
    """
    number = version(path)
    if number == len(MIGRATIONS):
        return None
    backup = path.with_name(f"{path.name}.version-{number}.backup")
    with failures_named(f"cannot bring {path} up to date"):
        os.close(open_private_file(backup, os.O_TRUNC))
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(backup)) as target:
            source.backup(target)
        _apply_migrations(path)
    return backup


@contextmanager
def failures_named(what: str) -> Iterator[None]:
    """SQLite's own failures, and the disk's, as a LibraryError that begins with `what`."""
    try:
        yield
    except FAILURES as error:
        raise LibraryError(f"{what}: {said(error)}; {remedy(error)}") from error


def _apply_migrations(path: Path) -> None:
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

    steps = Migrations("facesearch")
    for number, step in enumerate(MIGRATIONS, start=1):
        steps(name=f"{number:04d}")(_numbered(number, step))
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        steps.apply(Database(connection, execute_plugins=False))


def _numbered(number: int, step: Callable[[Database], None]) -> Callable[[Database], None]:
    def run(db: Database) -> None:
        step(db)
        db.execute(f"PRAGMA user_version = {number}")  # inside the step's transaction

    return run


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
