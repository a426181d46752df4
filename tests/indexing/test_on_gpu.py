"""`index` with a GPU, for which Keras on the CPU stands in: the CPU's library, also where the GPU fails on the way."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.stand_in_gpu import StandInGpu

from facesearch.api.library import open_library
from facesearch.demo.drawing import draw_group
from facesearch.demo.person import random_people
from facesearch.errors import TowerError
from facesearch.library import DATABASE_NAME
from facesearch.photos import photo_file
from facesearch.vision import accelerator
from facesearch.vision.detector.detector import Detector, load_detector
from facesearch.vision.faces import SeeingWorker

FACES = 4


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photos of two people each, and one that cannot be read."""
    folder = tmp_path_factory.mktemp("album")
    for number in range(2):
        drawn = draw_group(random_people(2, seed=number), np.random.default_rng(number), face_px=70)
        Image.fromarray(drawn.pixels).save(folder / f"{number}.png")
    (folder / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0torn")
    return folder


def indexed(library: Path, album: Path, tower: Path, device: str) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Each face of a new library: the file's name, its box and its embedding."""
    with open_library(library, tower=tower, device=device) as opened:
        summary = opened.index(album, workers=2)
    assert (summary.photos_new, summary.faces_new) == (2, FACES)
    assert [file.path.name for file in summary.skipped] == ["torn.jpg"]
    with closing(sqlite3.connect(library / DATABASE_NAME)) as database:
        rows = database.execute(
            "select files.path, faces.box, faces.embedding from faces join files on files.photo_id = faces.photo_id"
        ).fetchall()
    faces = [(str(path), *(np.frombuffer(part, np.float32) for part in parts)) for path, *parts in rows]
    return sorted(faces, key=lambda face: (face[0], face[1][0]))


@pytest.fixture(scope="module")
def on_cpu(album: Path, tower: Path, tmp_path_factory: pytest.TempPathFactory) -> list:
    return indexed(tmp_path_factory.mktemp("cpu") / "library", album, tower, "cpu")


@pytest.mark.parametrize(
    ("gpu", "warnings"),
    [(StandInGpu(room=1), 0), (StandInGpu(works_for=1), 1)],
    ids=["of little memory", "lost on the way"],
)
def test_the_library_is_the_cpus(
    gpu: StandInGpu,
    warnings: int,
    *,
    album: Path,
    tower: Path,
    on_cpu: list,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(accelerator, "_accelerator", lambda: gpu)
    found = indexed(tmp_path / "library", album, tower, "gpu")
    assert len(found) == len(on_cpu) == FACES
    spread = np.ptp([embedding for *_, embedding in on_cpu], axis=0).max()
    for (path, box, embedding), (expected_path, expected_box, expected) in zip(found, on_cpu, strict=True):
        assert path == expected_path
        np.testing.assert_allclose(box, expected_box, atol=1.0)  # the CPU's detector computes in bf16 where it can
        np.testing.assert_allclose(embedding, expected, atol=0.1 * spread)
    lines = [record.getMessage() for record in caplog.records if "GPU failed" in record.getMessage()]
    assert len(lines) == warnings
    assert gpu.is_lost == bool(warnings)
    if not warnings:
        assert {shape[1:] == (112, 112, 3) for shape in gpu.batches} == {True, False}  # crops and photos


def test_a_lanes_process_sees_what_its_parents_network_says(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the bit, for the process leaves out only what no look would take."""
    gpu = StandInGpu()
    monkeypatch.setattr(accelerator, "_accelerator", lambda: gpu)
    detector = load_detector(device="gpu")
    assert isinstance(detector, Detector)
    with SeeingWorker(detector) as worker:
        seen = worker.see(photo_file(album / "0.png"))
    asked = len(gpu.batches)
    assert asked > 0
    here = detector.detect(np.asarray(Image.open(album / "0.png")))
    assert len(gpu.batches) == 2 * asked
    assert len(seen.faces) == len(here) == 2
    for face, expected in zip(seen.faces, here, strict=True):
        np.testing.assert_array_equal(face.face.box, expected.box)
        np.testing.assert_array_equal(face.face.landmarks, expected.landmarks)


def test_gpu_without_one_is_an_error_before_a_library_is_made(
    album: Path, tower: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accelerator, "_accelerator", lambda: None)
    with open_library(tmp_path / "library", tower=tower, device="gpu") as opened, pytest.raises(TowerError):
        opened.index(album)
    assert not (tmp_path / "library").exists()
