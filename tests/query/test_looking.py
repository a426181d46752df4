"""A photo that is asked about, looked at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.tiles import MODELS, ColourTower, TileDetector, draw, embedding_of

from facesearch.errors import NoFaceError
from facesearch.library import Library
from facesearch.query import query_faces, query_photo
from facesearch.query.probe import Probe, look_at, look_at_most_prominent

GREEN, RED = (0, 200, 0), (200, 0, 0)


def test_all_faces_the_largest_first_each_with_its_crop_and_embedding(tmp_path: Path) -> None:
    path = draw(tmp_path / "probe.png", GREEN, RED)
    probe = look_at(path, TileDetector(), ColourTower())
    assert (probe.path, probe.photo.pixels.shape) == (path, (40, 80, 3))
    assert [face.face.box.tolist() for face in probe.faces] == [[0, 0, 40, 40], [40, 0, 80, 40]]
    assert probe.crops.shape == (2, 112, 112, 3)
    for crop, face, colour in zip(probe.crops, probe.faces, (GREEN, RED), strict=True):
        assert crop[56, 56].tolist() == list(colour)
        np.testing.assert_allclose(face.embedding, embedding_of(colour), atol=1e-5)


def test_the_most_prominent_face_alone_is_embedded(tmp_path: Path) -> None:
    path = draw(tmp_path / "probe.png", (255, 255, 255), GREEN, (255, 255, 255), RED)
    tower = ColourTower()
    (face,) = look_at_most_prominent(path, TileDetector(), tower).faces
    assert face.face.box.tolist() == [40, 0, 80, 40]  # nearer to the middle than the red one
    assert tower.batches == [1]


def test_a_photo_without_a_face_is_said(tmp_path: Path) -> None:
    advice = "turn it upright, leave more room around the face, or use a larger photo"
    for look in (look_at, look_at_most_prominent):
        with pytest.raises(NoFaceError, match=rf"empty\.png: shows no face that was found: {advice}$"):
            look(draw(tmp_path / "empty.png"), TileDetector(), ColourTower())


@pytest.mark.parametrize("ask", [query_photo, query_faces])
def test_a_query_shows_what_it_looked_at_in_the_order_of_its_answer(ask: object, tmp_path: Path) -> None:
    path = draw(tmp_path / "probe.png", GREEN, RED)
    seen: list[Probe] = []
    with Library.create(tmp_path / "library", MODELS) as library:
        answer = ask(library, path, TileDetector(), ColourTower(), on_probe=seen.append)  # type: ignore[operator]
    assert [face.box for face in answer.faces] == [tuple(face.face.box.tolist()) for face in seen[0].faces]
    assert len(seen) == 1
