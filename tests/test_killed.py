"""However a run ends, nothing finished is lost, nothing half-done is visible: kill -9, power cuts, full and read-only
disks."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.tiles import MODELS, ColourTower, TileDetector, draw

from facesearch.errors import LibraryError
from facesearch.indexing import IndexOptions, index_photos
from facesearch.library import Library, verify
from facesearch.library.index.vectors import DESCRIPTION_NAME, INDEX_NAME

SCRIPTS = Path(__file__).parents[1] / "scripts"
PHOTOS = 24


def test_kill_9_at_random_moments() -> None:
    """A slice of the hundreds; the script checks everything after each kill, and fails otherwise."""
    command = [sys.executable, SCRIPTS / "kill_index.py", "--kills", "12", "--a-phase", "6", "--photos", "30"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert ran.returncode == 0, ran.stderr
    said = (
        r"12 kills survived, at \d+ different numbers of committed photos, .*; "
        r"[1-9]\d* faces were added and [1-9]\d* people hidden"
    )
    assert re.match(said, ran.stdout)


@pytest.fixture(scope="module")
def killed_album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read it only."""
    album = tmp_path_factory.mktemp("killed") / "album"
    for number in range(PHOTOS):
        draw(album / f"{number:02}.png", (number, 9, 9), (9, number, 9))
    return album


def _index(library: Library, album: Path) -> None:
    index_photos(library, [album], TileDetector(), ColourTower(), IndexOptions(batch_faces=4, save_every_s=0))


def _assert_sound(path: Path) -> int:
    """Whole photos only, and searches as brute force over the rows; returns how many photos there are."""
    with Library.open(path, MODELS) as library:
        status = library.status()
        assert status.faces == 2 * status.photos
        ids, embeddings = library.catalog.embeddings()
        vectors = library.vectors()
        assert len(vectors) == len(ids)
        for probe in np.random.default_rng(0).uniform(0, 0.2, (3, 32)).astype(np.float32):
            found = vectors.search(probe, len(ids))
            distances = np.sqrt(((embeddings - probe) ** 2).sum(axis=1))
            assert sorted(neighbour.face_id for neighbour in found) == ids.tolist()
            np.testing.assert_allclose([one.distance for one in found], np.sort(distances), atol=1e-5)
        return status.photos


def _assert_ends_whole(path: Path, album: Path) -> None:
    with Library.open(path, MODELS, writable=True) as library:
        _index(library, album)
    assert _assert_sound(path) == PHOTOS
    assert verify(path, MODELS, repair=True).sound


# Power cuts


@pytest.fixture(scope="module")
def states(killed_album: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Copies of one library's folder, as it lies on the disk after each part of the album. Read them only."""
    folder, copies = tmp_path_factory.mktemp("states"), []
    with Library.create(folder / "library", MODELS) as library:
        for count in (0, 6, 12, PHOTOS):
            photos = sorted(killed_album.iterdir())[:count]
            index_photos(library, photos, TileDetector(), ColourTower(), IndexOptions(batch_faces=4))
            copies.append(Path(shutil.copytree(folder / "library", folder / f"state {count}")))
    return copies


@pytest.mark.parametrize("index_of", range(4))
@pytest.mark.parametrize("description_of", range(4))
def test_rows_and_vectors_of_any_two_moments(
    states: list[Path], killed_album: Path, tmp_path: Path, index_of: int, description_of: int
) -> None:
    """A power cut between the commit and either file of the vectors, or one that took back what came later."""
    path = Path(shutil.copytree(states[2], tmp_path / "cut"))
    for name, state in ((INDEX_NAME, index_of), (DESCRIPTION_NAME, description_of)):
        (path / name).unlink(missing_ok=True)
        if (states[state] / name).exists():
            shutil.copy(states[state] / name, path / name)
    assert _assert_sound(path) == 12
    _assert_ends_whole(path, killed_album)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_torn_file_of_vectors(states: list[Path], killed_album: Path, tmp_path: Path, share: float) -> None:
    path = Path(shutil.copytree(states[2], tmp_path / "torn"))
    file = path / INDEX_NAME
    data = file.read_bytes()
    kept = int(len(data) * share)
    file.write_bytes(data[:kept] + bytes(len(data) - kept))  # the length is there, the content is not yet
    (path / f"{DESCRIPTION_NAME}.new").write_bytes(b"{")
    assert _assert_sound(path) == 12
    _assert_ends_whole(path, killed_album)


def test_a_log_that_was_cut_off_anywhere_gives_whole_batches(
    states: list[Path], killed_album: Path, tmp_path: Path
) -> None:
    """What SQLite had synced before a power cut is there; of what it had not, nothing is half there."""
    log = (states[3] / "library.db-wal").read_bytes()
    photos = []
    for number, length in enumerate(np.linspace(0, len(log), 40).astype(int).tolist()):
        path = Path(shutil.copytree(states[3], tmp_path / f"cut {number}"))
        (path / "library.db-shm").unlink()
        (path / "library.db-wal").write_bytes(log[:length])
        photos.append(_assert_sound(path))
    assert photos == sorted(photos)
    assert len(set(photos)) > 4
    assert photos[-1] == PHOTOS
    _assert_ends_whole(tmp_path / "cut 20", killed_album)


# Full and read-only disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with 768 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=768k", "none", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("may not mount a disk here: needs root and CAP_SYS_ADMIN")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def _remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


def test_a_disk_that_fills_is_an_error_and_reading_goes_on(small_disk: Path, tmp_path: Path) -> None:
    many = tmp_path / "many"
    for number in range(40):
        draw(many / f"{number:02}.png", *[(number, other, 9) for other in range(60)])
    path = small_disk / "library"
    with Library.create(path, MODELS) as library, pytest.raises(LibraryError, match="free disk space"):
        _index(library, many)
    (small_disk / "rest").write_bytes(b"")
    with (small_disk / "rest").open("ab", buffering=0) as rest, pytest.raises(OSError, match="No space"):
        while True:
            rest.write(bytes(1024))
    with Library.open(path, MODELS) as library:  # full to the last byte
        photos = library.status().photos
        assert 0 < photos < 40
        assert library.status().faces == 60 * photos == len(library.vectors())
    with pytest.raises(LibraryError), Library.open(path, MODELS, writable=True) as library:
        _index(library, many)
    with pytest.raises(LibraryError):
        Library.create(small_disk / "another", MODELS)
    (small_disk / "rest").unlink()
    _remount(small_disk, "size=8m")
    with Library.open(path, MODELS, writable=True) as library:
        _index(library, many)
        assert (library.status().photos, library.status().faces) == (40, 2400)
    assert verify(path, MODELS, repair=True).sound
    assert verify(path, MODELS).findings == ()


def test_a_read_only_disk_answers_and_refuses_writers(small_disk: Path, killed_album: Path) -> None:
    _remount(small_disk, "size=4m")
    path = small_disk / "library"
    with Library.create(path, MODELS) as library:
        _index(library, killed_album)
    _remount(small_disk, "ro")
    assert _assert_sound(path) == PHOTOS
    assert verify(path, MODELS).sound
    with pytest.raises(LibraryError, match=r"cannot write to the library in .*: Read-only file system"):
        Library.open(path, MODELS, writable=True)
    _remount(small_disk, "rw")
