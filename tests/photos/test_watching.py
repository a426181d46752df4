"""When it is time to index: what is gathered, what waits; with a real observer, and as a real command."""

from __future__ import annotations

import errno
import os
import queue
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from support.tiles import MODELS, ColourTower, TileDetector, draw

from facesearch.demo import write_album
from facesearch.errors import LibraryError, PhotoError
from facesearch.indexing import IndexOptions, index_photos
from facesearch.library import Library
from facesearch.photos.watch import Gathering, Patience, watch

PATIENCE = Patience(quiet_s=2.0, longest_s=30.0)
QUICK = Patience(quiet_s=0.3, longest_s=2.0)
RED, GREEN, BLUE = (200, 10, 10), (10, 200, 10), (10, 10, 200)


def test_a_burst_is_gathered_until_it_is_quiet(tmp_path: Path) -> None:
    gathering = Gathering(PATIENCE)
    assert gathering.due(100.0) is None
    for number in range(5):
        gathering.note(draw(tmp_path / f"{number}.png", RED), 100.0 + number)
        assert gathering.due(100.5 + number) is None
    assert gathering.due(105.9) is None
    assert gathering.due(106.1) == frozenset()
    assert gathering.due(200.0) is None  # dealt with


def test_a_burst_without_end_is_not_waited_for(tmp_path: Path) -> None:
    gathering = Gathering(PATIENCE)
    due = []
    for number in range(70):
        gathering.note(tmp_path / f"{number}.jpg", float(number))
        due.append(gathering.due(float(number) + 0.5))
    assert [number for number, each in enumerate(due) if each is not None] == [30, 60]
    assert due[30] == {tmp_path / "29.jpg", tmp_path / "30.jpg"}
    assert gathering.due(72.0) == frozenset()


def test_a_file_that_grows_waits_and_the_others_do_not_wait_for_it_for_ever(tmp_path: Path) -> None:
    gathering = Gathering(PATIENCE)
    growing, done = tmp_path / "growing.jpg", draw(tmp_path / "done.png", RED)
    growing.write_bytes(b"")
    gathering.note(growing, 0.0)  # the system may tell of the beginning alone
    gathering.note(done, 0.0)
    due = {}
    for second in range(1, 40):
        growing.write_bytes(bytes(second))
        due[second] = gathering.due(float(second))
    assert {second: each for second, each in due.items() if each is not None} == {30: frozenset([growing])}
    assert gathering.due(40.0) is None
    assert gathering.due(41.5) == frozenset()


def test_what_is_gone_is_done(tmp_path: Path) -> None:
    gathering = Gathering(PATIENCE)
    gathering.note(tmp_path / "gone.jpg", 0.0)
    assert gathering.due(1.9) is None
    assert gathering.due(2.0) == frozenset()


@pytest.fixture
def calls() -> queue.SimpleQueue[frozenset[Path]]:
    return queue.SimpleQueue()


@pytest.fixture
def watching(tmp_path: Path, calls: queue.SimpleQueue[frozenset[Path]]) -> Iterator[Path]:
    """A folder that is watched by a thread, once the first call has come."""
    folder = tmp_path / "photos"
    folder.mkdir()
    stop = threading.Event()
    thread = threading.Thread(target=watch, args=([folder], calls.put, QUICK, stop))
    thread.start()
    assert calls.get(timeout=60) == frozenset()
    yield folder
    stop.set()
    thread.join(timeout=60)
    assert not thread.is_alive()


def _elsewhere(folder: Path) -> Path:
    return draw(folder.parent / "elsewhere" / "z.png", BLUE)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a photo": lambda folder: draw(folder / "a.png", RED),
    "a photo in a new folder": lambda folder: draw(folder / "new" / "deep" / "a.png", RED),
    "a folder moved in": lambda folder: _elsewhere(folder).parent.rename(folder / "moved"),
    "ignore rules": lambda folder: (folder / ".facesearchignore").write_text("*.png"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(watching: Path, calls: queue.SimpleQueue[frozenset[Path]], change: str) -> None:
    CHANGES[change](watching)
    assert calls.get(timeout=60) == frozenset()


def test_moves_changes_and_deletions_are_seen(watching: Path, calls: queue.SimpleQueue[frozenset[Path]]) -> None:
    photo = draw(watching / "a.png", RED)
    calls.get(timeout=60)
    photo.rename(watching / "b.png")
    calls.get(timeout=60)
    draw(watching / "b.png", RED, GREEN)
    calls.get(timeout=60)
    (watching / "b.png").unlink()
    calls.get(timeout=60)


def test_what_the_indexer_does_not_look_at_wakes_nobody(
    watching: Path, calls: queue.SimpleQueue[frozenset[Path]]
) -> None:
    (watching / "notes.txt").write_text("x")
    draw(watching / ".hidden.png", RED)
    draw(watching / "@eaDir" / "a.png" / "SYNOPHOTO_THUMB_M.png", RED)
    draw(watching / ".thumbnails" / "deep" / "a.png", RED)
    photo = draw(watching / "a.png", RED)
    calls.get(timeout=60)
    photo.read_bytes()  # reading is no change
    (watching / "notes.txt").write_text("y")
    draw(watching / "@eaDir" / "a.png" / "SYNOPHOTO_THUMB_XL.png", RED)
    draw(watching / ".thumbnails" / "deeper" / "a.png", RED)
    with pytest.raises(queue.Empty):
        calls.get(timeout=1.5)


def test_a_folder_that_was_away_is_watched_again(watching: Path, calls: queue.SimpleQueue[frozenset[Path]]) -> None:
    watching.rename(watching.parent / "away")
    calls.get(timeout=60)
    (watching.parent / "away").rename(watching.parent / "gone for good")
    watching.mkdir()
    calls.get(timeout=60)
    draw(watching / "a.png", RED)
    calls.get(timeout=60)


def test_a_photo_that_is_left_out_is_as_if_it_were_not_listed(tmp_path: Path) -> None:
    first, second = draw(tmp_path / "album" / "a.png", RED), draw(tmp_path / "album" / "b.png", GREEN)
    with Library.create(tmp_path / "library", MODELS) as library:
        leaving_out = IndexOptions(leave_out=frozenset([second]))
        summary = index_photos(library, [tmp_path / "album"], TileDetector(), ColourTower(), leaving_out)
        assert (summary.photos_new, summary.skipped) == (1, ())
        summary = index_photos(library, [tmp_path / "album"], TileDetector(), ColourTower())
        assert (summary.photos_new, summary.photos_unchanged) == (1, 1)
        leaving_out = IndexOptions(leave_out=frozenset([first]))
        summary = index_photos(library, [tmp_path / "album"], TileDetector(), ColourTower(), leaving_out)
        assert (summary.photos_unchanged, summary.photos_missing) == (1, 0)
        assert library.status().faces == 2


def test_the_command_keeps_a_library_current_and_leaves_it_to_others(tower: Path, tmp_path: Path) -> None:
    portraits = sorted(write_album(tmp_path / "album", 2, 2, seed=3).directory.rglob("people/*/*.jpg"))
    photos = tmp_path / "photos"
    photos.mkdir()
    shutil.copy(portraits[0], photos / "0.jpg")
    library = tmp_path / "library"
    environment = {**os.environ, "FACESEARCH_TOWER": str(tower), "FACESEARCH_LIBRARY": str(library)}
    program = [sys.executable, "-c", "from facesearch.cli import main; main()"]
    command = [*program, "index", "--watch", str(photos), "--device", "cpu"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    assert process.stdout is not None
    reader = threading.Thread(target=lambda stream: [lines.put(line) for line in stream], args=(process.stdout,))
    reader.start()
    try:
        assert _next(lines, "photos").startswith("photos   1 new, 0 unchanged")
        shutil.copy(portraits[1], photos / "1.jpg")
        assert _next(lines, "photos").startswith("photos   1 new, 1 unchanged")
        (photos / "0.jpg").rename(photos / "moved.jpg")
        assert _next(lines, "photos").startswith("photos   0 new, 1 moved, 1 unchanged")
        _next(lines, "seconds")
        indexed = subprocess.run(
            [*program, "index", str(portraits[2]), "--device", "cpu"],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        assert indexed.returncode == 0, indexed.stderr  # nobody holds the lock while nothing happens
        (photos / "1.jpg").unlink()
        assert "1 missing" in _next(lines, "photos")
        _next(lines, "seconds")
        time.sleep(0.5)
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=120)
        reader.join(timeout=60)
    assert process.stderr is not None
    said = process.stderr.read()
    process.stderr.close()
    process.stdout.close()
    assert code == 0, said
    assert "Traceback" not in said
    assert said.splitlines()[0] == "facesearch: watching for changes; press Ctrl-C to stop"
    assert said.splitlines()[-1] == "facesearch: stopped watching"


def test_a_folder_that_was_never_there_is_not_waited_for(tmp_path: Path, tower: Path) -> None:
    command = [sys.executable, "-c", "from facesearch.cli import main; main()", "index", "--watch"]
    environment = {**os.environ, "FACESEARCH_TOWER": str(tower)}
    ran = subprocess.run(
        [*command, str(tmp_path / "nowhere"), "--library", str(tmp_path / "library")],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=120,
    )
    assert ran.returncode == 3
    assert ran.stderr.splitlines()[-1].startswith(f"facesearch: {tmp_path / 'nowhere'}: does not exist: check the name")


# A watcher that waits half a second for a database instead of 30, and tries again after a second instead of 30.
IMPATIENT = """
from facesearch.library.rows import schema
from facesearch.photos import watch
schema.BUSY_TIMEOUT_S = 0.5
watch.watch.__defaults__ = (watch.Patience(0.3, 2.0, retry_s=1.0), None)
from facesearch.cli import main
main()
"""


def test_a_watcher_outlives_a_database_that_others_hold_and_ends_when_the_library_is_gone(
    tower: Path, tmp_path: Path
) -> None:
    portraits = sorted(write_album(tmp_path / "album", 2, 2, seed=3).directory.rglob("people/*/*.jpg"))
    photos, library = tmp_path / "photos", tmp_path / "library"
    photos.mkdir()
    shutil.copy(portraits[0], photos / "0.jpg")
    environment = {**os.environ, "FACESEARCH_TOWER": str(tower), "FACESEARCH_LIBRARY": str(library)}
    command = [sys.executable, "-c", IMPATIENT, "index", "--watch", str(photos), "--device", "cpu"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    assert process.stdout is not None
    reader = threading.Thread(target=lambda stream: [lines.put(line) for line in stream], args=(process.stdout,))
    reader.start()
    try:
        assert _next(lines, "photos").startswith("photos   1 new")
        with closing(sqlite3.connect(library / "library.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            shutil.copy(portraits[1], photos / "1.jpg")
            said = _next(lines, "facesearch: ")
            assert "database is locked" in said and said.endswith("; still watching\n")
        assert _next(lines, "photos").startswith("photos   1 new, 1 unchanged")  # without another change
        library.rename(tmp_path / "elsewhere")
        shutil.copy(portraits[2], photos / "2.jpg")
        assert _next(lines, "facesearch: the library").endswith(f"{library} is gone: stopped watching\n")
        assert process.wait(timeout=60) == LibraryError.exit_code
        assert not library.exists()
    finally:
        process.kill()
        process.wait(timeout=60)
        reader.join(timeout=60)
        process.stdout.close()


def test_a_system_that_gives_no_watches_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "inotify instance limit reached")

    monkeypatch.setattr("watchdog.observers.Observer.__init__", full)
    with pytest.raises(PhotoError, match=r"inotify instance limit reached.*max_user_instances"):
        watch([tmp_path], lambda _: True, QUICK)


def test_what_failed_is_tried_again_without_another_change(tmp_path: Path) -> None:
    calls: list[float] = []
    stop = threading.Event()

    def index(_: frozenset[Path]) -> bool:
        calls.append(time.monotonic())
        if len(calls) == 3:
            stop.set()
        return len(calls) == 3

    watch([tmp_path], index, Patience(0.1, 1.0, retry_s=0.6), stop)
    assert len(calls) == 3
    assert all(later - earlier >= 0.6 for earlier, later in pairwise(calls))


def test_a_folder_that_can_no_longer_be_watched_is_named_and_the_others_still_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As when the system has no watches left by the time that a drive comes back."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    calls: queue.SimpleQueue[float] = queue.SimpleQueue()
    stop = threading.Event()

    def index(_: frozenset[Path]) -> bool:
        calls.put(time.monotonic())
        return True

    watching = threading.Thread(target=watch, args=([tmp_path / "a", tmp_path / "b"], index, QUICK, stop))
    watching.start()
    try:
        calls.get(timeout=60)

        def full(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, "inotify watch limit reached")

        monkeypatch.setattr("watchdog.observers.api.BaseObserver.schedule", full)
        (tmp_path / "a").rename(tmp_path / "c")
        (tmp_path / "a").mkdir()
        calls.get(timeout=60)
        (tmp_path / "b" / "new.jpg").write_bytes(b"new")
        calls.get(timeout=60)
        assert watching.is_alive()
        assert "fs.inotify.max_user_watches" in caplog.text
    finally:
        stop.set()
        watching.join(timeout=60)


def _next(lines: queue.SimpleQueue[str], beginning: str) -> str:
    """The next line that begins so."""
    while True:
        line = lines.get(timeout=120)
        if line.startswith(beginning):
            return line
