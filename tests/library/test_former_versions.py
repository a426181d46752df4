"""Libraries of every former version are opened, answer as before, and are indexed further; the steps that lead to a
version stay what they were (docs/reference/compatibility.md)."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database
from support.old_libraries import write_old_library
from support.tiles import MODELS, ColourTower, TileDetector, draw

from facesearch.indexing import IndexOptions, index_photos
from facesearch.library import Library
from facesearch.library.rows import schema
from facesearch.people import name_person, undo_change
from facesearch.query import ask, probe_photo

RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)
OLD_VERSIONS = range(1, len(schema.MIGRATIONS))

# SHA-256, shortened, of what each step executes. A new step adds a line; a line that changes would leave libraries
# behind that call themselves of that version and are not.
STEPS = (
    "6f500d5dfd74",
    "33d2a5448095",
    "01c0ddf895ed",
    "acd6484ea3e7",
    "769703049e3e",
    "b578dac5ffb8",
    "134d066d0ad3",
    "d23c952a052d",
    "778b02787213",
    "abe9a74cf1ac",
    "2b83e9270eae",
    "378973dcc0ee",
    "f348622c68b4",
    "8d37433df7e3",
    "8ed0e8c19bf1",
    "effef9be1cac",
    "4efc8e542955",
    "5fd373b45b53",
    "f7d225799ea7",
    "147abd30817c",
    "47cc8d6b38d6",
)


@pytest.fixture(scope="module")
def current(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of Ann (red) and Bea (green), and their library."""
    folder = tmp_path_factory.mktemp("current")
    draw(folder / "photos" / "Ann" / "1.png", RED)
    draw(folder / "photos" / "Bea" / "1.png", GREEN, BLUE)
    with Library.create(folder / "library", MODELS) as library:
        index_photos(
            library, [folder / "photos"], TileDetector(), ColourTower(), IndexOptions(people_from_folders=True)
        )
    return folder


def _nearest(library: Library, photo: Path) -> list[tuple[str | None, float]]:
    (face,) = ask(library, probe_photo(photo, TileDetector(), ColourTower())).faces
    return [(match.name, round(match.distance, 5)) for match in face.people]


@pytest.mark.parametrize("number", OLD_VERSIONS)
def test_a_library_of_a_former_version_answers_and_goes_on(current: Path, tmp_path: Path, number: int) -> None:
    write_old_library(tmp_path / "old", current / "library", number)
    probe = draw(tmp_path / "probe.png", (195, 5, 5))
    with Library.open(current / "library", MODELS) as library:
        expected = _nearest(library, probe)
    assert expected[0][0] == "Ann"
    with Library.open(tmp_path / "old", MODELS) as library:
        assert _nearest(library, probe) == expected
    assert schema.version(tmp_path / "old" / "library.db") == schema.current_version()
    assert schema.version(tmp_path / "old" / f"library.db.version-{number}.backup") == number
    more = draw(tmp_path / "more" / "2.png", BLUE)
    with Library.open(tmp_path / "old", MODELS, writable=True) as library:
        assert index_photos(library, [more.parent], TileDetector(), ColourTower()).faces_new == 1
        name_person(library, 1, "Anna")
        assert _nearest(library, probe)[0][0] == "Anna"
        undo_change(library)
        assert _nearest(library, probe)[0] == expected[0]


def test_no_step_has_changed() -> None:
    executed: list[str] = []
    digests = []
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.set_trace_callback(executed.append)
        db = Database(connection, execute_plugins=False)
        for step in schema.MIGRATIONS:
            executed.clear()
            with db.atomic():
                step(db)
            # SQLite traces what it does for itself as a comment.
            ours = [statement for statement in executed if not statement.startswith(("--", "BEGIN", "COMMIT"))]
            statements = "\n".join(" ".join(statement.split()) for statement in ours)
            digests.append(hashlib.sha256(statements.encode()).hexdigest()[:12])
    assert tuple(digests) == STEPS
