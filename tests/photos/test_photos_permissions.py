"""Files and folders that may not be read. Root may read all, so under root these tests act as another user."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from facesearch.errors import PhotoError
from facesearch.photos import fingerprint, photo_file, read_photo, walk
from facesearch.records import SkippedFile

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
NOBODY = 65534
ADVICE = "cannot be opened (permission denied): give yourself permission to read it"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may enter (pytest's own are private), with the test running as an ordinary user."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for sub in ("locked", "open"):
            (folder / sub).mkdir()
            (folder / sub / "a.jpg").write_bytes(b"abc")
        folder.chmod(0o755)
        is_root = os.geteuid() == 0
        if is_root:
            try:
                os.seteuid(NOBODY)
            except OSError as error:
                pytest.skip(f"root that cannot become another user: {error}")
        try:
            if not os.access(folder, os.X_OK, effective_ids=True):
                pytest.skip(f"another user may not enter {folder.parent}: set TMPDIR to a folder open to all")
            yield folder
        finally:
            if is_root:
                os.seteuid(0)


def lock(path: Path) -> None:
    """Take every permission away, also when the test runs as a user who does not own the file."""
    user = os.geteuid()
    os.seteuid(os.getuid())
    path.chmod(0)
    os.seteuid(user)


def test_a_locked_folder_is_skipped_and_the_walk_goes_on(folder: Path) -> None:
    lock(folder / "locked")
    found = list(walk([folder]))
    assert [item.path for item in found] == [folder / "locked", folder / "open" / "a.jpg"]
    assert found[0] == SkippedFile(folder / "locked", f"folder {ADVICE}")


def test_a_path_inside_a_locked_folder_stops_the_walk_at_once(folder: Path) -> None:
    lock(folder / "locked")
    with pytest.raises(PhotoError) as caught:
        walk([folder / "locked" / "a.jpg"])
    assert caught.value.reason == ADVICE


def test_a_locked_file_is_listed_and_a_clear_error_when_read(folder: Path) -> None:
    path = folder / "open" / "a.jpg"
    lock(path)
    assert [item.path for item in walk([folder / "open"])] == [path]
    for read in (lambda: fingerprint(path), lambda: read_photo(photo_file(path))):
        with pytest.raises(PhotoError) as caught:
            read()
        assert caught.value.reason == ADVICE
