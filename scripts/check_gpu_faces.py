"""Faces and distances of the CPU, in float32, beside those of a GPU: a part of check_gpu.py."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from facesearch.demo.drawing import draw_group
from facesearch.demo.person import random_people
from facesearch.evaluation.distance import pair_distances
from facesearch.photos import photo_file, read_photo, walk
from facesearch.records import DetectedFace, PhotoFile
from facesearch.vision.alignment import align_faces
from facesearch.vision.boxes import pair_up
from facesearch.vision.detector import centerface
from facesearch.vision.detector.detector import DEFAULT_SETTINGS, Detector, load_detector
from facesearch.vision.runtime import RuntimeSettings, available_cores
from facesearch.vision.tower.tower import SHIPPED_TOWER, Tower

SAME_FACE = 0.5  # of the union of two boxes


def drawn_photos(folder: Path, count: int) -> None:
    """Photos of one to four drawn people each, as JPEG files."""
    for number in range(count):
        rng = np.random.default_rng(number)
        drawn = draw_group(random_people(1 + number % 4, seed=number), rng, face_px=90 + 10 * (number % 5))
        Image.fromarray(drawn.pixels).save(folder / f"{number:04}.jpg", quality=95)


def compare_faces(folder: Path, count: int) -> dict[str, Any]:
    """Faces and distances of the CPU, in float32, beside those of the GPU, for the first photos of a folder."""
    files = [file for file in walk([folder]) if isinstance(file, PhotoFile)][:count]
    lanes = available_cores()
    network = centerface.load(RuntimeSettings(lanes, "f32"))
    detectors = Detector(DEFAULT_SETTINGS, network=network), load_detector(lanes=lanes, device="gpu")
    with ThreadPoolExecutor(lanes) as pool:
        photos = list(pool.map(lambda file: read_photo(photo_file(file.path)).pixels, files))
        expected, found = (list(pool.map(detector.detect, photos)) for detector in detectors)
    pairs = [(one, other) for each in zip(expected, found, strict=True) for one, other in paired(*each)]
    aligned = [face for each in zip(photos, expected, strict=True) for face in align_faces(*each)]
    crops = np.stack([face.crop for face in aligned])
    plain = Tower.load(SHIPPED_TOWER, "cpu").embed(crops)
    given = Tower.load(SHIPPED_TOWER, "gpu").embed(crops)
    distances = [pair_distances(each, each) for each in (plain, given)]
    off_px = [float(np.abs(one.box - other.box).max()) for one, other in pairs]
    return {
        "photos": len(files),
        "faces_cpu": sum(map(len, expected)),
        "faces_gpu": sum(map(len, found)),
        "faces_in_both": len(pairs),
        "most_off_px": round(max(off_px, default=0.0), 4),
        "crops": len(crops),
        "most_off_distance": float(f"{np.abs(distances[0] - distances[1]).max() / distances[0].mean():.2g}"),
    }


def paired(some: list[DetectedFace], others: list[DetectedFace]) -> Iterator[tuple[DetectedFace, DetectedFace]]:
    """The faces that lie at the same places."""
    for other, one in pair_up([face.box for face in some], [face.box for face in others], SAME_FACE):
        yield some[other], others[one]
