"""What can be wrong with the rows of a library, and how to repair it.

Never guesses what was lost: drops what cannot be trusted, keeps the people, and has the next run read the photo again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from facesearch.errors import LibraryError
from facesearch.library.rows.catalog import Catalog
from facesearch.library.rows.counts import count_anew, counted, kept_row
from facesearch.library.rows.database import Database
from facesearch.library.rows.doubts import Doubts
from facesearch.records import EMBEDDING_SIZE

_FACES_A_PIECE = 10_000
_AGAIN = "dropped them: the next index reads these photos again"
_KEPT = "kept the people of these faces: the next index looks at the photos again"


@dataclass(frozen=True)
class Problem:
    """Something that is wrong, and what can be done about it."""

    area: str  # one of verifying.AREAS
    problem: str  # what is wrong, in words
    outcome: str  # what `mend` does about it, in words; without `mend`, what the user can do
    mend: Callable[[], object] | None = None  # called inside a transaction; None where it cannot be mended here
    harmless: bool = False  # only worth knowing: the library is sound with it


def integrity(database: Database) -> list[str]:
    """What SQLite finds wrong with the database file: at most twenty lines, none if it is sound. The checks below look
    at what the rows say."""
    try:
        database.execute("PRAGMA ignore_check_constraints = ON")
        lines = [str(row[0]) for row in database.rows("PRAGMA integrity_check(20)")]
    except LibraryError as error:
        return [str(error.__cause__ or error)]
    finally:
        database.execute("PRAGMA ignore_check_constraints = OFF")
    return _undecodable(database) if lines == ["ok"] else lines


def _undecodable(database: Database) -> list[str]:
    """The tables with texts that are not UTF-8, which SQLite accepts."""
    errors = []
    for (table,) in database.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"):
        columns = database.rows(f"PRAGMA table_info({table})")
        texts = [name for _, name, kind, *_ in columns if kind == "TEXT"]
        try:
            for _ in database.execute(f"SELECT {', '.join(texts)} FROM {table}") if texts else ():
                pass
        except (sqlite3.OperationalError, UnicodeDecodeError):
            errors.append(f"a text in {table} is not UTF-8")
    return errors


def row_problems(database: Database) -> list[Problem]:
    """Rows that belong to nothing or contradict each other. Reads every row."""
    return [
        *_lost_photo_problems(database),
        *_file_problems(database),
        *_face_problems(database),
        *_cover_problems(database),
        *_photo_problems(database),
        *_count_problems(database),
    ]


def _lost_photo_problems(database: Database) -> Iterator[Problem]:
    """Photos of which the faces and a file are known, but nothing else."""
    lost = "photo_id NOT IN (SELECT id FROM photos) AND photo_id IN (SELECT photo_id FROM faces)"
    if rows := database.rows(f"SELECT DISTINCT photo_id FROM files WHERE {lost}"):
        stand_in = partial(Doubts(database).stand_in, [row[0] for row in rows])
        yield Problem("rows", f"{len(rows)} photos are lost, but for their files and faces", _KEPT, stand_in)


def _file_problems(database: Database) -> Iterator[Problem]:
    for condition, what in (
        (
            "photo_id IS NOT NULL AND photo_id NOT IN (SELECT id FROM photos UNION SELECT photo_id FROM faces)",
            "show a photo that is not there",
        ),
        ("(photo_id IS NULL) = (reason IS NULL)", "neither show a photo nor say why"),
    ):
        if files := database.rows(f"SELECT id FROM files WHERE {condition}"):
            delete = partial(database.execute_many, "DELETE FROM files WHERE id = ?", files)
            yield Problem("rows", f"{len(files)} files {what}", _AGAIN, delete)


def _face_problems(database: Database) -> Iterator[Problem]:
    shown = "SELECT photo_id FROM files WHERE photo_id IS NOT NULL"
    if rows := database.rows(
        f"SELECT id FROM faces WHERE photo_id NOT IN (SELECT id FROM photos) AND photo_id NOT IN ({shown})"
    ):
        drop = partial(Catalog(database).drop_faces, [row[0] for row in rows])
        yield Problem("rows", f"{len(rows)} faces are on no photo", "dropped them", drop)
    people = "SELECT id FROM people"
    if rows := database.rows(f"SELECT id FROM faces WHERE person_id IS NOT NULL AND person_id NOT IN ({people})"):
        statement = "UPDATE faces SET person_id = NULL, person_source = NULL WHERE id = ?"
        free = partial(database.execute_many, statement, rows)
        problem = f"{len(rows)} faces belong to a person who is not there"
        yield Problem("rows", problem, "left them without a person", free)
    known = "(start_s IS NOT NULL) + (end_s IS NOT NULL) + (at_s IS NOT NULL) + (track IS NOT NULL)"
    wrong = f"{known} NOT IN (0, 4) OR start_s < 0 OR NOT at_s BETWEEN start_s AND end_s"
    if rows := database.rows(f"SELECT id, photo_id FROM faces WHERE {wrong}"):
        videos, strip = len({row[1] for row in rows}), partial(Doubts(database).strip, [row[0] for row in rows])
        yield Problem("rows", f"{videos} videos have faces with impossible time spans", _KEPT, strip)
    if rows := database.rows("SELECT id FROM removed_faces WHERE photo_id NOT IN (SELECT id FROM photos)"):
        drop_removed = partial(database.execute_many, "DELETE FROM removed_faces WHERE id = ?", rows)
        yield Problem("rows", f"{len(rows)} removed faces are on no photo", "dropped them", drop_removed)
    lost = f"face_id NOT IN (SELECT id FROM faces) OR person_id NOT IN ({people})"
    if rows := database.rows(f"SELECT face_id, person_id FROM rejections WHERE {lost}"):
        forget = partial(database.execute, f"DELETE FROM rejections WHERE {lost}")
        yield Problem(
            "rows", f"{len(rows)} rejections are of a face or person that is not there", "dropped them", forget
        )


def _cover_problems(database: Database) -> Iterator[Problem]:
    lost = "cover_face_id IS NOT NULL AND cover_face_id NOT IN (SELECT id FROM faces)"
    if rows := database.rows(f"SELECT id FROM people WHERE {lost}"):
        drop = partial(database.execute_many, "UPDATE people SET cover_face_id = NULL WHERE id = ?", rows)
        yield Problem(
            "rows", f"{len(rows)} people have a cover that is not there", "they show their best face again", drop
        )


def _photo_problems(database: Database) -> Iterator[Problem]:
    catalog = Catalog(database)
    shown = "SELECT photo_id FROM files WHERE photo_id IS NOT NULL"
    if rows := database.rows(f"SELECT id FROM photos WHERE id NOT IN ({shown})"):
        unshown = partial(catalog.drop_photos, [row[0] for row in rows])
        yield Problem("rows", f"{len(rows)} photos are shown by no file", "dropped them", unshown)
    undated = (
        "taken_source IS NOT NULL AND (taken_at IS NULL OR taken_at NOT GLOB "
        "'[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]')"
    )
    if rows := database.rows(f"SELECT id FROM photos WHERE {undated}"):
        again = partial(
            database.execute_many,
            "UPDATE photos SET taken_at = NULL, taken_zone_min = NULL, taken_source = NULL WHERE id = ?",
            rows,
        )
        yield Problem("rows", f"{len(rows)} photos have an invalid date", "the next index dates them again", again)
    count = "SELECT count(*) FROM faces WHERE photo_id = photos.id"
    if rows := database.rows(f"SELECT id FROM photos WHERE face_count <> ({count})"):
        yield Problem(
            "rows",
            f"{len(rows)} photos have lost some of their faces, with their people",
            "kept the other faces: the next index looks at the photos again",
            partial(_accept_loss, database, [row[0] for row in rows]),
        )


def _accept_loss(database: Database, photo_ids: list[int]) -> None:
    database.execute_many(
        "UPDATE photos SET face_count = (SELECT count(*) FROM faces WHERE photo_id = photos.id) WHERE id = ?",
        [(photo_id,) for photo_id in photo_ids],
    )
    Doubts(database).add(photo_ids)


def _count_problems(database: Database) -> Iterator[Problem]:
    if kept_row(database) != counted(database):
        problem = "the library's counts of photos, files, people or faces are wrong"
        yield Problem("rows", problem, "counted them again", partial(count_anew, database))


def journal_problems(database: Database) -> list[Problem]:
    """Lines of the journal that are not JSON."""

    def is_damaged(details: object) -> bool:
        try:
            return not isinstance(json.loads(str(details)), dict)
        except ValueError:
            return True

    lines = [line for line, details in database.rows("SELECT id, details FROM journal") if is_damaged(details)]
    if not lines:
        return []

    def mend() -> None:
        database.execute_many("DELETE FROM journal WHERE id = ?", [(line,) for line in lines])

    return [Problem("rows", f"{len(lines)} lines of the journal cannot be read", "dropped them", mend)]


def embedding_problems(database: Database) -> list[Problem]:
    """Photos with a face whose embedding, box or landmarks are not numbers, or not as many as they must be: an added
    face may have no embedding and no landmarks."""
    sizes = {"embedding": 4 * EMBEDDING_SIZE, "box": 16, "landmarks": 40}
    damaged, last = dict[int, int](), -1
    while rows := database.rows(
        "SELECT id, photo_id, found_by, embedding, box, landmarks FROM faces WHERE id > ? ORDER BY id LIMIT ?",
        (last, _FACES_A_PIECE),
    ):
        last = rows[-1][0]
        for face_id, photo_id, found_by, *blobs in rows:
            is_box_alone = found_by != "detector" and blobs[0] is None and blobs[2] is None
            there = dict(zip(sizes, blobs, strict=True))
            if is_box_alone:
                there = {"box": blobs[1]}
            right = all(isinstance(blob, bytes) and len(blob) == sizes[name] for name, blob in there.items())
            if not right or not np.isfinite(np.frombuffer(b"".join(there.values()), "<f4")).all():
                damaged[face_id] = photo_id
    if not damaged:
        return []
    return [
        Problem(
            "embeddings",
            f"{len(set(damaged.values()))} photos have faces whose numbers are damaged",
            _KEPT,
            partial(Doubts(database).strip, damaged),
        )
    ]
