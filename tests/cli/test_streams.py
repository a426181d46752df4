"""Standard streams that are closed, full, slow, or read by nobody: a clear line or silence, and the right exit code."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from facesearch.demo import write_album
from facesearch.errors import OutputError
from facesearch.library import Library
from facesearch.photos import read_photo

PROGRAM = "from facesearch.__main__ import main; main()"
FULL = Path("/dev/full")


@dataclass(frozen=True)
class Indexed:
    """A library of some photos, and one of them."""

    library: Path
    photo: Path
    tower: Path

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-c", PROGRAM, *map(str, arguments)]

    def run(self, redirections: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """By a shell, with these redirections."""
        shell = ["sh", "-c", f'"$@" {redirections}', "sh", *self.command(*arguments)]
        return subprocess.run(shell, capture_output=True, text=True, check=False, env=self.environment)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "FACESEARCH_LIBRARY": str(self.library), "FACESEARCH_TOWER": str(self.tower)}


@pytest.fixture(scope="module")
def drawn_library(tmp_path_factory: pytest.TempPathFactory, tower: Path) -> Indexed:
    """A library of two photos of one drawn person."""
    folder = tmp_path_factory.mktemp("indexed")
    photos = write_album(folder / "album", 1, 2, seed=4).directory / "people"
    made = Indexed(folder / "library", min(photos.rglob("*.jpg")), tower)
    ran = made.run("", "index", photos)
    assert ran.returncode == 0, ran.stderr
    return made


CLOSED = "facesearch: the results cannot be written to standard output: Bad file descriptor; write them elsewhere\n"


def test_results_without_a_standard_output_are_an_error(drawn_library: Indexed) -> None:
    for arguments in (
        ["status"],
        ["query", drawn_library.photo, "--json"],
        ["photos", "-0"],
        ["export", "--format", "csv"],
    ):
        ran = drawn_library.run(">&-", *arguments)
        assert (ran.returncode, ran.stderr) == (OutputError.exit_code, CLOSED), arguments
    assert drawn_library.run(">&-", "--version").returncode == OutputError.exit_code
    help_text = drawn_library.run(">&-", "--help")
    assert (help_text.returncode, help_text.stderr) == (OutputError.exit_code, CLOSED)


def test_an_error_without_a_standard_output_is_as_ever(drawn_library: Indexed) -> None:
    ran = drawn_library.run(">&-", "status", "--library", "/nowhere")
    assert ran.returncode == 4
    assert ran.stderr.startswith("facesearch: there is no library in /nowhere")
    assert drawn_library.run(">&-", "bogus").returncode == 2


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_photos_are_indexed_whatever_is_closed(drawn_library: Indexed, tmp_path: Path, closed: str) -> None:
    """And no file of the library takes a stream's place, or what is printed would go into it."""
    shutil.copy(drawn_library.photo, tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8\xff bad")  # index complains about it
    library = tmp_path / "library"
    ran = drawn_library.run(closed, "index", tmp_path / "a.jpg", tmp_path / "b.jpg", "--library", library)
    assert ran.returncode == (OutputError.exit_code if ">&- 2" in closed else 0)
    assert ran.stderr == ""
    with Library.open(library) as opened:
        assert (opened.catalog.counts().photos, opened.catalog.counts().faces) == (1, 1)
    checked = drawn_library.run("", "verify", "--library", library)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_named(drawn_library: Indexed) -> None:
    full = CLOSED.replace("Bad file descriptor", "No space left on device")
    for arguments in (["status"], ["--help"], ["query", drawn_library.photo], ["export", "--format", "json"]):
        ran = drawn_library.run("> /dev/full", *arguments)
        assert (ran.returncode, ran.stderr) == (OutputError.exit_code, full), arguments
    lost = drawn_library.run("2> /dev/full", "status", "--library", "/nowhere")
    assert (lost.returncode, lost.stdout) == (4, "")
    assert drawn_library.run("2> /dev/full", "bogus").returncode == 2


@pytest.mark.parametrize("command", ["query", "photos", "--help", "export"])
def test_a_reader_that_has_gone_ends_it_in_silence(drawn_library: Indexed, command: str) -> None:
    arguments = {"query": ["query", drawn_library.photo], "export": ["export", "--format", "json"]}.get(
        command, [command]
    )
    reading, writing = os.pipe()
    os.close(reading)
    ran = subprocess.run(
        drawn_library.command(*arguments),
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env=drawn_library.environment,
    )
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (-signal.SIGPIPE, "")


def test_messages_that_nobody_reads_end_nothing(drawn_library: Indexed, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff bad")
    reading, writing = os.pipe()
    os.close(reading)
    command = drawn_library.command("index", tmp_path, "--library", tmp_path / "library")
    ran = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=writing, text=True, check=False, env=drawn_library.environment
    )
    os.close(writing)
    assert ran.returncode == 0
    assert "1 skipped" in ran.stdout


def test_a_reader_that_is_slow_gets_everything_from_a_pipe_that_does_not_block(drawn_library: Indexed) -> None:
    """As where another program made it so for itself, and shares it."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    program = """
from facesearch.cli.streams import prepare_streams
prepare_streams()
from facesearch.cli.output import say
for _ in range(20): say("x" * 9999)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    time.sleep(0.5)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.extend(iter(lambda: os.read(reading, 1000), b"")))
    reader.start()
    _, said = process.communicate(timeout=120)
    reader.join(timeout=60)
    os.close(reading)
    assert (process.returncode, said) == (0, "")
    assert len(b"".join(read)) == 20 * 10_000


def on_a_terminal(indexed: Indexed, *arguments: str | Path, **settings: str) -> str:
    """What the command writes to a terminal, to standard output and standard error."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        indexed.command(*arguments), stdout=theirs, stderr=theirs, env={**indexed.environment, **settings}
    )
    os.close(theirs)
    written = b""
    with suppress(OSError):  # Linux's answer to a terminal that nobody writes to any more
        while piece := os.read(ours, 4096):
            written += piece
    os.close(ours)
    assert process.wait(timeout=60) == 0, written
    return written.decode()


def test_a_terminal_that_can_do_nothing_gets_plain_lines(drawn_library: Indexed, tmp_path: Path) -> None:
    query = ("query", drawn_library.photo, "--pictures", "never")
    assert "\x1b[1m" in on_a_terminal(drawn_library, *query, TERM="xterm", NO_COLOR="")
    for settings in ({"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}):
        assert "\x1b" not in on_a_terminal(drawn_library, *query, **settings)
    index = ("index", drawn_library.photo.parent, "--library", tmp_path / "library")
    assert "\x1b" not in on_a_terminal(drawn_library, *index, TERM="dumb")


def test_photos_are_decoded_for_a_program_without_standard_streams(drawn_library: Indexed, tmp_path: Path) -> None:
    """As a service that closed them, and uses the Python interface."""
    program = """
import os, sys
from pathlib import Path
os.closerange(0, 3)
from facesearch.photos import DecodingWorker, photo_file
with DecodingWorker() as worker:
    photo = worker.read_photo(photo_file(Path(sys.argv[1])))
Path(sys.argv[2]).write_text(photo.sha256)
"""
    command = [sys.executable, "-c", program, str(drawn_library.photo), str(tmp_path / "answer")]
    subprocess.run(command, check=False, timeout=120)
    assert (tmp_path / "answer").read_text() == read_photo_sha256(drawn_library.photo)


def read_photo_sha256(path: Path) -> str:
    from facesearch.photos import photo_file

    return read_photo(photo_file(path)).sha256
