"""The quality of a face, by hand: heads whose landmarks follow from an angle, crops whose sharpness is known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from facesearch.demo import write_album
from facesearch.photos import photo_file, read_photo
from facesearch.records import DetectedFace, Floats, Pixels
from facesearch.vision.alignment import TEMPLATE_112
from facesearch.vision.detector.detector import load_detector
from facesearch.vision.faces import cut_out, look
from facesearch.vision.faces.faces_of_photo import packed, unpacked
from facesearch.vision.quality import head_pose, quality_of, sharpness


def head(yaw_deg: float = 0, roll_deg: float = 0) -> Floats:
    """Landmarks of a head, turned and then tilted: 100 px from eyes to mouth, eyes 90 px apart, the nose 50 px out."""
    yaw, roll = math.radians(yaw_deg), math.radians(roll_deg)
    eyes, nose = 45 * math.cos(yaw), 50 * math.sin(yaw)
    upright = np.array([[-eyes, 0], [eyes, 0], [nose, 60], [-eyes / 2, 100], [eyes / 2, 100]])
    turn = np.array([[math.cos(roll), math.sin(roll)], [-math.sin(roll), math.cos(roll)]])  # clockwise, y downwards
    return np.asarray(upright @ turn + 500, np.float32)


def face(landmarks: Floats | None = None, height_px: float = 80, score: float = 0.9) -> DetectedFace:
    box = np.array([0, 0, height_px, height_px], np.float32)
    return DetectedFace(box, head() if landmarks is None else landmarks, score)


def stripes(period_px: int, low: int = 60, high: int = 180) -> Pixels:
    """Grey upright stripes: half a period dark, half a period bright."""
    columns = np.where(np.arange(112) % period_px < period_px // 2, low, high).astype(np.uint8)
    return np.broadcast_to(columns[None, :, None], (112, 112, 3)).copy()


SHARP = stripes(8)


@pytest.mark.parametrize("yaw_deg", [-75, -30, 0, 20, 60, 90])
@pytest.mark.parametrize("roll_deg", [-170, -90, -10, 0, 45, 90, 180])
def test_a_head_that_is_turned_and_tilted_is_measured_so(yaw_deg: float, roll_deg: float) -> None:
    yaw, roll = head_pose(head(yaw_deg, roll_deg))
    assert yaw == pytest.approx(yaw_deg, abs=0.01)
    assert (roll - roll_deg + 180) % 360 - 180 == pytest.approx(0, abs=0.01)


def test_landmarks_without_an_axis_and_eyes_that_changed_sides_count_as_profile() -> None:
    assert head_pose(np.full((5, 2), 7.0)) == (90.0, 0.0)
    crossed = head(10)
    crossed[[0, 1]] = crossed[[1, 0]]
    assert head_pose(crossed)[0] == 90.0


def test_the_template_is_a_face_from_the_front() -> None:
    yaw, roll = head_pose(TEMPLATE_112)
    assert abs(yaw) < 1
    assert abs(roll) < 1


def test_sharpness_of_stripes_as_worked_out_by_hand() -> None:
    """Stripes two columns wide: beside every edge the Laplacian is 120 or -120, so its variance is 120². The brightness
    is 60 or 180, variance 60²."""
    assert sharpness(stripes(4)) == pytest.approx(120**2 / (60**2 + 1), rel=0.02)
    # Four columns wide: every second column lies beside an edge.
    assert sharpness(stripes(8)) == pytest.approx(120**2 / 2 / (60**2 + 1), rel=0.05)  # 66 columns are no whole periods
    assert sharpness(np.full((112, 112, 3), 90, np.uint8)) == 0


def test_sharpness_does_not_see_contrast_but_sees_blur() -> None:
    assert sharpness(stripes(8, 110, 130)) == pytest.approx(sharpness(stripes(8)), rel=0.02)
    blurred = np.asarray(Image.fromarray(SHARP).filter(ImageFilter.GaussianBlur(2)))
    # What is left is nearly a sine with a period of 8: its Laplacian is (2 - 2 cos 45 degrees) times itself.
    assert sharpness(blurred) == pytest.approx((2 - math.sqrt(2)) ** 2, rel=0.05)


def test_hair_and_background_do_not_count() -> None:
    crop = stripes(4)
    crop[28:108, 22:90] = 90
    assert sharpness(crop) == 0


def test_each_factor_as_worked_out_by_hand() -> None:
    assert quality_of(face(), SHARP) == 1
    assert quality_of(face(height_px=8), SHARP) == 0
    # Half way from 8 to 40 px on a log scale; detail is the root of size and sharpness.
    assert quality_of(face(height_px=math.sqrt(8 * 40)), SHARP) == pytest.approx(math.sqrt(0.5), abs=0.001)
    assert quality_of(face(), np.full((112, 112, 3), 90, np.uint8)) == 0
    assert quality_of(face(head(30)), SHARP) == pytest.approx(1, abs=0.001)
    assert quality_of(face(head(-60)), SHARP) == pytest.approx(0.5, abs=0.001)
    assert quality_of(face(head(90)), SHARP) == pytest.approx(0, abs=0.001)
    assert quality_of(face(score=0.65), SHARP) == 0.75
    assert quality_of(face(score=0.5), SHARP) == quality_of(face(score=0.1), SHARP) == 0.5
    assert quality_of(face(head(60), math.sqrt(320), 0.65), SHARP) == pytest.approx(
        0.5 * 0.75 * math.sqrt(0.5), abs=0.001
    )


@pytest.mark.parametrize("side_deg", [0, 90, 180, -90])
def test_a_photo_on_its_side_costs_nothing_and_a_leaning_head_little(side_deg: float) -> None:
    assert quality_of(face(head(0, side_deg + 15)), SHARP) == 1
    assert quality_of(face(head(0, side_deg + 45)), SHARP) == pytest.approx(0.8, abs=0.001)


def test_a_real_detection_has_one_that_falls_with_its_size_and_survives_the_way_between_processes(
    tmp_path: Path,
) -> None:
    album = write_album(tmp_path, 1, 1, seed=3).directory
    photo = read_photo(photo_file(next(album.rglob("people/*/*.jpg"))))
    seen = look(photo, load_detector())
    (near,) = seen.faces
    assert near.quality is not None
    assert near.quality > 0.5
    assert [each.quality for each in unpacked(np.frombuffer(packed(seen.faces), np.uint8))] == [near.quality]
    small = read_photo(photo_file(next(album.rglob("people/*/*.jpg"))), max_side_px=max(photo.pixels.shape) // 24)
    shrunk = near.face.enlarged(small.scale / photo.scale)
    (far,) = cut_out(small, [shrunk]).faces
    assert far.quality is not None
    assert far.quality < 0.6 * near.quality
