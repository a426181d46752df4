"""The tables of a library of version 1, from which `migrations` leads to those of today."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database


def create_first_tables(db: Database) -> None:
    """Paths are BLOBs because a file name is bytes, not text; boxes and landmarks are in pixels."""
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
