"""What many tests are given: commands, a small tower, and the album and the library of Ann, Bob and Carl."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from facesearch.library import Library
from support.command_line import CommandLine
from support.kept_processes import KeptProcesses
from support.people_library import create, draw_album
from support.s3_server import Bucket
from support.small_tower import write_small_tower

_OWN_PROCESSES = {"photos", "vision"}  # test folders


def built_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], object]) -> Path:
    """A folder that is built once for all processes of a test run. Read it only."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # each worker has a folder of its own in it
    folder = base / f"shared-{name}"
    with (base / f"shared-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            half_built = folder.with_suffix(".new")
            build(half_built)
            half_built.rename(folder)
    return folder


@pytest.fixture
def bucket() -> Bucket:
    """An empty bucket, for a server of its cloud."""
    return Bucket()


@pytest.fixture(scope="session")
def kept_processes() -> Iterator[KeptProcesses]:
    """The processes that decode photos, those of all tests that need no process of their own."""
    kept = KeptProcesses()
    yield kept
    kept.end()


@pytest.fixture(autouse=True)
def processes_are_kept(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, kept_processes: KeptProcesses
) -> None:
    """In all tests but those of the processes themselves."""
    if request.path.parent.name not in _OWN_PROCESSES:
        kept_processes.put_in_place(monkeypatch)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """The program's commands, in this process."""
    return CommandLine(capsys)


@pytest.fixture(scope="session")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tower too small to know anybody. Read it only."""
    return built_once(tmp_path_factory, "small-tower", write_small_tower)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Ann, Bob and Carl on photos of their own, and one photo of all of them and a stranger."""
    return draw_album(tmp_path / "album")


@pytest.fixture
def library(tmp_path: Path, album: Path) -> Iterator[Library]:
    """Ann (1), Bob (2) and Carl (3), of faces 1 to 9; faces 10 to 13 have no person. Open for writing."""
    with create(tmp_path / "library", album) as library:
        yield library
