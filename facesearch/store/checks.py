"""What can be wrong with the rows of a library, and how each of it is mended.

Refuses to guess at what was lost: what cannot be trusted is dropped, so that the next run reads the photo again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from facesearch.errors import LibraryError
from facesearch.records import EMBEDDING_SIZE
from facesearch.store.catalog import Catalog
from facesearch.store.database import Database

_FACES_A_PIECE = 10_000
_AGAIN = "dropped them: the next index reads these photos again"


@dataclass(frozen=True)
class Problem:
    """area: "database", "rows", "embeddings"... outcome: what `mend`, called inside a transaction, does about it, in
    words; without `mend` it cannot be mended here, and `outcome` says what to do."""

    area: str
    problem: str
    outcome: str
    mend: Callable[[], object] | None = None


def integrity(database: Database) -> list[str]:
    """What SQLite itself finds wrong with the database file, at most twenty lines; none is sound. What rows say is left
    to the checks below, which can mend it."""
    try:
        database.execute("PRAGMA ignore_check_constraints = ON")
        lines = [str(row[0]) for row in database.rows("PRAGMA integrity_check(20)")]
    except LibraryError as error:
        return [str(error.__cause__ or error)]
    finally:
        database.execute("PRAGMA ignore_check_constraints = OFF")
    return [] if lines == ["ok"] else lines


def row_problems(database: Database) -> list[Problem]:
    """Rows that belong to nothing, or that contradict each other. Reads every row."""
    catalog = Catalog(database)

    def ids(sql: str) -> list[int]:
        return [row[0] for row in database.rows(sql)]

    def delete(table: str, rows: Iterable[int]) -> Callable[[], object]:
        return lambda: database.execute_many(f"DELETE FROM {table} WHERE id = ?", [(row,) for row in rows])

    problems = []
    if files := ids("SELECT id FROM files WHERE photo_id IS NOT NULL AND photo_id NOT IN (SELECT id FROM photos)"):
        problems.append(
            Problem("rows", f"{len(files)} files show a photo that is not there", _AGAIN, delete("files", files))
        )
    if files := ids("SELECT id FROM files WHERE (photo_id IS NULL) = (reason IS NULL)"):
        problems.append(
            Problem("rows", f"{len(files)} files neither show a photo nor say why", _AGAIN, delete("files", files))
        )
    if faces := ids("SELECT id FROM faces WHERE photo_id NOT IN (SELECT id FROM photos)"):
        problems.append(
            Problem("rows", f"{len(faces)} faces are on no photo", "dropped them", lambda: catalog.drop_faces(faces))
        )
    if named := ids("SELECT id FROM faces WHERE person_id IS NOT NULL AND person_id NOT IN (SELECT id FROM people)"):
        problems.append(
            Problem(
                "rows",
                f"{len(named)} faces belong to a person who is not there",
                "left them without a person",
                lambda: database.execute_many(
                    "UPDATE faces SET person_id = NULL, person_source = NULL WHERE id = ?", [(face,) for face in named]
                ),
            )
        )
    if unshown := ids("SELECT id FROM photos WHERE id NOT IN (SELECT photo_id FROM files WHERE photo_id IS NOT NULL)"):
        problems.append(
            Problem("rows", f"{len(unshown)} photos are shown by no file", "dropped them", catalog.drop_unshown)
        )
    if partial := ids(
        "SELECT id FROM photos WHERE face_count <> (SELECT count(*) FROM faces WHERE photo_id = photos.id)"
    ):
        problems.append(
            Problem(
                "rows",
                f"{len(partial)} photos have lost some of their faces",
                _AGAIN,
                lambda: catalog.drop_photos(partial),
            )
        )
    return problems


def journal_problems(database: Database) -> list[Problem]:
    """Lines of the journal that are no JSON."""

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
    """Photos with a face whose embedding, box or landmarks are not numbers, or not as many as they must be."""
    sizes = {"embedding": 4 * EMBEDDING_SIZE, "box": 16, "landmarks": 40}
    damaged, last = set(), -1
    while rows := database.rows(
        "SELECT id, photo_id, embedding, box, landmarks FROM faces WHERE id > ? ORDER BY id LIMIT ?",
        (last, _FACES_A_PIECE),
    ):
        last = rows[-1][0]
        for _, photo_id, *blobs in rows:
            right = all(
                isinstance(blob, bytes) and len(blob) == size for blob, size in zip(blobs, sizes.values(), strict=True)
            )
            if not right or not np.isfinite(np.frombuffer(b"".join(blobs), "<f4")).all():
                damaged.add(photo_id)
    if not damaged:
        return []
    return [
        Problem(
            "embeddings",
            f"{len(damaged)} photos have faces whose numbers are damaged",
            _AGAIN,
            lambda: Catalog(database).drop_photos(damaged),
        )
    ]
