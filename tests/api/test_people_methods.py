"""People from Python: whom a method means, and that it does what the command of the same name does."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.people_library import create, draw_album, everything

import facesearch
from facesearch import people
from facesearch.api.people import PeopleMethods
from facesearch.errors import LibraryError, UsageError
from facesearch.library import Library


@pytest.fixture
def album(tmp_path: Path) -> Path:
    return draw_album(tmp_path / "album")


@pytest.fixture
def opened(tmp_path: Path, album: Path) -> Iterator[facesearch.FaceLibrary]:
    """Ann (1), Bob (2) and Carl (3), of three photos each, and face 10 to 13 of nobody."""
    create(tmp_path / "library", album).close()
    with facesearch.open_library(tmp_path / "library") as opened:
        yield opened


def names_of(opened: facesearch.FaceLibrary) -> dict[int, tuple[str | None, int]]:
    return {person.person_id: (person.name, person.faces) for person in opened.people().people}


def test_people_are_named_corrected_and_taken_back(opened: facesearch.FaceLibrary, album: Path) -> None:
    with Library.open(opened.path) as library:
        before = everything(library)
    assert names_of(opened) == {1: ("Ann", 3), 2: ("Bob", 3), 3: ("Carl", 3)}
    first = opened.name_person("Ann", "Ann Meyer", born="1984-05-17")
    assert (first.name, first.born, opened.show_person(1).person.name) == ("Ann Meyer", "1984-05-17", "Ann Meyer")
    assert opened.name_faces([10, "face:13"], "Dora").total == 2
    assert opened.set_born("#2", "1950-01-01").born == "1950-01-01"
    split = opened.split_faces("Ann Meyer", [album / "Ann" / "0.png"], to="Eve")
    assert (split.name, split.faces) == ("Eve", 1)
    assert opened.split_faces(2, [4]).name is None
    assert opened.split_faces("Bob", [5], to="#3").name == "Carl"
    rejected = opened.reject_faces("Carl", [str(album / "Carl" / "1.png")])
    assert [face.photo for face in opened.show_person("Carl").rejected] == [album / "Carl" / "1.png"]
    assert opened.merge_people("Ann Meyer", "Eve", 4).total == 5
    assert [line.action for line in opened.change_log(3)] == ["merge", "reject", "split"]
    assert opened.undo_change().taken_back.action == "merge"
    assert opened.undo_change(rejected.change).change == opened.change_log(1)[0].change
    assert first.change is not None
    opened.undo_since(first.change)
    with Library.open(opened.path) as library:
        assert everything(library) == before
    assert opened.suspects(None).faces == 9


def test_a_list_is_read_and_a_dry_run_changes_nothing(
    opened: facesearch.FaceLibrary, album: Path, tmp_path: Path
) -> None:
    (tmp_path / "who.csv").write_text("path,person,x1,y1,x2,y2\ntogether.png,Zoe,0,0,40,40\n", encoding="utf-8")
    assert opened.name_by_list(tmp_path / "who.csv", root=album, dry_run=True).named == 1
    assert "Zoe" not in [name for name, _ in names_of(opened).values()]
    assert opened.name_by_list(str(tmp_path / "who.csv"), root=str(album)).named == 1
    assert [face.face_id for face in opened.show_person("Zoe").faces] == [10]


def test_who_or_what_is_not_there_is_an_error_that_names_it(opened: facesearch.FaceLibrary, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is called ann; did you mean Ann\?"):
        opened.show_person("ann")
    with pytest.raises(UsageError, match="is called #99"):
        opened.merge_people("Ann", 99)
    with pytest.raises(UsageError, match="no face #99"):
        opened.reject_faces("Ann", [99])
    with pytest.raises(UsageError, match="it takes two people"):
        opened.merge_people("Ann")
    with facesearch.open_library(tmp_path / "nowhere") as nowhere:
        with pytest.raises(LibraryError, match="there is no library in"):
            nowhere.people()
        assert not (tmp_path / "nowhere").exists()


def test_who_has_asked_before_can_correct_and_somebody_else_is_reading(opened: facesearch.FaceLibrary) -> None:
    with Library.open(opened.path) as reader:
        opened.reject_faces("Ann", [1])
        assert reader.people.rejected_from(1) == {1}


def test_every_change_that_people_knows_can_be_made_from_python() -> None:
    """Those that only other rooms call aside."""
    inside = {"find_faces", "find_person", "face_in_photo", "is_face", "keep_people", "most_prominent", "photo_at"}
    inside |= {"list_photos", "name_after_source", "name_by_folder", "name_by_folder_at_once"}
    called = {"list_people": "people", "find_suspects": "suspects"}
    known = {name for name in people.__all__ if inspect.isfunction(getattr(people, name))} - inside
    methods = {name for name, _ in inspect.getmembers(PeopleMethods, inspect.isfunction)}
    assert {called.get(name, name) for name in known} <= methods
    assert all((getattr(PeopleMethods, name).__doc__ or "").strip() for name in methods if not name.startswith("_"))
