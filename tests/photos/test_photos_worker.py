"""Photos decoded in a process of their own: the same pixels, and nothing but a PhotoError when the process is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.tiles import ColourTower, TileDetector, draw

from facesearch.errors import FacesearchError, PhotoError
from facesearch.indexing import index_photos
from facesearch.library import Library
from facesearch.photos import DecodingWorker, WorkerLimits, photo_file, read_photo, read_photo_apart
from facesearch.photos.decoding import one_worker as apart
from facesearch.photos.decoding import worker
from facesearch.query import FailedProbe, Probe, probe_each
from facesearch.records import Models, PhotoFile


@pytest.fixture
def decoding() -> Iterator[DecodingWorker]:
    with DecodingWorker() as running:
        yield running


@pytest.fixture
def photo(tmp_path: Path) -> PhotoFile:
    return photo_file(draw(tmp_path / "photo.png", (200, 10, 10), (10, 10, 200)))


@pytest.fixture
def bringing_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A photo during which each new process does what FACESEARCH_TEST_DOWN says, as a bad decoder would."""
    program = textwrap.dedent("""
        import os, signal, sys, time
        sys.path[:] = sys.argv[1].split("\\n")
        from facesearch.photos.decoding import decode, worker_process
        usual = decode.read_picture
        def read_picture(file, *how):
            if file.path.name == "bad.png":
                exec(os.environ["FACESEARCH_TEST_DOWN"])
            return usual(file, *how)
        decode.read_picture = read_picture
        worker_process.serve(*sys.argv[2:])
    """)
    monkeypatch.setattr(worker, "_PROGRAM", program)
    return draw(tmp_path / "bad.png", (1, 2, 3))


def test_the_photo_is_that_of_this_process(decoding: DecodingWorker, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff odd\nname.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 500, 3), dtype=np.uint8)).save(path)
    for side in (4096, 100):
        here, there = read_photo(photo_file(path), side), decoding.read_photo(photo_file(path), side)
        np.testing.assert_array_equal(there.pixels, here.pixels)
        assert (there.file, there.sha256, there.original_size_px) == (here.file, here.sha256, here.original_size_px)
        assert not there.pixels.flags.writeable


def test_what_is_wrong_with_a_photo_comes_back_in_words(decoding: DecodingWorker, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no photo")
    with pytest.raises(PhotoError, match=r"a\.jpg: is not in a format") as caught:
        decoding.read_photo(photo_file(tmp_path / "a.jpg"))
    assert caught.value.__cause__ is None
    with pytest.raises(PhotoError, match="does not exist") as caught:
        decoding.read_photo(PhotoFile(tmp_path / "gone.jpg", 1, 1))
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == 2  # the disk's fault, which is not remembered


DOWN = {
    "os.kill(os.getpid(), signal.SIGSEGV)": r"bad\.png: is damaged: it crashes its decoder \(SIGSEGV\): copy it",
    "os.abort()": r"is damaged: it crashes its decoder \(SIGABRT\)",
    "os._exit(3)": r"is damaged: it crashes its decoder \(exit code 3\)",
    "time.sleep(600)": r"takes longer than 1 seconds to decode: export a smaller copy",
    "while True: pass": r"takes longer than 1 seconds to decode",
    "bytearray(1 << 30)": r"does not fit into memory as photo: close other programs",
}


@pytest.mark.parametrize("how", DOWN)
def test_a_photo_that_brings_the_process_down_is_an_error_and_the_next_one_is_read(
    bringing_down: Path, photo: PhotoFile, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "bytearray" in how:
        if sys.platform != "linux":
            pytest.skip("limits the address space as Linux does")
        how = "from facesearch.photos.decoding.decode import photo_error, _what_is_wrong\n" + textwrap.dedent("""
            try:
                bytearray(1 << 30)
            except MemoryError as error:
                raise photo_error(file.path, _what_is_wrong(error, "photo"))
        """)
        expected = DOWN["bytearray(1 << 30)"]
    else:
        expected = DOWN[how]
    monkeypatch.setenv("FACESEARCH_TEST_DOWN", how)
    with DecodingWorker(WorkerLimits(seconds=1, memory_bytes=512 << 20)) as decoding:
        assert decoding.read_photo(photo).pixels.shape == (40, 80, 3)
        for _ in range(2):
            with pytest.raises(PhotoError, match=expected):
                decoding.read_photo(photo_file(bringing_down))
            assert decoding.read_photo(photo).pixels.shape == (40, 80, 3)


def test_a_process_that_the_system_ended_is_not_held_against_the_photo(
    bringing_down: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESEARCH_TEST_DOWN", "os.kill(os.getpid(), signal.SIGKILL)")
    with DecodingWorker() as decoding, pytest.raises(PhotoError, match="for lack of memory: try again") as caught:
        decoding.read_photo(photo_file(bringing_down))
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno is not None


def test_a_process_that_was_ended_between_photos_is_replaced(decoding: DecodingWorker, photo: PhotoFile) -> None:
    decoding.read_photo(photo)
    assert decoding._process is not None
    assert decoding.process_id == decoding._process.pid
    decoding._process.kill()
    decoding._process.wait()
    assert decoding.read_photo(photo).pixels.shape == (40, 80, 3)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the environment of a process")
def test_numpy_has_one_thread_in_the_process_unless_the_user_says_otherwise(
    photo: PhotoFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    for given, expected in ((None, "1"), ("2", "2")):
        monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
        if given is not None:
            monkeypatch.setenv("OPENBLAS_NUM_THREADS", given)
        with DecodingWorker() as decoding:
            decoding.read_photo(photo)
            environment = Path(f"/proc/{decoding.process_id}/environ").read_text().split("\0")
        assert f"OPENBLAS_NUM_THREADS={expected}" in environment


def test_a_bug_in_the_process_is_a_bug_here(bringing_down: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESEARCH_TEST_DOWN", "1 / 0")
    with DecodingWorker() as decoding, pytest.raises(RuntimeError, match="ZeroDivisionError"):
        decoding.read_photo(photo_file(bringing_down))


def test_a_process_that_cannot_be_started_is_an_error(photo: PhotoFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_PROGRAM", "raise SystemExit(1)")
    with DecodingWorker() as decoding, pytest.raises(FacesearchError, match="cannot be started"):
        decoding.read_photo(photo)


def test_a_process_that_is_not_needed_ends_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        with DecodingWorker() as decoding:
            process = decoding._process
        assert process is not None
        assert process.returncode == 0
    assert capfd.readouterr().err == ""


def test_where_no_process_may_be_started_photos_are_decoded_here(
    photo: PhotoFile, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", "/dev/null")
    with DecodingWorker() as decoding:
        assert decoding.process_id is None
        assert decoding.read_photo(photo).pixels.shape == (40, 80, 3)
    assert caplog.messages == [
        "photos are decoded in this process, because no other can be started (Permission denied)"
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the state of a process")
def test_the_process_ends_with_the_one_that_started_it(photo: PhotoFile) -> None:
    program = (
        "import os, sys; from pathlib import Path; from facesearch.photos import DecodingWorker, photo_file\n"
        "decoding = DecodingWorker(); decoding.read_photo(photo_file(Path(sys.argv[1])))\n"
        "print(decoding.process_id, flush=True); os._exit(1)"
    )
    command = [sys.executable, "-c", program, str(photo.path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    status = Path(f"/proc/{int(ran.stdout)}/stat")
    ends_s = time.monotonic() + 60
    while status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z":  # Z: dead
        assert time.monotonic() < ends_s
        time.sleep(0.05)


def test_what_libtiff_writes_is_not_shown(
    decoding: DecodingWorker, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.tif"
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, compression="tiff_adobe_deflate")
    content = bytearray(path.read_bytes())
    content[200:300] = bytes(100)
    path.write_bytes(content)
    with suppress(PhotoError):
        read_photo(photo_file(path))
    assert "ZIPDecode" in capfd.readouterr().err
    with suppress(PhotoError):
        decoding.read_photo(photo_file(path))
    assert capfd.readouterr().err == ""


def test_indexing_goes_on_after_a_photo_that_brings_the_process_down(
    bringing_down: Path, photo: PhotoFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESEARCH_TEST_DOWN", "os.kill(os.getpid(), signal.SIGSEGV)")
    detector, tower = TileDetector(), ColourTower()
    with Library.create(tmp_path / "library", Models.of(detector, tower)) as library:
        summary = index_photos(library, [bringing_down, photo.path], detector, tower)
        again = index_photos(library, [bringing_down, photo.path], detector, tower)
    assert (summary.photos_new, summary.faces_new) == (1, 2)
    (skipped,) = summary.skipped
    assert skipped.reason.startswith("is damaged: it crashes its decoder (SIGSEGV)")
    assert (again.skipped_known, again.photos_unchanged) == (1, 1)


@pytest.fixture
def none_beside() -> Iterator[None]:
    """No process from an earlier test, and none for a later one."""
    apart._beside.end()
    yield
    apart._beside.end()


@pytest.mark.usefixtures("none_beside")
def test_a_question_survives_a_photo_that_brings_its_decoder_down(
    bringing_down: Path, photo: PhotoFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESEARCH_TEST_DOWN", "os.kill(os.getpid(), signal.SIGSEGV)")
    detector, tower = TileDetector(), ColourTower()
    lost, found = probe_each([bringing_down, photo.path], detector, tower)
    assert isinstance(lost, FailedProbe)
    assert "crashes its decoder (SIGSEGV)" in lost.reason
    assert isinstance(found, Probe)
    assert len(found.faces) == 2


@pytest.mark.usefixtures("none_beside")
def test_an_interrupted_photo_does_not_answer_the_next_question(
    bringing_down: Path, photo: PhotoFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while a photo keeps its decoder busy."""
    monkeypatch.setenv("FACESEARCH_TEST_DOWN", "time.sleep(2)")
    assert read_photo_apart(photo).pixels.shape == (40, 80, 3)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        read_photo_apart(photo_file(bringing_down))
    answer = read_photo_apart(photo)
    assert (answer.file, answer.sha256) == (photo, read_photo(photo).sha256)


@pytest.mark.usefixtures("none_beside")
def test_a_relative_path_is_of_the_folder_where_the_question_is_asked(
    photo: PhotoFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_photo_apart(photo)  # the process is there, and has a working directory of its own
    monkeypatch.chdir(photo.path.parent)
    relative = photo_file(Path(photo.path.name))
    assert read_photo_apart(relative).file == relative
    (photo.path.parent / "gone.jpg").write_bytes(photo.path.read_bytes())
    gone = photo_file(Path("gone.jpg"))
    Path("gone.jpg").unlink()
    with pytest.raises(PhotoError, match=r"^gone\.jpg: does not exist"):
        read_photo_apart(gone)
