"""Pictures of faces in videos: cut out of the frame that shows them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.films import write_tiles
from support.page_pictures import pixels_of
from support.tiles import MODELS, ColourTower, TileDetector, draw

from facesearch.indexing import index_photos
from facesearch.library import Library
from facesearch.pages.face_pictures import cut_faces, cut_photo
from facesearch.pages.photo_sheet import render_photos
from facesearch.pages.query_sheet import QuerySheet
from facesearch.people import PhotoWish, list_photos
from facesearch.query import ask, probe_photo

RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)


@pytest.fixture
def film_library(tmp_path: Path) -> Iterator[Library]:
    """A film that shows red, then green in the same place."""
    write_tiles(tmp_path / "album" / "film.mov", [RED], [RED], [GREEN], [GREEN])
    with Library.create(tmp_path / "library", MODELS) as library:
        index_photos(library, [tmp_path / "album"], TileDetector(), ColourTower())
        yield library


def _colour(content: bytes | None) -> int:
    """Which of red, green and blue a picture is in its middle."""
    assert content is not None
    pixels = pixels_of(content)
    return int(pixels[pixels.shape[0] // 2, pixels.shape[1] // 2].argmax())


def test_each_face_is_cut_out_of_its_own_frame(film_library: Library) -> None:
    cuts = cut_faces(film_library, [1, 2], with_photos=[1, 2])
    assert [_colour(cuts[face_id].face) for face_id in (1, 2)] == [0, 1]
    assert [_colour(cuts[face_id].photo) for face_id in (1, 2)] == [0, 1]
    whole = cut_photo(film_library, 1)
    assert {face_id: _colour(content) for face_id, content in whole.faces.items()} == {1: 0, 2: 1}
    assert whole.photo is not None


def test_a_video_that_has_changed_gives_no_picture(film_library: Library, tmp_path: Path) -> None:
    film = tmp_path / "album" / "film.mov"
    os.utime(film, ns=(1, 1))  # only its time: its content is compared
    assert cut_faces(film_library, [1])[1].face is not None
    write_tiles(film, [BLUE], [BLUE], [BLUE], [BLUE])
    assert cut_faces(film_library, [1])[1].reason == "the photo has changed since it was indexed"
    film.unlink()
    assert cut_faces(film_library, [1])[1].reason == "the photo is not there"


def test_sheets_show_the_time(film_library: Library, tmp_path: Path) -> None:
    sheet = QuerySheet()
    for path in (tmp_path / "album" / "film.mov", draw(tmp_path / "probe.png", GREEN)):
        probe = probe_photo(path, TileDetector(), ColourTower())
        sheet.add(film_library, probe, ask(film_library, probe))
    page = sheet.render(film_library.path)
    assert "00:00:02-00:00:03" in page and "the frame at 00:00:02" in page
    photos = render_photos(film_library, list_photos(film_library, PhotoWish()), "Photos", 10)
    assert "film.mov</span> (00:00:04)" in photos
    assert photos.count("data:image/jpeg") == 1


def test_photos_of_somebody_have_their_spans(film_library: Library) -> None:
    with film_library.changing(), film_library.people.change("name") as change:
        change.move([2], change.create(), "user")
    (entry,) = list_photos(film_library, PhotoWish(people=(1,))).photos
    assert entry.duration_s == 4.0
    ((span,),) = [person.spans for person in entry.people]
    assert (span.start_s, span.end_s) == (2.0, 3.0)
