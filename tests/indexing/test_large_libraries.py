"""One more photo, and one more question, cost the same in a large library: neither reads all rows of a table."""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from support.tiles import MODELS, ColourTower, TileDetector, draw

from facesearch.indexing import IndexOptions, index_photos
from facesearch.indexing.intake import Intake
from facesearch.library import DATABASE_NAME, Library, verify
from facesearch.people import FaceReader, name_faces
from facesearch.photos import photo_file
from facesearch.query import ask, probe_photo
from facesearch.records import PhotoFile
from facesearch.vision.faces import SeenPhoto

SCRIPTS = Path(__file__).parents[2] / "scripts"
RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)
_COUNTS = re.compile(r"SCAN (photos|faces) USING COVERING INDEX ")  # a tenth of a microsecond a row
_PARTIAL = r"_(undated|unscaled|unsettled|missing|without|added|hidden)"  # indices of a few rows alone


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """An open library of two photos, in a folder of their own."""
    draw(tmp_path / "photos" / "1.png", RED)
    draw(tmp_path / "photos" / "2.png", GREEN, BLUE)
    opened = Library.create(tmp_path / "library", MODELS)
    index_photos(opened, [tmp_path / "photos"], TileDetector(), ColourTower(), IndexOptions(group=False))
    return opened


def test_a_run_scans_no_table(library: Library, tmp_path: Path) -> None:
    draw(tmp_path / "more" / "3.png", BLUE)
    with scans_of(library) as scans:
        summary = index_photos(library, [tmp_path / "more"], TileDetector(), ColourTower(), IndexOptions(group=False))
    assert summary.photos_new == 1
    assert scans == set()
    library.close()


def test_a_question_scans_no_table(library: Library, tmp_path: Path) -> None:
    name_faces(library, [1], "Ann")
    with scans_of(library) as scans:
        answer = ask(library, probe_photo(draw(tmp_path / "probe.png", RED), TileDetector(), ColourTower()))
    assert answer.faces[0].people[0].name == "Ann"
    assert scans == set()
    library.close()


@contextmanager
def scans_of(library: Library) -> Iterator[set[tuple[str, str]]]:
    """What reads whole tables inside, from where the set is filled: lines of SQLite's plans, with their statements."""
    connection = library._database._connection
    seen: list[str] = []
    scans: set[tuple[str, str]] = set()
    connection.set_trace_callback(seen.append)
    yield scans
    connection.set_trace_callback(None)
    for statement in dict.fromkeys(seen):
        if statement.startswith(("SELECT", "DELETE", "UPDATE", "INSERT")):
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
            is_count = statement.startswith("SELECT (SELECT count(*)")
            for line in plan:
                is_large = re.match(r"SCAN (photos|files|faces|people)\b", line)
                is_partial = "INDEX" in line and re.search(_PARTIAL, line)
                if is_large and not is_partial and not (is_count and _COUNTS.match(line)):
                    scans.add((line, statement))


def test_photos_that_no_file_shows_are_counted_and_dropped_as_by_looking_at_all(library: Library) -> None:
    """Files come, go, are missing, and show other photos, in any order."""
    draws = random.Random(0)
    photos = list(library.catalog.photo_ids().values())
    paths = [path.path for path in library.catalog.photo_paths(photos).values()] + [Path("/a.jpg"), Path("/b.jpg")]
    rows = library._database.rows
    dropped = 0
    for _ in range(60):
        with library.changing():
            path = draws.choice(paths)
            known = library.files.under([path])
            if draws.random() < 0.5:
                shown = draws.choice([*photos, None])
                library.files.put(PhotoFile(path, 1, 1), shown, "a reason" if shown is None else None)
            elif known:
                (file,) = known.values()
                if draws.random() < 0.5:
                    library.files.forget([file.file_id])
                else:
                    library.files.set_missing([file.file_id], missing=not file.missing)
        for without_faces, condition in ((False, "1"), (True, "face_count = 0 AND forgotten = 0")):
            ((present,),) = rows(
                "SELECT count(DISTINCT photos.id) FROM files JOIN photos ON photos.id = photo_id "
                f"WHERE NOT missing AND {condition}"
            )
            assert library.catalog.present_photo_count(without_faces=without_faces) == present
        if draws.random() < 0.2:
            ((unshown,),) = rows(
                "SELECT count(*) FROM photos WHERE id NOT IN (SELECT photo_id FROM files WHERE photo_id IS NOT NULL)"
            )
            with library.changing():
                assert library.catalog.drop_unshown() == unshown
            dropped += unshown
            photos = list(library.catalog.photo_ids().values())
    assert dropped > 0
    library.close()


def test_a_run_keeps_one_path_a_photo(library: Library, tmp_path: Path) -> None:
    """What comes back from another process has a path of its own, of 400 bytes."""
    intake = Intake(library, FaceReader(TileDetector(), ColourTower()), {}, "", [])
    files = [photo_file(draw(tmp_path / name, BLUE)) for name in ("4.png", "copy.png")]
    for file in files:
        there = SeenPhoto(photo_file(Path(str(file.path))), "4" * 64, (40, 40), [])
        assert there.file.path is not file.path
        intake.take(file, there)
    intake.finish_batch()
    assert all(path is file.path for (path, _), file in zip(intake.shown, files, strict=True))
    library.close()


def test_a_library_that_a_script_writes_at_once_is_one_of_rows_written_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """scripts/bench_library_size.py leaves indices, triggers and counts to the end; here each row comes by itself."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    script = import_module("bench_library_size")
    monkeypatch.setattr(script, "FACES_AT_ONCE", 60)
    script.write_library(tmp_path / "at once", 100)
    path, single = tmp_path / "at once" / "library", tmp_path / "single"
    with Library.open(path) as library:
        models = library.models
        Library.create(single, models).close()
        assert len(library.vectors()) == 100
    with closing(sqlite3.connect(path / DATABASE_NAME)) as rows:
        assert rows.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert rows.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
        assert rows.execute("SELECT photo_id FROM faces WHERE id IN (1, 7, 61, 100)").fetchall() == [
            *((1,), (3,), (26,), (42,))  # of 2.4 faces each
        ]
        own_counts = "SELECT count(*) FROM faces WHERE photo_id = photos.id"
        assert rows.execute(f"SELECT id FROM photos WHERE face_count <> ({own_counts})").fetchall() == []
        with closing(sqlite3.connect(single / DATABASE_NAME)) as others, others:
            others.execute("PRAGMA foreign_keys = ON")
            for table in ("people", "photos", "files", "faces"):
                for row in rows.execute(f"SELECT * FROM {table} ORDER BY id"):
                    others.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
        with closing(sqlite3.connect(single / DATABASE_NAME)) as others:
            assert everything_in(rows) == everything_in(others)
    assert verify(path, models).sound


def everything_in(rows: sqlite3.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """The schema and all rows, but for settings, which name the library and the moment that it was made."""
    said = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2"
    schema = [tuple(row) for row in rows.execute(said)]
    tables = [name for kind, name, _, _ in schema if kind == "table" and name != "settings"]
    return {"": schema} | {name: sorted(rows.execute(f"SELECT * FROM {name}"), key=repr) for name in tables}
