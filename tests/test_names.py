"""What a person may be called: one rule, whichever way a name comes in."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import sidecar_samples as samples
from support.command_line import CommandLine
from support.tiles import MODELS, ColourTower, TileDetector, draw

import facesearch
from facesearch.errors import UsageError
from facesearch.exchange import import_names, name_by_list
from facesearch.indexing import IndexOptions, index_photos
from facesearch.library import Library, find_person
from facesearch.names import LONGEST_NAME, name_key, person_name
from facesearch.people import name_faces, name_person, undo_change
from facesearch.text import shown

RED, GREEN = (200, 20, 20), (20, 200, 20)
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"  # one emoji, of three and two joiners
HEART = "\U0001f469\u200d\u2764\ufe0f\u200d\U0001f468"
PERSIAN = "\u0645\u06cc\u200c\u0646\u0627"  # a non-joiner between two letters that would be joined
KANNADA = "\u0ca8\u0ccd\u200d\u0ca8"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Anna", "Anna"),
        (" Anna\t", "Anna"),
        ("Anna\n Maria", "Anna Maria"),
        ("\u5c71\u7530\u3000\u592a\u90ce", "\u5c71\u7530 \u592a\u90ce"),
        ("Jean\u00a0Paul\u202fII", "Jean Paul II"),
        ("Zoe\u0308", "Zo\u00eb"),
        (PERSIAN, PERSIAN),
        (KANNADA, KANNADA),
        (FAMILY, FAMILY),
        (HEART, HEART),
        ("\u200cAn\u200dna \u200d\u200cB\u200d", "Anna B"),  # joiners that join nothing
        ("\ufeffAnna\u200b", "Anna"),
        ("\u202eAnna\u202c", "Anna"),  # what turns the direction of writing
        ("\u2068\u05d3\u05d5\u05d3\u2069", "\u05d3\u05d5\u05d3"),
        ("An\u00adna", "Anna"),
        ("12", "12"),
        ("# 12 B", "# 12 B"),
        ("O'Neil-M\u00fcller, Dr. (3rd)", "O'Neil-M\u00fcller, Dr. (3rd)"),
        ("\U0001fae9", "\U0001fae9"),  # of a newer Unicode than some Pythons'
        ("x" * LONGEST_NAME, "x" * LONGEST_NAME),
    ],
)
def test_a_name_is_kept_in_one_form(text: str, kept: str) -> None:
    assert person_name(text) == kept
    assert shown(kept) == kept  # nobody sees an escape for it


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "at least one visible letter"),
        (" \u3000\u200b\u202e", "at least one visible letter"),
        ("\u3164", "at least one visible letter"),  # a Hangul letter that shows nothing
        ("\u0301", "at least one visible letter"),
        ("An\x1b[31mna", "control characters"),
        ("An\x00na", "control characters"),
        ("An\x9bna", "control characters"),
        ("An\ufffena", "control characters"),
        ("M\udcfcller", "not in UTF-8"),
        ("x" * (LONGEST_NAME + 1), "201 letters"),
        ("#3", "looks like a number"),
        ("\u200b#3 ", "looks like a number"),
        ("#\uff13", "looks like a number"),
        ("Face: 3", "looks like a number"),
        ("face#3", "looks like a number"),
    ],
)
def test_what_is_no_name_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        person_name(text)


@given(st.text(max_size=30))
def test_the_form_is_the_form_of_itself(text: str) -> None:
    key = name_key(text)
    assert name_key(key) == key == unicodedata.normalize("NFC", key)
    assert name_key(f"\u3000{text} ") == key
    key.encode()  # rows hold it


# All ways in


@pytest.fixture
def three_folders_album(tmp_path: Path) -> Path:
    """A photo of one person in each of two folders, and of another in a third."""
    draw(tmp_path / "album" / "Anna" / "1.png", RED)
    draw(tmp_path / "album" / "Anna\u3000" / "2.png", (201, 20, 20))
    draw(tmp_path / "album" / "#3" / "3.png", GREEN)
    return tmp_path / "album"


@pytest.fixture
def two_spellings_library(
    tmp_path: Path, three_folders_album: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Library]:
    monkeypatch.setenv("FACESEARCH_LIBRARY", str(tmp_path / "library"))
    with Library.create(tmp_path / "library", MODELS) as library:
        options = IndexOptions(people_from_folders=False)
        index_photos(library, [three_folders_album], TileDetector(), ColourTower(), options)
        yield library


def names(library: Library) -> list[str | None]:
    return sorted(library.people.names().values(), key=str)


def test_folders_name_by_the_rule(two_spellings_library: Library, three_folders_album: Path) -> None:
    options = IndexOptions(people_from_folders=True)
    summary = index_photos(two_spellings_library, [three_folders_album], TileDetector(), ColourTower(), options)
    assert (names(two_spellings_library), summary.faces_named) == (["Anna"], 2)
    assert [(each.path, each.reason) for each in summary.unnamed] == [
        (three_folders_album / "#3", "is not named after a person: #3 looks like a number; choose another name")
    ]


def test_sidecars_name_by_the_rule(two_spellings_library: Library, three_folders_album: Path) -> None:
    for photo, name in (("Anna/1.png", "Anna"), ("Anna\u3000/2.png", "\u202eAnna\u00a0"), ("#3/3.png", "x" * 5000)):
        region = samples.lightroom_region(name, 0.5, 0.5, 0.9, 0.9)
        (three_folders_album / f"{photo}.xmp").write_text(samples.lightroom(region, size=(40, 40)), encoding="utf-8")
    summary = import_names(two_spellings_library, [three_folders_album])
    assert (names(two_spellings_library), summary.faces_named) == (["Anna"], 2)
    (unusable,) = summary.unusable
    assert "has 5,000 letters; the longest allowed has 200" in unusable.reason


def test_lists_name_by_the_rule(two_spellings_library: Library, three_folders_album: Path, tmp_path: Path) -> None:
    table = tmp_path / "who.csv"
    table.write_text(
        "path,person\nAnna/1.png,Anna\nAnna\u3000/2.png,\u3000Anna\u200b\n#3/3.png,\u5c71\u7530\u3000\u592a\u90ce\n"
    )
    assert name_by_list(two_spellings_library, table, root=three_folders_album).named == 3
    assert names(two_spellings_library) == ["Anna", "\u5c71\u7530 \u592a\u90ce"]
    table.write_text("path,person\nAnna/1.png,#3\n")
    with pytest.raises(UsageError, match="line 2: #3 looks like a number"):
        name_by_list(two_spellings_library, table, root=three_folders_album)


def test_a_name_by_hand_goes_by_the_rule(two_spellings_library: Library, capsys: pytest.CaptureFixture[str]) -> None:
    two_spellings_library.close()
    run = CommandLine(capsys)
    assert run("people", "name", "face:1", f" {FAMILY}\u00a0Anna").code == 0
    assert f"{FAMILY} Anna " in run("people", "list").out
    assert run("people", "name", "face:2", f"{FAMILY} Anna").out.endswith(
        "now has 2 faces\nto undo: facesearch people undo 2\n"
    )
    assert run("people", "name", f"{FAMILY}\u3000Anna ", "Anna").code == 0
    assert run("people", "split", "Anna\u200b", "face:2", "--to", "#\u200b7").code == 2
    assert run("people", "split", "Anna", "face:2", "--to", "Anna ").code == 2  # hers already
    assert run("forget", "\u202eAnna").code == 0


def test_an_api_number_is_a_number_whatever_anybody_is_called(two_spellings_library: Library) -> None:
    name_faces(two_spellings_library, [1], "Anna")
    name_faces(two_spellings_library, [3], "1")
    two_spellings_library.close()
    with facesearch.open_library(two_spellings_library.path) as opened:
        assert opened.people.show(1).person.name == "Anna"
        assert opened.people.show("1").person.name == "1"
        with pytest.raises(UsageError, match="no person #77"):
            opened.people.show(77)


# Libraries of former versions


def keep_as(library: Library, person_id: int, name: str) -> None:
    """Keep a name as former versions did."""
    with library.changing():
        library._database.execute("UPDATE people SET name = ? WHERE id = ?", (name, person_id))


@pytest.mark.parametrize(
    "odd", ["Anna ", "\u5c71\u7530\u3000\u592a\u90ce", "\u202eAnna", "x" * 5000, "An\tna", "face:7"]
)
def test_a_person_with_a_former_name_is_who_it_was(
    two_spellings_library: Library, three_folders_album: Path, odd: str, tmp_path: Path
) -> None:
    name_faces(two_spellings_library, [1], "Bea")
    keep_as(two_spellings_library, 1, odd)
    assert (
        find_person(two_spellings_library, odd)
        == find_person(two_spellings_library, name_key(odd))
        == find_person(two_spellings_library, "#1")
        == 1
    )
    assert two_spellings_library.people.named(name_key(odd)) == 1  # a folder or a list makes no second one
    name_person(two_spellings_library, 1, "Bea")
    assert two_spellings_library.people.bearer("Bea") == 1
    assert two_spellings_library.people.bearer(name_key(odd)) == (
        1 if name_key(odd) in odd else None
    )  # it goes on naming her
    undo_change(two_spellings_library)
    assert two_spellings_library.people.names() == {1: odd}


def test_two_people_of_one_name_are_told_apart(two_spellings_library: Library) -> None:
    for face, name, former in (
        (1, "A", "Anna"),
        (2, "B", "Anna "),
        (3, "C", "Bob "),
    ):
        keep_as(two_spellings_library, name_faces(two_spellings_library, [face], name).person_id, former)
    assert [find_person(two_spellings_library, who) for who in ("Anna", "Anna ", "#2", "Bob", "Bob ")] == [
        1,
        2,
        2,
        3,
        3,
    ]
    keep_as(two_spellings_library, 1, "\u3000Anna")
    with pytest.raises(UsageError, match="2 people are called Anna, apart from spaces: #1, #2; give a number"):
        find_person(two_spellings_library, "Anna")
    assert two_spellings_library.people.named("Anna") == 1


def test_a_person_called_like_a_number_can_be_addressed(two_spellings_library: Library) -> None:
    name_faces(two_spellings_library, [1], "Anna")
    name_faces(two_spellings_library, [2], "Bea")
    name_faces(two_spellings_library, [3], "Carl")
    keep_as(two_spellings_library, 3, "#2")
    assert (
        find_person(two_spellings_library, "#3"),
        find_person(two_spellings_library, "2"),
        find_person(two_spellings_library, "Bea"),
    ) == (3, 2, 2)
    with pytest.raises(
        UsageError, match="#2 is the number of Bea and the name of #3: write 2 for the number, #3 for the name"
    ):
        find_person(two_spellings_library, "#2")
    keep_as(two_spellings_library, 3, "#9")
    assert find_person(two_spellings_library, "#9") == 3  # nobody has that number
    assert name_person(two_spellings_library, 3, "Carl").name == "Carl"
