"""The faces of a person, and one of everybody, on a page."""

from __future__ import annotations

import html
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.command_line import CommandLine
from support.documents import documented_keys, keys_of
from support.page_pictures import Pictures, middle
from support.tiles import MODELS, THRESHOLD, ColourTower, TileDetector, draw

from facesearch.errors import UsageError
from facesearch.indexing import IndexOptions, index_photos
from facesearch.library import Library
from facesearch.pages.people_sheet import render_everybody, render_person
from facesearch.pages.person_faces import SheetFace, _ordered, everybody, faces_of_person, geometric_median
from facesearch.records import Taken

REDS = [(200, 0, 0), (204, 0, 0), (196, 0, 0), (208, 0, 0)]
STRANGER = (0, 0, 200)
NAME = 'Ann\'s <b> "name"'


@pytest.fixture
def sheet_library(tmp_path: Path) -> Iterator[Library]:
    """Ann with four reds and a blue who is not her, Bea with one green, and an unnamed group without a face."""
    for number, colour in enumerate([*REDS, STRANGER], start=1):
        draw(tmp_path / "photos" / NAME / f"{number}.png", colour)
    draw(tmp_path / "photos" / "Bea" / "1.png", (0, 200, 0))
    with Library.create(tmp_path / "library", MODELS) as library:
        options = IndexOptions(people_from_folders=True)
        index_photos(library, [tmp_path / "photos"], TileDetector(), ColourTower(), options)
        with library.changing():
            library.people.add()
    with Library.open(tmp_path / "library", MODELS) as library:
        yield library


def test_a_median_is_not_drawn_away_by_strangers() -> None:
    rng = np.random.default_rng(0)
    own = rng.normal(0, 0.01, (60, 32)).astype(np.float32)
    strangers = rng.normal(5, 0.01, (40, 32)).astype(np.float32)
    middle_of_all = geometric_median(np.concatenate([own, strangers]))
    assert np.linalg.norm(middle_of_all) < 0.05 < np.linalg.norm(np.concatenate([own, strangers]).mean(axis=0))


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_a_median_has_the_least_sum_of_distances(count: int) -> None:
    points = np.random.default_rng(count).normal(size=(count, 4)).astype(np.float32)
    found = geometric_median(points)
    least = np.linalg.norm(points - found, axis=1).sum()
    near = found + np.random.default_rng(9).normal(0, 0.05, (300, 4))
    assert all(least <= np.linalg.norm(points - other, axis=1).sum() + 1e-4 for other in [*near, *points])


def test_equal_points_are_their_own_median() -> None:
    assert geometric_median(np.full((5, 3), 2.5, np.float32)).tolist() == [2.5] * 3


def test_typical_faces_come_best_first_and_the_others_by_distance() -> None:
    qualities = {1: 0.2, 2: None, 3: 0.9, 4: 1.0, 5: 0.8}  # by face; their distances rise
    faces = [SheetFace(number, number / 10, None, None, True, quality) for number, quality in qualities.items()]
    assert [face.face_id for face in _ordered(faces[::-1], "typical")] == [3, 1, 2, 4, 5]
    assert [face.face_id for face in _ordered(faces, "doubtful")] == [5, 4, 3, 2, 1]


def test_the_doubtful_face_comes_first_or_last_and_is_marked(sheet_library: Library) -> None:
    doubtful = faces_of_person(sheet_library, 1, "doubtful", 10)
    assert doubtful.faces[0].face_id == 5
    assert doubtful.faces[0].distance > THRESHOLD > doubtful.faces[1].distance
    assert faces_of_person(sheet_library, 1, "typical", 10).faces[-1].face_id == 5
    page = render_person(sheet_library, doubtful)
    figures = re.findall(r"<figure.*?</figure>", page, re.DOTALL)
    assert [re.findall(r"<b>face (\d+)</b>", figure) for figure in figures] == [
        [str(f.face_id)] for f in doubtful.faces
    ]
    assert [figure.startswith("<figure class=far>") for figure in figures] == [True, False, False, False, False]
    np.testing.assert_allclose(middle(Pictures(page).shown["face 5"]), STRANGER, atol=6)


def test_by_date_the_oldest_first_and_those_with_a_files_time_alone_last(sheet_library: Library) -> None:
    for photo_id, at, source in ((1, "2011-05-01T10:00:00", "exif"), (3, "1999-12-31T23:59:59", "name")):
        with Library.open(sheet_library.path, MODELS, writable=True) as writer, writer.changing():
            writer.dates.put(photo_id, Taken(at, None, source))  # type: ignore[arg-type]
    shown = faces_of_person(sheet_library, 1, "date", 10)
    assert [face.face_id for face in shown.faces] == [3, 1, 2, 4, 5]
    assert [face.taken for face in shown.faces[:3]] == ["1999-12-31T23:59:59", "2011-05-01T10:00:00", None]
    page = render_person(sheet_library, shown)
    assert "1999-12-31<br>" in page


def test_what_is_left_out_is_said(sheet_library: Library) -> None:
    page = render_person(sheet_library, faces_of_person(sheet_library, 1, "doubtful", 2))
    assert len(Pictures(page).shown) == 2
    assert "<b>3 more faces</b> would make this page too large" in page
    assert "more face" not in render_person(sheet_library, faces_of_person(sheet_library, 1, "doubtful", 5))


def test_the_commands_for_ticked_faces_name_the_person_and_the_library(sheet_library: Library) -> None:
    page = render_person(sheet_library, faces_of_person(sheet_library, 1, "doubtful", 10))
    starts = [html.unescape(start) for start in re.findall(r'data-start="(.*?)"', page)]
    (ending,) = set(re.findall(r'data-end="(.*?)"', page))
    for start, verb in zip(starts, ("reject", "split"), strict=True):
        written = shlex.split(f"{start} face:5{html.unescape(ending)}")
        assert written == ["facesearch", "people", verb, NAME, "face:5", "--library", str(sheet_library.path)]
    assert page.count("<script>") == 1
    assert "<b> " not in page.split("</style>")[1]
    for value in re.findall(r'class="tick" type="checkbox" value="(.*?)"', page):
        assert value.isdecimal()


def test_everybody_has_the_most_typical_face(sheet_library: Library) -> None:
    shown = everybody(sheet_library, 10)
    assert [(person.name, person.faces) for person in shown.people] == [(NAME, 5), ("Bea", 1), (None, 0)]
    assert shown.people[0].face_id in (1, 2)
    assert shown.people[2].face_id is None
    page = render_everybody(sheet_library, shown)
    assert len(Pictures(page).shown) == 2
    assert Pictures(page).missing == ["#3: no face"]
    assert "<b>2 more</b>" in render_everybody(sheet_library, everybody(sheet_library, 1))


def test_somebody_without_a_face_is_an_error(sheet_library: Library) -> None:
    with pytest.raises(UsageError, match="no face"):
        faces_of_person(sheet_library, 3, "typical", 5)


def test_the_command_writes_pages_and_numbers(sheet_library: Library, run: CommandLine, tmp_path: Path) -> None:
    own = ("--library", sheet_library.path)
    page = tmp_path / "sheet.html"
    ran = run("people", "sheet", NAME, "--out", page, *own)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"{NAME}: 5 of 5 faces\npage: {page}\n"
    assert page.stat().st_mode & 0o777 == 0o600
    asked = json.loads(run("people", "sheet", "#1", "--out", page, "--limit", "2", "--json", *own).out)
    assert keys_of(asked) == documented_keys("people sheet PERSON")
    assert (asked["total"], len(asked["faces"])) == (5, 2)
    all_of_them = json.loads(run("people", "sheet", "--all", "--out", page, "--json", *own).out)
    assert keys_of(all_of_them) == documented_keys("people sheet --all")
    assert run("people", "sheet", "--out", page, *own).code == 2
    assert run("people", "sheet", NAME, "--all", "--out", page, *own).code == 2
    page.write_text("a letter")
    assert run("people", "sheet", NAME, "--out", page, *own).code == 2
    assert page.read_text() == "a letter"
