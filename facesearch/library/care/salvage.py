"""A new database out of what can still be read of a damaged one.

Reads row by row and steps over the pages that cannot be read. Refuses to invent anything: what was lost is counted,
and what no longer fits together is left to the checks of the rows.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

from facesearch.errors import LibraryError
from facesearch.library.rows import schema

_ROWS_A_READ = 100
_LARGEST_ID = 1 << 62
_MOST_LOOKED_UP = 100_000  # by themselves, in one unreadable stretch
_HEADER_BYTES = 100
_LARGEST_LOSS = 1000  # times of what is left: a header that says more is damaged itself
# Parents before children. Tables that a later version adds are found by themselves, after these.
_ORDER = ("settings", "roots", "people", "photos", "files", "faces", "journal")


def salvage(path: Path, beside: Path) -> dict[str, int]:
    """Build a database in `beside` from what can be read of the one in `path`; returns the rows saved, by table.

    Raises LibraryError where nothing can be read, or the disk is full.
    """
    with schema.failures_named(f"cannot save anything of {path}"):
        schema.create(beside, {})
        with (
            closing(schema.connect(path, writable=False, lenient=True)) as source,
            closing(sqlite3.connect(beside)) as target,
        ):
            saved = {}
            for table in _tables(target):
                saved[table] = _copy(source, target, table)
            _keep_ids_unused(source, target)
            target.commit()
    if not any(saved.values()):
        beside.unlink()
        raise LibraryError(
            f"nothing in {path} can be read; restore a backup, or delete the library's folder and index again"
        )
    return saved


def fill_up(path: Path) -> bool:
    """Where a database was cut off behind its first page, put zeros in the place of what is lost, as SQLite opens no
    file that is shorter than its header says; returns whether there was need. Only for the holder of the writer lock.

    Source: sqlite.org/fileformat.html, section 1.3. Raises LibraryError when the disk is full.
    """
    with schema.failures_named(f"cannot save anything of {path}"), path.open("r+b") as file:
        header, size_bytes = file.read(_HEADER_BYTES), os.fstat(file.fileno()).st_size
        if len(header) < _HEADER_BYTES or not header.startswith(b"SQLite format 3\0"):
            return False
        page_bytes = int.from_bytes(header[16:18], "big")
        page_bytes = 65536 if page_bytes == 1 else page_bytes
        whole_bytes = page_bytes * int.from_bytes(header[28:32], "big")
        if not page_bytes <= size_bytes < whole_bytes <= _LARGEST_LOSS * size_bytes:
            return False
        file.truncate(whole_bytes)
    return True


def _tables(target: sqlite3.Connection) -> list[str]:
    rows = target.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_sqlite_%'"
    )
    names = {row[0] for row in rows}
    return [*_ORDER, *sorted(names - set(_ORDER))]


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> int:
    known = _columns(source, table)  # fewer where the database is of an older version
    columns = [column for column in _columns(target, table) if column in known]
    if not columns:
        return 0
    statement = f"INSERT OR IGNORE INTO {table} (rowid, {', '.join(columns)}) VALUES (?{', ?' * len(columns)})"
    saved = 0
    for row in _readable(source, table, columns):
        try:
            saved += target.execute(statement, row).rowcount
        except sqlite3.IntegrityError:  # a damaged value that the column refuses
            continue
    return saved


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def _readable(source: sqlite3.Connection, table: str, columns: list[str]) -> Iterator[tuple[Any, ...]]:
    """Every row that can be read, each with its rowid first; after an error it goes on behind the unreadable part."""
    rows = f"SELECT rowid, {', '.join(columns)} FROM {table} NOT INDEXED WHERE rowid > ? ORDER BY rowid LIMIT ?"
    good = last = -1  # the last row that was read, and how far was stepped over since
    step, at_once = 1, _ROWS_A_READ
    while last < _LARGEST_ID:
        try:
            found = source.execute(rows, (last, at_once)).fetchall()
            is_sound = all(before < after for before, after in pairwise([last, *(row[0] for row in found)]))
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            is_sound = False
        if not is_sound:  # the numbers of rows on a torn page can even lead back
            if at_once > 1:
                at_once = 1  # perhaps only a later one of these rows is damaged
            else:
                last, step = last + step, 2 * step
            continue
        if last > good:  # stepped too far, perhaps
            yield from _one_by_one(source, table, columns, range(good + 1, found[0][0] if found else last + 1))
        if not found:
            return
        yield from found
        good = last = found[-1][0]
        step, at_once = 1, _ROWS_A_READ


def _one_by_one(source: sqlite3.Connection, table: str, columns: list[str], rowids: range) -> Iterator[tuple[Any, ...]]:
    """The readable ones of some rows, each looked up by itself."""
    row_of = f"SELECT rowid, {', '.join(columns)} FROM {table} NOT INDEXED WHERE rowid = ?"
    for rowid in rowids[:_MOST_LOOKED_UP]:
        try:
            yield from source.execute(row_of, (rowid,)).fetchall()
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            continue


def _keep_ids_unused(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """An id that was ever used is not used again, also where its row is lost."""
    try:
        rows = source.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
    except sqlite3.DatabaseError:
        return
    for name, last in rows:
        changed = target.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (last, name)).rowcount
        if not changed:
            target.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, last))
