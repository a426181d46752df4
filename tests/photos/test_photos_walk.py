"""The folder walk: what it lists, in which order, what it skips and why."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from pathlib import Path

import pytest

from facesearch.errors import PhotoError
from facesearch.photos import PHOTO_SUFFIXES, Walk, walk
from facesearch.records import PhotoFile, SkippedFile

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"any bytes: the walk opens nothing")
    return path


def listed(*paths: Path) -> list[Path]:
    """Paths of the photos found; a skipped file fails the test."""
    found = list(walk(paths))
    assert all(isinstance(item, PhotoFile) for item in found), found
    return [item.path for item in found]


def skipped(*paths: Path) -> list[SkippedFile]:
    return [item for item in walk(paths) if isinstance(item, SkippedFile)]


def test_files_by_name_then_folders_by_name(tmp_path: Path) -> None:
    names = ["b.jpg", "a.PNG", "z/1.heic", "c/deep/2.webp", "c/x.tiff", "a/3.jpeg"]
    for name in names:
        touch(tmp_path / name)
    in_order = ["a.PNG", "b.jpg", "a/3.jpeg", "c/x.tiff", "c/deep/2.webp", "z/1.heic"]
    assert listed(tmp_path) == [tmp_path / name for name in in_order]


def test_given_paths_keep_their_order(tmp_path: Path) -> None:
    first, second = touch(tmp_path / "z" / "1.jpg"), touch(tmp_path / "a" / "2.jpg")
    assert listed(tmp_path / "z", tmp_path / "a") == [first, second]


def test_size_and_time_of_change(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"12345")
    os.utime(path, ns=(1, 1_700_000_000_123_456_789))
    assert list(walk([path])) == [PhotoFile(path, 5, path.stat().st_mtime_ns)]


def test_other_files_are_counted_and_not_listed(tmp_path: Path) -> None:
    photo = touch(tmp_path / "a.jpg")
    for name in ("notes.txt", "song.mp3", "sub/no_suffix", "sub/jpg"):
        touch(tmp_path / name)
    found = walk([tmp_path])
    assert isinstance(found, Walk)
    assert [item.path for item in found] == [photo]
    assert found.other_files == 4


def test_a_file_given_by_name_needs_no_photo_suffix(tmp_path: Path) -> None:
    path = touch(tmp_path / "scan.0001")
    assert listed(path) == [path]


def test_hidden_files_and_folders_are_passed_over_unless_given(tmp_path: Path) -> None:
    seen = touch(tmp_path / "a.jpg")
    hidden = touch(tmp_path / ".thumbnails" / "b.jpg")
    touch(tmp_path / "._a.jpg")
    assert listed(tmp_path) == [seen]
    assert listed(hidden.parent) == [hidden]


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "jpe", "jfif", "png", "webp", "gif", "tif", "tiff", "bmp", "heic",
                                    "HEIF", "hif", "avif", "ppm", "pgm", "jp2"])  # fmt: skip
def test_photo_suffixes_in_any_case(tmp_path: Path, suffix: str) -> None:
    assert listed(tmp_path, touch(tmp_path / f"photo.{suffix}")) == [tmp_path / f"photo.{suffix}"]
    assert all(known == known.lower() for known in PHOTO_SUFFIXES)


@pytest.mark.parametrize(
    "name", ["é.jpg", "e\u0301.jpg", "a b .jpg", "line\nbreak.jpg", "👩‍👧 🎂.jpg", "-rf.jpg", "'\"$x.jpg"]
)
@posix_only
def test_names_that_people_give(tmp_path: Path, name: str) -> None:
    path = touch(tmp_path / "Ünïcode\n📷" / name)
    assert listed(tmp_path) == [path]


@posix_only
def test_names_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.jpg")
    try:
        path.touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert [os.fsencode(path) for path in listed(tmp_path)] == [os.fsencode(tmp_path) + b"/caf\xe9.jpg"]


@pytest.mark.parametrize("given", ["missing.jpg", "missing", "line\nbreak.jpg", "null\0character.jpg", "a.jpg/below"])
def test_a_given_path_that_is_not_there_stops_the_walk_at_once(tmp_path: Path, given: str) -> None:
    photo = touch(tmp_path / "a.jpg")
    with pytest.raises(PhotoError) as caught:
        walk([photo, tmp_path / given])
    assert "\n" not in str(caught.value)
    assert caught.value.reason.startswith(("does not exist", "is not a name", "cannot be read (not a directory)"))


def test_one_file_by_two_ways_is_listed_once(tmp_path: Path) -> None:
    photo = touch(tmp_path / "sub" / "a.jpg")
    assert listed(tmp_path, photo, tmp_path / "sub", tmp_path / "sub" / ".." / "sub" / "a.jpg") == [photo]
    assert listed(photo, tmp_path) == [photo]


def test_hard_links_are_one_photo(tmp_path: Path) -> None:
    photo = touch(tmp_path / "a.jpg")
    os.link(photo, tmp_path / "b.jpg")
    assert listed(tmp_path) == [photo]


@posix_only
def test_links_are_followed_once_and_real_names_come_first(tmp_path: Path) -> None:
    real = touch(tmp_path / "real" / "a.jpg")
    outside = touch(tmp_path / "elsewhere" / "b.jpg")
    album = tmp_path / "real"
    (album / "0_first_by_name.jpg").symlink_to(real)
    (album / "loop").symlink_to(album)
    (album / "more").symlink_to(tmp_path / "elsewhere")
    (album / "more_again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(album)
    assert listed(album) == [real, album / "more" / "b.jpg"]
    assert listed(tmp_path) == [outside, real]


@posix_only
def test_a_link_to_nothing_is_skipped_with_the_reason(tmp_path: Path) -> None:
    photo = touch(tmp_path / "b.jpg")
    (tmp_path / "a.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "turning.jpg").symlink_to(tmp_path / "turning.jpg")
    (tmp_path / "no_photo").symlink_to(tmp_path / "gone")
    found = list(walk([tmp_path]))
    reason = "is a link that leads nowhere"
    assert found == [
        PhotoFile(photo, photo.stat().st_size, photo.stat().st_mtime_ns),
        SkippedFile(tmp_path / "a.jpg", reason),
        SkippedFile(tmp_path / "turning.jpg", reason),
    ]


@posix_only
def test_pipes_sockets_and_devices_are_skipped_and_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = touch(tmp_path / "photo.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")  # opening it would wait for a writer forever
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null.png").symlink_to("/dev/null")
    monkeypatch.chdir(tmp_path)  # the name of a socket has to be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.jpg")
        found = walk([tmp_path])
        reasons = {item.path.name: item.reason for item in found if isinstance(item, SkippedFile)}
    assert reasons == {
        "pipe.jpg": "is a named pipe, not a photo's file",
        "socket.jpg": "is a socket, not a photo's file",
        "null.png": "is a device, not a photo's file",
    }
    assert found.other_files == 1
    assert listed(photo) == [photo]


@posix_only
def test_a_given_pipe_is_skipped_with_the_reason(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert skipped(tmp_path / "pipe") == [SkippedFile(tmp_path / "pipe", "is a named pipe, not a photo's file")]


def test_a_folder_with_a_photo_suffix_is_a_folder(tmp_path: Path) -> None:
    photo = touch(tmp_path / "holiday.jpg" / "a.jpg")
    assert listed(tmp_path) == [photo]


def test_a_folder_that_vanishes_is_skipped_and_the_walk_goes_on(tmp_path: Path) -> None:
    """What the walk meets when a drive is pulled out."""
    touch(tmp_path / "a.jpg")
    vanishing, after = touch(tmp_path / "b" / "b.jpg"), touch(tmp_path / "c" / "c.jpg")
    found = walk([tmp_path])
    next(found)
    vanishing.unlink()
    vanishing.parent.rmdir()
    rest = list(found)
    assert [item.path for item in rest] == [vanishing.parent, after]
    assert isinstance(rest[0], SkippedFile)
    assert rest[0].reason.startswith("folder does not exist")


def test_folders_nested_deeper_than_python_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    deep = Path(*["d"] * 400)
    deep.mkdir(parents=True)
    photo = touch(deep / "a.jpg")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(300)
    try:
        assert [item.path for item in walk([Path("d")])] == [photo]
    finally:
        sys.setrecursionlimit(limit)


def test_a_link_to_a_folder_on_another_device_is_a_drive(tmp_path: Path) -> None:
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev or not os.access(elsewhere, os.W_OK):
        pytest.skip("no other device that anybody may write to")
    with tempfile.TemporaryDirectory(dir=elsewhere) as folder:
        touch(Path(folder) / "deep" / "a.jpg")
        touch(tmp_path / "here" / "b.jpg")
        (tmp_path / "link").symlink_to(folder)
        (tmp_path / "near").symlink_to(tmp_path / "here")
        walking = walk([tmp_path])
        assert [item.path.name for item in walking] == ["b.jpg", "a.jpg"]
    assert walking.drives == [tmp_path / "link"]


def test_numbers_that_repeat_hide_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on union and FUSE file systems, which give many folders and files one inode number."""
    names = ["a.jpg", "b.jpg", "one/c.jpg", "one/two/d.jpg", "three/e.jpg"]
    for name in names:
        touch(tmp_path / "album" / name)
    (tmp_path / "album" / "one" / "up").symlink_to(tmp_path / "album")
    (tmp_path / "album" / "z.jpg").symlink_to(tmp_path / "album" / "a.jpg")
    usual = Path.stat

    def stat(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        found = usual(path, follow_symlinks=follow_symlinks)
        values = [*found][:10]
        values[1] = 7  # st_ino
        return os.stat_result(values, {"st_mtime_ns": found.st_mtime_ns})

    monkeypatch.setattr(Path, "stat", stat)
    assert (tmp_path / "album" / "one").stat().st_ino == (tmp_path / "album" / "three").stat().st_ino
    assert listed(tmp_path / "album") == [tmp_path / "album" / name for name in names]
    assert listed(tmp_path / "album", tmp_path / "album" / "one") == [tmp_path / "album" / name for name in names]


def test_a_circle_of_links_through_given_folders_ends(tmp_path: Path) -> None:
    for name in ("a/1.jpg", "b/2.jpg"):
        touch(tmp_path / name)
    (tmp_path / "a" / "to-b").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "to-a").symlink_to(tmp_path / "a")
    (tmp_path / "to-a").symlink_to(tmp_path / "a")
    assert listed(tmp_path / "to-a") == [tmp_path / "to-a" / "1.jpg", tmp_path / "to-a" / "to-b" / "2.jpg"]
