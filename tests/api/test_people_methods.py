"""People from Python: which person a method takes, and that it does what the command of the same name does."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.people_library import create, everything

import facesearch
from facesearch import people
from facesearch.api.former import FORMER
from facesearch.api.people import People
from facesearch.api.tuning import Tuning
from facesearch.errors import LibraryError, PersonMergedError, UsageError
from facesearch.library import Library


@pytest.fixture
def opened(tmp_path: Path, album: Path) -> Iterator[facesearch.FaceLibrary]:
    """Ann (1), Bob (2) and Carl (3), of three photos each, and face 10 to 13 of nobody."""
    create(tmp_path / "library", album).close()
    with facesearch.open_library(tmp_path / "library") as opened:
        yield opened


def names_of(opened: facesearch.FaceLibrary) -> dict[int, tuple[str | None, int]]:
    return {person.person_id: (person.name, person.faces) for person in opened.people.list().people}


def test_people_are_named_corrected_and_taken_back(opened: facesearch.FaceLibrary, album: Path) -> None:
    with Library.open(opened.path) as library:
        before = everything(library)
    assert names_of(opened) == {1: ("Ann", 3), 2: ("Bob", 3), 3: ("Carl", 3)}
    first = opened.people.name("Ann", "Ann Meyer", born="1984-05-17")
    assert (first.name, first.born, opened.people.show(1).person.name) == ("Ann Meyer", "1984-05-17", "Ann Meyer")
    assert opened.people.name_faces([10, "face:13"], "Dora").total == 2
    assert opened.people.set_born("#2", "1950-01-01").born == "1950-01-01"
    split = opened.people.split("Ann Meyer", [album / "Ann" / "0.png"], to="Eve")
    assert (split.name, split.faces) == ("Eve", 1)
    assert opened.people.split(2, [4]).name is None
    assert opened.people.split("Bob", [5], to="#3").name == "Carl"
    rejected = opened.people.reject("Carl", [str(album / "Carl" / "1.png")])
    assert [face.photo for face in opened.people.show("Carl").rejected] == [album / "Carl" / "1.png"]
    assert opened.people.merge("Ann Meyer", "Eve", 4).total == 5
    assert [line.action for line in opened.people.log(3)] == ["merge", "reject", "split"]
    assert opened.people.undo().taken_back.action == "merge"
    assert opened.people.undo(rejected.change).change == opened.people.log(1)[0].change
    assert first.change is not None
    opened.people.undo_since(first.change)
    with Library.open(opened.path) as library:
        assert everything(library) == before
    assert opened.people.review(None).faces == 9


def test_a_list_is_read_and_a_dry_run_changes_nothing(
    opened: facesearch.FaceLibrary, album: Path, tmp_path: Path
) -> None:
    (tmp_path / "who.csv").write_text("path,person,x1,y1,x2,y2\ntogether.png,Zoe,0,0,40,40\n", encoding="utf-8")
    assert opened.people.import_csv(tmp_path / "who.csv", root=album, dry_run=True).named == 1
    assert "Zoe" not in [name for name, _ in names_of(opened).values()]
    assert opened.people.import_csv(str(tmp_path / "who.csv"), root=str(album)).named == 1
    assert [face.face_id for face in opened.people.show("Zoe").faces] == [10]


def test_who_or_what_is_not_there_is_an_error_that_names_it(opened: facesearch.FaceLibrary, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is called ann; did you mean Ann\?"):
        opened.people.show("ann")
    with pytest.raises(UsageError, match="there is no person #99"):
        opened.people.merge("Ann", 99)
    opened.people.name("Ann", "Ann Catherine Muller")
    with pytest.raises(UsageError, match=r"is called muller; did you mean Ann Catherine Muller\?"):
        opened.people.show("muller")
    opened.people.undo()
    opened.people.merge("Ann", 2)
    with pytest.raises(PersonMergedError, match=r"person #2 was merged into Ann \(#1\)"):
        opened.people.show("#2")
    opened.people.undo()
    assert opened.people.show("#2").person.person_id == 2
    with pytest.raises(UsageError, match="no face #99"):
        opened.people.reject("Ann", [99])
    with pytest.raises(UsageError, match="at least two people"):
        opened.people.merge("Ann")
    with facesearch.open_library(tmp_path / "nowhere") as nowhere:
        with pytest.raises(LibraryError, match="there is no library in"):
            nowhere.people.list()
        assert not (tmp_path / "nowhere").exists()


def test_who_has_asked_before_can_correct_and_somebody_else_is_reading(opened: facesearch.FaceLibrary) -> None:
    with Library.open(opened.path) as reader:
        opened.people.reject("Ann", [1])
        assert reader.people.rejected_from(1) == {1}


def test_one_face_is_named_by_photo_number_or_box(opened: facesearch.FaceLibrary, album: Path) -> None:
    together = album / "together.png"
    assert opened.people.name(together, "Zoe", face=1).faces == 1
    assert opened.people.name(str(together), "Yan", box=(40, 0, 80, 40)).faces == 1
    assert opened.people.name("face:12", "Xia").faces == 1
    assert [opened.people.show(name).faces[0].face_id for name in ("Zoe", "Yan", "Xia")] == [10, 11, 12]
    with pytest.raises(UsageError, match=r"neither a person nor a photo in the library|not in the library"):
        opened.people.name(album / "nowhere.png", "Zoe")
    with pytest.raises(UsageError, match=r"has several faces"):
        opened.people.name(together, "Zoe")


GIVEN: dict[str, Any] = {
    "change_log": lambda library: (library.change_log(1), library.people.log(1)),
    "people": lambda library: (library.people(), library.people.list()),
    "show_person": lambda library: (library.show_person("Ann"), library.people.show("Ann")),
    "suspects": lambda library: (library.suspects(), library.people.review()),
}
"""By the former name: what it gives, and what the name of today gives."""


@pytest.mark.parametrize("name", GIVEN)
def test_the_names_of_one_release_ago_still_work_and_warn(opened: facesearch.FaceLibrary, name: str) -> None:
    with pytest.warns(DeprecationWarning, match=rf"library\.{name}.* is now library\.people\."):
        former, now = GIVEN[name](opened)
    assert former == now


def test_the_former_names_of_changes_change_the_same(opened: facesearch.FaceLibrary) -> None:
    library: Any = opened  # a type checker sees that they are gone
    with pytest.warns(DeprecationWarning) as warned:
        first = library.name_person("Ann", "Anna", born="1984-05-17")
        library.merge_people("Anna", "Bob")
        library.split_faces("Anna", [4], to="Eve")
        library.reject_faces("Anna", [5])
        library.set_born("Eve", "1950-01-01")
        library.undo_change()
        library.undo_since(first.change)
    assert len(warned) == 7
    assert names_of(opened) == {1: ("Ann", 3), 2: ("Bob", 3), 3: ("Carl", 3)}
    with pytest.raises(AttributeError, match="no attribute 'rename'"):
        library.rename("Ann")


def test_every_change_that_people_knows_can_be_made_from_python() -> None:
    """Those that only other rooms call aside."""
    inside = {"find_faces", "find_person", "face_in_photo", "faces_meant", "is_face", "keep_people", "most_prominent"}
    inside |= {"name_after_source", "name_by_folder", "name_by_folder_at_once", "photo_at", "list_photos"}
    inside |= {"known_person", "show_photo", "number_photos", "some_photos"}
    called = {"list_people": "list", "find_suspects": "review", "name_by_list": "import_csv"}
    called |= {"confirm_faces": "confirm", "hide_people": "hide", "seen_together": "together"}
    known = {name for name in people.__all__ if inspect.isfunction(getattr(people, name))} - inside
    methods = {name for name, _ in inspect.getmembers(People, inspect.isfunction) if not name.startswith("_")}
    former = {name: method for name, (part, method) in FORMER.items() if part == "people"}
    assert {called.get(name, former.get(name, name)) for name in known} <= methods
    assert all((getattr(People, name).__doc__ or "").strip() for name in methods)
    assert set(former.values()) <= methods
    tuning = {method for part, method in FORMER.values() if part == "tuning"}
    assert all((getattr(Tuning, name).__doc__ or "").strip() for name in tuning)
