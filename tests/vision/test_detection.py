"""The detector on synthetic people, on odd photos, and side by side with the mtcnn package whose weights it uses."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facesearch.demo.drawing import DrawnPhoto, draw_group
from facesearch.demo.person import random_people
from facesearch.errors import UsageError
from facesearch.records import DetectedFace, Pixels
from facesearch.vision import runtime
from facesearch.vision.boxes import overlap
from facesearch.vision.detector import mtcnn_openvino as mtcnn_networks
from facesearch.vision.detector import mtcnn_tensorflow
from facesearch.vision.detector.detector import Detector, DetectorSettings, load_detector, settings_of, smallest_face


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_detector()


@pytest.fixture(scope="module")
def group() -> DrawnPhoto:
    return draw_group(random_people(8, seed=5), np.random.default_rng(5), face_px=100)


@pytest.fixture(scope="module")
def package() -> Callable[[Pixels], np.ndarray]:
    """What the mtcnn package finds: rows of image, x1, y1, x2, y2, score, five x, five y."""
    from mtcnn import MTCNN

    detector = MTCNN()

    def detect(pixels: Pixels) -> np.ndarray:
        return np.asarray(detector.detect_faces(pixels, output_type="numpy", box_format="xyxy")).reshape(-1, 16)

    return detect


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
    assert 0.8 < min(scores) <= max(scores) <= 1
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
    [(0, 0), (1, 1), (11, 11), (12, 12), (19, 19), (20, 20), (21, 500), (1, 4000), (5000, 13), (63, 65), (500, 24)],
)
def test_tiny_and_narrow_photos_show_nobody(detector: Detector, shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert detector.detect(pixels) == []


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_an_empty_scene_shows_nobody(detector: Detector, grey: int) -> None:
    assert detector.detect(np.full((400, 300, 3), grey, dtype=np.uint8)) == []


def test_larger_smallest_faces_are_fewer_faces(group: DrawnPhoto) -> None:
    sizes = [face.size_px for face in load_detector(DetectorSettings(min_face_px=20)).detect(group.pixels)]
    assert load_detector(DetectorSettings(min_face_px=int(max(sizes)) * 2)).detect(group.pixels) == []


def test_the_identity_names_weights_and_settings(detector: Detector) -> None:
    assert detector.identity == load_detector().identity
    assert detector.identity.startswith("mtcnn-")
    assert detector.identity != load_detector(DetectorSettings(max_side_px=800)).identity


def test_libraries_of_before_the_smallest_face_could_be_set_keep_their_detector(detector: Detector) -> None:
    """Their rows hold this identity: another one would ask for a reindex."""
    settings = "DetectorSettings(min_face_px=20, max_side_px=1024, proposal_threshold=0.6, refine_threshold=0.7, "
    parts = f"1 {mtcnn_networks.weights_digest()} {settings}output_threshold=0.8)"
    assert detector.identity == f"mtcnn-1-{hashlib.sha256(parts.encode()).hexdigest()[:12]}"


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [("40", (1024, 768), 40), ("12px", (200, 100), 12), ("4%", (500, 1000), 40), ("4%", (100, 90), 12)],
)
def test_a_smallest_face_is_pixels_or_a_share_of_the_longer_side(
    text: str, size: tuple[int, int], expected: float
) -> None:
    settings = smallest_face(text)
    assert settings.smallest_face_px(*size) == pytest.approx(expected)
    assert settings_of(Detector(settings).identity) == settings


@pytest.mark.parametrize("text", ["", "11", "1025", "-40", "40.5", "101%", "%", "4%%", "forty", "٤٠"])
def test_a_smallest_face_that_cannot_be_says_what_can(text: str) -> None:
    with pytest.raises(UsageError, match=r"give 12 to 1024 pixels, as in 40, or a share"):
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


def keras_network(name: str) -> Any:
    from mtcnn.stages import StageONet, StagePNet, StageRNet

    return {"pnet": StagePNet, "rnet": StageRNet, "onet": StageONet}[name]().model


@pytest.mark.parametrize(
    ("name", "shape"),
    [("pnet", (1, 57, 70, 3)), ("pnet", (1, 40, 41, 3)), ("rnet", (9, 24, 24, 3)), ("onet", (3, 48, 48, 3))],
)
def test_networks_for_a_gpu_equal_those_of_the_cpu(name: mtcnn_networks.NetworkName, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    pixels = pixels if name == "pnet" else pixels.astype(np.float32)
    expected = [answer.copy() for answer in mtcnn_networks.load(name)(pixels)]
    answers = mtcnn_tensorflow.load(name, "CPU:0")(pixels)
    assert [answer.shape for answer in answers] == [answer.shape for answer in expected]
    for answer, other in zip(answers, expected, strict=True):
        np.testing.assert_allclose(answer, other, atol=2e-5)


def assert_same_faces(found: list[DetectedFace], expected: list[DetectedFace]) -> None:
    shared = overlap(np.stack([face.box for face in expected]), np.stack([face.box for face in found]))
    assert len(found) == len(expected)
    assert (shared.max(axis=1) > 0.9).all()


def test_the_detector_for_a_gpu_finds_the_same_faces(detector: Detector, group: DrawnPhoto) -> None:
    """Its TensorFlow device is the CPU here: whatever a GPU does differently, the cascade around it is the same."""
    on_tensorflow = Detector(DetectorSettings(), gpu="CPU:0")
    assert on_tensorflow.identity == detector.identity
    assert_same_faces(on_tensorflow.detect(group.pixels), detector.detect(group.pixels))


@pytest.mark.gpu
@pytest.mark.skipif(not runtime.has_gpu(), reason="no GPU here")
def test_on_a_gpu_the_detector_finds_the_same_faces(detector: Detector, group: DrawnPhoto) -> None:
    on_gpu = load_detector(device="gpu")
    assert on_gpu.device == "gpu (TensorFlow)"
    assert_same_faces(on_gpu.detect(group.pixels), detector.detect(group.pixels))


def channels_last(answer: np.ndarray) -> np.ndarray:
    return np.moveaxis(answer, 1, -1) if answer.ndim > 2 else answer


@pytest.mark.parametrize(
    ("name", "shape"),
    [("pnet", (1, 57, 70, 3)), ("pnet", (1, 40, 41, 3)), ("rnet", (9, 24, 24, 3)), ("onet", (3, 48, 48, 3))],
)
def test_networks_equal_the_packages(name: mtcnn_networks.NetworkName, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    *expected, both_classes = (answer.numpy() for answer in keras_network(name)((pixels - np.float32(127.5)) / 128))
    *answers, probability = mtcnn_networks.load(name)(pixels if name == "pnet" else pixels.astype(np.float32))
    np.testing.assert_allclose(probability, both_classes[..., 1], rtol=1e-4, atol=1e-5)
    assert len(answers) == len(expected)
    for answer, right in zip(answers, expected, strict=True):
        np.testing.assert_allclose(channels_last(answer), right, rtol=1e-4, atol=1e-5)


def test_the_cascade_finds_what_the_package_finds(
    detector: Detector, package: Callable[[Pixels], np.ndarray], group: DrawnPhoto
) -> None:
    faces, expected = detector.detect(group.pixels), package(group.pixels)
    shared = overlap(expected[:, 1:5].astype(np.float32), stacked(faces))
    assert shared.shape == (8, 8)
    assert shared.max(axis=1).min() > 0.75
    landmarks = expected[:, 6:].reshape(-1, 2, 5).transpose(0, 2, 1)
    off = np.linalg.norm(landmarks - [faces[found].landmarks for found in shared.argmax(axis=1)], axis=2).mean(axis=1)
    assert np.mean(off / np.linalg.norm(landmarks[:, 0] - landmarks[:, 1], axis=1)) < 0.05


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
    assert np.mean(found) >= 0.75


def test_detection_loads_neither_tensorflow_nor_keras() -> None:
    program = (
        "import json, sys, numpy; from facesearch.vision.detector.detector import load_detector;"
        "load_detector().detect(numpy.zeros((64, 64, 3), numpy.uint8));"
        "print(json.dumps([name for name in ('tensorflow', 'keras', 'mtcnn') if name in sys.modules]))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == []
