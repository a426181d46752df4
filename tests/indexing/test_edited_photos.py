"""Photos edited in another program: faces keep their people, and no other face gets them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image
from support.command_line import CommandLine
from support.people_library import ANN, BOB, STRANGER, create, everything, index
from support.tiles import MODELS, THRESHOLD, Colour, draw

from facesearch.demo import write_album
from facesearch.indexing.summary import LostNames
from facesearch.library import Library, forget
from facesearch.library.space import Space
from facesearch.library.spaces import Spaces
from facesearch.people import (
    change_log,
    keep_people,
    name_faces,
    reject_faces,
    undo_change,
)
from facesearch.records import DetectedFace, EmbeddedFace, Floats, NewPhoto, PhotoFile


def brighter(colour: Colour, by: int = 6) -> Colour:
    return colour[0] + by, colour[1] + by, colour[2] + by


@pytest.fixture
def corrected_library(tmp_path: Path, album: Path) -> Iterator[Library]:
    """Ann (1), Bob (2) and Carl (3), of faces 1 to 9, and 10 to 13 on one photo: Ann, not Bob, nobody, Carl."""
    with create(tmp_path / "library", album) as library:
        name_faces(library, [10], "Ann")
        reject_faces(library, 2, [11])
        name_faces(library, [13], "Carl")
        yield library


def on(library: Library, photo: Path) -> list[tuple[str | None, list[int]]]:
    """Of each face of a photo, from left to right, the name and who it is not."""
    known = library.files.under([photo])[bytes(photo)]
    assert known.photo_id is not None
    faces = sorted(library.catalog.faces_in([known.photo_id]), key=lambda face: float(face.box[0]))
    return [(face.name, library.people.rejected_people(face.face_id)) for face in faces]


def test_faces_at_the_same_place_keep_their_person_and_who_they_are_not(
    corrected_library: Library, album: Path
) -> None:
    photo = album / "together.png"
    before = everything(corrected_library)
    draw(photo, brighter(ANN), brighter(BOB), (10, 10, 200), (120, 120, 26))
    summary = index(corrected_library, album)
    assert (summary.photos_changed, summary.faces_new, summary.faces_kept) == (1, 4, 2)
    assert on(corrected_library, photo) == [("Ann", []), (None, [2]), (None, []), ("Carl", [])]
    assert set(corrected_library.people.sources_of(3).values()) == {"folder", "user"}
    edit = change_log(corrected_library, 1)[0]
    assert (edit.action, edit.names, edit.faces) == ("edit", ("Ann", "Bob", "Carl"), 3)
    undo_change(corrected_library)
    assert on(corrected_library, photo) == [(None, [])] * 4
    undo_change(corrected_library, change_log(corrected_library, 1)[0].change)
    assert on(corrected_library, photo) == [("Ann", []), (None, [2]), (None, []), ("Carl", [])]
    assert index(corrected_library, album).faces_kept == 0
    assert everything(corrected_library)[0] == before[0]


def test_a_photo_that_is_turned_keeps_its_people(corrected_library: Library, album: Path) -> None:
    photo = album / "together.png"
    with Image.open(photo) as image:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 3
        image.save(photo, exif=exif)
    assert index(corrected_library, album).faces_kept == 2
    assert on(corrected_library, photo) == [("Carl", []), (None, []), (None, [2]), ("Ann", [])]


def test_somebody_else_at_that_place_and_the_same_person_elsewhere_are_nobody_yet(
    corrected_library: Library, album: Path
) -> None:
    photo = album / "Ann" / "0.png"
    draw(photo, STRANGER)
    index(corrected_library, album)
    assert on(corrected_library, photo) == [(None, [])]
    draw(album / "Ann" / "1.png", STRANGER, brighter(ANN))
    assert index(corrected_library, album).faces_kept == 0
    assert on(corrected_library, album / "Ann" / "1.png") == [(None, []), (None, [])]
    assert np.linalg.norm(np.subtract(ANN, STRANGER)) / 255 > THRESHOLD


def test_whose_name_an_edit_takes_is_said(corrected_library: Library, album: Path) -> None:
    shutil.copy(album / "Bob" / "2.png", album / "Bob" / "copy.png")
    assert index(corrected_library, album).names_lost == ()
    draw(album / "together.png", brighter(ANN), (255, 255, 255))
    draw(album / "Bob" / "1.png", STRANGER)
    draw(album / "Bob" / "2.png", STRANGER, ANN)  # its copy keeps what it was
    shutil.copy(album / "Carl" / "0.png", album / "Ann" / "1.png")
    lost = {
        photo.path.relative_to(album).as_posix(): photo.names for photo in index(corrected_library, album).names_lost
    }
    assert lost == {"together.png": ("Carl",), "Bob/1.png": ("Bob",), "Ann/1.png": ("Ann",)}
    assert index(corrected_library, album).names_lost == ()


def test_photos_that_are_edited_at_once_are_one_change(corrected_library: Library, album: Path) -> None:
    lines = len(change_log(corrected_library))
    for number in range(3):
        draw(album / "Carl" / f"{number}.png", brighter((10 + number, 10 + number, 200 + number)))
    assert index(corrected_library, album).faces_kept == 3
    assert len(change_log(corrected_library)) == lines + 1
    undo_change(corrected_library)
    assert [on(corrected_library, album / "Carl" / f"{number}.png") for number in range(3)] == [[(None, [])]] * 3


def test_a_copy_of_the_former_content_keeps_its_own(corrected_library: Library, album: Path) -> None:
    shutil.copy(album / "Ann" / "0.png", album / "copy.png")
    index(corrected_library, album)
    draw(album / "copy.png", brighter(ANN))
    assert index(corrected_library, album).faces_kept == 1
    assert on(corrected_library, album / "Ann" / "0.png") == on(corrected_library, album / "copy.png") == [("Ann", [])]


def test_a_name_by_hand_outweighs_the_folder_of_an_edited_photo(corrected_library: Library, album: Path) -> None:
    """What is kept comes before what folders say, and a rejection is kept from them."""
    photo = album / "Bob" / "0.png"
    face = min(face for face, _ in corrected_library.people.faces_of([2]))
    reject_faces(corrected_library, 2, [face])
    draw(photo, brighter(BOB))
    assert index(corrected_library, album / "Bob", names=True).faces_named == 0
    assert on(corrected_library, photo) == [(None, [2])]


def test_what_is_kept_is_forgotten_with_its_person(corrected_library: Library, album: Path) -> None:
    draw(album / "together.png", brighter(ANN), brighter(BOB), (10, 10, 200), (120, 120, 26))
    index(corrected_library, album)
    corrected_library.close()
    forget(corrected_library.path, "Ann")
    with Library.open(corrected_library.path) as opened:
        assert "Ann" not in json.dumps([line.names for line in change_log(opened)])
        assert on(opened, album / "together.png") == [(None, [2]), (None, []), ("Carl", [])]


def photo(library: Library, number: int, size_px: tuple[int, int], box: tuple[float, ...], embedding: Floats) -> int:
    """A photo with one face; returns the face's id."""
    face = EmbeddedFace(DetectedFace(np.array(box, np.float32), np.zeros((5, 2), np.float32), 1.0), embedding)
    photo_id = library.catalog.add_photo(NewPhoto(f"{number:064}", *size_px, [face]))
    library.files.put(PhotoFile(library.path / f"{number}.jpg", 1, 1), photo_id)
    return library.catalog.faces_in([photo_id])[0].face_id


@pytest.mark.parametrize(
    ("size_px", "box", "far", "kept"),
    [
        ((400, 300), (100, 100, 200, 200), 0.0, 1),
        ((400, 300), (120, 100, 220, 200), 0.09, 1),
        ((400, 300), (150, 100, 250, 200), 0.0, 0),  # a third of the union
        ((400, 300), (100, 100, 200, 200), 0.11, 0),  # farther than the threshold
        ((200, 150), (50, 50, 100, 100), 0.0, 1),  # half as large
        ((200, 150), (100, 40, 200, 140), 0.0, 1),  # cut, to the same shape
        ((300, 400), (100, 100, 200, 200), 0.0, 1),  # another shape, as cut at the right
        ((300, 400), (75, 133, 150, 267), 0.0, 0),
        ((400, 300), (200, 100, 300, 200), 0.0, 1),  # turned upside down
        ((400, 300), (200, 100, 300, 200), 0.11, 0),
        ((300, 400), (100, 200, 200, 300), 0.0, 1),  # turned to the left
        ((150, 200), (50, 100, 100, 150), 0.0, 1),  # and half as large
        ((300, 380), (100, 200, 200, 300), 0.0, 0),  # and cut
        ((250, 250), (20, 60, 120, 160), 0.0, 1),  # cut on all sides
        ((250, 250), (20, 60, 120, 160), 0.06, 0),  # which may be somebody else
        ((125, 125), (10, 30, 60, 80), 0.0, 1),  # and half as large
        ((250, 250), (150, 100, 250, 200), 0.0, 0),  # there was nothing so far to the left
    ],
)
def test_the_place_is_compared_in_the_photo_as_it_was(
    tmp_path: Path, size_px: tuple[int, int], box: tuple[float, ...], far: float, kept: int
) -> None:
    there, off = np.zeros(32, np.float32), np.zeros(32, np.float32)
    off[3] = far
    with Library.create(tmp_path / "library", MODELS) as library, library.changing():
        face = photo(library, 1, (400, 300), (100, 100, 200, 200), there)
        library.people.label(library.people.named("Ann"), [face], "user")
        new = photo(library, 2, size_px, box, off)
        assert keep_people(library, [(1, 2)]) == kept
        assert library.people.member(new) == ((1, "user") if kept else None)


def test_after_a_cut_everybody_is_who_they_were(corrected_library: Library, album: Path) -> None:
    """Of two who look alike, too."""
    twin, photo = (ANN[0] + 4, ANN[1], ANN[2]), album / "twins.png"
    draw(photo, ANN, twin, BOB)
    index(corrected_library, album)
    known = corrected_library.files.under([photo])[bytes(photo)]
    assert known.photo_id is not None
    faces = sorted(corrected_library.catalog.faces_in([known.photo_id]), key=lambda face: float(face.box[0]))
    for face, name in zip(faces, ("Ann", "Eve", "Bob"), strict=True):
        name_faces(corrected_library, [face.face_id], name)
    draw(photo, twin)
    assert index(corrected_library, album).names_lost == (LostNames(photo, ("Ann", "Bob")),)
    assert on(corrected_library, photo) == [("Eve", [])]


def test_the_distance_is_that_of_the_taught_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Spaces, "current", lambda self: Space(np.eye(32, dtype=np.float32) * 3))
    there, off = np.zeros(32, np.float32), np.full(32, 0.05 / 32**0.5, np.float32)
    with Library.create(tmp_path / "library", MODELS) as library, library.changing():
        face = photo(library, 1, (400, 300), (100, 100, 200, 200), there)
        library.people.label(library.people.named("Ann"), [face], "user")
        photo(library, 2, (400, 300), (100, 100, 200, 200), off)
        assert keep_people(library, [(1, 2)]) == 0


def test_the_command_keeps_a_name_through_another_programs_save(
    tmp_path: Path, tower: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = CommandLine(capsys)
    people = write_album(tmp_path / "album", 2, 2, seed=4).directory / "people"
    own = ("--library", tmp_path / "library", "--tower", tower)
    assert run("index", people, "--people-from-folders", *own).code == 0
    path = sorted(people.rglob("*.jpg"))[0]
    Image.open(path).save(path, quality=70, exif=Image.Exif())
    ran = run("index", people, *own)
    assert "1 new, 1 of them kept their person after an edit" in ran.out
    shown = json.loads(run("people", "show", path.parent.name, "--json", *own[:2]).out)
    assert str(path) in [face["photo"] for face in shown["faces"]]
    assert "edit " in run("people", "log", *own[:2]).out
