"""One file: its record, its fingerprint, and how its name is shown."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest

from facesearch.errors import PhotoError
from facesearch.photos import files, fingerprint, photo_file, shown_path
from facesearch.records import PhotoFile

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")


def test_fingerprint_is_the_sha256_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "abc.jpg"
    path.write_bytes(b"abc")  # the example of FIPS 180-4
    assert fingerprint(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    content = bytes(range(256)) * 5000
    path.write_bytes(content)
    assert fingerprint(path) == hashlib.sha256(content).hexdigest()


def test_photo_file_follows_links(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"abc")
    link = tmp_path / "link.jpg"
    link.symlink_to(path)
    assert photo_file(link) == PhotoFile(link, 3, path.stat().st_mtime_ns)


@pytest.mark.parametrize("look", [photo_file, fingerprint, files.read_file])
def test_missing_folder_and_pipe_are_clear_errors(tmp_path: Path, look: object) -> None:
    assert callable(look)
    with pytest.raises(PhotoError, match=r"gone\.jpg: does not exist: check the name"):
        look(tmp_path / "gone.jpg")
    folder = tmp_path / "x.jpg"
    folder.mkdir()
    with pytest.raises(PhotoError, match=r"x\.jpg: is a folder, not a photo's file: name a photo"):
        look(folder)
    with pytest.raises(PhotoError, match=r"null\\x00\.jpg: is not a name that a file can have"):
        look(tmp_path / "null\0.jpg")
    if sys.platform != "win32":
        os.mkfifo(tmp_path / "pipe.jpg")
        with pytest.raises(PhotoError, match="is a named pipe"):
            look(tmp_path / "pipe.jpg")


@posix_only
def test_a_pipe_that_takes_the_files_place_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jpg"
    os.mkfifo(path)
    monkeypatch.setattr(files, "photo_file", lambda path: None)  # as if it had been a file when it was looked at
    with pytest.raises(PhotoError, match="became a named pipe while it was opened"):
        files.read_file(path)


class GrowingFile:
    """A stream whose file gets longer while it is read, as when a camera's card is still being copied."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stream = path.open("rb")

    def __enter__(self) -> GrowingFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.stream.close()

    def fileno(self) -> int:
        return self.stream.fileno()

    def read(self, size: int) -> bytes:
        content = self.stream.read(size)
        with self.path.open("ab") as writer:
            writer.write(b"more")
        return content


def test_a_file_that_changes_while_it_is_read_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"abc")
    assert files.read_file(path) == (photo_file(path), b"abc")
    monkeypatch.setattr(files, "open_file", GrowingFile)
    with pytest.raises(PhotoError, match="changed while it was read: try again"):
        files.read_file(path)


def test_a_film_named_like_a_photo_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "film.jpg"
    with path.open("wb") as stream:
        stream.truncate(3 << 30)  # sparse: takes no space
    with pytest.raises(PhotoError, match=r"has 3\.2 GB; the largest file that is read as a photo has 1\.1 GB"):
        files.read_file(path)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("é ü 日本.jpg", "é ü 日本.jpg"),
        ("🎂.jpg", "🎂.jpg"),
        ("two\nlines\t.jpg", "two\\nlines\\t.jpg"),
        ("\x1b[31mred.jpg", "\\x1b[31mred.jpg"),
        ("right\u202eleft.jpg", "right\\u202eleft.jpg"),
        (os.fsdecode(b"caf\xe9.jpg"), "caf\\xe9.jpg"),
    ],
)
def test_names_are_shown_on_one_printable_line(name: str, shown: str) -> None:
    assert shown_path(Path(name)) == shown
    assert shown_path(Path(name)).encode("utf-8").decode() == shown
