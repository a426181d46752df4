"""Crops whose landmarks lie on the template, wherever and however large the face was."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw

from facesearch.records import DetectedFace
from facesearch.vision.alignment import TEMPLATE_112, align, align_faces, similarity_transform


def moved(points: np.ndarray, angle: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return np.asarray(points @ (scale * turn).T + shift)


@pytest.mark.parametrize(("angle", "scale", "shift"), [(0, 1, (0, 0)), (0.4, 2.5, (30, -7)), (-3, 0.2, (500, 900))])
def test_a_known_similarity_is_found(angle: float, scale: float, shift: tuple[float, float]) -> None:
    landmarks = moved(TEMPLATE_112, angle, scale, shift)
    transform = similarity_transform(landmarks, TEMPLATE_112)
    np.testing.assert_allclose(landmarks @ transform[:, :2].T + transform[:, 2], TEMPLATE_112, atol=1e-9)


def test_mirrored_landmarks_are_not_mirrored_back() -> None:
    transform = similarity_transform(TEMPLATE_112 * (-1, 1), TEMPLATE_112)
    assert np.linalg.det(transform[:, :2]) > 0


def test_noisy_landmarks_are_met_with_least_squares() -> None:
    rng = np.random.default_rng(3)
    landmarks = moved(TEMPLATE_112, 0.3, 1.7, (40, 9)) + rng.normal(0, 3, (5, 2))
    # The naive way: x' = a x - b y + c, y' = b x + a y + d, solved as linear equations.
    x, y = landmarks.T
    zeros, ones = np.zeros(5), np.ones(5)
    equations = np.concatenate([np.stack([x, -y, ones, zeros], 1), np.stack([y, x, zeros, ones], 1)])
    a, b, c, d = np.linalg.lstsq(equations, TEMPLATE_112.T.ravel(), rcond=None)[0]
    np.testing.assert_allclose(similarity_transform(landmarks, TEMPLATE_112), [[a, -b, c], [b, a, d]], atol=1e-9)


@pytest.mark.parametrize("landmarks", [np.ones((5, 2)), np.full((5, 2), np.nan)])
def test_landmarks_without_extent_are_refused(landmarks: np.ndarray) -> None:
    with pytest.raises(ValueError, match="fix no scale"):
        similarity_transform(landmarks, TEMPLATE_112)


def dotted(landmarks: np.ndarray, size: tuple[int, int], radius: float) -> np.ndarray:
    """A grey photo with a white dot at each landmark (counted from pixels' centres)."""
    image = Image.new("RGB", (size[0] * 4, size[1] * 4), (60, 60, 60))
    draw = ImageDraw.Draw(image)
    for x, y in (landmarks + 0.5) * 4:
        draw.ellipse((x - radius * 4, y - radius * 4, x + radius * 4, y + radius * 4), fill=(255, 255, 255))
    return np.asarray(image.reduce(4))


@pytest.mark.parametrize(("angle", "scale"), [(0, 1), (0.5, 0.6), (-0.7, 1.4), (0.2, 2.6), (3, 5.3)])
@pytest.mark.parametrize("size_px", [112, 64])
def test_landmarks_land_on_the_template(angle: float, scale: float, size_px: int) -> None:
    centred = moved(TEMPLATE_112 - 56, angle, scale, (300, 320))
    crop = align(dotted(centred, (600, 640), 4 * scale), centred, size_px).astype(float)[..., 0] - 60
    rows, columns = np.mgrid[:size_px, :size_px]
    for x, y in TEMPLATE_112 * size_px / 112:
        near = np.where(np.hypot(columns - x, rows - y) < 7 * size_px / 112, np.maximum(crop, 0), 0)
        centre = (near * columns).sum() / near.sum(), (near * rows).sum() / near.sum()
        assert math.dist(centre, (x, y)) < 0.35


def test_a_crop_of_the_template_itself_is_the_photo() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    np.testing.assert_allclose(align(pixels, TEMPLATE_112), pixels, atol=1)


def test_a_large_face_is_averaged_not_sampled() -> None:
    checks = (np.indices((1120, 1120)).sum(axis=0) % 2 * 255).astype(np.uint8)
    crop = align(np.repeat(checks[..., None], 3, axis=2), TEMPLATE_112 * 10)
    assert np.abs(crop[2:-2, 2:-2].astype(int) - 127).max() <= 2  # the rim shows the photo's repeated edge


def test_the_photos_edge_is_repeated() -> None:
    pixels = np.zeros((80, 80, 3), dtype=np.uint8)
    pixels[:, :40] = 200
    crop = align(pixels, TEMPLATE_112 - (60, 20))  # the photo covers columns 60 to 140 and rows 20 to 100 of the crop
    assert np.all(crop[:, :96] == 200)
    assert np.all(crop[:, 104:] == 0)


def test_a_face_beyond_the_photo_gives_a_crop_too() -> None:
    crop = align(np.full((20, 30, 3), 9, dtype=np.uint8), TEMPLATE_112 + 400)
    assert crop.shape == (112, 112, 3)
    assert np.all(crop == 9)


def test_every_face_gets_its_crop() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    box = np.zeros(4, dtype=np.float32)
    faces = [DetectedFace(box, (TEMPLATE_112 + shift).astype(np.float32), 1.0) for shift in (0, 100)]
    aligned = align_faces(pixels, faces)
    assert [each.face for each in aligned] == faces
    np.testing.assert_array_equal(aligned[1].crop, align(pixels, faces[1].landmarks))
    assert aligned[0].crop.dtype == np.uint8
