"""A photo that is asked about, looked at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.films import write_motion_photo, write_tiles
from support.tiles import MODELS, ColourTower, TileDetector, draw, embedding_of

from facesearch.errors import NoFaceError, TowerError
from facesearch.library import Library
from facesearch.query import QueryOptions, ask, compare_probes, probe_photo, probe_prominent_face
from facesearch.records import Span

GREEN, RED, BLUE = (0, 200, 0), (200, 0, 0), (0, 0, 200)
IN_FILM = Span(1.0, 3.0, 1.0, 1)


def test_all_faces_the_largest_first_each_with_its_crop_and_embedding(tmp_path: Path) -> None:
    path = draw(tmp_path / "probe.png", GREEN, RED)
    probe = probe_photo(path, TileDetector(), ColourTower())
    assert (probe.path, probe.photo.pixels.shape) == (path, (40, 80, 3))
    assert [face.face.box.tolist() for face in probe.faces] == [[0, 0, 40, 40], [40, 0, 80, 40]]
    assert probe.crops.shape == (2, 112, 112, 3)
    for crop, face, colour in zip(probe.crops, probe.faces, (GREEN, RED), strict=True):
        assert crop[56, 56].tolist() == list(colour)
        np.testing.assert_allclose(face.embedding, embedding_of(colour), atol=1e-5)


def test_the_most_prominent_face_alone_is_embedded(tmp_path: Path) -> None:
    path = draw(tmp_path / "probe.png", (255, 255, 255), GREEN, (255, 255, 255), RED)
    tower = ColourTower()
    (face,) = probe_prominent_face(path, TileDetector(), tower).faces
    assert face.face.box.tolist() == [40, 0, 80, 40]  # nearer to the middle than the red one
    assert tower.batches == [1]


def test_a_photo_without_a_face_is_said(tmp_path: Path) -> None:
    advice = "turn it upright, leave more room around the face, or use a larger photo"
    for look in (probe_photo, probe_prominent_face):
        with pytest.raises(NoFaceError, match=rf"empty\.png: no face was found: {advice}$"):
            look(draw(tmp_path / "empty.png"), TileDetector(), ColourTower())


def test_a_motion_photo_brings_those_in_its_film_who_are_not_on_it(tmp_path: Path) -> None:
    film = write_tiles(tmp_path / "film.mov", [RED], [RED, BLUE], [RED, BLUE], [BLUE])
    tiles = np.asarray(Image.open(draw(tmp_path / "tiles.png", GREEN, RED)))
    path = write_motion_photo(tmp_path / "a.jpg", tiles, film)
    probe = probe_photo(path, TileDetector(), ColourTower())
    assert [(face.face.box[0], face.span) for face in probe.faces] == [(0, None), (40, None), (40, IN_FILM)]
    assert probe.crops[:, 56, 56].tolist() == [pytest.approx(colour, abs=4) for colour in (GREEN, RED, BLUE)]
    assert (probe.photo.pixels.shape, probe.duration_s) == ((40, 80, 3), None)
    assert probe.picture_of(probe.faces[0]) is probe.photo
    frame = probe.picture_of(probe.faces[2]).pixels
    assert frame[20, [20, 60]].tolist() == [list(RED), list(BLUE)]


def test_a_motion_photo_without_a_face_answers_from_its_film(tmp_path: Path) -> None:
    film = write_tiles(tmp_path / "film.mov", [RED], [RED, BLUE])
    path = write_motion_photo(tmp_path / "a.jpg", np.full((40, 40, 3), 255, np.uint8), film)
    for look, count in ((probe_photo, 2), (probe_prominent_face, 1)):
        probe = look(path, TileDetector(), ColourTower())
        assert len(probe.faces) == len(probe.crops) == count
        assert all(face.span is not None for face in probe.faces)
        assert probe.picture_of(probe.faces[0]).pixels[20, 20].tolist() == list(RED)


@pytest.mark.parametrize("faces", [False, True])
def test_an_answer_has_the_faces_of_its_probe_in_their_order(faces: bool, tmp_path: Path) -> None:
    probe = probe_photo(draw(tmp_path / "probe.png", GREEN, RED), TileDetector(), ColourTower())
    with Library.create(tmp_path / "library", MODELS) as library:
        answer = ask(library, probe, QueryOptions(faces=faces))
    assert [face.box for face in answer.faces] == [tuple(face.face.box.tolist()) for face in probe.faces]


def test_probes_of_different_towers_are_not_compared(tmp_path: Path) -> None:
    class OtherTower(ColourTower):
        identity = "d1" * 32

    path = draw(tmp_path / "probe.png", GREEN)
    one, other = (probe_prominent_face(path, TileDetector(), tower) for tower in (ColourTower(), OtherTower()))
    assert compare_probes(one, one).distance == 0
    with pytest.raises(TowerError, match="use one tower for both photos"):
        compare_probes(one, other)
