"""An album of links or copies, where the folder cannot hold them."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from facesearch.errors import UsageError
from facesearch.exchange import make_album


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    found = [tmp_path / name for name in ("a.jpg", "b.jpg")]
    for path in found:
        path.write_bytes(b"a photo")
    return found


def refuse(number: int) -> object:
    """What raises the error of that number as the system does for two names."""

    def raise_it(*names: object) -> None:
        raise OSError(number, os.strerror(number), str(names[0]), None, str(names[1]))

    return raise_it


def test_where_no_link_can_be_made_it_says_so_and_what_helps(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drive formatted as exFAT, or Windows without the right to make links."""
    monkeypatch.setattr(Path, "symlink_to", refuse(errno.EPERM))
    with pytest.raises(UsageError, match=r"0001 a.jpg cannot be made a link: .*; choose another folder, or add --copy"):
        make_album(photos, tmp_path / "album")


def test_a_full_disk_is_no_photo_that_cannot_be_read(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "copy2", refuse(errno.ENOSPC))
    with pytest.raises(UsageError, match=r"0001 a.jpg cannot be written: No space left on device; choose another"):
        make_album(photos, tmp_path / "album", copy=True)


def test_a_photo_that_is_gone_or_on_a_damaged_disk_is_left_out_of_copies(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos[0].unlink()
    made = make_album(photos, tmp_path / "album", copy=True)
    assert (made.photos, made.skipped) == (1, (photos[0],))
    assert [path.name for path in (tmp_path / "album").iterdir()] == ["0002 b.jpg"]
    monkeypatch.setattr(shutil, "copy2", refuse(errno.EIO))
    made = make_album(photos, tmp_path / "other", copy=True)
    assert (made.photos, list((tmp_path / "other").iterdir())) == (0, [])
