"""Faces seen in a process of their own: the same as here to the bit, and no photo harms the next one."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesearch.demo.drawing import draw_group, draw_portrait
from facesearch.demo.person import random_people
from facesearch.errors import PhotoError
from facesearch.photos import WorkerLimits, photo_file, read_photo
from facesearch.records import DetectedFace, Photo, PhotoFile, Pixels
from facesearch.vision.detector.detector import DEFAULT_SETTINGS, Detector, load_detector
from facesearch.vision.faces import DrawnFace, KnownPhoto, SeeingWorker, SeenPhoto, cut_out, find_faces, look, see_photo


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> PhotoFile:
    """Five people on a photo that is decoded smaller than it is."""
    drawn = draw_group(random_people(5, seed=2), np.random.default_rng(2), face_px=90)
    large = Image.fromarray(drawn.pixels)
    path = tmp_path_factory.mktemp("photos") / "group.jpg"
    large.resize((large.width * 3, large.height * 3)).save(path)
    return photo_file(path)


@pytest.fixture
def worker(detector: Detector) -> Generator[SeeingWorker]:
    with SeeingWorker(detector) as worker:
        yield worker


def assert_same(one: SeenPhoto, other: SeenPhoto) -> None:
    assert (one.file, one.sha256, one.size_px) == (other.file, other.sha256, other.size_px)
    assert len(one.faces) == len(other.faces)
    for first, second in zip(one.faces, other.faces, strict=True):
        assert first.face.score == second.face.score
        for name in ("box", "landmarks"):
            mine, theirs = getattr(first.face, name), getattr(second.face, name)
            assert mine.dtype == theirs.dtype == np.float32
            np.testing.assert_array_equal(mine, theirs)
        assert first.crop.dtype == second.crop.dtype == np.uint8
        np.testing.assert_array_equal(first.crop, second.crop)


def test_the_same_faces_as_here_in_px_of_the_file(group: PhotoFile, detector: Detector, worker: SeeingWorker) -> None:
    here = look(read_photo(group, 1000), detector)
    assert len(here.faces) >= 4
    assert here.size_px == Image.open(group.path).size
    assert max(face.face.box[2] for face in here.faces) > 1000
    assert_same(worker.see(group, 1000), here)


def test_a_photo_of_nobody_has_no_faces(tmp_path: Path, worker: SeeingWorker) -> None:
    Image.new("RGB", (300, 200), (90, 120, 90)).save(tmp_path / "lawn.png")
    seen = worker.see(photo_file(tmp_path / "lawn.png"))
    assert (list(seen.faces), seen.size_px) == ([], (300, 200))


def test_the_detectors_settings_hold_there(group: PhotoFile, tmp_path: Path) -> None:
    with SeeingWorker(load_detector(replace(DEFAULT_SETTINGS, min_face_px=900))) as worker:
        assert list(worker.see(group).faces) == []


def test_a_file_that_cannot_be_read_says_why_and_the_next_one_is_seen(
    group: PhotoFile, tmp_path: Path, worker: SeeingWorker
) -> None:
    (tmp_path / "torn.jpg").write_bytes(group.path.read_bytes()[:600])
    torn = photo_file(tmp_path / "torn.jpg")
    with pytest.raises(PhotoError) as here:
        read_photo(torn)
    with pytest.raises(PhotoError) as there:
        worker.see(torn)
    assert str(there.value) == str(here.value)
    assert len(worker.see(group).faces) >= 5


def test_a_process_that_was_ended_is_replaced(group: PhotoFile, worker: SeeingWorker) -> None:
    before = worker.see(group)
    process = worker.process_id
    assert process is not None
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    assert_same(worker.see(group), before)
    assert worker.process_id != process


def test_where_no_process_may_be_started_faces_are_seen_here(
    group: PhotoFile, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with SeeingWorker(detector) as worker:
        assert_same(worker.see(group), look(read_photo(group), detector))


@pytest.mark.parametrize("is_known", [True, False])
def test_a_known_photo_is_seen_the_same_as_here(
    group: PhotoFile, detector: Detector, worker: SeeingWorker, is_known: bool
) -> None:
    """Known faces are taken as they are, to the bit; those that were drawn come beside them."""
    found = [face.face for face in look(read_photo(group), detector).faces]
    nowhere = np.array([1, 1, 30, 30], np.float32)
    drawn = [DrawnFace(found[0].box), DrawnFace(nowhere), DrawnFace(nowhere, found[1].landmarks)]
    file = KnownPhoto(group.path, group.size_bytes, group.mtime_ns, found[:2] if is_known else None, drawn)
    here = see_photo(file, lambda draft: read_photo(group, draft=draft), detector)
    there = worker.see(file)
    assert_same(there, here)
    assert len(there.faces) == (2 if is_known else len(found))
    if is_known:
        for seen, known in zip(there.faces, found[:2], strict=True):
            np.testing.assert_array_equal(seen.face.box, known.box)
            np.testing.assert_array_equal(seen.face.landmarks, known.landmarks)
    assert [face is None for face in there.drawn] == [False, True, False]
    for mine, theirs in zip(here.drawn, there.drawn, strict=True):
        if mine is not None and theirs is not None:
            np.testing.assert_array_equal(mine.crop, theirs.crop)
            assert (mine.quality, mine.face.score) == (theirs.quality, theirs.face.score)
    assert there.drawn[2] is not None
    np.testing.assert_array_equal(there.drawn[2].face.landmarks, found[1].landmarks)


@pytest.fixture(scope="module")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> PhotoFile:
    """A face that is large in a photo of 3,600 px."""
    drawn = draw_portrait(random_people(2, seed=4)[0], np.random.default_rng(4), size_px=600)
    path = tmp_path_factory.mktemp("large") / "portrait.jpg"
    Image.fromarray(drawn.pixels).resize((3600, 3600)).save(path, quality=92)
    return photo_file(path)


def reads_of(file: PhotoFile, detector: Detector) -> tuple[list[bool], SeenPhoto]:
    """Which reads were drafts, and what was seen."""
    drafts: list[bool] = []

    def read(draft: bool) -> Photo:
        drafts.append(draft)
        return read_photo(file, draft=draft)

    photo, faces = find_faces(read, detector)
    return drafts, cut_out(photo, faces)


def test_a_draft_of_a_large_jpeg_is_enough_for_large_faces(portrait: PhotoFile, detector: Detector) -> None:
    drafts, seen = reads_of(portrait, detector)
    whole = look(read_photo(portrait), detector)
    assert drafts == [True]
    assert seen.size_px == whole.size_px == (3600, 3600)
    (mine,), (other,) = seen.faces, whole.faces
    apart = np.linalg.norm(mine.face.landmarks[0] - mine.face.landmarks[1])
    assert np.abs(mine.face.landmarks - other.face.landmarks).max() < 0.02 * apart
    assert np.abs(mine.crop.astype(int) - other.crop).mean() < 4


def test_small_faces_are_cut_from_the_whole_photo(group: PhotoFile, detector: Detector, worker: SeeingWorker) -> None:
    small = group.path.with_name("small.jpg")
    with Image.open(group.path) as image:
        canvas = Image.new("RGB", (3600, 2700), (120, 130, 140))
        canvas.paste(image.resize((image.width // 4, image.height // 4)), (400, 600))
    canvas.save(small, quality=92)
    drafts, seen = reads_of(photo_file(small), detector)
    assert drafts == [True, False]
    assert len(seen.faces) >= 4
    assert_same(seen, look(read_photo(photo_file(small)), detector))
    assert_same(seen, worker.see(photo_file(small)))


def test_a_face_of_180_px_in_a_panorama_of_30_000_is_found(tmp_path: Path, detector: Detector) -> None:
    drawn = draw_portrait(random_people(2, seed=4)[0], np.random.default_rng(4), size_px=400)
    (face,) = drawn.faces
    panorama = Image.new("RGB", (30_000, 2_000), (120, 130, 140))
    size_px = round(400 * 180 / float(face.box[3] - face.box[1]))
    panorama.paste(Image.fromarray(drawn.pixels).resize((size_px, size_px)), (22_000, 1_200))
    panorama.save(tmp_path / "panorama.jpg")
    with SeeingWorker(detector, WorkerLimits(memory_bytes=1 << 30)) as worker:
        seen = worker.see(photo_file(tmp_path / "panorama.jpg"))
    assert seen.size_px == (30_000, 2_000)
    (found,) = seen.faces
    truth = face.landmarks * (size_px / 400) + (22_000, 1_200)
    apart = np.linalg.norm(truth[0] - truth[1])
    assert np.linalg.norm(found.face.landmarks - truth, axis=1).mean() < 0.2 * apart


class PointDetector:
    """Finds one face without extent."""

    identity = "point-1"

    def detect(self, pixels: Pixels) -> list[DetectedFace]:
        return [DetectedFace(np.array([5, 5, 9, 9], np.float32), np.full((5, 2), 7, np.float32), 0.9)]


def test_landmarks_without_extent_are_the_photos_fault(group: PhotoFile) -> None:
    with pytest.raises(PhotoError, match="cannot be aligned") as raised:
        look(read_photo(group), PointDetector())
    assert str(group.path) in str(raised.value)
