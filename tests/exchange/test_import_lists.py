"""`facesearch import` of lists of names, as CSV and JSON, against real libraries."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.command_line import CommandLine
from support.imported_names import named, sidecar
from support.named_tiles import index, name_faces
from support.tiles import MODELS

from facesearch.library import Library


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_list_names_the_same_faces_wherever_the_photos_are(
    run_here: CommandLine, library_here: Path, photos: Path, tmp_path: Path, form: str
) -> None:
    with Library.open(library_here, writable=True) as library:
        name_faces(library, tile_0='Ann, "the" Zoë\u2009', tile_1="Bob")
    run_here("export", "--format", form, "--out", tmp_path / f"list.{form}")
    photos.rename(tmp_path / "elsewhere")
    with Library.create(tmp_path / "other", MODELS) as library:
        index(library, tmp_path / "elsewhere")
    ran = run_here("import", tmp_path / f"list.{form}", "--library", tmp_path / "other")
    assert ran.out.startswith("faces    3 named, 2 new people")
    assert set(named(tmp_path / "other").values()) == {'Ann, "the" Zoë', "Bob"}
    assert run_here("import", tmp_path / f"list.{form}").out.startswith("faces    0 named; 3 already had that name")


def as_semicolons(csv: str) -> str:
    return "sep=;\r\n" + csv.replace(",", ";")


@pytest.mark.parametrize(
    "rewritten",
    [
        lambda csv: as_semicolons(csv).encode("utf-16"),
        lambda csv: as_semicolons(csv).replace(".0", ",0").encode("utf-8-sig"),
        lambda csv: csv.replace(",", "\t").replace("photo", "Photo").encode("utf-16-be"),
    ],
)
def test_a_list_that_a_spreadsheet_has_saved_is_read_as_the_other_importer_reads_it(
    run_here: CommandLine, library_here: Path, photos: Path, tmp_path: Path, rewritten: Callable[[str], bytes]
) -> None:
    with Library.open(library_here, writable=True) as library:
        name_faces(library, tile_0="Zoë", tile_1="Bob")
    run_here("export", "--format", "csv", "--out", tmp_path / "list.csv")
    content = rewritten((tmp_path / "list.csv").read_text(encoding="utf-8"))
    (tmp_path / "list.csv").write_bytes(content if content[:1] != b"\0" else b"\xfe\xff" + content)
    with Library.create(tmp_path / "other", MODELS) as library:
        index(library, photos)
    ran = run_here("import", tmp_path / "list.csv", "--library", tmp_path / "other")
    assert ran.out.startswith("faces    3 named, 2 new people"), ran.err
    assert set(named(tmp_path / "other").values()) == {"Zoë", "Bob"}


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_list_is_read_from_a_pipe(
    run_here: CommandLine, library_here: Path, photos: Path, tmp_path: Path, form: str
) -> None:
    with Library.open(library_here, writable=True) as library:
        name_faces(library, tile_0="Ann")
    run_here("export", "--format", form, "--out", tmp_path / "list")
    with Library.create(tmp_path / "other", MODELS) as library:
        index(library, photos)
    reading, writing = os.pipe()
    os.write(writing, (tmp_path / "list").read_bytes())
    os.close(writing)
    ran = run_here("import", f"/dev/fd/{reading}", "--library", tmp_path / "other")
    os.close(reading)
    assert ran.out.startswith("faces    1 named, 1 new person"), ran.err


def test_a_name_in_another_encoding_is_refused_with_its_line(run_here: CommandLine, tmp_path: Path) -> None:
    line = "photo,sha256,x1,y1,x2,y2,name\na.jpg,,1,2,3,4,Müller\n"
    (tmp_path / "a.csv").write_bytes(line.encode("cp1252"))
    ran = run_here("import", tmp_path / "a.csv")
    assert (ran.code, ran.out) == (2, "")
    assert "line 2:" in ran.err
    assert "is not in UTF-8: save the list as that" in ran.err


LONE_SURROGATE = (
    '{"facesearch": "people", "version": 1, "photos": [{"photo": "/a\\ud800.jpg", "sha256": "", '
    '"faces": [{"name": "A", "box": [1, 2, 3, 4]}]}]}'
)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", "{}"),
        ("a.json", "[" * 100_000),
        ("a.json", '{"facesearch": "people", "version": 2, "photos": []}'),
        ("a.json", '{"facesearch": "people", "version": 1, "photos": [{"faces": [{"name": "A", "box": [1, 2]}]}]}'),
        ("a.csv", "photo,name\na.jpg,Ann\n"),
        ("a.json", LONE_SURROGATE),
        ("a.csv", "photo,sha256,x1,y1,x2,y2,name\na.jpg,,1,2,3,nan,Ann\n"),
    ],
)
def test_a_file_that_is_no_list_is_refused(run_here: CommandLine, tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    ran = run_here("import", tmp_path / name)
    assert (ran.code, ran.out) == (2, "")
    assert "is not a list written by facesearch export" in ran.err


def test_lists_of_other_programs_among_what_is_given_are_passed_over(
    run_here: CommandLine, library_here: Path, photos: Path
) -> None:
    given = [photos / "both.png", sidecar(photos / "both.png", "Ann", "Bob"), photos / "a.json", photos / "b.csv"]
    given[2].write_text('{"title": "IMG.jpg"}', encoding="utf-8")
    given[3].write_text("date,amount\n", encoding="utf-8")
    ran = run_here("import", *given)
    assert (ran.code, named(library_here)) == (0, {"both.png 0": "Ann", "both.png 1": "Bob"})
    assert "a.json: is not a list written by facesearch export" in ran.err
    assert "b.csv: is not a list written by facesearch export" in ran.err
    assert run_here("import", given[2]).code == 2
