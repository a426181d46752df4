"""A damaged photo, from the run that reads what is left of it to the answers that it gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command_line import CommandLine
from support.people_library import ANN, index
from support.tiles import MODELS, WHITE, ColourTower, TileDetector, draw
from test_cli_library import documented_keys, keys_of

from facesearch.api.library import FaceLibrary
from facesearch.errors import NoFaceError, PhotoError
from facesearch.indexing import DamagedPhoto
from facesearch.library import Library
from facesearch.people import PhotoWish, list_photos
from facesearch.query import ask, probe_photo

WRONG = "the checksum of its pixels is wrong: some may have changed"


def damage(path: Path) -> Path:
    """Flip a bit of the checksum of its pixels."""
    content = bytearray(path.read_bytes())
    start = content.index(b"IDAT")
    content[start + 4 + int.from_bytes(content[start - 4 : start], "big")] ^= 1
    path.write_bytes(content)
    return path


@pytest.fixture
def damaged_album(tmp_path: Path) -> Path:
    """A sound portrait, a damaged one, and a damaged sky."""
    album = tmp_path / "album"
    draw(album / "ann.png", ANN)
    damage(draw(album / "broken.png", ANN, WHITE))
    damage(draw(album / "sky.png", WHITE))
    return album


@pytest.fixture
def damaged_library(tmp_path: Path, damaged_album: Path) -> Path:
    """A library of the damaged album."""
    with Library.create(tmp_path / "library", MODELS) as library:
        index(library, damaged_album)
    return tmp_path / "library"


def test_a_run_indexes_what_shows_a_face_and_refuses_the_rest(tmp_path: Path, damaged_album: Path) -> None:
    with Library.create(tmp_path / "library", MODELS) as library:
        summary = index(library, damaged_album)
        assert summary.photos_damaged == (DamagedPhoto(damaged_album / "broken.png", WRONG, 1),)
        (skipped,) = summary.skipped
        assert skipped.path == damaged_album / "sky.png"
        assert skipped.reason.startswith(f"is damaged ({WRONG}), and what is left shows no face: copy it")
        assert (summary.photos_new, summary.faces_new, library.status().photos_damaged) == (2, 2, 1)
        again = index(library, damaged_album)
        assert (again.photos_damaged, again.photos_unchanged, again.skipped_known) == ((), 2, 1)
        assert [entry.damage for entry in list_photos(library, PhotoWish()).photos] == [None, WRONG]


def test_a_photo_that_was_mended_is_sound(damaged_library: Path, damaged_album: Path) -> None:
    draw(damaged_album / "broken.png", ANN, WHITE)
    with Library.open(damaged_library, writable=True) as library:
        assert index(library, damaged_album).photos_damaged == ()
        assert library.status().photos_damaged == 0


def test_lists_and_status_say_it(
    damaged_library: Path, damaged_album: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = CommandLine(capsys)
    ran = run("photos", "--damaged", "--library", damaged_library)
    assert ran.out == f"{damaged_album}/broken.png: {WRONG}\n\n1 photo damaged, of 2 in the library\n"
    assert run("photos", "--damaged", "-0", "--library", damaged_library).out == f"{damaged_album}/broken.png\0"
    listed = json.loads(run("photos", "--damaged", "--json", "--library", damaged_library).out)
    of_people = {f"photos[].people[].{key}" for key in ("person_id", "name", "spans")}  # there are none in this library
    assert keys_of(listed) | of_people == documented_keys("photos")
    assert [entry["damage"] for entry in listed["photos"]] == [WRONG]
    with FaceLibrary(damaged_library) as library:
        assert [entry.photo.name for entry in library.photos(damaged=True).photos] == ["broken.png"]


def test_a_question_about_one_is_answered_and_says_it(
    damaged_library: Path, damaged_album: Path, tmp_path: Path
) -> None:
    with Library.open(damaged_library) as library:
        answer = ask(library, probe_photo(damaged_album / "broken.png", TileDetector(), ColourTower()))
        assert (answer.damage, len(answer.faces)) == (WRONG, 1)
        assert ask(library, probe_photo(damaged_album / "ann.png", TileDetector(), ColourTower())).damage is None
    with pytest.raises(PhotoError, match=r"sky\.png: is damaged .* shows no face") as caught:
        probe_photo(damaged_album / "sky.png", TileDetector(), ColourTower())
    assert not isinstance(caught.value, NoFaceError)
