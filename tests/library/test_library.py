"""A library folder: private, with one writer and many readers, of one tower and detector, and never in the way of a
damaged file of vectors."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.ordinary_user import acting_as_ordinary_user

from facesearch.errors import LibraryError, LibraryLockedError, TowerError
from facesearch.library import Library, default_library_path, is_library, verify
from facesearch.library.index.vectors import DESCRIPTION_NAME, INDEX_NAME
from facesearch.library.rows import schema
from facesearch.records import DetectedFace, EmbeddedFace, Models, NewPhoto, PhotoFile

MODELS = Models(detector="detector-1", tower="a" * 64, tower_name="first", threshold=1.0)


def _embedding(seed: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.random.default_rng(seed).normal(size=32).astype(np.float32)


def _add_photo(library: Library, seed: int) -> None:
    face = DetectedFace(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 1.0)
    with library.changing():
        photo_id = library.catalog.add_photo(NewPhoto(f"{seed:064}", 8, 8, [EmbeddedFace(face, _embedding(seed))]))
        library.files.put(PhotoFile(Path(f"/photos/{seed}.jpg"), 1, 1), photo_id)


@pytest.fixture
def twenty_faces(tmp_path: Path) -> Path:
    """A library of 20 faces, closed, with its vectors saved. Face ids are 1 to 20, with the embeddings of 0 to 19."""
    path = tmp_path / "data" / "library"
    with Library.create(path, MODELS) as library:
        for seed in range(20):
            _add_photo(library, seed)
        library.save_vectors()
    return path


def _nearest(path: Path, seed: int) -> int:
    with Library.open(path) as library:
        return library.vectors().search(_embedding(seed), 1)[0].face_id


def test_folder_and_files_are_private_under_a_loose_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = tmp_path / "library"
        with Library.create(path, MODELS) as library:
            _add_photo(library, 1)
            library.save_vectors()
            modes = {entry.name: entry.stat().st_mode & 0o777 for entry in path.iterdir()}
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o700
    assert set(modes) == {"library.db", "library.db-wal", "library.db-shm", "lock", INDEX_NAME, DESCRIPTION_NAME}
    assert set(modes.values()) == {0o600}


def test_open_or_create_opens_what_it_created(tmp_path: Path) -> None:
    path = tmp_path / "library"
    with Library.open_or_create(path, MODELS) as library:
        _add_photo(library, 1)
        first = library.library_id
    with Library.open_or_create(path, MODELS) as library:
        assert library.library_id == first
        assert library.catalog.face_count() == 1
    with pytest.raises(LibraryError, match="already"):
        Library.create(path, MODELS)


def test_a_folder_with_anything_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(LibraryError, match=re.escape("other files (holiday.jpg)")):
        Library.open_or_create(tmp_path, MODELS)
    assert [entry.name for entry in tmp_path.iterdir()] == ["holiday.jpg"]
    with pytest.raises(LibraryError, match=r"holiday\.jpg: Not a directory"):
        Library.create(tmp_path / "holiday.jpg", MODELS)


def test_what_a_killed_creation_left_is_no_obstacle(tmp_path: Path) -> None:
    for name in ("lock", "library.db.new", "library.db.new-wal"):
        (tmp_path / name).write_bytes(b"half")
    with Library.open_or_create(tmp_path, MODELS) as library:
        assert library.status().faces == 0


def test_a_library_whose_database_was_deleted_is_begun_anew(twenty_faces: Path, tmp_path: Path) -> None:
    """Also with the log of the deleted one beside, as a killed writer leaves it: it must not be replayed."""
    with Library.open(twenty_faces, writable=True) as library:
        _add_photo(library, 20)
        log = (twenty_faces / "library.db-wal").read_bytes()
    assert log
    (twenty_faces / "library.db").unlink()
    (twenty_faces / "library.db-wal").write_bytes(log)
    with Library.open_or_create(twenty_faces, MODELS) as library:
        assert library.status().faces == len(library.vectors()) == 0
        _add_photo(library, 30)
        library.save_vectors()
    assert _nearest(twenty_faces, 30) == 1
    assert verify(twenty_faces, MODELS).findings == ()


def test_a_missing_library_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match=r"no library in .*; index"):
        Library.open(tmp_path / "nowhere")


def test_a_damaged_database_is_an_error(twenty_faces: Path) -> None:
    (twenty_faces / "library.db").write_bytes(b"\0" * 4096)
    with pytest.raises(LibraryError, match=re.escape(str(twenty_faces))):
        Library.open(twenty_faces)


def test_a_library_from_the_future_is_refused(twenty_faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, lambda db: None))
    Library.open(twenty_faces, writable=True).close()
    monkeypatch.undo()
    with pytest.raises(LibraryError, match="update facesearch"):
        Library.open(twenty_faces)


def test_a_reader_migrates_an_older_library_and_keeps_a_copy(
    twenty_faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    current = len(schema.MIGRATIONS)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, lambda db: None))
    assert _nearest(twenty_faces, 3) == 4
    assert (twenty_faces / f"library.db.version-{current}.backup").stat().st_mode & 0o777 == 0o600
    assert schema.version(twenty_faces / "library.db") == current + 1


def test_another_tower_is_refused_and_for_writing_another_detector(twenty_faces: Path) -> None:
    with pytest.raises(TowerError, match=r"first \(aaaaaaaaaaaa\), not with second"):
        Library.open(twenty_faces, dataclasses.replace(MODELS, tower="b" * 64, tower_name="second"))
    with pytest.raises(LibraryError, match="detector-1, not with detector-2"):
        Library.open(twenty_faces, dataclasses.replace(MODELS, detector="detector-2"), writable=True)
    with Library.open(twenty_faces, dataclasses.replace(MODELS, detector="detector-2")) as library:
        assert library.models == MODELS
    with Library.open(twenty_faces, MODELS, writable=True) as library:  # the refusal above let go of the lock
        assert library.models == MODELS


def test_a_second_writer_is_told_who_holds_the_lock(twenty_faces: Path) -> None:
    with Library.open(twenty_faces, writable=True):
        with pytest.raises(LibraryLockedError, match=rf"process {os.getpid()} since \d{{4}}-\d\d-\d\dT"):
            Library.open(twenty_faces, writable=True)
        assert _nearest(twenty_faces, 5) == 6  # a reader is not in the way, and nobody is in its way
    Library.open(twenty_faces, writable=True).close()


HOLDER = """
import sys, time
from pathlib import Path
from facesearch.library import Library
with Library.open(Path(sys.argv[1]), writable=True):
    print("held", flush=True)
    time.sleep(60)
"""


def test_another_process_holds_the_lock_until_it_dies(twenty_faces: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, twenty_faces], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LibraryLockedError, match=f"process {holder.pid} "):
            Library.open(twenty_faces, writable=True)
        holder.send_signal(signal.SIGKILL)
    with Library.open(twenty_faces, writable=True) as library:
        _add_photo(library, 20)
    assert _nearest(twenty_faces, 20) == 21


def test_a_reader_changes_no_byte_in_the_folder(twenty_faces: Path) -> None:
    def content() -> dict[str, tuple[bytes, int]]:
        return {entry.name: (entry.read_bytes(), entry.stat().st_mtime_ns) for entry in twenty_faces.iterdir()}

    (twenty_faces / INDEX_NAME).write_bytes(b"garbage")  # even when it has to rebuild
    before = content()
    with Library.open(twenty_faces) as library:
        library.vectors().search(_embedding(3), 5)
        library.status()
        with pytest.raises(LibraryError, match="reading only"), library.changing():
            pass
        with pytest.raises(LibraryError, match="reading only"):
            library.save_vectors()
    assert content() == before


def test_a_read_only_library_answers_and_refuses_writers(twenty_faces: Path) -> None:
    _nearest(twenty_faces, 0)  # imports what another user may not be able to
    with acting_as_ordinary_user() as folder:
        copy = folder / "library"
        with Library.create(copy, MODELS) as library:
            _add_photo(library, 7)
            library.save_vectors()
        for entry in copy.iterdir():
            entry.chmod(0o400)
        copy.chmod(0o500)
        assert _nearest(copy, 7) == 1
        with Library.open(copy) as library:
            assert (library.status().faces, library.status().vectors) == (1, "current")
        with pytest.raises(LibraryError, match=r"cannot write to the library.*see that the folder can be written"):
            Library.open(copy, writable=True)
        copy.chmod(0o700)


@pytest.mark.parametrize("name", ["lock", "faces.faiss"])
def test_a_folder_with_the_name_of_a_librarys_file_is_to_be_moved(twenty_faces: Path, name: str) -> None:
    (twenty_faces / name).unlink(missing_ok=True)
    (twenty_faces / name).mkdir()
    with pytest.raises(LibraryError, match=rf"cannot write .*{name}: Is a directory; move that folder elsewhere"):
        verify(twenty_faces, MODELS, repair=True)
    (twenty_faces / name).rmdir()
    verify(twenty_faces, MODELS, repair=True)
    assert _nearest(twenty_faces, 7) == 8


def test_a_read_only_library_that_was_left_in_the_middle_of_writing_is_refused(twenty_faces: Path) -> None:
    with acting_as_ordinary_user() as folder:
        copy = folder / "library"
        with Library.create(copy, MODELS) as library:
            _add_photo(library, 7)
            crashed = {entry.name: entry.read_bytes() for entry in copy.iterdir()}
        for name, content in crashed.items():
            (copy / name).write_bytes(content)
        copy.chmod(0o500)
        with pytest.raises(LibraryError, match="make the folder writable once"):
            Library.open(copy)
        copy.chmod(0o700)
        assert _nearest(copy, 7) == 1


@pytest.mark.parametrize("name", [INDEX_NAME, DESCRIPTION_NAME])
@pytest.mark.parametrize("damage", ["gone", "garbage", "truncated"])
def test_a_damaged_file_of_vectors_is_rebuilt_with_the_same_answers(twenty_faces: Path, name: str, damage: str) -> None:
    file = twenty_faces / name
    data = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(b"garbage" if damage == "garbage" else data[: len(data) // 2])
    assert [_nearest(twenty_faces, seed) for seed in range(20)] == list(range(1, 21))
    with Library.open(twenty_faces) as library:
        assert library.status().vectors.startswith("to be rebuilt")
    with Library.open(twenty_faces, writable=True) as library:
        library.vectors()
        assert library.status().vectors == "current"


def test_vectors_that_were_not_saved_are_found_all_the_same(twenty_faces: Path) -> None:
    with Library.open(twenty_faces, writable=True) as library:
        library.vectors()
        _add_photo(library, 20)
        assert library.vectors().search(_embedding(20), 1)[0].face_id == 21
    assert _nearest(twenty_faces, 20) == 21


def test_the_vectors_of_another_library_are_not_believed(twenty_faces: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with Library.create(other, MODELS) as library:
        for seed in range(100, 120):  # as many faces, as many generations
            _add_photo(library, seed)
        library.save_vectors()
    for name in (INDEX_NAME, DESCRIPTION_NAME):
        (twenty_faces / name).write_bytes((other / name).read_bytes())
    assert [_nearest(twenty_faces, seed) for seed in range(20)] == list(range(1, 21))


def test_vectors_in_memory_follow_what_is_removed(twenty_faces: Path) -> None:
    with Library.open(twenty_faces, writable=True) as library:
        assert len(library.vectors()) == 20
        with library.changing():
            library.files.put(PhotoFile(Path("/photos/3.jpg"), 2, 2), None, "is cut off")
            library.catalog.drop_unshown()
        assert len(library.vectors()) == 19
        assert library.vectors().search(_embedding(3), 1)[0].face_id != 4
        library.save_vectors()
        assert library.status().vectors == "current"


def test_status_counts_what_is_there(twenty_faces: Path) -> None:
    with Library.open(twenty_faces, writable=True) as library, library.changing():
        library.people.label(library.people.named("Alice"), [1, 2], "user")
        library.people.add()
        library.files.put(PhotoFile(Path("/photos/bad.jpg"), 1, 1), None, "is empty")
    with Library.open(twenty_faces) as library:
        status = library.status()
    assert (status.photos, status.files, status.files_failed, status.files_missing) == (20, 21, 1, 0)
    assert (status.faces, status.people, status.people_named, status.generation) == (20, 2, 1, 20)
    assert (status.tower_name, status.threshold, status.detector) == ("first", 1.0, "detector-1")
    assert status.size_bytes == sum(entry.stat().st_size for entry in twenty_faces.iterdir())
    assert status.path == str(twenty_faces)


def test_where_the_library_lies_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FACESEARCH_LIBRARY", str(tmp_path))
    assert default_library_path() == tmp_path
    monkeypatch.delenv("FACESEARCH_LIBRARY")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert default_library_path() == tmp_path / "facesearch" / "library"
    assert not is_library(default_library_path())
