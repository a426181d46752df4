"""The cache of compiled networks: what is not used leaves, what is in use stays, and there is a limit to all of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from facesearch.vision.network_cache import MOST_BYTES, keep, make_room, mapped, network_sizes, other_bytes

DAY_S = 86_400


def blob(folder: Path, number: int, *, days_ago: float, size: int = 10) -> Path:
    """A file of the cache, which takes no room on the disk, last used so many days ago."""
    path = folder / f"{number:032x}.blob"
    with path.open("wb") as file:
        file.truncate(size)
    used = time.time() - days_ago * DAY_S
    os.utime(path, (used, used))
    return path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_nobody_used_for_a_month_leaves_and_nothing_of_anybody_else(tmp_path: Path) -> None:
    old, new = blob(tmp_path, 1, days_ago=31), blob(tmp_path, 2, days_ago=29)
    others = [tmp_path / name for name in ("film.part", "tmpabcdefgh.part.txt", "mine.blob", "notes.txt")]
    for path in (*others, tmp_path / "tmp_0bcdef8.part"):
        path.write_bytes(b"12345")
        os.utime(path, (0, 0))
    young = tmp_path / "tmpyoung_12.part"
    young.write_bytes(b"12345")
    (tmp_path / "crops").mkdir()
    (tmp_path / "crops" / "crops.npy").write_bytes(b"1234567")
    make_room(tmp_path)
    assert not old.exists()
    assert new.exists() and young.exists() and all(path.exists() for path in others)
    assert "tmp_0bcdef8.part" not in names(tmp_path)
    assert network_sizes(tmp_path) == [10]
    assert other_bytes(tmp_path) == 7 + 5 * len([*others, young])


def test_the_least_recently_used_leave_where_there_are_too_many(tmp_path: Path) -> None:
    third = MOST_BYTES // 3
    files = {days: blob(tmp_path, days, days_ago=days, size=third) for days in (5, 1, 9, 3)}
    small = blob(tmp_path, 20, days_ago=20, size=1)
    make_room(tmp_path)
    assert {days for days, path in files.items() if path.exists()} == {1, 3, 5}
    assert small.exists()  # it fits in what is left


def test_keeping_a_network_makes_room_for_it(tmp_path: Path) -> None:
    blob(tmp_path, 1, days_ago=2, size=MOST_BYTES - 5)
    old = blob(tmp_path, 2, days_ago=400)
    keep(tmp_path / f"{3:032x}.blob", b"network")
    assert not old.exists()
    assert network_sizes(tmp_path) == [7]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows deletes no file that is mapped")
def test_a_network_in_use_by_another_process_stays_until_that_ends(tmp_path: Path) -> None:
    used = blob(tmp_path, 1, days_ago=0.5, size=100)
    program = (
        "import sys, pathlib; from facesearch.vision.network_cache import mapped\n"
        "data = mapped(pathlib.Path(sys.argv[1])); print(len(data), flush=True); sys.stdin.read(1)"
    )
    command = [sys.executable, "-c", program, str(used)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "100\n"
        os.utime(used, (0, 0))
        make_room(tmp_path)
        assert used.exists()
        process.stdin.write("x")
    make_room(tmp_path)
    assert not used.exists()


def test_a_use_is_noted_once_a_day_and_makes_room(tmp_path: Path) -> None:
    today, used, old = (blob(tmp_path, number, days_ago=days) for number, days in ((1, 0.5), (2, 20), (3, 40)))
    before = today.stat().st_mtime_ns
    assert mapped(today) is not None
    assert today.stat().st_mtime_ns == before
    assert old.exists()
    data = mapped(used)
    assert time.time() - used.stat().st_mtime < DAY_S
    assert not old.exists()
    np.testing.assert_array_equal(data, np.zeros(10))


def test_a_file_that_cannot_be_deleted_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, where another process has mapped it."""
    old = blob(tmp_path, 1, days_ago=31)

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Access is denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    make_room(tmp_path)
    assert old.exists()


def test_a_folder_that_is_gone_is_no_error(tmp_path: Path) -> None:
    make_room(tmp_path / "gone")
    assert (network_sizes(tmp_path / "gone"), other_bytes(tmp_path / "gone")) == ([], 0)
    assert mapped(tmp_path / "gone" / f"{1:032x}.blob") is None
