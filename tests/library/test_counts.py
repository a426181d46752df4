"""The counts that a library keeps are those of its rows, whatever changes these; `verify` finds and mends others."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from support.old_libraries import write_old_library

from facesearch.library import DATABASE_NAME, Library, verify
from facesearch.library.rows.counts import KeptCounts, counted, kept_counts
from facesearch.library.rows.database import Database
from facesearch.records import DetectedFace, EmbeddedFace, Models, NewPhoto, PhotoFile

MODELS = Models("detector-1", "ab" * 32, "tower", 0.5)


@pytest.fixture
def counted_library(tmp_path: Path) -> Path:
    """Ten photos of three faces each; Ann has six of the faces, and a group without a name four."""
    face = DetectedFace(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 1.0)
    embeddings = np.random.default_rng(0).normal(size=(10, 3, 32)).astype(np.float32)
    with Library.create(tmp_path / "library", MODELS) as library:
        for number, own in enumerate(embeddings):
            photo = NewPhoto(str(number), 9, 9, [EmbeddedFace(face, embedding) for embedding in own])
            with library.changing():
                library.files.put(PhotoFile(Path(f"/{number}.jpg"), 1, 1), library.catalog.add_photo(photo))
        with closing(sqlite3.connect(library.path / DATABASE_NAME)) as rows, rows:
            rows.execute("INSERT INTO people (id, name, created_at) VALUES (1, 'Ann', ''), (2, NULL, '')")
            rows.execute("UPDATE faces SET person_id = 1, person_source = 'user' WHERE id <= 6")
            rows.execute("UPDATE faces SET person_id = 2, person_source = 'user' WHERE id BETWEEN 7 AND 10")
        library.save_vectors()
    return tmp_path / "library"


def both(path: Path) -> tuple[KeptCounts, KeptCounts]:
    """The counts as they are kept, and as they are."""
    with closing(sqlite3.connect(path / DATABASE_NAME)) as connection:
        database = Database(connection)
        return kept_counts(database), counted(database)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT 1", KeptCounts(10, 10, 2, 1, 30, 10)),
        ("DELETE FROM photos WHERE id = 1", KeptCounts(9, 10, 2, 1, 27, 7)),  # with its faces, by a foreign key
        ("DELETE FROM people WHERE id = 1", KeptCounts(10, 10, 1, 0, 30, 4)),  # their faces then have no person
        ("DELETE FROM files", KeptCounts(10, 0, 2, 1, 30, 10)),
        ("UPDATE people SET name = 'Bo' WHERE id = 2", KeptCounts(10, 10, 2, 2, 30, 10)),
        ("UPDATE people SET name = NULL", KeptCounts(10, 10, 2, 0, 30, 10)),
        ("UPDATE faces SET person_id = 2 WHERE person_id = 1", KeptCounts(10, 10, 2, 1, 30, 10)),
        ("UPDATE faces SET person_id = 2, person_source = 'user'", KeptCounts(10, 10, 2, 1, 30, 30)),
        ("UPDATE faces SET person_id = NULL, person_source = NULL", KeptCounts(10, 10, 2, 1, 30, 0)),
    ],
)
def test_counts_follow_every_change(counted_library: Path, statement: str, expected: KeptCounts) -> None:
    with closing(sqlite3.connect(counted_library / DATABASE_NAME)) as rows, rows:
        rows.execute("PRAGMA foreign_keys = ON")
        if statement == "DELETE FROM photos WHERE id = 1":
            rows.execute("UPDATE files SET photo_id = 2 WHERE photo_id = 1")
        rows.execute(statement)
    assert both(counted_library) == (expected, expected)


def test_what_a_library_says_of_itself_are_these_counts(counted_library: Path) -> None:
    with Library.open(counted_library) as library:
        status = library.status()
        assert (status.photos, status.files, status.faces, status.people, status.people_named) == (10, 10, 30, 2, 1)
        assert library.people.faces_without_person() == 20
        assert library.face_owners.hypotheses(30) == 22
        assert library.catalog.face_count() == 30
        assert library.catalog.present_photo_count() == 10


def test_a_library_of_a_former_version_is_counted_once(counted_library: Path, tmp_path: Path) -> None:
    write_old_library(tmp_path / "old", counted_library, 17)
    Library.open(tmp_path / "old", writable=True).close()
    assert both(tmp_path / "old") == (KeptCounts(10, 10, 2, 1, 30, 10), KeptCounts(10, 10, 2, 1, 30, 10))


@pytest.mark.parametrize("damage", ["UPDATE counts SET faces = 31", "DELETE FROM counts"])
def test_other_counts_are_found_and_mended(counted_library: Path, damage: str) -> None:
    with closing(sqlite3.connect(counted_library / DATABASE_NAME)) as rows, rows:
        rows.execute(damage)
    (finding,) = verify(counted_library, MODELS, repair=True).findings
    assert finding.area == "rows"
    assert finding.mended
    assert both(counted_library)[0] == both(counted_library)[1]
    assert verify(counted_library, MODELS).sound
