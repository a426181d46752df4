"""Names from a table: matched to faces by their boxes, or refused with the numbers of the lines."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest
from support.command_line import CommandLine
from support.documents import documented_keys, keys_of
from support.people_library import everything

from facesearch.demo import write_album
from facesearch.errors import UsageError
from facesearch.exchange import name_by_list
from facesearch.library import Library
from facesearch.people import change_log, name_person, reject_faces, undo_change


def write(file: Path, *lines: str) -> Path:
    file.write_bytes("\n".join(lines).encode("utf-8-sig", "surrogateescape"))
    return file


def test_faces_are_named_by_their_boxes_as_one_change(library: Library, album: Path) -> None:
    before = everything(library)
    table = write(
        album / "who.csv",
        "Path;Person;x1;y1;x2;y2",
        "together.png;Dora;122;2;158;38",
        "together.png;Ann;-5;-5;44;44",  # overlaps a neighbour too, but less
        "together.png;Carl;80;0;120;40",
        "together.png;Emil;150;0;190;40",  # the only face there belongs to somebody else
        "Bob/0.png;Bob;;;;",
        "gone.png;Fred;;;;",
        "Bob/1.png;;;;;",
        "together.png;Gus;;;;",
    )
    planned = name_by_list(library, table, dry_run=True)
    assert everything(library) == before
    summary = name_by_list(library, table)
    assert (planned.named, planned.people_new, planned.dry_run, planned.change) == (3, 1, True, None)
    assert (summary.rows, summary.named, summary.same, summary.people_new) == (7, 3, 1, 1)
    assert [(each.line, each.reason) for each in summary.passed_over] == [
        (5, "has no face at this box"),
        (7, "is not in the library; index it first"),
        (9, "has 4 faces; give a box"),
    ]
    owners = {face.face_id: (face.name, face.person_id) for face in library.catalog.faces([10, 11, 12, 13]).values()}
    assert owners == {10: ("Ann", 1), 11: (None, None), 12: ("Carl", 3), 13: ("Dora", 4)}
    assert library.people.sources_of(4) == {13: "list"}
    assert change_log(library, 1)[0].change == summary.change
    assert name_by_list(library, table).change is None
    undo_change(library, summary.change)
    assert everything(library) == before


def test_a_list_takes_no_name_away_and_brings_back_nothing_rejected(library: Library, album: Path) -> None:
    reject_faces(library, 1, [1])
    name_person(library, 1, "Anna")
    with library.changing():
        group = library.people.add()
        library.people.label(group, [12], "group")
    summary = name_by_list(
        library,
        write(
            album / "who.csv",
            "photo,name,face",
            "Ann/0.png,Ann,1",  # Anna now, and not her face
            "Bob/0.png,Ann,4",
            "together.png,Ann,face:10",
            "together.png,Bob,10",
            "together.png,Carl,12",
            "together.png,Carl,1",
        ),
    )
    assert [(each.line, each.reason) for each in summary.passed_over] == [
        (2, "face #1 was rejected: it is not Anna"),
        (3, "face #4 is Bob already"),
        (5, "face #10 is Ann, by line 4"),
        (7, "has no face #1"),
    ]
    assert (summary.named, summary.people_new) == (2, 0)
    assert library.people.names() == {1: "Anna", 2: "Bob", 3: "Carl"}  # the group's only face is Carl's now
    undo_change(library)
    assert library.people.sources_of(group) == {12: "group"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_spreadsheets_list_is_read_as_it_was_saved(library: Library, album: Path, encoding: str) -> None:
    """With semicolons or tabs, decimal commas, a byte order mark, quotes and the line ends of Windows."""
    mark = "\t" if encoding == "utf-16" else ";"
    rows = (
        ("Path", "Person", "x1", "y1", "x2", "y2"),
        ("together.png", '"Jürgen ""Jo"" Groß"', "0,4", "0", "39,5", "40"),
    )
    text = "".join(f"{mark.join(row)}\r\n" for row in rows)
    (album / "who.csv").write_bytes(text.encode(encoding))
    assert name_by_list(library, album / "who.csv").named == 1
    person = library.people.find('Jürgen "Jo" Groß')
    assert person is not None
    assert list(library.people.sources_of(person)) == [10]


def test_a_list_in_another_encoding_is_refused_with_the_remedy(library: Library, album: Path) -> None:
    (album / "who.csv").write_bytes("path;person\nAnn/0.png;Jürgen\n".encode("cp1252"))
    with pytest.raises(UsageError, match=r"line 2: J.rgen is not in UTF-8: save the list as that"):
        name_by_list(library, album / "who.csv")


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["path,who", "a.png,Ann"], "has no column person"),
        (["path,person,x1,y1,x2,y2", "a.png,Ann,1,2,3,x"], "line 2: 1,2,3,x is not a box of four numbers"),
        (["path,person,x1,y1,x2,y2", "a.png,Ann,1,2,3,", ",Ann,1,2,3,4"], r"line 2: .*; line 3: the path is missing"),
        (["path,person,x1,y1,x2,y2", "a.png,Ann,9,2,3,4"], "line 2: 9,2,3,4 is not a box: x1 is less"),
        (["path,person,x1,y1,x2,y2", "a.png,Ann,nan,2,3,4"], "line 2: nan,2,3,4 is not a box"),
        (["path,person,face", "a.png,Ann,first"], "line 2: first is not the number of a face"),
        (["path,person", "a.png,#12"], "line 2: #12 looks like a number"),
        (["path,person", *["a.png,#12"] * 9], "; and 4 more; nothing was changed"),
        (["path,person", 'a.png,"Ann'], "is not a CSV file: after line 1"),
        ([], "has no column path"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused_as_a_whole(
    library: Library, album: Path, lines: list[str], problem: str
) -> None:
    before = everything(library)
    with pytest.raises(UsageError, match=problem):
        name_by_list(library, write(album / "who.csv", *lines))
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        name_by_list(library, album / "none.csv")
    assert everything(library) == before


def test_the_albums_own_list_names_everybody_whose_face_was_found(
    tmp_path: Path, tower: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = CommandLine(capsys)
    monkeypatch.setenv("FACESEARCH_LIBRARY", str(tmp_path / "library"))
    monkeypatch.setenv("FACESEARCH_TOWER", str(tower))
    album = write_album(tmp_path / "album", 3, 2, seed=4, groups=2)
    assert run("index", album.directory / "groups").code == 0
    table = album.directory / "people.csv"
    planned = json.loads(run("people", "import-csv", table, "--dry-run", "--json").out)
    assert keys_of(planned) == documented_keys("people import-csv FILE")
    ran = run("people", "import-csv", table)
    assert ran.code == 0
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    on_groups = [row for row in rows if row["photo"].startswith("groups/")]
    with Library.open(tmp_path / "library") as library:
        faces = library.catalog.faces_in(library.catalog.photo_ids().values())
        paths = library.catalog.photo_paths(face.photo_id for face in faces)
    named = [face for face in faces if face.name is not None]
    assert len(named) >= len(on_groups) - 1  # the detector may miss one
    for face in named:
        middle = (face.box[:2] + face.box[2:]) / 2
        photo = paths[face.photo_id].path.name
        inside = [
            row["person"]
            for row in on_groups
            if row["photo"] == f"groups/{photo}"
            and float(row["x1"]) <= middle[0] <= float(row["x2"])
            and float(row["y1"]) <= middle[1] <= float(row["y2"])
        ]
        assert inside == [face.name]
    assert f"{len(named)} faces (" in ran.out
    assert ran.err.count(": line ") == len(rows) - len(named)  # the portraits are not indexed
    assert "is not in the library" in ran.err


def test_a_tilde_is_home_only_before_a_slash(library: Library, album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(album))
    table = write(album / "who.csv", "path,person", "~nobody-of-that-name/1.png,Dora", "~,Dora", "~/together.png,Ann")
    summary = name_by_list(library, table)
    reasons = {each.line: each.reason for each in summary.passed_over}
    unknown = "is not in the library; index it first"
    assert reasons == {2: unknown, 3: unknown, 4: "has 4 faces; give a box"}


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", '"sep=;"'])
def test_excels_line_about_the_separator_is_understood(library: Library, album: Path, first: str) -> None:
    table = write(
        album / "who.csv", first, "path;person;x1;y1;x2;y2", "together.png;Dora, or D;120;0;160;40", "x;Y;z;;;"
    )
    with pytest.raises(UsageError, match=r"line 4: z,,, is not a box of four numbers"):
        name_by_list(library, table)
    table = write(album / "who.csv", first, "path;person;x1;y1;x2;y2", "together.png;Dora, or D;120;0;160;40")
    assert name_by_list(library, table).named == 1
    assert library.people.find("Dora, or D") == 4


def test_utf_16_that_ends_in_the_middle_is_an_error_with_the_remedy(library: Library, album: Path) -> None:
    (album / "who.csv").write_bytes("path,person\na.png,Ann".encode("utf-16") + b"x")
    with pytest.raises(UsageError, match="is not UTF-16, although its first bytes say so: save it as CSV UTF-8"):
        name_by_list(library, album / "who.csv")


def test_a_pipe_is_read_and_its_paths_begin_in_the_working_directory(
    library: Library, album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(album)
    reading, writing = os.pipe()
    os.write(writing, b"path,person\nBob/0.png,Bob\n")
    os.close(writing)
    assert name_by_list(library, Path(f"/dev/fd/{reading}")).same == 1
    os.close(reading)
