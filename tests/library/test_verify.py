"""Every kind of damage is found; it is repaired and reported, or refused with a remedy."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from support import tiles
from support.command_line import CommandLine
from support.old_libraries import write_old_library
from support.tiles import MODELS, ColourTower, TileDetector, draw

from facesearch.errors import FacesearchError, LibraryError, LibraryLockedError
from facesearch.indexing import IndexOptions, index_photos, reindex
from facesearch.library import AREAS, Finding, Library, verify
from facesearch.library.index.vector_digest import digest
from facesearch.library.index.vectors import DESCRIPTION_NAME, INDEX_NAME, Vectors
from facesearch.library.rows import schema
from facesearch.people import name_faces, reject_faces, undo_since

PHOTOS = 60


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an album of sixty photos of two faces each, and its library."""
    folder = tmp_path_factory.mktemp("verify")
    for number in range(PHOTOS):
        draw(folder / "album" / "Ann" / f"{number:02}.png", (number, 0, 90), (90, number, 0))
    with Library.create(folder / "library", MODELS) as library:
        index_photos(library, [folder / "album"], TileDetector(), ColourTower(), IndexOptions(people_from_folders=True))
    return folder


@pytest.fixture
def library_copy(original: Path, tmp_path: Path) -> Path:
    """A copy of that library, to be damaged."""
    return Path(shutil.copytree(original / "library", tmp_path / "library"))


def _execute(path: Path, *statements: str) -> None:
    """Change rows as no program should."""
    with closing(sqlite3.connect(path / "library.db")) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            connection.execute(statement)


def _problems(path: Path) -> dict[str, str]:
    """What is wrong, by area."""
    report = verify(path, MODELS)
    assert report.sound == (not report.findings)
    assert not any(finding.mended for finding in report.findings)
    areas = {finding.area for finding in report.findings}
    return {area: "; ".join(one.problem for one in report.findings if one.area == area) for area in areas}


def _repaired(path: Path) -> tuple[Finding, ...]:
    report = verify(path, MODELS, repair=True)
    assert verify(path, MODELS).findings == tuple(finding for finding in report.findings if not finding.mended)
    return report.findings


def _assert_whole_after_another_run(path: Path, original: Path) -> None:
    """One run more, and the library is as if nothing had ever happened to it."""
    with Library.open(path, MODELS, writable=True) as library:
        index_photos(library, [original / "album"], TileDetector(), ColourTower())
        assert (library.status().photos, library.status().faces) == (PHOTOS, 2 * PHOTOS)
        _, embeddings = library.catalog.embeddings()
        expected = [tiles.embedding_of(c) for n in range(PHOTOS) for c in ((n, 0, 90), (90, n, 0))]
        order = np.lexsort(embeddings.T.round(4)), np.lexsort(np.array(expected).T.round(4))
        np.testing.assert_allclose(embeddings[order[0]], np.array(expected)[order[1]], atol=1e-6)
    assert verify(path, MODELS).sound


def test_a_sound_library_is_called_so_and_left_as_it_is(library_copy: Path) -> None:
    before = {entry.name: entry.read_bytes() for entry in library_copy.iterdir()}
    report = verify(library_copy, MODELS)
    assert report.unchecked == ()
    assert (report.sound, report.findings, report.photos, report.faces) == (True, (), PHOTOS, 2 * PHOTOS)
    assert {entry.name: entry.read_bytes() for entry in library_copy.iterdir()} == before
    assert verify(library_copy, MODELS, repair=True).findings == ()


# Rows

ROW_DAMAGE = {
    "DELETE FROM photos WHERE id = 3": ("rows", "1 photos are lost, but for their files and faces"),
    "UPDATE faces SET photo_id = 999 WHERE photo_id = 3": ("rows", "2 faces are on no photo"),
    "DELETE FROM files WHERE photo_id = 3": ("rows", "1 photos are shown by no file"),
    "DELETE FROM faces WHERE id = 5": ("rows", "1 photos have lost some of their faces"),
    "DELETE FROM people": ("rows", "60 faces belong to a person who is not there"),
    "UPDATE files SET photo_id = NULL WHERE id = 7": ("rows", "1 files neither show a photo nor say why"),
    "INSERT INTO rejections VALUES (3, 999)": ("rows", "1 rejections are of a face or person that is not there"),
    "UPDATE people SET cover_face_id = 999 WHERE id = 1": ("rows", "1 people have a cover that is not there"),
    "UPDATE photos SET taken_at = '2019-07' WHERE id = 3": ("rows", "1 photos have an invalid date"),
    "UPDATE faces SET start_s = 3, end_s = 2, at_s = 2.5, track = 0 WHERE id = 9": (
        "rows",
        "1 videos have faces with impossible time spans",
    ),
    "UPDATE faces SET at_s = 2.5 WHERE id = 9": ("rows", "1 videos have faces with impossible time spans"),
    "UPDATE journal SET details = '{' WHERE id = 1": ("rows", "1 lines of the journal cannot be read"),
    "UPDATE faces SET embedding = zeroblob(127) WHERE id = 9": ("embeddings", "1 photos have faces whose numbers"),
    f"UPDATE faces SET embedding = x'{(struct.pack('<f', np.nan) * 32).hex()}' WHERE id < 5": (
        "embeddings",
        "2 photos have faces whose numbers",
    ),
    f"UPDATE faces SET box = x'{(struct.pack('<f', np.inf) * 4).hex()}' WHERE id = 9": ("embeddings", "1 photos"),
    "UPDATE settings SET value = '0.7' WHERE key = 'threshold'": ("models", "not that of its card"),
}


@pytest.mark.parametrize("damage", ROW_DAMAGE)
def test_damaged_rows_are_found_and_mended(library_copy: Path, original: Path, damage: str) -> None:
    area, problem = ROW_DAMAGE[damage]
    _execute(library_copy, damage)
    assert problem in _problems(library_copy)[area]
    findings = _repaired(library_copy)
    assert all(finding.mended for finding in findings)
    assert area in {finding.area for finding in findings}
    _assert_whole_after_another_run(library_copy, original)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE faces SET embedding = zeroblob(127) WHERE id IN (5, 9)",
        "UPDATE faces SET landmarks = zeroblob(7) WHERE id IN (5, 9)",
        "UPDATE faces SET box = zeroblob(7), quality = 7 WHERE id IN (5, 9)",
        "UPDATE faces SET box = zeroblob(7), landmarks = zeroblob(7) WHERE id IN (5, 9)",
        "UPDATE faces SET box = zeroblob(7), landmarks = zeroblob(7) WHERE id IN (9, 10)",  # which is which?
        "UPDATE faces SET at_s = 2.5 WHERE id IN (5, 9)",
        "DELETE FROM faces WHERE id = 10",
        "DELETE FROM photos WHERE id IN (3, 5)",
    ],
)
def test_a_photo_with_a_damaged_face_keeps_its_people(library_copy: Path, original: Path, damage: str) -> None:
    with Library.open(library_copy, MODELS, writable=True) as library:
        undo_since(library, 1)  # the names of the folder
        name_faces(library, [5], "Bea")
        name_faces(library, [9], "Cem")
        name_faces(library, [10], "Dea")
        (bea,) = library.people.called("Bea")
        reject_faces(library, bea, [6])
    _execute(library_copy, damage)
    report = verify(library_copy, MODELS, repair=True)
    assert all(finding.mended for finding in report.findings)
    assert any("the next index looks at the photos again" in finding.outcome for finding in report.findings)
    names = ["Bea", "Cem"] if "DELETE" in damage else ["Bea", "Cem", "Dea"]
    photos = {"Bea": 2, "Cem": 4, "Dea": 4}
    for is_indexed in (False, True):
        with Library.open(library_copy, MODELS, writable=True) as library:
            assert library.status().photos == PHOTOS
            if is_indexed:
                index_photos(library, [original / "album"], TileDetector(), ColourTower())
                assert library.doubts.photos() == set()
                assert library.status().photos == PHOTOS
            for name in names:
                (person,) = library.people.called(name)
                (face,) = library.catalog.faces(face for face, _ in library.people.faces_of([person])).values()
                path = library.catalog.photo_paths([face.photo_id])[face.photo_id].path
                assert path.name == f"{photos[name]:02}.png"
                assert face.is_embedded or not is_indexed or "(9, 10)" in damage
            assert [person for _, person in library.people.rejections()] == [bea]
    if "(9, 10)" not in damage:
        _assert_whole_after_another_run(library_copy, original)


# Vectors


def _rewrite(file: Path, change: Callable[[bytes], bytes]) -> None:
    file.write_bytes(change(file.read_bytes()))


FILE_DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda data: data[: len(data) // 2],
    "zeroed": lambda data: bytes(len(data)),
    "foreign": lambda data: b"\x89PNG\r\n\x1a\n" + data[8:],
    "empty": lambda data: b"",
}


@pytest.mark.parametrize("name", [INDEX_NAME, DESCRIPTION_NAME])
@pytest.mark.parametrize("damage", [*FILE_DAMAGE, "gone"])
def test_damaged_vectors_are_found_and_rebuilt(library_copy: Path, original: Path, name: str, damage: str) -> None:
    if damage == "gone":
        (library_copy / name).unlink()
    else:
        _rewrite(library_copy / name, FILE_DAMAGE[damage])
    assert list(_problems(library_copy)) == ["vectors"]
    assert [(finding.area, finding.outcome) for finding in _repaired(library_copy)] == [("vectors", "rebuilt it")]
    _assert_whole_after_another_run(library_copy, original)


@pytest.mark.parametrize("change", ["another number", "another id", "two exchanged"])
def test_vectors_that_are_not_those_of_the_rows_are_found_though_their_checksum_is_right(
    library_copy: Path, change: str
) -> None:
    with Library.open(library_copy) as library:
        ids, embeddings = library.catalog.embeddings()
        stamp = library._vectors.stamp()
    if change == "another number":
        embeddings[7, 31] = np.nextafter(embeddings[7, 31], np.float32(9))
    elif change == "another id":
        ids[7] = 999
    else:
        embeddings[[7, 8]] = embeddings[[8, 7]]
    Vectors.build(ids, embeddings).save(library_copy, stamp)
    assert "other vectors than the rows" in _problems(library_copy)["vectors"]
    assert [finding.outcome for finding in _repaired(library_copy)] == ["rebuilt it"]


def test_the_digest_tells_every_bit_and_no_order() -> None:
    rng = np.random.default_rng(0)
    ids, embeddings = np.arange(50), rng.normal(size=(50, 32)).astype(np.float32)
    whole = digest([(ids, embeddings)])
    order = rng.permutation(50)
    assert digest([(ids[order[:20]], embeddings[order[:20]]), (ids[order[20:]], embeddings[order[20:]])]) == whole
    for bit in range(0, 50 * 128 * 8, 37):
        other = bytearray(embeddings.tobytes())
        other[bit // 8] ^= 1 << (bit % 8)
        assert digest([(ids, np.frombuffer(bytes(other), np.float32).reshape(50, 32))]) != whole
    assert digest([]) == 0


# The database file


def test_a_damaged_page_costs_its_rows_only(library_copy: Path, original: Path) -> None:
    data = bytearray((library_copy / "library.db").read_bytes())
    with closing(sqlite3.connect(library_copy / "library.db")) as connection:
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        rows = "SELECT embedding FROM faces WHERE id = 50"
        place = bytes(data).find(connection.execute(rows).fetchone()[0])
    start = place - place % page_size
    data[start : start + page_size] = bytes(page_size)
    (library_copy / "library.db").write_bytes(data)
    assert "SQLite finds it damaged" in _problems(library_copy)["database"]
    findings = _repaired(library_copy)
    assert findings[0].outcome.startswith("saved what can be read (")
    assert "library.db.damaged" in findings[0].outcome
    with Library.open(library_copy) as library:
        assert PHOTOS < library.status().faces < 2 * PHOTOS
    _assert_whole_after_another_run(library_copy, original)


def test_every_page_may_be_damaged_but_the_first(library_copy: Path, original: Path, tmp_path: Path) -> None:
    """Whichever page is gone, the library is mended or refused with a remedy, and never answers from what is wrong."""
    data = (library_copy / "library.db").read_bytes()
    mended = refused = 0
    for start in range(4096, len(data), 4096):
        copy = Path(shutil.copytree(library_copy, tmp_path / str(start)))
        (copy / "library.db").write_bytes(data[:start] + os.urandom(4096) + data[start + 4096 :])
        try:
            report = verify(copy, MODELS, repair=True)
        except LibraryError:
            refused += 1
            continue
        if report.sound:
            mended += 1
            assert verify(copy, MODELS).sound
            with Library.open(copy) as library:
                assert library.status().faces == 2 * library.status().photos or library.doubts.photos()
        else:
            refused += 1
    assert mended > refused


def test_torn_pages_are_mended_or_refused(library_copy: Path, tmp_path: Path) -> None:
    """A page of which only the first part was written: its numbers of rows can lead back, and must not lead around."""
    data = (library_copy / "library.db").read_bytes()
    mended = 0
    for start in range(4096, len(data), 4096):
        copy = Path(shutil.copytree(library_copy, tmp_path / str(start)))
        (copy / "library.db").write_bytes(data[: start + 1500] + bytes(2596) + data[start + 4096 :])
        try:
            report = verify(copy, MODELS, repair=True)
        except LibraryError:
            continue
        if report.sound:
            mended += 1
            assert verify(copy, MODELS).sound
    assert mended > len(data) / 4096 / 2


def test_a_text_that_is_no_utf8_is_found_and_its_row_left_behind(library_copy: Path, original: Path) -> None:
    _execute(library_copy, "UPDATE people SET name = CAST(x'416eff' AS TEXT)")
    assert "a text in people is not UTF-8" in _problems(library_copy)["database"]
    assert verify(library_copy, MODELS).unchecked == ("rows", "embeddings", "vectors", "models", "files")
    assert _repaired(library_copy)[0].mended
    with Library.open(library_copy) as library:
        assert (library.status().people, library.status().faces) == (0, 2 * PHOTOS)
    _assert_whole_after_another_run(library_copy, original)


@pytest.mark.parametrize("share", [0.6, 0.93])
def test_of_a_truncated_database_what_is_left_is_saved(library_copy: Path, original: Path, share: float) -> None:
    _rewrite(library_copy / "library.db", lambda data: data[: int(len(data) * share)])
    for without_repair in (lambda: Library.open(library_copy), lambda: verify(library_copy, MODELS)):
        with pytest.raises(LibraryError, match="facesearch verify --repair"):
            without_repair()
    assert any("saved what can be read" in finding.outcome for finding in _repaired(library_copy))
    with Library.open(library_copy, MODELS) as library:
        assert library.status().people_named == 1
    _assert_whole_after_another_run(library_copy, original)


@pytest.mark.parametrize("size_bytes", [4000, 20_000])
def test_where_nothing_is_left_to_be_saved_that_is_said(library_copy: Path, size_bytes: int) -> None:
    _rewrite(library_copy / "library.db", lambda data: data[:size_bytes])
    with pytest.raises(
        LibraryError, match=r"restore a backup, or delete the library's folder|otherwise restore a backup"
    ):
        verify(library_copy, MODELS, repair=True)
    assert not (library_copy / "library.db.salvaged").exists()


@pytest.mark.parametrize("damage", FILE_DAMAGE)
def test_a_database_without_its_head_is_refused_with_a_remedy_and_left_alone(library_copy: Path, damage: str) -> None:
    _rewrite(library_copy / "library.db", lambda data: FILE_DAMAGE[damage](data)[:4096])
    if damage == "truncated":
        _rewrite(library_copy / "library.db", lambda data: data[:50])
    before = (library_copy / "library.db").read_bytes()
    for repair in (False, True):
        with pytest.raises(LibraryError, match=r"backup|not a facesearch library"):
            verify(library_copy, MODELS, repair=repair)
    assert (library_copy / "library.db").read_bytes() == before


@pytest.mark.parametrize("name", ["library.db-wal", "library.db-shm"])
@pytest.mark.parametrize("content", [b"", bytes(40_000), b"garbage" * 5000])
def test_foreign_files_beside_the_database_are_no_obstacle(library_copy: Path, name: str, content: bytes) -> None:
    (library_copy / name).write_bytes(content)
    (library_copy / name).chmod(0o600)
    assert _problems(library_copy) == {}


LOST = ["tower", "library_id", "threshold"]


@pytest.mark.parametrize("lost", ["1", "key = 'detector'", *(f"key = '{name}'" for name in LOST)])
def test_lost_settings_are_made_anew_and_what_the_library_was_built_with_by_reindex(
    library_copy: Path, original: Path, lost: str
) -> None:
    _execute(library_copy, f"DELETE FROM settings WHERE {lost}")
    with pytest.raises(LibraryError, match="facesearch verify --repair writes new ones"):
        Library.open(library_copy)
    assert "the settings lack " in _problems(library_copy)["database"]
    assert all(finding.mended for finding in _repaired(library_copy) if finding.area != "models")
    with Library.open(library_copy, writable=True) as library:
        named = library.status().people_named
        if library.models != MODELS:
            with pytest.raises(FacesearchError, match=r"unknown.*facesearch reindex"):
                library.check_models(MODELS)
            assert reindex(library, TileDetector(), ColourTower()).switched
        assert library.models == MODELS
        assert library.status().people_named == named == 1
    _assert_whole_after_another_run(library_copy, original)


@pytest.mark.parametrize("name", ["threshold", "generation"])
def test_a_setting_that_is_no_number_is_made_anew(library_copy: Path, original: Path, name: str) -> None:
    _execute(library_copy, f"UPDATE settings SET value = 'x' WHERE key = '{name}'")
    with pytest.raises(LibraryError, match="facesearch verify --repair writes new ones"):
        Library.open(library_copy)
    assert "is 'x'" in _problems(library_copy)["database"]
    assert all(finding.mended for finding in _repaired(library_copy))
    _assert_whole_after_another_run(library_copy, original)


def test_an_index_that_lost_an_entry_is_found_and_mended(library_copy: Path, original: Path) -> None:
    with closing(sqlite3.connect(library_copy / "library.db")) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        sql = "SELECT sql FROM sqlite_master WHERE name = 'faces_photo'"
        (statement,) = connection.execute(sql).fetchone()
        partial = f"{statement} WHERE id <> 8"
        connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'faces_photo'", (partial,))
    _execute(library_copy, "REINDEX faces_photo")
    with closing(sqlite3.connect(library_copy / "library.db")) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'faces_photo'", (statement,))
    assert "missing from index faces_photo" in _problems(library_copy)["database"]
    assert _repaired(library_copy)[0].mended
    _assert_whole_after_another_run(library_copy, original)


# Versions, models, files


def test_a_newer_version_is_refused_also_for_repair(library_copy: Path) -> None:
    _execute(library_copy, f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    for repair in (False, True):
        with pytest.raises(LibraryError, match="update facesearch"):
            verify(library_copy, MODELS, repair=repair)


def test_every_older_version_is_copied_and_then_migrated(library_copy: Path, tmp_path: Path, original: Path) -> None:
    for number in range(1, len(schema.MIGRATIONS)):
        folder = tmp_path / str(number)
        write_old_library(folder, library_copy, number)
        report = verify(folder, MODELS)
        assert report.sound, report
        assert schema.version(folder / f"library.db.version-{number}.backup") == number
        assert schema.version(folder / "library.db") == len(schema.MIGRATIONS)
        _assert_whole_after_another_run(folder, original)


@pytest.mark.parametrize(
    ("installed", "problem"),
    [
        (dataclasses.replace(MODELS, tower="d" * 64), "built with the tower c0c0"),
        ("the card is damaged", "the card is damaged"),
    ],
)
def test_another_tower_is_said_with_the_remedy(library_copy: Path, installed: object, problem: str) -> None:
    report = verify(library_copy, installed, repair=True)  # type: ignore[arg-type]
    assert [(finding.area, finding.mended) for finding in report.findings] == [("models", False)]
    assert problem in report.findings[0].problem
    assert not report.sound


def test_another_detector_is_only_noted(library_copy: Path) -> None:
    report = verify(library_copy, dataclasses.replace(MODELS, detector="tiles-2"), repair=True)
    (finding,) = report.findings
    assert (finding.area, finding.mended, finding.harmless) == ("models", False, True)
    assert "built with the detector tiles-1" in finding.problem
    assert "reindex" in finding.outcome
    assert report.sound


def test_files_that_do_not_belong_there(library_copy: Path) -> None:
    (library_copy / "holiday.jpg").write_bytes(b"x")
    (library_copy / f"{INDEX_NAME}.new").write_bytes(b"half")
    (library_copy / "library.db").chmod(0o644)
    library_copy.chmod(0o755)
    outcomes = {
        finding.problem.split(" ")[0]: finding.mended for finding in verify(library_copy, MODELS, repair=True).findings
    }
    for name in ("library.db-shm", "library.db-wal"):
        assert outcomes.pop(name)  # while it is open, they have its mode
    assert outcomes == {"holiday.jpg": False, f"{INDEX_NAME}.new": True, "library.db": True, "the": True}
    left = {entry.name for entry in library_copy.iterdir()} - {"library.db-shm", "library.db-wal"}
    assert left == {DESCRIPTION_NAME, INDEX_NAME, "holiday.jpg", "library.db", "lock"}
    assert (library_copy.stat().st_mode & 0o777, (library_copy / "library.db").stat().st_mode & 0o777) == (0o700, 0o600)


def test_a_library_that_is_being_written_is_checked_but_for_its_vectors(library_copy: Path) -> None:
    with Library.open(library_copy, MODELS, writable=True):
        (library_copy / INDEX_NAME).unlink()  # as if it were just being replaced
        assert verify(library_copy, MODELS).sound
        with pytest.raises(LibraryLockedError, match=f"process {os.getpid()}"):
            verify(library_copy, MODELS, repair=True)
    assert not verify(library_copy, MODELS).sound


# The command


def test_the_command_says_what_is_wrong_and_what_it_did(
    tmp_path: Path, tower: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = CommandLine(capsys)
    monkeypatch.setenv("FACESEARCH_TOWER", str(tower))
    monkeypatch.setenv("FACESEARCH_LIBRARY", str(tmp_path / "library"))
    draw(tmp_path / "album" / "sky.png")
    assert run("index", tmp_path / "album").code == 0
    ran = run("verify")
    assert ran.code == 0
    assert [line.split()[1] for line in ran.out.splitlines()[1:]] == ["sound"] * len(AREAS)
    _execute(tmp_path / "library", "DELETE FROM files")
    ran = run("verify")
    assert ran.code == 4
    assert "rows       wrong: 1 photos are shown by no file; run with --repair to mend it\n" in ran.out
    ran = run("verify", "--repair")
    assert (ran.code, ran.err) == (0, "")
    assert "rows       mended: 1 photos are shown by no file; dropped them\n" in ran.out
    assert run("verify", "--library", tmp_path / "none").code == 4
