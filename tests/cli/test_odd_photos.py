"""Photos of odd sizes and contents, indexed by the program itself: what becomes of each, and what that costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facesearch.demo.drawing import draw_group, draw_portrait
from facesearch.demo.person import random_people
from facesearch.library import Library
from facesearch.records import StoredFace

# Runs the program, and adds the peak memory of the largest of its processes in KB.
MEASURED = """
import resource, subprocess, sys
ran = subprocess.run([sys.executable, "-m", "facesearch", *sys.argv[1:]])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(ran.returncode)
"""
FACE_PX = 180  # in the panorama
MOST_MEMORY_KB = 1_300_000


def portrait(size_px: int) -> tuple[Image.Image, np.ndarray]:
    """A drawn person, and the box of the face."""
    drawn = draw_portrait(random_people(1, seed=11)[0], np.random.default_rng(11), size_px=size_px)
    return Image.fromarray(drawn.pixels), drawn.faces[0].box


def one_colour(path: Path) -> None:
    Image.new("RGB", (400, 300), (120, 130, 140)).save(path)


def one_pixel(path: Path) -> None:
    Image.new("RGB", (1, 1), (120, 130, 140)).save(path)


def strip(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20_000, 8, 3), np.uint8)
    Image.fromarray(noise).save(path)


def edge(path: Path) -> None:
    """Cut through the cheek."""
    image, box = portrait(640)
    image.crop((round(float(box[0] + 0.1 * (box[2] - box[0]))), 0, *image.size)).save(path)


def crowd(path: Path) -> None:
    """2,000 times one face, each 64 x 80 px."""
    drawn = draw_group(random_people(8, seed=5), np.random.default_rng(5), face_px=100)
    left, top, right, bottom = (round(float(side)) for side in drawn.faces[0].box)
    one = Image.fromarray(drawn.pixels).crop((left - 8, top - 8, right + 8, bottom + 8)).resize((64, 80))
    Image.fromarray(np.tile(np.asarray(one), (40, 50, 1))).save(path, quality=92)


def panorama(path: Path) -> None:
    image, box = portrait(640)
    side_px = round(640 * FACE_PX / float(box[3] - box[1]))
    canvas = Image.new("RGB", (30_000, 2_000), (120, 130, 140))
    canvas.paste(image.resize((side_px, side_px)), (22_000, 1_200))
    canvas.save(path)


def too_large(path: Path) -> None:
    """Small as a file: a single bit a pixel, all alike."""
    Image.new("1", (20_000, 20_000)).save(path)


def empty(path: Path) -> None:
    path.touch()


ODD: dict[str, Callable[[Path], None]] = {
    "one-colour.png": one_colour,
    "one-pixel.png": one_pixel,
    "strip.png": strip,
    "edge.png": edge,
    "crowd.jpg": crowd,
    "panorama.jpg": panorama,
    "too-large.png": too_large,
    "empty.jpg": empty,
}


@dataclass(frozen=True)
class Indexed:
    """What the program said of the odd photos, what it stored, and what that cost."""

    summary: dict[str, Any]
    faces: dict[str, list[StoredFace]]  # by the photo's name
    without_faces: list[str]  # as it lists them
    memory_kb: int


@pytest.fixture(scope="module")
def odd_library(tmp_path_factory: pytest.TempPathFactory, tower: Path) -> Indexed:
    """A library of photos of unusual shapes, sizes and contents."""
    folder = tmp_path_factory.mktemp("odd")
    album, library = folder / "album", folder / "library"
    album.mkdir()
    for name, write in ODD.items():
        write(album / name)
    where = ["--library", str(library), "--json"]
    how = ["--tower", str(tower), "--device", "cpu", "--workers", "1"]
    command = [sys.executable, "-c", MEASURED, "index", str(album), *where, *how]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stderr
    listed = subprocess.run(
        [sys.executable, "-m", "facesearch", "photos", "--without-faces", *where],
        capture_output=True,
        text=True,
        check=True,
    )
    with Library.open(library) as opened:
        ids = {Path(os.fsdecode(path)).name: file.photo_id for path, file in opened.files.under([album]).items()}
        faces = {name: opened.catalog.faces_in([photo_id]) for name, photo_id in ids.items() if photo_id is not None}
    without = sorted(Path(listed_photo["photo"]).name for listed_photo in json.loads(listed.stdout)["photos"])
    return Indexed(json.loads(ran.stdout), faces, without, int(ran.stderr.split()[-1]))


def test_photos_without_anything_to_see_show_nobody(odd_library: Indexed) -> None:
    assert odd_library.without_faces == ["one-colour.png", "one-pixel.png", "strip.png"]
    assert odd_library.summary["photos_without_faces"] == 3


def test_a_face_at_the_very_edge_is_stored_with_a_box_inside_the_photo(odd_library: Indexed) -> None:
    (face,) = odd_library.faces["edge.png"]
    assert 0 <= face.box[0] < 8
    assert face.box[0] + 100 < face.box[2] < 640


def test_two_thousand_faces_of_one_photo_are_stored(odd_library: Indexed) -> None:
    assert 1_900 <= len(odd_library.faces["crowd.jpg"]) <= 2_000


def test_a_face_of_a_panorama_is_stored_in_the_px_of_the_file(odd_library: Indexed) -> None:
    (face,) = odd_library.faces["panorama.jpg"]
    left, top, right, bottom = face.box
    assert 22_000 < left < right < 30_000
    assert 1_200 < top < bottom <= 2_000
    assert 0.7 * FACE_PX < bottom - top < 1.4 * FACE_PX


def test_what_cannot_be_read_is_skipped_with_its_reason_and_the_rest_is_indexed(odd_library: Indexed) -> None:
    reasons = {Path(each["path"]).name: each["reason"] for each in odd_library.summary["skipped"]}
    assert set(reasons) == {"too-large.png", "empty.jpg"}
    assert "400 megapixels (20000 x 20000)" in reasons["too-large.png"]
    assert "empty (0 bytes)" in reasons["empty.jpg"]
    assert odd_library.summary["photos_new"] == len(ODD) - len(reasons)


def test_no_process_needs_more_than_its_share_of_memory(odd_library: Indexed) -> None:
    assert 50_000 < odd_library.memory_kb < MOST_MEMORY_KB
