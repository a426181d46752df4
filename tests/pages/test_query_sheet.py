"""The contact sheet of a query: the right faces, bounded, and honest about what is missing."""

from __future__ import annotations

import hashlib
import html
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.command_line import CommandLine
from support.page_pictures import Pictures, middle, pixels_of
from support.tiles import MODELS, ColourTower, TileDetector, draw

from facesearch.demo import write_album
from facesearch.evaluation.calibration import Calibration
from facesearch.indexing import IndexOptions, index_photos
from facesearch.library import Library
from facesearch.pages import render_page
from facesearch.pages.face_pictures import FACE_PX, PHOTO_PX, cut_face, cut_faces, framed_photo
from facesearch.pages.query_sheet import QuerySheet
from facesearch.photos import MAX_SIDE_PX
from facesearch.query import QueryOptions, ask, footer, probe_photo
from facesearch.records import DetectedFace, EmbeddedFace, NewPhoto, PhotoFile
from facesearch.text import percent

RED, DARK_RED, GREEN, BLUE = (200, 0, 0), (190, 0, 0), (0, 200, 0), (0, 0, 200)
LINE = Calibration((0.0, 0.4), (6.0, -6.0)).to_card()


@pytest.fixture
def coloured_library(tmp_path: Path) -> Iterator[Library]:
    """Ann (red, two photos, one of them with a blue stranger) and Bea (green), by their folders."""
    draw(tmp_path / "photos" / "Ann" / "1.png", RED)
    draw(tmp_path / "photos" / "Ann" / "2 & <b>.png", DARK_RED, BLUE)
    draw(tmp_path / "photos" / "Bea" / "1.png", GREEN)
    with Library.create(tmp_path / "library", MODELS) as library:
        options = IndexOptions(people_from_folders=True)
        index_photos(library, [tmp_path / "photos"], TileDetector(), ColourTower(), options)
    with Library.open(tmp_path / "library", MODELS) as library:
        yield library


def sheet_of(library: Library, *photos: Path, most_pictures: int = 1000, k: int = 5) -> str:
    sheet = QuerySheet(most_pictures)
    for photo in photos:
        probe = probe_photo(photo, TileDetector(), ColourTower())
        sheet.add(library, probe, ask(library, probe, QueryOptions(k)))
    return sheet.render(library.path)


def test_the_faces_asked_about_stand_beside_the_nearest_faces_of_each_person(
    coloured_library: Library, tmp_path: Path
) -> None:
    page = sheet_of(coloured_library, draw(tmp_path / "probe.png", (205, 0, 0)), k=2)
    cards = re.findall(r"<article.*?</article>", page, re.DOTALL)
    assert [re.findall(r"<b>face (\d+)</b>", card) for card in cards] == [["1", "2"], ["3"]]
    assert "1. Ann" in cards[0]
    assert "2 photos" in cards[0]
    assert "distance 0.020" in cards[0]
    assert 'class="card first"' in cards[0]
    assert 'class="card"' in cards[1]
    assert "<b>face 1: Ann (distance 0.020)</b>" in page
    assert "at 0.059" in cards[0]
    pictures = Pictures(page)
    np.testing.assert_allclose(middle(pictures.shown["face 1"]), RED, atol=6)
    np.testing.assert_allclose(middle(pictures.shown["face 2"]), DARK_RED, atol=6)
    np.testing.assert_allclose(middle(pictures.shown["face 3"]), BLUE, atol=6)
    np.testing.assert_allclose(middle(pictures.shown["face 1 of probe.png"]), (205, 0, 0), atol=6)
    assert "Ann/2 &amp; &lt;b&gt;.png" in page
    assert "<b>.png" not in page


def test_the_page_says_what_the_command_says(coloured_library: Library, tmp_path: Path) -> None:
    """The same words and numbers for each face: the verdict, who, how likely, and what that means."""
    tower = ColourTower(LINE)
    photo = draw(tmp_path / "probe.png", (205, 0, 0), (60, 60, 60))
    probe = probe_photo(photo, TileDetector(), tower)
    answer = ask(coloured_library, probe)
    sheet = QuerySheet()
    sheet.add(coloured_library, probe, answer)
    page = html.unescape(re.sub(r"</?b>", "", sheet.render(coloured_library.path)))
    known, stranger = sorted(answer.faces, key=lambda face: face.box)
    assert known.verdict is not None
    assert stranger.verdict is not None
    assert known.verdict.text.startswith("Ann (")
    assert stranger.verdict.text.startswith("not in this library (")
    for said in (
        f": {known.verdict.text}</p>",
        f": {stranger.verdict.text}</p>",
        *(f"distance {match.distance:.3f}, probability {percent(match.posterior or 0.0, 1)}" for match in known.people),
        footer(answer),
    ):
        assert said is not None
        assert said in page
    assert page.count('class="card first"') == 1  # the stranger is none of those who are listed
    assert "robabilit" not in html.unescape(sheet_of(coloured_library, photo))  # without a calibration nobody knows


def test_the_page_is_whole_and_loads_nothing(coloured_library: Library, tmp_path: Path) -> None:
    pictures = Pictures(sheet_of(coloured_library, draw(tmp_path / "probe.png", RED, GREEN)))
    assert all(target.startswith("data:image/jpeg;base64,") for target in pictures.targets)
    assert not {"script", "link", "iframe", "object", "form"} & pictures.tags
    assert len(pictures.targets) >= 10
    assert "the photo probe.png with 2 faces framed" in pictures.shown


def test_photos_that_cannot_be_shown_are_empty_frames_with_the_reason(
    coloured_library: Library, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    (photos / "Ann" / "1.png").unlink()
    draw(photos / "Bea" / "1.png", BLUE)  # another picture under the same name: its face is not Bea's
    (photos / "Ann" / "2 & <b>.png").write_bytes(b"no photo")
    pictures = Pictures(sheet_of(coloured_library, draw(tmp_path / "probe.png", RED)))
    said = set(pictures.missing)
    assert {"face 1: the photo is not there", "face 4: the photo has changed since it was indexed"} <= said
    assert "face 2: the photo cannot be read any more" in said
    assert not {"face 1", "face 2", "face 4"} & set(pictures.shown)


def test_a_copy_stands_in_for_a_photo_that_is_gone(coloured_library: Library, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    shutil.copy(photos / "Bea" / "1.png", photos / "copy.png")
    with Library.open(coloured_library.path, writable=True) as writer:
        index_photos(writer, [photos], TileDetector(), ColourTower())
    (photos / "Bea" / "1.png").unlink()
    face = cut_faces(coloured_library, [4])[4].face
    assert face is not None
    np.testing.assert_allclose(middle(face), GREEN, atol=6)


def test_what_does_not_fit_on_the_page_is_said(coloured_library: Library, tmp_path: Path) -> None:
    probes = [draw(tmp_path / f"probe {number}.png", RED) for number in range(4)]
    page = sheet_of(coloured_library, *probes, most_pictures=20)
    pictures = Pictures(page)
    shown = [alt for alt in pictures.shown if alt.startswith("the photo probe")]
    assert len(shown) == 2
    assert re.search(r"2 more photos</b> would make this page too large, from .*probe 2\.png", page)
    assert page.count("<img") <= 20


def test_photos_are_listed_with_their_own_faces(coloured_library: Library, tmp_path: Path) -> None:
    probe = probe_photo(draw(tmp_path / "probe.png", RED), TileDetector(), ColourTower())
    sheet = QuerySheet()
    sheet.add(coloured_library, probe, ask(coloured_library, probe, QueryOptions(k=2, faces=True)))
    cards = re.findall(r"<article.*?</article>", sheet.render(coloured_library.path), re.DOTALL)
    assert [re.findall(r"<b>face (\d+)</b>", card) for card in cards] == [["1"], ["2"]]


def test_a_photo_is_read_once_and_no_larger_than_its_faces_need(
    coloured_library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facesearch.pages import face_pictures

    read: list[tuple[str, int]] = []

    def counting(file: PhotoFile, max_side_px: int = MAX_SIDE_PX, *, at_s: float | None = None) -> object:
        read.append((file.path.name, max_side_px))
        return real(file, max_side_px, at_s=at_s)

    real = face_pictures.read_photo_apart
    monkeypatch.setattr(face_pictures, "read_photo_apart", counting)
    large = tmp_path / "large.jpg"
    Image.new("RGB", (4000, 2000), GREEN).save(large)
    faces = [
        EmbeddedFace(
            DetectedFace(np.array(box, np.float32), np.zeros((5, 2), np.float32), 0.9), np.zeros(32, np.float32)
        )
        for box in ([100, 100, 900, 1100], [2000, 300, 2600, 900])
    ]
    with Library.open(coloured_library.path, MODELS, writable=True) as writer, writer.changing():
        sha256 = hashlib.sha256(large.read_bytes()).hexdigest()
        photo_id = writer.catalog.add_photo(NewPhoto(sha256, 4000, 2000, faces))
        writer.files.put(PhotoFile(large, large.stat().st_size, 0), photo_id)
    cuts = cut_faces(coloured_library, [5, 6], with_photos=[6])
    assert read == [("large.jpg", 753)]  # the smaller face, 600 px and some room, at 192 px
    sizes = [pixels_of(content).shape for content in (cuts[5].face, cuts[6].face, cuts[6].photo) if content]
    assert sizes == [(FACE_PX, FACE_PX, 3), (FACE_PX, FACE_PX, 3), (PHOTO_PX // 2, PHOTO_PX, 3)]
    assert cuts[5].photo is None


def test_a_square_stays_inside_the_photo() -> None:
    pixels = np.zeros((60, 100, 3), np.uint8)
    pixels[:, 80:] = 255
    corner = pixels_of(cut_face(pixels, np.array([85, 0, 99, 20], np.float32)))
    assert corner.shape == (34, 34, 3)  # 1.7 times 20 px, moved inside
    assert corner[:, -18:].min() > 200
    assert corner[:, :12].max() < 50
    whole = pixels_of(cut_face(pixels, np.array([0, 0, 100, 60], np.float32)))
    assert whole.shape == (60, 60, 3)


def test_a_frame_goes_around_the_face_and_leaves_it_free() -> None:
    pixels = np.full((400, 300, 3), 128, np.uint8)
    framed = pixels_of(framed_photo(pixels, [np.array([100, 150, 200, 280], np.float32)]))
    yellow = (framed[..., 0] > 200) & (framed[..., 2] < 100)
    rows, columns = np.nonzero(yellow)
    assert 140 <= rows.min() < 150
    assert 280 < rows.max() <= 290
    assert 90 <= columns.min() < 100
    assert 200 < columns.max() <= 210
    assert not yellow[155:275, 105:195].any()
    edge = pixels_of(framed_photo(pixels, [np.array([-5, -5, 310, 410], np.float32)]))
    assert edge.shape == (400, 300, 3)


def test_the_command_writes_a_private_page_and_keeps_what_is_not_its_own(
    run: CommandLine, tmp_path: Path, tower: Path
) -> None:
    album = write_album(tmp_path / "album", 2, 1, seed=4, groups=1).directory
    own = ("--library", tmp_path / "library", "--tower", tower)
    assert run("index", album / "people", "--people-from-folders", *own).code == 0
    page = tmp_path / "sheet.html"
    group = album / "groups" / "0001.jpg"
    ran = run("query", group, "--k", "1", "--html", page, *own)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.endswith(f"\npage: {page}\n")
    assert page.stat().st_mode & 0o777 == 0o600
    assert len(Pictures(page.read_text(encoding="utf-8")).shown) >= 4
    again = run("query", group, tmp_path / "gone.jpg", "--html", page, "--json", *own)
    assert again.code == 3
    assert list(json.loads(again.out)) == ["answers", "unanswered"]
    text = page.read_text(encoding="utf-8")
    assert "gone.jpg does not exist" in text
    page.write_text("a letter")
    refused = run("query", group, "--html", page, *own)
    assert (refused.code, refused.out, page.read_text()) == (2, "", "a letter")
    assert "--force" in refused.err
    assert run("query", group, "--html", page, "--force", *own).code == 0
    assert page.read_text(encoding="utf-8").startswith(render_page("", "")[:40])
