"""Small pictures of faces and photos, made once: a bounded file in the library's folder that `forget` deletes.

A cache: whatever goes wrong with the file, it is started again. Several threads and processes may use it at once.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import uuid
from contextlib import suppress
from pathlib import Path

from facesearch.library.place import PICTURES_NAME
from facesearch.library.private import open_private_file

LIMIT_BYTES = 256 << 20
"""Some 30,000 faces; the pictures that were not looked at for longest go first."""

_SHARE_KEPT = 0.8  # of the limit, when pictures have to go
_BESIDE = ("", "-journal")


def drop_pictures(folder: Path) -> bool:
    """Delete the pictures of a library; whether there were any."""
    found = False
    for suffix in _BESIDE:
        with suppress(FileNotFoundError):
            (folder / (PICTURES_NAME + suffix)).unlink()
            found = True
    return found


class PictureCache:
    """The pictures of a library, by keys that change whenever the picture would."""

    def __init__(self, folder: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self._path = folder / PICTURES_NAME
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._identity = ""  # of the file: a new one can get the inode of one that was deleted
        self._stored_bytes = 0
        self._seen: set[bytes] = set()  # since pictures last had to go

    def begin(self) -> str:
        """A token for `put`. Take it before reading the rows for a picture, so that `put` drops the picture of somebody
        who is forgotten meanwhile."""
        with self._lock:
            try:
                self._open()
            except (sqlite3.Error, OSError):  # damaged, or in a folder that may not be written
                self._start_anew()
                return ""
            return self._identity

    def get(self, key: bytes) -> bytes | None:
        """The picture under a key, if it is still there."""
        with self._lock:
            try:
                row = self._open().execute("SELECT content FROM pictures WHERE key = ?", (key,)).fetchone()
            except (sqlite3.Error, OSError):
                self._start_anew()
                return None
            if row is None:
                return None
            self._seen.add(key)
            return bytes(row[0])

    def put(self, key: bytes, content: bytes, begun: str) -> None:
        """Keep a picture, unless the pictures were dropped since `begin`."""
        with self._lock, suppress(OSError):
            try:
                connection = self._open()
                if self._identity != begun:
                    return
                connection.execute("INSERT OR REPLACE INTO pictures VALUES (?, ?, 0)", (key, content))
                self._seen.add(key)
                self._stored_bytes += len(content)
                if self._stored_bytes > self._limit_bytes:
                    self._make_room(connection)
            except sqlite3.Error:
                self._start_anew()

    def close(self) -> None:
        with self._lock:
            self._close()

    def _open(self) -> sqlite3.Connection:
        """The file that bears the name now: it may have been deleted by another process."""
        try:
            inode = self._path.stat().st_ino
        except FileNotFoundError:
            inode = 0
        if self._connection is not None and inode == self._inode and inode:
            return self._connection
        self._close()
        os.close(open_private_file(self._path))
        self._inode = self._path.stat().st_ino
        connection = sqlite3.connect(self._path, timeout=5.0, isolation_level=None, check_same_thread=False)
        self._connection = connection
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS pictures (key BLOB PRIMARY KEY, content BLOB NOT NULL, round INTEGER NOT NULL)"
        )
        connection.execute("CREATE TABLE IF NOT EXISTS made (identity TEXT NOT NULL)")
        connection.execute("INSERT INTO made SELECT ? WHERE NOT EXISTS (SELECT 1 FROM made)", (uuid.uuid4().hex,))
        (self._identity,) = connection.execute("SELECT identity FROM made").fetchone()
        (self._stored_bytes,) = connection.execute("SELECT coalesce(sum(length(content)), 0) FROM pictures").fetchone()
        return connection

    def _make_room(self, connection: sqlite3.Connection) -> None:
        """Delete what was not looked at for longest. round: how often pictures had gone when it was last looked at."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            (last,) = connection.execute("SELECT coalesce(max(round), 0) + 1 FROM pictures").fetchone()
            connection.executemany("UPDATE pictures SET round = ? WHERE key = ?", [(last, key) for key in self._seen])
            kept = 0
            going = []
            for key, length in connection.execute("SELECT key, length(content) FROM pictures ORDER BY round DESC"):
                kept += length
                if kept > _SHARE_KEPT * self._limit_bytes:
                    going.append((key,))
                    kept -= length
            connection.executemany("DELETE FROM pictures WHERE key = ?", going)
            connection.execute("COMMIT")
            self._stored_bytes = kept
        finally:
            if connection.in_transaction:
                connection.rollback()
        self._seen.clear()

    def _start_anew(self) -> None:
        self._close()
        with suppress(OSError):
            drop_pictures(self._path.parent)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
