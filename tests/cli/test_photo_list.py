"""The photos of a library, listed by what is wished: under a folder, without a face."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from support.command_line import CommandLine
from support.people_library import ANN, BOB, index
from support.tiles import MODELS, draw
from test_cli_library import documented_keys, keys_of

from facesearch.api.library import FaceLibrary
from facesearch.errors import UsageError
from facesearch.library import Library, forget
from facesearch.people import PhotoWish, list_photos


@pytest.fixture
def trip_album(tmp_path: Path) -> Path:
    """Two portraits and a sky in `trip`, a copy of the sky beside it in `trips`, and a lake."""
    draw(tmp_path / "album" / "trip" / "ann.png", ANN)
    draw(tmp_path / "album" / "trip" / "bob.png", BOB, ANN)
    draw(tmp_path / "album" / "trip" / "sky.png", (255, 255, 255))
    draw(tmp_path / "album" / "trips" / "a copy.png", (255, 255, 255))
    draw(tmp_path / "album" / "lake.png", (255, 255, 255), (255, 255, 255))
    return tmp_path / "album"


@pytest.fixture
def trip_library(tmp_path: Path, trip_album: Path) -> Path:
    """A library of the trip's photos."""
    with Library.create(tmp_path / "library", MODELS) as library:
        index(library, trip_album)
    return tmp_path / "library"


def names(library: Path, wish: PhotoWish, album: Path) -> list[str]:
    with Library.open(library) as opened:
        return [str(entry.photo.relative_to(album)) for entry in list_photos(opened, wish).photos]


def test_every_photo_once_by_path_with_its_copies_size_and_faces(trip_library: Path, trip_album: Path) -> None:
    with Library.open(trip_library) as library:
        found = list_photos(library, PhotoWish())
    assert found.total == 4
    assert [(entry.photo.name, entry.faces, entry.width_px, entry.height_px) for entry in found.photos] == [
        ("lake.png", 0, 80, 40),
        ("ann.png", 1, 40, 40),
        ("bob.png", 2, 80, 40),
        ("sky.png", 0, 40, 40),
    ]
    assert found.photos[3].copies == (trip_album / "trips" / "a copy.png",)
    assert found.photos[0].copies == ()


def test_wishes_hold_together_and_a_folder_is_no_prefix_of_a_name(trip_library: Path, trip_album: Path) -> None:
    assert names(trip_library, PhotoWish(without_faces=True), trip_album) == ["lake.png", "trip/sky.png"]
    assert names(trip_library, PhotoWish(under=trip_album / "trip"), trip_album) == [
        "trip/ann.png",
        "trip/bob.png",
        "trip/sky.png",
    ]
    assert names(trip_library, PhotoWish(trip_album / "trip", without_faces=True), trip_album) == ["trip/sky.png"]
    assert names(trip_library, PhotoWish(trip_album / "trips"), trip_album) == [
        "trips/a copy.png"
    ]  # its own path, not the first one
    assert names(trip_library, PhotoWish(trip_album / "lake.png"), trip_album) == ["lake.png"]


def test_photos_that_are_gone_are_left_out_and_a_copy_stands_in(trip_library: Path, trip_album: Path) -> None:
    (trip_album / "trip" / "sky.png").unlink()
    (trip_album / "lake.png").unlink()
    with Library.open(trip_library, writable=True) as library:
        index(library, trip_album)
        found = list_photos(library, PhotoWish(without_faces=True))
    assert [entry.photo for entry in found.photos] == [trip_album / "trips" / "a copy.png"]
    assert (found.total, found.photos[0].copies) == (3, ())


def test_a_photo_whose_face_was_forgotten_does_show_a_face(trip_library: Path, trip_album: Path) -> None:
    with Library.open(trip_library, writable=True) as library:
        with library.changing():
            library.catalog.forget_faces([face.face_id for face in library.catalog.faces_in([1, 2, 3, 4])])
        assert {entry.faces for entry in list_photos(library, PhotoWish()).photos} == {0}
    assert names(trip_library, PhotoWish(without_faces=True), trip_album) == ["lake.png", "trip/sky.png"]
    forget(trip_library, str(trip_album / "lake.png"))
    assert names(trip_library, PhotoWish(without_faces=True), trip_album) == ["trip/sky.png"]


def test_a_folder_that_the_library_does_not_know_is_an_error(trip_library: Path, tmp_path: Path) -> None:
    with (
        Library.open(trip_library) as library,
        pytest.raises(UsageError, match=r"has no photo in .*elsewhere: index it"),
    ):
        list_photos(library, PhotoWish(under=tmp_path / "elsewhere"))


def test_the_summary_of_a_run_counts_photos_without_a_face(tmp_path: Path, trip_album: Path) -> None:
    with Library.create(tmp_path / "library", MODELS) as library:
        first = index(library, trip_album)
        draw(trip_album / "wood.png", *[(255, 255, 255)] * 3)
        second = index(library, trip_album)
    assert (first.photos_without_faces, first.photos_present) == (2, 4)
    assert (second.photos_without_faces, second.photos_present) == (3, 5)


def test_the_command_lists_paths_for_people_and_programs(
    run: CommandLine, trip_library: Path, trip_album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trip_album)
    ran = run("photos", "--without-faces", "--library", trip_library)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "lake.png\ntrip/sky.png\n\n2 photos without a face, of 4 in the library\n"
    piped = run("photos", "-0", "--under", "trip", "--library", trip_library)
    assert piped.out == "".join(f"{trip_album}/trip/{name}.png\0" for name in ("ann", "bob", "sky"))
    ran = run("photos", "--json", "--library", trip_library)
    answer = json.loads(ran.out)
    assert keys_of(answer) | {f"photos[].people[].{key}" for key in ("person_id", "name", "spans")} == documented_keys(
        "photos"
    )
    assert [entry["faces"] for entry in answer["photos"]] == [0, 1, 2, 0]


def test_none_is_no_error_but_a_wrong_folder_and_two_formats_are(
    run: CommandLine, trip_library: Path, trip_album: Path, tmp_path: Path
) -> None:
    ran = run("photos", "--without-faces", "--under", trip_album / "trip" / "ann.png", "--library", trip_library)
    assert (ran.code, ran.out) == (0, "0 photos without a face, of 4 in the library\n")
    assert run("photos", "--under", tmp_path / "elsewhere", "--library", trip_library).code == 2
    assert run("photos", "-0", "--json", "--library", trip_library).code == 2


def test_bytes_that_are_no_text_come_through(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    folder = os.fsencode(tmp_path / "odd")
    draw(tmp_path / "odd" / "plain.png", ANN)
    os.rename(folder + b"/plain.png", folder + b"/\xff\n.png")  # noqa: PTH104 - a Path holds no bytes
    with Library.create(tmp_path / "library", MODELS) as library:
        index(library, tmp_path / "odd")
    run = CommandLine(capfdbinary)  # type: ignore[arg-type]
    assert run("photos", "-0", "--library", tmp_path / "library").out == folder + b"/\xff\n.png\0"
    assert run("photos", "--library", tmp_path / "library").out.splitlines()[0].endswith(b"\\xff\\n.png")


def test_from_python(trip_library: Path, trip_album: Path) -> None:
    with FaceLibrary(trip_library) as library:
        assert [entry.photo for entry in library.photos(under=trip_album / "trip", without_faces=True).photos] == [
            trip_album / "trip" / "sky.png"
        ]
