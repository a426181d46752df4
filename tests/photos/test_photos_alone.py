"""Large photos are decoded one at a time, over threads and decoding processes."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from PIL import Image
from support.tiles import draw

from facesearch.errors import PhotoError
from facesearch.photos import DecodingWorker, photo_file, read_photo
from facesearch.photos.decoding import decode, worker

# Says when decoding begins and ends, and takes its time in between; "first" dies there, if it is to.
PROGRAM = """
import os, signal, sys, time
sys.path[:] = sys.argv[1].split("\\n")
from facesearch.photos.decoding import decode, worker_process
usual = decode._load
def load(image, enough_px):
    log = os.open(os.environ["FACESEARCH_TEST_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, b"begin\\n")
    time.sleep(0.5)
    if os.environ["FACESEARCH_TEST_DIES"] and not os.path.exists("died"):
        open("died", "w").close()
        os.abort()
    os.write(log, b"end\\n")
    return usual(image, enough_px)
decode._load = load
worker_process.serve(*sys.argv[2:])
"""


@pytest.fixture
def two_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[DecodingWorker]]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACESEARCH_TEST_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("FACESEARCH_TEST_DIES", "")
    monkeypatch.setattr(worker, "_PROGRAM", textwrap.dedent(PROGRAM))
    with ExitStack() as stack:
        workers = [stack.enter_context(DecodingWorker()) for _ in range(2)]
        small = photo_file(draw(tmp_path / "small.png"))
        for each in workers:  # both have started
            each.read_photo(small)
        (tmp_path / "log").unlink()
        yield workers


def write_large(path: Path) -> Path:
    """A megapixel more than are decoded side by side, in a file of some kB."""
    Image.new("L", ((decode.OTHER_ALONE_OVER_MEGAPIXELS + 1) * 1000, 1000)).save(path)
    assert path.stat().st_size < 100_000
    return path


def write_padded(path: Path) -> Path:
    """A small photo in a file that is larger than those that are read side by side."""
    draw(path)
    with path.open("ab") as file:
        file.truncate(decode.ALONE_OVER_BYTES + 1)
    return path


def read_by_both(workers: list[DecodingWorker], path: Path) -> list[str]:
    """What each made of the photo: its width, or the reason for none."""

    def read(each: DecodingWorker) -> str:
        try:
            return str(each.read_photo(photo_file(path)).width_px)
        except PhotoError as error:
            return error.reason

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(read, workers))


@pytest.mark.parametrize("write", [write_large, write_padded])
def test_two_processes_take_turns_with_what_is_large(
    two_workers: list[DecodingWorker], write: Callable[[Path], Path]
) -> None:
    path = write(Path("photo.png"))
    assert len(set(read_by_both(two_workers, path))) == 1
    assert Path("log").read_text().split() == ["begin", "end", "begin", "end"]


def test_small_photos_wait_for_nobody(tmp_path: Path) -> None:
    small = photo_file(draw(tmp_path / "photo.png"))
    with ThreadPoolExecutor(1) as pool, decode.one_at_a_time:
        assert pool.submit(read_photo, small).result(timeout=60).width_px == 40


def test_a_process_that_dies_in_its_turn_lets_the_next_one_in(
    two_workers: list[DecodingWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_large(Path("photo.png"))
    monkeypatch.setenv("FACESEARCH_TEST_DIES", "yes")
    for each in two_workers:  # started again, to know of that
        each.close()
    results = read_by_both(two_workers, path)
    assert sorted(result[:10] for result in results) == ["20480", "is damaged"]
    assert Path("log").read_text().split() == ["begin", "begin", "end"]


def test_threads_take_turns_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_large(tmp_path / "photo.png")
    usual, inside, most = decode._load, 0, 0

    def load(image: Image.Image, enough_px: int) -> tuple[int, int]:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        result = usual(image, enough_px)  # type: ignore[arg-type]
        inside -= 1
        return result

    monkeypatch.setattr(decode, "_load", load)
    with ThreadPoolExecutor(4) as pool:
        assert {photo.width_px for photo in pool.map(read_photo, [photo_file(path)] * 8)} == {20_480}
    assert most == 1
