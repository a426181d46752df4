"""Files beside photos: which sidecar is whose, and replacing one without losing anything."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from support import sidecar_samples as samples
from support.ordinary_user import acting_as_ordinary_user

from facesearch.exchange import sidecars
from facesearch.exchange.sidecars import SidecarError, SidecarNames, read_sidecar, sidecar_path, write_sidecar

TEXT = samples.plain().encode()


@pytest.mark.parametrize(
    ("there", "photo", "short", "expected"),
    [
        ([], "IMG.jpg", False, "IMG.jpg.xmp"),
        ([], "IMG.jpg", True, "IMG.xmp"),
        (["IMG.xmp"], "IMG.jpg", False, "IMG.xmp"),  # what is there is merged, whatever the default
        (["IMG.jpg.xmp"], "IMG.jpg", True, "IMG.jpg.xmp"),
        (["IMG.xmp", "IMG.jpg.xmp"], "IMG.jpg", False, "IMG.jpg.xmp"),
        (["IMG.xmp", "IMG.jpg.xmp"], "IMG.jpg", True, "IMG.xmp"),
        (["IMG.JPG.XMP"], "IMG.JPG", False, "IMG.JPG.XMP"),
        (["img.XMP"], "IMG.jpg", False, "img.XMP"),
        (["IMG.cr2", "IMG.xmp"], "IMG.jpg", False, "IMG.jpg.xmp"),  # Adobe's belongs to the RAW photo
        (["IMG.jpg", "IMG.xmp"], "IMG.cr2", False, "IMG.xmp"),
        (["IMG.png", "IMG.xmp"], "IMG.jpg", False, "IMG.jpg.xmp"),  # of two photos nobody knows whose it is
        (["IMG.png"], "IMG.jpg", True, "IMG.jpg.xmp"),
        (["IMG.txt"], "IMG.jpg", True, "IMG.xmp"),
        (["a.b.xmp"], "a.b.jpg", False, "a.b.xmp"),
        (["IMG.jpg", "IMG.jpg.xmp"], "IMG.JPG", False, "IMG.JPG.xmp"),  # the other photo's, to the letter
        (["IMG.JPG", "IMG.jpg.xmp"], "IMG.jpg", False, "IMG.jpg.xmp"),
        (["IMG.JPG", "img.jpg.xmp"], "IMG.jpg", False, "IMG.jpg.xmp"),  # one of the two's, and nobody knows whose
        (["img.jpg", "IMG.xmp"], "IMG.jpg", False, "IMG.xmp"),
        (["IMG.jpg", "IMG.xmp"], "img.jpg", False, "img.jpg.xmp"),
        (["img.jpg"], "IMG.jpg", True, "IMG.jpg.xmp"),
        (["Zoe\u0308.jpg.xmp"], "Zo\xeb.jpg", False, "Zoe\u0308.jpg.xmp"),  # as macOS and rsync make of a name
        ([], "n" * 249 + ".jpg", False, "n" * 249 + ".xmp"),  # no file can be called IMG.jpg.xmp
        (["Zoe\u0308.jpg", "Zoe\u0308.jpg.xmp"], "Zo\xeb.jpg", False, "Zo\xeb.jpg.xmp"),
    ],
)
def test_which_sidecar_is_a_photos(tmp_path: Path, there: list[str], photo: str, short: bool, expected: str) -> None:
    for name in (*there, photo):
        (tmp_path / name).touch()
    assert sidecar_path(tmp_path / photo, SidecarNames(), short=short) == tmp_path / expected


def test_which_photo_is_a_sidecars(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.xmp", "b.jpg", "b.jpg.xmp", "c.cr2", "c.jpg", "c.xmp", "d.xmp", "e.png", "e.jpg", "e.xmp"):
        (tmp_path / name).touch()
    names = SidecarNames()
    found = {path.name: [photo.name for photo in names.photos_of(path)] for path in sorted(tmp_path.glob("*.xmp"))}
    assert found == {"a.xmp": ["a.jpg"], "b.jpg.xmp": ["b.jpg"], "c.xmp": ["c.cr2"], "d.xmp": [], "e.xmp": []}


def test_a_sidecar_is_never_of_two_photos(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.JPG", "a.jpg.xmp", "a.JPG.xmp", "A.JPG.XMP", "b.jpg", "b.JPG", "b.xmp", "c.jpg", "C.xmp"):
        (tmp_path / name).touch()
    names = SidecarNames()
    found = {path.name: [photo.name for photo in names.photos_of(path)] for path in tmp_path.glob("*.[xX]*")}
    assert found == {"a.jpg.xmp": ["a.jpg"], "a.JPG.xmp": ["a.JPG"], "A.JPG.XMP": [], "b.xmp": [], "C.xmp": ["c.jpg"]}
    assert [path.name for path in names.disputed(tmp_path / "b.JPG")] == ["b.xmp"]
    assert [path.name for path in names.disputed(tmp_path / "c.jpg")] == []


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    (tmp_path / "a.jpg").write_bytes(b"a photo")
    (tmp_path / "a.jpg").chmod(0o755)
    return tmp_path / "a.jpg"


def test_a_new_sidecar_may_be_read_by_whoever_reads_the_photo(photo: Path) -> None:
    path = photo.with_name("a.jpg.xmp")
    write_sidecar(read_sidecar(path), TEXT, photo)
    assert path.read_bytes() == TEXT
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    photo.chmod(0o400)
    path.unlink()
    write_sidecar(read_sidecar(path), TEXT, photo)
    assert stat.S_IMODE(path.stat().st_mode) == 0o400


def test_a_sidecar_keeps_its_mode_and_owner_and_a_link_stays_one(photo: Path, tmp_path: Path) -> None:
    path, elsewhere = photo.with_name("a.jpg.xmp"), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "real.xmp").write_bytes(TEXT)
    (elsewhere / "real.xmp").chmod(0o660)
    if os.geteuid() == 0:
        os.chown(elsewhere / "real.xmp", 1234, 1234)
    path.symlink_to(elsewhere / "real.xmp")
    write_sidecar(read_sidecar(path), TEXT + b"\n", photo)
    status = (elsewhere / "real.xmp").stat()
    assert path.is_symlink()
    assert path.read_bytes() == TEXT + b"\n"
    assert stat.S_IMODE(status.st_mode) == 0o660
    assert os.geteuid() != 0 or (status.st_uid, status.st_gid) == (1234, 1234)
    assert sorted(entry.name for entry in elsewhere.iterdir()) == ["real.xmp"]


@pytest.mark.parametrize("change", ["edited", "made", "removed"])
def test_what_another_program_wrote_meanwhile_is_not_overwritten(photo: Path, change: str) -> None:
    path = photo.with_name("a.jpg.xmp")
    if change != "made":
        path.write_bytes(TEXT)
    sidecar = read_sidecar(path)
    if change == "removed":
        path.unlink()
    else:
        path.write_bytes(b"theirs" + TEXT)
    with pytest.raises(SidecarError, match="was changed by another program"):
        write_sidecar(sidecar, b"ours", photo)
    assert path.exists() == (change != "removed")
    assert change == "removed" or path.read_bytes() == b"theirs" + TEXT
    assert [entry.name for entry in photo.parent.iterdir() if entry.name.endswith(".new")] == []


def test_numbers_and_times_of_files_prove_nothing(photo: Path) -> None:
    path = photo.with_name("a.jpg.xmp")
    path.write_bytes(TEXT)
    before = path.stat()
    sidecar = read_sidecar(path)
    changed = TEXT.replace(b" ", b"\t", 1)
    with path.open("r+b") as file:  # the same number and size
        file.write(changed)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(SidecarError, match="was changed by another program"):
        write_sidecar(sidecar, b"ours", photo)
    path.unlink()
    path.write_bytes(TEXT)  # another number and time
    write_sidecar(sidecar, b"ours", photo)
    assert path.read_bytes() == b"ours"


def test_a_full_disk_leaves_the_old_one(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = photo.with_name("a.jpg.xmp")
    path.write_bytes(TEXT)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("facesearch.exchange.replacing.os.fsync", full)
    with pytest.raises(SidecarError, match=r"cannot be written \(no space left on device\)"):
        write_sidecar(read_sidecar(path), b"ours", photo)
    assert path.read_bytes() == TEXT
    assert sorted(entry.name for entry in photo.parent.iterdir()) == ["a.jpg", "a.jpg.xmp"]


def test_write_protection_is_respected() -> None:
    with acting_as_ordinary_user() as folder:
        (folder / "a.jpg").touch()
        path = folder / "a.jpg.xmp"
        path.write_bytes(TEXT)
        path.chmod(0o444)
        with pytest.raises(SidecarError, match="is write-protected"):
            write_sidecar(read_sidecar(path), b"ours", folder / "a.jpg")
        path.chmod(0o644)
        assert path.read_bytes() == TEXT
        inner = folder / "inner"
        inner.mkdir()
        (inner / "a.jpg").touch()
        inner.chmod(0o555)
        with pytest.raises(SidecarError, match=r"cannot be written \(permission denied\)"):
            write_sidecar(read_sidecar(inner / "a.jpg.xmp"), b"ours", inner / "a.jpg")
        inner.chmod(0o755)


@pytest.mark.parametrize("name", ["folder", "pipe", "no xmp", "loop"])
def test_what_is_no_sidecar_is_said(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    elif name == "pipe":
        os.mkfifo(path)
    elif name == "loop":
        path.symlink_to(path)
    else:
        path.write_bytes(b"hello")
    with pytest.raises(SidecarError):
        read_sidecar(path)


def test_a_longest_name_can_be_written(tmp_path: Path) -> None:
    photo = tmp_path / ("ä" * 123 + ".jpg")  # 250 bytes; with .xmp 254 of the 255 that a name may have
    photo.touch()
    path = sidecar_path(photo, SidecarNames())
    write_sidecar(read_sidecar(path), TEXT, photo)
    assert path.read_bytes() == TEXT
    assert sidecars.SUFFIX == ".xmp"
