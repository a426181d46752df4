"""What went wrong with SQLite or the disk, and what a user can do about it, in the words of an error's message.

A text that is not UTF-8, in a row or in SQLite's own words about a damaged list of tables, is damage too.
"""

from __future__ import annotations

import sqlite3

from facesearch.errors import LibraryError, LibraryLockedError

_REPAIR = "facesearch verify --repair saves what can be read of it; otherwise restore a backup"
_REMEDIES = {
    sqlite3.SQLITE_FULL: "free disk space",
    sqlite3.SQLITE_IOERR: "free disk space (reading needs 40 kB too), and check the disk",
    sqlite3.SQLITE_CORRUPT: _REPAIR,
    sqlite3.SQLITE_NOTADB: "restore it from a backup, or delete the library's folder and index again",
    sqlite3.SQLITE_BUSY: "try again when the process that keeps it busy is done",
    sqlite3.SQLITE_READONLY: "see that the library's folder can be written",
    sqlite3.SQLITE_CANTOPEN: "see that the library's folder can be read and written",
}


FAILURES = (OSError, sqlite3.DatabaseError, UnicodeDecodeError)


def said(error: BaseException) -> str:
    """What went wrong."""
    if isinstance(error, UnicodeDecodeError):
        return "a text in it is not UTF-8"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def remedy(error: BaseException) -> str:
    """What to do about it."""
    return _REMEDIES.get(_code(error), "free disk space, or restore a backup")


def library_error(what: str, error: BaseException) -> LibraryError:
    """An error that begins with `what`: a LibraryLockedError where it passes when another process is done."""
    kind = LibraryLockedError if _code(error) == sqlite3.SQLITE_BUSY else LibraryError
    return kind(f"{what}: {said(error)}; {remedy(error)}")


def is_damage(error: BaseException | None) -> bool:
    """Whether a file that is a database is damaged."""
    return _code(error) == sqlite3.SQLITE_CORRUPT


def _code(error: BaseException | None) -> int:
    """SQLite's primary error code: the last byte of the extended one that Python gives; -1 for other errors."""
    if isinstance(error, UnicodeDecodeError) or (
        isinstance(error, sqlite3.OperationalError) and str(error).startswith("Could not decode to UTF-8")
    ):
        return sqlite3.SQLITE_CORRUPT
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return -1 if code is None else code & 0xFF
