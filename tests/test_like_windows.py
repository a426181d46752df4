"""What Windows does otherwise, shown by stand-ins: nothing here was run on Windows."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path, PureWindowsPath
from types import ModuleType
from typing import Any, cast

import numpy as np
import pytest
from support.documents import ROOT
from support.tiles import MODELS, ColourTower, TileDetector, draw
from support.windows_files import refuse_open_files

from facesearch.cli import streams
from facesearch.demo import write_album
from facesearch.errors import LibraryError, LibraryLockedError, PhotoError
from facesearch.exchange import listed_photos, make_album
from facesearch.indexing import index_photos
from facesearch.indexing.whereabouts import is_within
from facesearch.library import DATABASE_NAME, Library, forget, private, verify
from facesearch.library.care.strays import stray_problems
from facesearch.library.index.vector_file import INDEX_NAME
from facesearch.library.lock import WriterLock
from facesearch.library.place import PICTURES_NAME
from facesearch.library.rows import schema
from facesearch.library.rows.database import Database
from facesearch.library.rows.files import Files
from facesearch.paths import address, is_in_bucket, stored_path
from facesearch.photos import photo_file
from facesearch.photos.decoding.worker import DecodingWorker
from facesearch.records import PhotoFile
from facesearch.vision.detector.detector import load_detector
from facesearch.vision.faces.face_worker import SeeingWorker
from facesearch_train.data.crops import one_builder

WITH_ROWS = ("api", "indexing", "library", "people")  # rooms that read and write paths in rows


@pytest.fixture
def library(tmp_path: Path) -> Path:
    draw(tmp_path / "photos" / "1.png", (200, 0, 0))
    with Library.create(tmp_path / "library", MODELS) as library:
        index_photos(library, [tmp_path / "photos"], TileDetector(), ColourTower())
    return tmp_path / "library"


def test_a_folder_of_windows_holds_the_files_below_it(tmp_path: Path) -> None:
    schema.create(tmp_path / DATABASE_NAME, {})
    database = Database(schema.connect(tmp_path / DATABASE_NAME, writable=True))
    files = Files(database)
    inside, outside = (PureWindowsPath(f"C:\\{folder}\\Ann\\1.jpg") for folder in ("photos", "photos2"))
    for path in (inside, outside):
        files.put(PhotoFile(cast(Path, path), 10, 1), None, "is no photo")
    assert list(files.under([cast(Path, PureWindowsPath("C:\\photos"))])) == [b"C:/photos/Ann/1.jpg"]
    assert len(files.under([cast(Path, PureWindowsPath("C:\\"))])) == 2
    assert is_within(stored_path(inside), stored_path(PureWindowsPath("C:\\photos")))
    assert PureWindowsPath(os.fsdecode(stored_path(inside))) == inside
    database.close()


def test_rows_get_paths_by_stored_path_alone() -> None:
    modules = [path for room in WITH_ROWS for path in (ROOT / "facesearch" / room).rglob("*.py")]
    assert any("stored_path(" in path.read_text(encoding="utf-8") for path in modules)
    assert [path for path in modules if "os.fsencode" in path.read_text(encoding="utf-8")] == []


def test_an_object_in_a_bucket_is_known_by_a_path_of_windows() -> None:
    path = PureWindowsPath("s3://archive/1999/one.jpg")
    assert str(path) == "s3:\\archive\\1999\\one.jpg"
    assert is_in_bucket(path) and is_in_bucket(stored_path(path))
    assert address(path) == "s3://archive/1999/one.jpg"
    assert address(PureWindowsPath("C:\\photos\\1.jpg")) == "C:\\photos\\1.jpg"
    assert not is_in_bucket(PureWindowsPath("C:\\photos\\s3"))


@pytest.mark.parametrize("times", [0, 3])
def test_a_file_that_somebody_has_open_is_replaced_when_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    new, old, left, pauses = tmp_path / "new", tmp_path / "old", [times], list[float]()
    new.write_text("new")
    old.write_text("old")
    replace = Path.replace

    def refusing(path: Path, target: Path) -> Path:
        if left[0]:
            left[0] -= 1
            raise PermissionError(13, "Access is denied")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", refusing)
    monkeypatch.setattr(private.time, "sleep", pauses.append)
    with monkeypatch.context() as windows:
        windows.setattr(sys, "platform", "win32")
        private.rename_over(new, old)
    assert (old.read_text(), new.exists(), len(pauses)) == ("new", False, times)


def test_a_file_that_stays_open_is_an_error_and_elsewhere_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def refusing(path: Path, target: Path) -> Path:
        raise PermissionError(13, "Access is denied")

    monkeypatch.setattr(Path, "replace", refusing)
    monkeypatch.setattr(private.time, "sleep", pauses.append)
    with pytest.raises(PermissionError):
        private.rename_over(tmp_path / "new", tmp_path / "old")
    assert pauses == []
    with monkeypatch.context() as windows, pytest.raises(PermissionError):
        windows.setattr(sys, "platform", "win32")
        private.rename_over(tmp_path / "new", tmp_path / "old")
    assert 1 < sum(pauses) < 3


def test_permissions_that_windows_makes_up_are_no_finding(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (library / DATABASE_NAME).chmod(0o666)
    library.chmod(0o777)
    assert len(list(stray_problems(library))) == 2
    with monkeypatch.context() as windows:
        windows.setattr(sys, "platform", "win32")
        assert list(stray_problems(library)) == []


def test_pictures_that_a_page_has_open_are_said_and_deleted_later(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (library / PICTURES_NAME).write_bytes(b"pictures of faces")
    unlink = Path.unlink

    def refusing(path: Path, missing_ok: bool = False) -> None:
        if path.name == PICTURES_NAME:
            raise PermissionError(13, "The process cannot access the file")
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as windows:
        windows.setattr(Path, "unlink", refusing)
        with pytest.raises(LibraryError, match=r"stop facesearch serve, and run facesearch verify --repair"):
            forget(library, None)
        assert (library / PICTURES_NAME).exists()
    assert verify(library, MODELS, repair=True).sound
    assert not (library / PICTURES_NAME).exists()


def test_faces_are_found_in_the_process_itself_where_no_other_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photo,) = write_album(tmp_path, 1, 1, seed=3, groups=0).directory.rglob("*.jpg")
    (tmp_path / "damaged.jpg").write_bytes(photo.read_bytes()[:400])
    detector = load_detector()
    with SeeingWorker(detector) as worker:
        apart = worker.see(photo_file(photo))

    def refusing(worker: DecodingWorker) -> None:
        raise OSError(1, "Windows has no limits for it")

    monkeypatch.setattr(DecodingWorker, "_started", refusing)
    with SeeingWorker(detector) as worker:
        here = worker.see(photo_file(photo))
        with pytest.raises(PhotoError, match=r"damaged\.jpg: is cut off"):
            worker.see(photo_file(tmp_path / "damaged.jpg"))
        assert worker.process_id is None
    assert (here.file, here.sha256, here.size_px, here.taken) == (apart.file, apart.sha256, apart.size_px, apart.taken)
    assert len(here.faces) == len(apart.faces) == 1
    np.testing.assert_allclose(here.faces[0].face.box, apart.faces[0].face.box, atol=0.01)


def test_an_album_gets_names_that_windows_can_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = tmp_path / 'at 12:30 "in" <Rome>?.jpg'
    photo.write_bytes(b"a photo")
    with monkeypatch.context() as windows:
        windows.setattr(listed_photos.sys, "platform", "win32")
        make_album([photo], tmp_path / "album", copy=True)
    assert [path.name for path in (tmp_path / "album").iterdir()] == ["0001 at 12_30 _in_ _Rome__.jpg"]


def test_the_console_of_windows_gets_text_and_not_bytes(capfd: pytest.CaptureFixture[str]) -> None:
    """Bytes would be shown in the console's code page."""

    class Console(io.RawIOBase):
        """As _io._WindowsConsoleIO: a raw stream of UTF-8 that is no FileIO."""

        def writable(self) -> bool:
            return True

        def fileno(self) -> int:
            return 1

        def write(self, content: Any, /) -> int:
            written.append(bytes(content))
            return len(content)

    written: list[bytes] = []
    stream = io.TextIOWrapper(io.BufferedWriter(Console()), "utf-8")
    prepared = streams._prepared(stream, streams._Results, 1)
    assert prepared is stream and prepared.errors == "backslashreplace"
    print("Zoë \udcff", file=prepared, flush=True)
    assert b"".join(written) == "Zoë \\udcff\n".encode()
    assert capfd.readouterr().out == ""


class LocksOfWindows(ModuleType):
    """Stands for msvcrt: fails with the given error numbers, one a call, and then locks."""

    LK_LOCK, LK_NBLCK = 1, 2

    def __init__(self, *errors: int) -> None:
        super().__init__("msvcrt")
        self.errors, self.asked = list(errors), list[int]()

    def locking(self, descriptor: int, mode: int, length: int) -> None:
        os.fstat(descriptor)  # an open file
        self.asked.append(mode)
        if self.errors:
            number = self.errors.pop(0)
            raise OSError(number, os.strerror(number))


@pytest.mark.parametrize("building", [False, True])
def test_a_lock_is_waited_for_longer_than_windows_does_and_one_that_cannot_be_had_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, building: bool
) -> None:
    def hold(*errors: int) -> list[int]:
        locks = LocksOfWindows(*errors)
        with monkeypatch.context() as windows:
            windows.setitem(sys.modules, "msvcrt", locks)
            windows.setattr(sys, "platform", "win32")
            with one_builder(tmp_path / "crops") if building else WriterLock(tmp_path / "lock", wait=True):
                return locks.asked

    asks = 3 if building else 4  # the library's lock asks once without waiting, to say who has it
    assert len(hold(*([] if building else [errno.EACCES]), errno.EDEADLK, errno.EDEADLK)) == asks
    with pytest.raises(OSError if building else LibraryError, match=r"Invalid argument"):
        hold(errno.EINVAL)


def test_a_library_that_another_process_writes_to_is_said_on_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "msvcrt", LocksOfWindows(errno.EACCES))
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(LibraryLockedError, match=r"is being written by"):
        WriterLock(tmp_path / "lock")


def test_a_library_is_written_where_no_open_file_can_be_renamed(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = draw(tmp_path / "photos" / "2.png", (0, 200, 0))
    with monkeypatch.context() as windows:
        asked = refuse_open_files(windows)
        windows.setitem(sys.modules, "msvcrt", LocksOfWindows())
        windows.setattr(sys, "platform", "win32")
        with Library.open(library, MODELS, writable=True) as opened:
            index_photos(opened, [tmp_path / "photos"], TileDetector(), ColourTower())
        with Library.open(library, MODELS) as reading:
            assert len(reading.vectors()) == 2
            (library / INDEX_NAME).write_bytes(b"damaged")
        assert verify(library, MODELS, repair=True).sound
        forget(library, str(photo))
        forget(library, None)
    assert library / f"{INDEX_NAME}.new" in asked
    with Library.open(library, MODELS) as reading:
        assert len(reading.vectors()) == 0
