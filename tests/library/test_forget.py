"""What is forgotten is gone from the rows and from the bytes of every file, as a search shows that can fail."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from support import tiles
from support.clustered_vectors import scattered
from support.command_line import CommandLine
from support.tiles import MODELS, ColourTower, TileDetector, draw

from facesearch.errors import LibraryError, UsageError
from facesearch.indexing import IndexOptions, index_photos
from facesearch.library import Library, forget, verify
from facesearch.library.care.purge import Purge
from facesearch.library.care.traces import pieces_of, search_files
from facesearch.library.rows.database import Database

ANNE = [(number + 100, 7, 201) for number in range(12)]
BEATRICE = [(7, number + 100, 23) for number in range(12)]
GROUP = [(111, 222, 33), (33, 222, 111)]  # nobody in particular


@pytest.fixture
def forgotten_album(tmp_path: Path) -> Path:
    for number in range(12):
        draw(tmp_path / "album" / "Annemarie" / f"{number:02}.png", ANNE[number])
        draw(tmp_path / "album" / "Beatrice" / f"{number:02}.png", BEATRICE[number])
    draw(tmp_path / "album" / "group.png", *GROUP, ANNE[0])
    return tmp_path / "album"


@pytest.fixture
def two_people(tmp_path: Path, forgotten_album: Path) -> Path:
    """Two named people, and a group photo that shows one of them again."""
    with Library.create(tmp_path / "library", MODELS) as library:
        for name in ("Annemarie", "Beatrice"):
            _index(library, forgotten_album / name, names=True)
        _index(library, forgotten_album)
        with library.changing():
            (face,) = (face for face in library.catalog.faces_in(_ids(library, "group.png")) if face.box[0] == 80)
            library.people.label(library.people.named("Annemarie"), [face.face_id], "user")
    return tmp_path / "library"


def _index(library: Library, album: Path, *, names: bool = False) -> None:
    index_photos(library, [album], TileDetector(), ColourTower(), IndexOptions(people_from_folders=names))


def _ids(library: Library, name: str) -> list[int]:
    files = library.files.of(library.catalog.photo_ids().values())
    return [photo for path, _, photo, _ in files if path.endswith(b"/" + name.encode())]


def _bytes(path: Path) -> bytes:
    return b"".join(entry.read_bytes() for entry in sorted(path.iterdir()))


def _found(path: Path, colours: list[tuple[int, int, int]]) -> int:
    """How many of these faces' embeddings are in some file, as the 128 bytes that they were stored as: found without
    any of the code that forgets."""
    everything = _bytes(path)
    return sum(everything.count(tiles.ColourTower().embed(_crop(colour))[0].tobytes()) > 0 for colour in colours)


def _crop(colour: tuple[int, int, int]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.tile(np.array(colour, np.uint8), (1, 112, 112, 1))


def test_a_forgotten_person_leaves_no_trace(two_people: Path, forgotten_album: Path) -> None:
    before = _bytes(two_people)
    assert before.count(b"Annemarie") > 13  # a name, its journal, and paths
    with Library.open(two_people) as library:
        ids, embeddings = library.catalog.embeddings()
        theirs = [face for face, _ in library.people.faces_of([library.people.find("Annemarie")])]  # type: ignore[list-item]
    gone = [embedding.tobytes() for face, embedding in zip(ids.tolist(), embeddings, strict=True) if face in theirs]
    stay = [embedding.tobytes() for face, embedding in zip(ids.tolist(), embeddings, strict=True) if face not in theirs]
    assert len(gone) == 13
    assert all(embedding in before for embedding in gone)
    summary = forget(two_people, "Annemarie")
    assert (summary.what, summary.faces, summary.people, summary.photos) == ("person", 13, 1, 0)
    assert (summary.journal, summary.in_paths) == (2, 12)
    after = _bytes(two_people)
    assert summary.searched_bytes == len(after) - len((two_people / "lock").read_bytes())
    assert not any(embedding in after for embedding in gone)
    assert not any(embedding[start : start + 16] in after for embedding in gone for start in range(0, 128, 16))
    assert all(after.count(embedding) >= 2 for embedding in stay)  # in the rows and in the vectors
    with Library.open(two_people) as library:
        assert (library.status().faces, library.status().people, library.status().vectors) == (14, 1, "current")
        assert b"Annemarie" not in b"".join(json.dumps(row).encode() for row in _journal(two_people))
    assert verify(two_people, MODELS).sound


def _journal(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path / "library.db")) as connection:
        return connection.execute("SELECT * FROM journal").fetchall()


def test_a_forgotten_person_does_not_come_back(two_people: Path, forgotten_album: Path) -> None:
    forget(two_people, "Annemarie")
    with Library.open(two_people, MODELS, writable=True) as library:
        _index(library, forgotten_album, names=True)
        os.utime(forgotten_album / "Annemarie" / "03.png", ns=(1, 1))
        _index(library, forgotten_album, names=True)
        assert library.people.find("Annemarie") is None  # and no other face in that folder is taken for hers
        assert library.status().faces == 14
    assert _found(two_people, ANNE) == 0


def test_a_forgotten_photo_goes_with_its_copies_and_with_who_is_on_no_other(
    two_people: Path, forgotten_album: Path
) -> None:
    shutil.copy(forgotten_album / "group.png", forgotten_album / "copy.png")
    with Library.open(two_people, MODELS, writable=True) as library:
        _index(library, forgotten_album)
        with library.changing():
            face = min(face.face_id for face in library.catalog.faces_in(_ids(library, "group.png")))
            library.people.label(library.people.named("Cornelius"), [face], "user")
    assert b"Cornelius" in _bytes(two_people)
    summary = forget(two_people, str(forgotten_album / "copy.png"))
    assert (summary.what, summary.photos, summary.faces, summary.people) == ("photo", 1, 3, 1)
    assert summary.journal == 2  # Cornelius' line goes, Annemarie's last one too
    with Library.open(two_people) as library:
        assert (library.status().files, library.status().photos, library.status().people_named) == (24, 24, 2)
    everything = _bytes(two_people)
    assert b"Cornelius" not in everything
    assert b"group.png" not in everything
    assert _found(two_people, GROUP) == 0
    assert _found(two_people, BEATRICE) == 12
    assert verify(two_people, MODELS).sound


def test_a_forgotten_photo_is_overwritten_where_it_stood(
    two_people: Path, forgotten_album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Database, "vacuum", lambda self: pytest.fail("the database was written again"))
    assert _found(two_people, ANNE[5:6]) == 1
    forget(two_people, str(forgotten_album / "Annemarie" / "05.png"))
    assert _found(two_people, ANNE[5:6]) == 0
    assert _found(two_people, [*ANNE[:5], *ANNE[6:]]) == 11
    assert verify(two_people, MODELS).sound


def test_what_a_page_still_holds_is_written_anew(two_people: Path, forgotten_album: Path) -> None:
    embedding = tiles.ColourTower().embed(_crop(ANNE[5]))[0].tobytes()
    with (two_people / "library.db").open("r+b") as file:
        file.seek(_gap(two_people / "library.db"))
        file.write(embedding)
    assert (two_people / "library.db").read_bytes().count(embedding) == 2
    assert verify(two_people, MODELS).sound
    forget(two_people, str(forgotten_album / "Annemarie" / "05.png"))
    assert _found(two_people, ANNE[5:6]) == 0
    assert verify(two_people, MODELS).sound


def _gap(database: Path) -> int:
    """Where a leaf of a table has 128 bytes between its cells' pointers and the cells (SQLite's file format, 1.6)."""
    content = database.read_bytes()
    for page in range(4096, len(content), 4096):
        cells, start = (int.from_bytes(content[page + at : page + at + 2], "big") for at in (3, 5))
        if content[page] == 13 and start - 8 - 2 * cells > 160:
            return page + 8 + 2 * cells + 16
    raise AssertionError("no such page")


def test_what_former_deletions_may_have_left_is_written_anew(two_people: Path, forgotten_album: Path) -> None:
    embedding = tiles.ColourTower().embed(_crop(ANNE[5]))[0].tobytes()
    with closing(sqlite3.connect(two_people / "library.db")) as rows, rows:
        rows.execute("PRAGMA secure_delete = OFF")
        rows.execute("CREATE TABLE former (of_another_tower BLOB)")
        rows.execute("INSERT INTO former VALUES (?)", (b"of another tower" + embedding[::-1],))
        rows.execute("DROP TABLE former")
    assert b"of another tower" in (two_people / "library.db").read_bytes()
    forget(two_people, str(forgotten_album / "Annemarie" / "05.png"))
    assert b"of another tower" not in (two_people / "library.db").read_bytes()


def test_everything_is_forgotten(two_people: Path, forgotten_album: Path) -> None:
    summary = forget(two_people, None)
    assert (summary.what, summary.photos, summary.faces, summary.people) == ("all", 25, 27, 2)
    everything = _bytes(two_people)
    assert not any(
        word in everything for word in (b"Annemarie", b"Beatrice", b"group.png", os.fsencode(forgotten_album))
    )
    assert _found(two_people, [*ANNE, *BEATRICE, *GROUP]) == 0
    with Library.open(two_people, MODELS, writable=True) as library:
        assert (library.status().files, library.status().faces, library.status().people) == (0, 0, 0)
        _index(library, forgotten_album)
        assert library.status().faces == 27  # the library is one still


def test_copies_of_former_databases_go_too(two_people: Path) -> None:
    shutil.copy(two_people / "library.db", two_people / "library.db.version-1.backup")
    shutil.copy(two_people / "library.db", two_people / "library.db.damaged")
    shutil.copy(two_people / "faces.faiss", two_people / "faces.faiss.new")
    summary = forget(two_people, "Annemarie")
    assert summary.copies == ("faces.faiss.new", "library.db.damaged", "library.db.version-1.backup")
    assert _found(two_people, ANNE) == 0


def test_traces_in_a_file_that_is_not_the_librarys_are_said(two_people: Path) -> None:
    shutil.copy(two_people / "faces.faiss", two_people / "my copy")
    with pytest.raises(LibraryError, match=r"traces remain in .*, in my copy; delete the files"):
        forget(two_people, "Annemarie")


def test_a_name_in_a_foreign_file_is_a_trace(two_people: Path) -> None:
    (two_people / "notes.txt").write_text("Cornelius was here")
    with Library.open(two_people, writable=True) as library, library.changing():
        library.people.named("Cornelius")
    with pytest.raises(LibraryError, match=r"notes\.txt"):
        forget(two_people, "Cornelius")


def test_a_name_that_is_a_word_of_the_towers_card_is_no_trace(two_people: Path) -> None:
    with closing(sqlite3.connect(two_people / "library.db")) as connection, connection:
        connection.execute("INSERT INTO settings VALUES ('card', 'a cohort of neighbours, gathered by neighbours')")
    with Library.open(two_people, writable=True) as library, library.changing():
        library.people.named("neighbours")
    assert forget(two_people, "neighbours").people == 1
    with closing(sqlite3.connect(two_people / "library.db")) as connection:
        assert (
            connection.execute("SELECT value FROM settings WHERE key = 'card'").fetchone()[0].count("neighbours") == 2
        )


def test_a_purge_that_was_cut_short_is_ended_by_whoever_writes_next(
    two_people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def power_cut(self: object, *, rewrite: bool = True) -> bool:
        raise KeyboardInterrupt

    shutil.copy(two_people / "library.db", two_people / "library.db.version-1.backup")
    with monkeypatch.context() as patched:
        patched.setattr(Purge, "run", power_cut)
        with pytest.raises(KeyboardInterrupt):
            forget(two_people, "Annemarie")
    assert _found(two_people, ANNE) == 12  # in the file of vectors and in the copy
    with Library.open(two_people, MODELS, writable=True) as library:
        assert not library.purge.is_pending
    assert _found(two_people, ANNE) == 0
    assert not (two_people / "library.db.version-1.backup").exists()


def test_a_reader_in_the_way_is_said_and_the_purge_ended_later(
    two_people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facesearch.library.rows.schema.BUSY_TIMEOUT_S", 0.1)
    reader = sqlite3.connect(two_people / "library.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM faces").fetchone()
    with pytest.raises(LibraryError, match="another process is reading"):
        forget(two_people, "Annemarie")
    (finding,) = verify(two_people, MODELS).findings
    assert (finding.area, finding.mended, "a purge was cut short" in finding.problem) == ("files", False, True)
    reader.close()
    report = verify(two_people, MODELS, repair=True)
    assert ([finding.outcome for finding in report.findings], report.sound) == (["ended it"], True)
    assert _found(two_people, ANNE) == 0


def test_whom_to_forget_is_told_apart(two_people: Path, forgotten_album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(forgotten_album)
    with pytest.raises(UsageError, match="no person or photo called Nobody"):
        forget(two_people, "Nobody")
    with pytest.raises(UsageError, match=r"called annemarie; did you mean Annemarie\?"):
        forget(two_people, "annemarie")
    with Library.open(two_people, writable=True) as library, library.changing():
        library.people.named("group.png")
        unnamed = library.people.add()
    with pytest.raises(UsageError, match=r"write \./group\.png for the photo, #3 for the person"):
        forget(two_people, "group.png")
    assert forget(two_people, "#3").what == "person"
    assert forget(two_people, f"#{unnamed}").people == 1
    assert forget(two_people, "group.png").what == "photo"


# The search itself


@pytest.mark.parametrize("form", ["<f4", "<f2", "<f8"])
@pytest.mark.parametrize("place", [0, 1, 4095, (8 << 20) - 5])
def test_an_embedding_is_found_wherever_it_is_and_in_any_form(tmp_path: Path, form: str, place: int) -> None:
    wanted = scattered(3, seed=1)
    noise = bytearray(np.random.default_rng(2).bytes((8 << 20) + 1000))
    (tmp_path / "file").write_bytes(noise)
    assert search_files([tmp_path / "file"], wanted, []).pieces == {}
    data = wanted[1].astype(form).tobytes()
    noise[place : place + len(data)] = data
    (tmp_path / "file").write_bytes(noise)
    assert search_files([tmp_path / "file"], wanted, []).pieces["file"] >= len(data) // 16 - 1
    assert search_files([tmp_path / "file"], wanted[[0, 2]], []).pieces == {}


def test_a_torn_embedding_is_found(tmp_path: Path) -> None:
    wanted = scattered(1, seed=1)
    (tmp_path / "file").write_bytes(bytes(77) + wanted.tobytes()[48:64] + bytes(99))
    assert search_files([tmp_path / "file"], wanted, []).pieces == {"file": 1}


def test_what_others_have_too_proves_nothing(tmp_path: Path) -> None:
    both = scattered(2, seed=1)
    both[1, :8] = both[0, :8]
    (tmp_path / "file").write_bytes(both[1].tobytes())
    assert search_files([tmp_path / "file"], both[:1], []).pieces == {"file": 2}
    assert search_files([tmp_path / "file"], both[:1], [both[1:]]).pieces == {}
    assert search_files([tmp_path / "file"], np.zeros((1, 32), np.float32), []).pieces == {}


def test_pieces_are_those_of_three_forms() -> None:
    assert pieces_of(scattered(5, seed=0)).shape == (5 * (8 + 4 + 16), 2)


# The command


def test_the_command_says_what_it_forgot(
    two_people: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = CommandLine(capsys)
    monkeypatch.setenv("FACESEARCH_LIBRARY", str(two_people))
    ran = run("forget", "Annemarie")
    assert ran.code == 0
    assert ran.out.startswith("forgot Annemarie: 13 faces, 1 person, 0 photos, 2 lines of the journal\nsearched ")
    assert "is still in the paths of 12 files" in ran.err
    assert json.loads(run("forget", "Beatrice", "--json").out)["faces"] == 12
    assert run("forget", "Annemarie").code == 2
    assert run("forget").code == 2
    assert run("forget", "Annemarie", "--all").code == 2
    assert run("forget", "--all").out.startswith("forgot everything: 2 faces, 0 people, 25 photos")
