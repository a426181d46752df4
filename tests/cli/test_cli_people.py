"""`facesearch people`: the commands on a real library, what they print, and what they refuse."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from support.command_line import CommandLine, Ran
from support.documents import documented_keys, keys_of
from support.people_library import create, draw_album

from facesearch.library import Library


@pytest.fixture(autouse=True)
def people_album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    create(tmp_path / "library", draw_album(tmp_path / "album")).close()
    monkeypatch.setenv("FACESEARCH_LIBRARY", str(tmp_path / "library"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "album"


def said(ran: Ran) -> str:
    assert (ran.code, ran.err) == (0, "")
    return ran.out


def names(tmp_path: Path) -> dict[int, str | None]:
    with Library.open(tmp_path / "library") as library:
        return library.people.names()


def test_from_faces_to_people_and_back(run: CommandLine, tmp_path: Path) -> None:
    assert said(run("people", "list")).splitlines() == [
        "number  name  born  faces  photos",
        "     1  Ann             3       3",
        "     2  Bob             3       3",
        "     3  Carl            3       3",
        "",
        "3 people with a name, 0 unnamed groups, 4 faces without a person",
    ]
    assert said(run("people", "name", "album/together.png", "Dora", "--face", "4", "--born", "1990-01-02")) == (
        "Dora (number 4) now has 1 face\nto undo: facesearch people undo 4\n"
    )
    said(run("people", "name", "face:10", "Ann"))
    said(run("people", "name", "album/together.png", "Bob", "--box", "42,0,38,40"))
    assert said(run("people", "merge", "Ann", "2")).startswith(
        "merged 4 faces of 1 person into Ann, who now has 8 faces\n"
    )
    assert said(run("people", "split", "Ann", "face:4", "album/Bob/1.png", "--to", "Bob")).startswith(
        "moved 2 faces from Ann to Bob\n"
    )
    assert said(run("people", "reject", "Bob", "4")).startswith("rejected 1 face: not Bob\n")
    assert said(run("people", "born", "Ann", "1984-05-17")).startswith("Ann was born on 1984-05-17\n")
    shown = said(run("people", "show", "Bob"))
    assert re.search(r"^Bob \(number 5\): 1 face on 1 photo$", shown, re.MULTILINE)
    assert "cover: face:5, the best of the typical faces\n" in shown
    assert re.search(r"^  face:5  40x40 px at 0,0     1.00  user      album/Bob/1.png$", shown, re.MULTILINE)
    assert "rejected for Bob: 1 face\n" in shown
    log = said(run("people", "log", "--last", "3")).splitlines()
    assert [re.sub(r"\d\d:\d\d:\d\d|\d{4}-\d\d-\d\d", "*", line) for line in log] == [
        "change  at (UTC)             what",
        "    10  * *  born Ann",
        "     9  * *  reject Bob: 1 face",
        "     8  * *  split Bob, Ann: 2 faces",
    ]
    assert said(run("people", "undo")).startswith("undid change 10: born Ann\n")
    for _ in range(6):
        said(run("people", "undo"))
    assert names(tmp_path) == {1: "Ann", 2: "Bob", 3: "Carl"}
    assert "[undone by" in said(run("people", "log"))
    assert said(run("people", "undo", "2", "--since")).count("undid change ") == 2
    assert names(tmp_path) == {1: "Ann"}


def test_what_cannot_be_done_says_what_can(run: CommandLine, people_album: Path) -> None:
    for arguments, problem in (
        (("show", "Anne"), "did you mean Ann?"),
        (("name", "album/Ann/9.png", "Ann"), "neither a person nor a photo in the library in"),
        (("name", "9.png", "Ann"), "index the photo first"),
        (("name", "Anne", "Ann"), "did you mean Ann?"),
        (("name", "Bob", "Ann"), "to merge them with Bob, use facesearch people merge"),
        (("name", "album/together.png", "Dora"), "has several faces"),
        (("name", "album/together.png", "Dora", "--box", "1,2,3"), "x,y,width,height"),
        (("name", "album/together.png", "Dora", "--box", "1,2,3,4", "--face", "1"), "give --face or --box"),
        (("split", "Ann", "face:4"), "does not belong to Ann"),
        (("reject", "Ann", "album/Bob/0.png"), "has no face of Ann"),
        (("born", "Ann", "yesterday"), "write it as 1984-05-17"),
        (("undo", "99"), "no change 99"),
        (("undo", "99", "--since"), "no change from 99 on"),
        (("undo", "--since"), "--since needs"),
    ):
        ran = run("people", *arguments)
        assert (ran.code, ran.out, problem in ran.err) == (2, "", True), ran.err
    assert run("people", "list", "--library", people_album).code == 4


def test_json_has_the_documented_keys(run: CommandLine) -> None:
    def asked(*arguments: str) -> Any:
        return json.loads(said(run("people", *arguments, "--json")))

    changed = [
        asked("reject", "Ann", "1"),
        asked("name", "face:13", "Dora"),
        asked("merge", "Bob", "Carl"),
        asked("split", "Bob", "4"),
        asked("born", "Bob", "1984-05-17"),
    ]
    for each in changed:
        assert keys_of(each) == documented_keys("people name|born|merge|split|reject")
    assert keys_of(asked("list")) == documented_keys("people list")
    years = {f"photos_by_year[].{key}" for key in ("year", "photos")}  # no photo here says when it was taken
    assert keys_of(asked("show", "Ann")) | years == documented_keys("people show")
    assert keys_of(asked("undo")) == documented_keys("people undo")
    assert keys_of(asked("log")) == documented_keys("people log")
