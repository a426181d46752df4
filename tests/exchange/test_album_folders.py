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
    monkeypatch.setattr(shutil, "copyfile", refuse(errno.ENOSPC))
    with pytest.raises(UsageError, match=r"0001 a.jpg cannot be written: No space left on device; choose another"):
        make_album(photos, tmp_path / "album", copy=True)


def test_a_photo_that_is_gone_or_on_a_damaged_disk_is_left_out_of_copies(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos[0].unlink()
    made = make_album(photos, tmp_path / "album", copy=True)
    assert (made.photos, made.skipped) == (1, (photos[0],))
    assert [path.name for path in (tmp_path / "album").iterdir()] == ["0002 b.jpg"]
    monkeypatch.setattr(shutil, "copyfile", refuse(errno.EIO))
    made = make_album(photos, tmp_path / "other", copy=True)
    assert (made.photos, list((tmp_path / "other").iterdir())) == (0, [])


def test_names_that_are_too_long_with_a_number_before_them_are_cut(tmp_path: Path) -> None:
    photos = [tmp_path / name for name in ("\u00e9" * 125 + "a.jpg", "n" * 251 + ".JPE")]
    for path in photos:
        path.write_bytes(b"a photo")
    for copy in (False, True):
        assert make_album(photos, tmp_path / f"album {copy}", copy=copy).photos == 2
        made = sorted((tmp_path / f"album {copy}").iterdir())
        assert [path.name for path in made] == ["0001 " + "\u00e9" * 67 + ".jpg", "0002 " + "n" * 134 + ".JPE"]
        assert [path.read_bytes() for path in made] == [b"a photo"] * 2


@pytest.mark.parametrize("copy", [False, True])
def test_characters_that_the_folder_refuses_are_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copy: bool
) -> None:
    """As on a drive of exFAT."""
    photo = tmp_path / "at 12:30?\n.jpg"
    photo.write_bytes(b"a photo")
    link, copyfile = Path.symlink_to, shutil.copyfile

    def checked(place: Path) -> Path:
        if set(place.name) & set(":?\n"):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(place))
        return place

    monkeypatch.setattr(Path, "symlink_to", lambda place, target: link(checked(place), target))
    monkeypatch.setattr(shutil, "copyfile", lambda source, place: copyfile(source, checked(place)))
    make_album([photo], tmp_path / "album", copy=copy)
    assert [path.name for path in (tmp_path / "album").iterdir()] == ["0001 at 12_30__.jpg"]


def test_copies_are_made_where_no_modes_are_kept(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "copystat", refuse(errno.EPERM))
    assert make_album(photos, tmp_path / "album", copy=True).photos == 2


def test_nothing_is_left_of_a_copy_that_is_cut_short(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_short(source: Path, place: Path) -> None:
        place.write_bytes(source.read_bytes()[:3])
        if source == photos[1]:
            raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copyfile", cut_short)
    with pytest.raises(KeyboardInterrupt):
        make_album(photos, tmp_path / "album", copy=True)
    assert [path.name for path in (tmp_path / "album").iterdir()] == ["0001 a.jpg"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes")
def test_a_pipe_in_the_place_of_a_photo_is_left_out_and_not_waited_for(photos: list[Path], tmp_path: Path) -> None:
    photos[0].unlink()
    os.mkfifo(photos[0])
    made = make_album(photos, tmp_path / "album", copy=True)
    assert (made.photos, made.skipped) == (1, (photos[0],))
