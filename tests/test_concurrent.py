"""One writer and many readers, in processes of their own: who waits, the messages, and what readers see."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from support import tiles
from support.command_line import CommandLine
from support.tiles import MODELS, ColourTower, TileDetector, draw

from facesearch.library import Library
from facesearch.query import QueryOptions, ask, probe_photo

# Writes until a line comes in, or this process is killed.
HOLDER = """
import sys
from pathlib import Path
from facesearch.library import Library
with Library.open(Path(sys.argv[1]), writable=True):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def _held(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        try:
            yield holder
        finally:
            holder.kill()


TESTS = Path(__file__).parent


def test_readers_see_whole_photos_only_while_a_writer_goes_on(tmp_path: Path) -> None:
    many, path = tmp_path / "many", tmp_path / "library"
    for number in range(80):
        draw(many / f"{number:03}.png", (number, 9, 9), (9, number, 9))
    probe = draw(tmp_path / "probe.png", (40, 9, 9))
    Library.create(path, MODELS).close()
    seen = set()
    with (
        subprocess.Popen([sys.executable, tiles.__file__, path, many], stdout=subprocess.DEVNULL) as writer,
        Library.open(path, MODELS) as reader,
    ):
        while writer.poll() is None:
            with reader.snapshot():
                status = reader.status()
                faces = reader.catalog.faces_in(reader.catalog.photo_ids().values())
                by_photo = np.unique([face.photo_id for face in faces], return_counts=True)[1]
                assert len(faces) == status.faces == 2 * status.photos == len(reader.vectors())
                assert set(by_photo.tolist()) <= {2}
                assert status.files == status.photos
            seen.add(status.photos)
            if status.photos:
                (face,) = ask(
                    reader, probe_photo(probe, TileDetector(), ColourTower()), QueryOptions(k=3, faces=True)
                ).faces
                assert all(match.photo.parent == many for match in face.photos)
                assert [match.distance for match in face.photos] == sorted(match.distance for match in face.photos)
        assert writer.returncode == 0
    assert len(seen) > 3  # it has read in the midst of the work
    with Library.open(path, MODELS) as reader:
        (face,) = ask(reader, probe_photo(probe, TileDetector(), ColourTower()), QueryOptions(k=1)).faces
        assert (face.people[0].distance, face.people[0].nearest_photo) == (pytest.approx(0, abs=1e-5), many / "040.png")


@pytest.fixture
def commands(
    tmp_path: Path, tower: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> CommandLine:
    """The program, with a library that holds no photo."""
    monkeypatch.setenv("FACESEARCH_TOWER", str(tower))
    monkeypatch.setenv("FACESEARCH_LIBRARY", str(tmp_path / "library"))
    draw(tmp_path / "album" / "sky.png")
    (tmp_path / "none").mkdir()
    commands = CommandLine(capsys)
    assert commands("index", tmp_path / "none").code == 0
    return commands


def test_a_second_index_is_told_who_writes_or_waits(commands: CommandLine, tmp_path: Path) -> None:
    with _held(tmp_path / "library") as holder:
        for command in (["index", tmp_path / "album"], ["prune"], ["forget", "--all"], ["verify", "--repair"]):
            ran = commands(*command)
            assert (ran.code, ran.out) == (4, "")
            said = rf"is being written by process {holder.pid} since \d{{4}}-\d\d-\d\dT[\d:]+\+00:00; wait"
            assert re.search(said, ran.err)
        assert commands("status").code == 0  # readers wait for nobody
        checked = commands("verify")
        assert checked.code == 0
        assert f"process {holder.pid} since" in checked.err
        assert "vectors    not checked\n" in checked.out
        assert holder.stdin is not None
        waiter = subprocess.Popen(
            [sys.executable, "-c", "from facesearch.cli import main; main()", "index", tmp_path / "album", "--wait"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert waiter.stderr is not None
        assert f"waiting until the library in {tmp_path / 'library'} is no longer written by process {holder.pid}" in (
            waiter.stderr.readline()
        )
        assert waiter.poll() is None
        holder.stdin.write(b"enough\n")
        holder.stdin.flush()
        out, _ = waiter.communicate(timeout=120)
        assert (waiter.returncode, "1 new" in out) == (0, True)


def test_the_lock_of_a_dead_writer_is_taken_over(commands: CommandLine, tmp_path: Path) -> None:
    with _held(tmp_path / "library") as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert f'"pid": {holder.pid}' in (tmp_path / "library" / "lock").read_text()
        assert commands("verify").code == 0
        assert commands("index", tmp_path / "album").code == 0


def test_a_dead_writers_number_that_another_process_has_now_is_no_writer(commands: CommandLine, tmp_path: Path) -> None:
    """As after a power cut: process numbers start again."""
    lock = tmp_path / "library" / "lock"
    lock.write_text(json.dumps({"pid": os.getpid(), "since": "2026-01-01T00:00:00+00:00"}))
    checked = commands("verify")
    assert (checked.code, checked.err) == (0, "")
    assert "not checked" not in checked.out
    assert commands("index", tmp_path / "album").code == 0


def test_two_processes_that_create_a_library_share_it(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from support import tiles
from facesearch.indexing import index_photos
from facesearch.library import Library
with Library.open_or_create(Path(sys.argv[1]), tiles.MODELS, wait=True) as library:
    index_photos(library, [Path(sys.argv[2])], tiles.TileDetector(), tiles.ColourTower())
"""
    albums = [draw(tmp_path / name / "a.png", (number, 9, 9)).parent for number, name in enumerate("ab")]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, tmp_path / "library", album], cwd=Path(tiles.__file__).parents[1]
        )
        for album in albums
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    with Library.open(tmp_path / "library", MODELS) as library:
        assert library.status().photos == 2
