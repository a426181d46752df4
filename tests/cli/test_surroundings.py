"""The program in odd surroundings: no home folder, no working directory, limits, times that no database can hold."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.command_line import CommandLine

from facesearch.demo import write_album
from facesearch.library import Library, default_library_path
from facesearch.photos import photo_file, walk

# As the console script; a container's user often has no line in the list of users.
PROGRAM = """
import os, sys
if os.environ.pop("WITHOUT_USER", None):
    import pwd
    def getpwuid(number):
        raise KeyError(number)
    pwd.getpwuid = getpwuid
if gone := os.environ.pop("WITHOUT_FOLDER", None):
    os.chdir(gone)
    os.rmdir(gone)
from facesearch.__main__ import main
main()
"""


@dataclass(frozen=True)
class Surroundings:
    """Runs the program. photos: a folder of them."""

    folder: Path
    photos: Path
    tower: Path

    @property
    def library(self) -> Path:
        return self.folder / "library"

    @property
    def photo(self) -> Path:
        return min(self.photos.rglob("*.jpg"))

    def run(self, *arguments: str | Path, shell: str = "", **settings: str | None) -> subprocess.CompletedProcess[str]:
        """shell: what a shell does before. settings: environment variables; None for one that is not set."""
        wanted = {**os.environ, "FACESEARCH_TOWER": str(self.tower), "FACESEARCH_LIBRARY": None, **settings}
        environment = {key: value for key, value in wanted.items() if value is not None}
        command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
        if shell:
            command = ["sh", "-c", f'{shell}; exec "$@"', "sh", *command]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=self.folder)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_album(tmp_path_factory.mktemp("album"), 1, 2, seed=4).directory / "people"


@pytest.fixture
def here(tmp_path: Path, photos: Path, tower: Path) -> Surroundings:
    return Surroundings(tmp_path, photos, tower)


def test_without_a_home_folder_everything_works_that_is_told_where_its_library_is(here: Surroundings) -> None:
    settings = {"HOME": None, "WITHOUT_USER": "1", "XDG_CACHE_HOME": None, "XDG_DATA_HOME": None}
    for arguments in (["index", here.photos], ["query", here.photo], ["people", "group"], ["status"]):
        ran = here.run(*arguments, "--library", here.library, **settings)
        assert (ran.returncode, "a bug" in ran.stderr) == (0, False), ran.stderr
    sheet = here.run("people", "sheet", "--all", "--out", "all.html", "--library", here.library, **settings)
    assert sheet.returncode == 0, sheet.stderr
    named = here.run("status", FACESEARCH_LIBRARY=str(here.library), **settings)
    assert named.returncode == 0
    for asked in (here.run("status", **settings), here.run("status", FACESEARCH_LIBRARY="~/faces", **settings)):
        assert asked.returncode == 4
        assert asked.stderr == (
            "facesearch: this user has no home folder (HOME is not set): name the library's folder with --library, or "
            "in FACESEARCH_LIBRARY\n"
        )
    tilde = here.run("status", "--library=~/faces", **settings)
    assert (tilde.returncode, tilde.stderr) == (
        2,
        "facesearch: --library: there is no home folder ~: give the whole path\n",
    )
    assert sorted(entry.name for entry in here.folder.iterdir()) == ["all.html", "library"]


@pytest.mark.parametrize("form", ["--library=~/faces", "--library ~/faces"])
def test_a_tilde_in_an_option_is_the_home_folder(
    here: Surroundings, run: CommandLine, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    home = here.folder / "home"
    home.mkdir()
    monkeypatch.chdir(here.folder)
    monkeypatch.setenv("HOME", str(home))
    ran = run("index", here.photo, "--tower", here.tower, *form.split())
    assert ran.code == 0, ran.err
    with Library.open(home / "faces") as library:
        assert library.catalog.counts().photos == 1
    assert not (here.folder / "~").exists()
    nobody = run("status", "--library=~nobody-of-that-name/faces")
    assert nobody.code == 2
    assert "~nobody-of-that-name" in nobody.err
    monkeypatch.setenv("FACESEARCH_CACHE", "~/cache")
    assert run("status", "--library", "~/faces").code == 0


def test_a_name_that_begins_with_a_tilde_is_a_name(here: Surroundings, run: CommandLine) -> None:
    assert run("index", here.photo, "--library", here.library, "--tower", here.tower).code == 0
    assert "~root" in run("export", "--format=csv", "--person=~root", "--library", here.library).err


def test_without_a_working_directory(here: Surroundings) -> None:
    gone = here.folder / "gone"
    where = ["--library", here.library]
    for arguments in (["index", here.photos], ["query", here.photo], ["query", here.photo, "--faces"], ["status"]):
        gone.mkdir()
        ran = here.run(*arguments, *where, WITHOUT_FOLDER=str(gone))
        assert (ran.returncode, "a bug" in ran.stderr) == (0, False), ran.stderr
    for arguments in (["index", "photos"], ["forget", "photo.jpg", "--yes"], ["prune", "photos"]):
        gone.mkdir()
        ran = here.run(*arguments, *where, WITHOUT_FOLDER=str(gone))
        assert ran.returncode in {2, 3, 4}
        assert ran.stderr.count("\n") == 1 and "a bug" not in ran.stderr, ran.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are Linux's")
def test_under_a_limit_of_address_space_that_cannot_be_raised(here: Surroundings) -> None:
    ran = here.run("index", here.photos, "--library", here.library, shell="ulimit -v 2500000")
    assert ran.returncode == 0, ran.stderr
    assert "2 new" in ran.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_system_that_shuts_down_and_a_terminal_that_closes_lose_nothing_finished(
    here: Surroundings, number: signal.Signals
) -> None:
    photos = here.folder / "photos"
    photos.mkdir()
    for copy in range(400):
        (photos / f"{copy}.jpg").write_bytes(here.photo.read_bytes() + str(copy).encode())
    environment = {**os.environ, "FACESEARCH_TOWER": str(here.tower), "FACESEARCH_LIBRARY": str(here.library)}
    command = [sys.executable, "-c", PROGRAM, "--debug", "index", str(photos), "--workers", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    while process.poll() is None and not committed(here.library):
        time.sleep(0.05)
    process.send_signal(number)
    out, said = process.communicate(timeout=120)
    assert process.returncode == -number, said
    assert "interrupted; finished work is kept" in said
    with Library.open(here.library) as library:
        kept = library.catalog.counts().photos
    assert 0 < kept < 400, said
    assert f"photos   {kept:,} new" in out


def committed(library: Path) -> int:
    """How many photos are in a library that may not be there yet."""
    if not (library / "library.db").exists():
        return 0
    with Library.open(library) as opened:
        return opened.catalog.counts().photos


def test_nohup_is_obeyed(here: Surroundings) -> None:
    ran = here.run("index", here.photos, "--library", here.library, shell="trap '' HUP; (sleep 1; kill -HUP $$) & :")
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("seconds", [2**33, 14_000_000_000, -(2**33)])
def test_a_time_that_no_database_can_hold(here: Surroundings, run: CommandLine, seconds: int) -> None:
    photos = here.folder / "photos"
    photos.mkdir()
    for number, photo in enumerate(here.photos.rglob("*.jpg")):
        (photos / f"{number}.jpg").write_bytes(photo.read_bytes())
    os.utime(photos / "0.jpg", (seconds, seconds))
    if not -(2**63) < (photos / "0.jpg").stat().st_mtime_ns < 2**63 or abs(seconds) < 2**33:
        assert abs(photo_file(photos / "0.jpg").mtime_ns) == 2**63 - 1
    assert [found.path.name for found in walk([photos])] == ["0.jpg", "1.jpg"]
    index = ("index", photos, "--library", here.library, "--tower", here.tower)
    first = run(*index)
    assert first.code == 0, first.err
    assert "2 new" in first.out
    assert "2 unchanged" in run(*index).out
    os.utime(photos / "0.jpg", (1, 1))
    assert run(*index).code == 0


def test_the_default_library_is_known_without_a_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FACESEARCH_LIBRARY", str(tmp_path))
    monkeypatch.delenv("HOME", raising=False)
    assert default_library_path() == tmp_path
