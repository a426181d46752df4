"""A photo that is asked about, looked at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.tiles import MODELS, ColourTower, TileDetector, draw, embedding_of

from facesearch.errors import NoFaceError, TowerError
from facesearch.library import Library
from facesearch.query import QueryOptions, ask, compare_probes, probe_photo, probe_prominent_face

GREEN, RED = (0, 200, 0), (200, 0, 0)


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
        with pytest.raises(NoFaceError, match=rf"empty\.png: shows no face that was found: {advice}$"):
            look(draw(tmp_path / "empty.png"), TileDetector(), ColourTower())


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
