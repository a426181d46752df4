"""Hidden people, chosen covers and the dates of photos stay, whatever is done to the library besides."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.people_library import everything
from support.tiles import ColourTower, TileDetector

from facesearch.exchange import export_listing
from facesearch.indexing import reindex
from facesearch.library import Library, forget, verify
from facesearch.people import hide_people, list_people, merge_people, set_cover, show_person, undo_change
from facesearch.records import Floats, Pixels, Taken

TAKEN = Taken("2019-07-04T15:30:12", 120, "exif")


class OtherTower(ColourTower):
    identity = "0c" * 32

    def embed(self, crops: Pixels) -> Floats:
        return 2 * super().embed(crops)


@pytest.fixture
def choices_library(library: Library) -> Library:
    """Bob is hidden, Ann has face 2 for a cover, and every photo a date."""
    hide_people(library, [2])
    set_cover(library, 1, 2)
    with library.changing():
        for photo_id in library.catalog.photo_ids().values():
            library.dates.put(photo_id, TAKEN)
    return library


def _assert_kept(library: Library) -> None:
    (ann,) = [person for person in list_people(library).people if person.name == "Ann"]
    assert ann.cover_face_id == 2
    assert show_person(library, 1).cover_chosen
    assert library.people.hidden() == {2}
    assert set(library.dates.of(library.catalog.photo_ids().values()).values()) == {TAKEN}
    library.save_vectors()
    assert verify(library.path, library.models).findings == ()


def test_a_reindex_with_another_tower_keeps_them(choices_library: Library) -> None:
    assert reindex(choices_library, TileDetector(), OtherTower()).switched
    _assert_kept(choices_library)


def test_forgetting_somebody_else_keeps_them(choices_library: Library) -> None:
    path = choices_library.path
    choices_library.close()
    forget(path, "Carl")
    with Library.open(path, writable=True) as opened:
        _assert_kept(opened)


def test_a_cover_goes_with_its_photo_and_the_best_face_stands_for_the_person(
    choices_library: Library, album: Path
) -> None:
    path = choices_library.path
    choices_library.close()
    forget(path, str(album / "Ann" / "1.png"))
    with Library.open(path, writable=True) as opened:
        ann = show_person(opened, 1)
        assert not ann.cover_chosen
        assert ann.person.cover_face_id in {1, 3}
        assert opened.people.hidden() == {2}
        opened.save_vectors()
        assert verify(path, opened.models).findings == ()


def test_merged_people_take_the_next_cover_and_are_hidden_only_if_all_were(choices_library: Library) -> None:
    before = everything(choices_library)
    merge_people(choices_library, 2, [1])  # Bob, who is hidden and has no cover of his own, and Ann
    bob = show_person(choices_library, 2)
    assert (bob.person.name, bob.person.cover_face_id, bob.cover_chosen, bob.person.hidden) == ("Bob", 2, True, False)
    undo_change(choices_library)
    assert everything(choices_library) == before
    hide_people(choices_library, [3])
    merge_people(choices_library, 2, [3])
    assert choices_library.people.hidden() == {2}
    set_cover(choices_library, 2, 4)
    merge_people(choices_library, 2, [1])
    assert show_person(choices_library, 2).person.cover_face_id == 4


def test_exports_have_hidden_people_and_change_nothing(choices_library: Library) -> None:
    content, summary = export_listing(choices_library, "json")
    names = {face["name"] for photo in json.loads(content)["photos"] for face in photo["faces"]}
    assert (names, summary.people) == ({"Ann", "Bob", "Carl"}, 3)
    _assert_kept(choices_library)
