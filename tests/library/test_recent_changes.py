"""A large file of vectors serves on while a few faces come and go: it is searched with them, and not written again."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from support.clustered_vectors import scattered

from facesearch.library import DATABASE_NAME, Library, recent_changes, verify
from facesearch.library.index import overlay, partitions, vector_file
from facesearch.library.index.vectors import INDEX_NAME
from facesearch.library.recent_changes import FaceChanges, RecentChanges, net
from facesearch.library.rows.added_faces import AddedFace
from facesearch.records import DetectedFace, EmbeddedFace, Floats, Models, NewPhoto, PhotoFile

MODELS = Models("detector-1", "ab" * 32, "tower", 0.5)
FACES = 400


def add(library: Library, name: str, faces: Floats) -> None:
    face = DetectedFace(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 1.0)
    with library.changing():
        photo = NewPhoto(name, 100, 100, [EmbeddedFace(face, embedding) for embedding in faces])
        library.files.put(PhotoFile(Path(f"/{name}.jpg"), 1, 1), library.catalog.add_photo(photo))


def drop(library: Library, name: str) -> None:
    with library.changing():
        library.catalog.drop_photos([library.catalog.photo_ids()[name]])


@pytest.fixture(params=["exact", "partitions"])
def ten_photos(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A library whose file of vectors counts as large: ten photos, "0" to "9"."""
    monkeypatch.setattr(overlay, "FROM_FACES", 100)
    monkeypatch.setattr(vector_file, "_LARGE_BYTES", 1000)
    monkeypatch.setattr("facesearch.library.index.vectors.MOST_FACES", 0)
    monkeypatch.setattr(partitions, "PARTITIONS_FROM_FACES", 100 if request.param == "partitions" else 10_000)
    with Library.create(tmp_path / "library", MODELS) as library:
        for number in range(10):
            add(library, str(number), scattered(FACES // 10, number))
        library.train_vectors()
        library.save_vectors(finish_training=True)
    yield tmp_path / "library"


def file_of(path: Path) -> tuple[int, int]:
    """Another value once the file of vectors is written again."""
    found = (path / INDEX_NAME).stat()
    return found.st_ino, found.st_mtime_ns


def answers_by_the_rows(library: Library) -> bool:
    """Whether searches, for few and for all faces, give what the rows give."""
    ids, rows = library.catalog.embeddings()
    vectors = library.vectors()
    assert len(vectors) == len(ids) == library.catalog.embedded_count() == library.catalog.face_count()
    for probe in (scattered(1, 3)[0], scattered(1, 50)[0] + np.float32(0.01)):
        distances = np.sqrt(((rows.astype(np.float64) - probe) ** 2).sum(axis=1))
        order = np.argsort(distances, kind="stable")
        for count in (1, len(ids)):
            found = vectors.search(probe, count)
            if [each.face_id for each in found] != ids[order[:count]].tolist():
                return False
            np.testing.assert_allclose([each.distance for each in found], distances[order[:count]], atol=1e-5)
    return True


def test_faces_come_and_go_beside_the_file(ten_photos: Path) -> None:
    before = file_of(ten_photos)
    for name, gone in (("a", "3"), ("b", "a"), ("c", "5")):
        with Library.open(ten_photos, writable=True) as library:
            add(library, name, scattered(5, 50))
            assert answers_by_the_rows(library)
            drop(library, gone)
            assert answers_by_the_rows(library)
            library.save_vectors()
        assert file_of(ten_photos) == before
        with Library.open(ten_photos) as reader:
            assert reader.status().vectors == "current"
            assert answers_by_the_rows(reader)
        assert verify(ten_photos, MODELS).sound


def test_many_changes_are_written(ten_photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay, "MOST_FACES", 50)
    monkeypatch.setattr(recent_changes, "MOST_FACES", 50)
    before = file_of(ten_photos)
    with Library.open(ten_photos, writable=True) as library:
        add(library, "a", scattered(45, 50))
        library.save_vectors()
        assert file_of(ten_photos) == before
        add(library, "b", scattered(45, 51))
        library.save_vectors()
        assert file_of(ten_photos) != before
        assert answers_by_the_rows(library)
    with Library.open(ten_photos) as reader:
        assert reader.status().vectors == "current"
        assert answers_by_the_rows(reader)


def test_what_a_killed_run_left_unsaved_is_found_beside_the_file(ten_photos: Path) -> None:
    with Library.open(ten_photos, writable=True) as library:
        library.vectors()
        add(library, "a", scattered(5, 50))
        drop(library, "1")
    with Library.open(ten_photos) as reader:  # nobody has saved vectors
        assert reader.status().vectors == "current"
        assert answers_by_the_rows(reader)


def test_a_file_of_another_future_is_not_taken_for_the_librarys(ten_photos: Path, tmp_path: Path) -> None:
    """A restored backup goes on with the numbers that the lost days have used."""
    shutil.copytree(ten_photos, tmp_path / "backup")
    with Library.open(ten_photos, writable=True) as library:
        add(library, "lost", scattered(5, 50))
        library.vectors()._changing()
        library.save_vectors()
    lost = ten_photos / INDEX_NAME, ten_photos / "faces.json"
    for file in lost:
        shutil.copy2(file, tmp_path / "backup")
    restored = tmp_path / "backup"
    with Library.open(restored, writable=True) as library:
        add(library, "new", scattered(5, 60))  # as many, with the same number of the generation
    with Library.open(restored, writable=True) as library:
        assert "another state" in library.status().vectors
        assert answers_by_the_rows(library)
        add(library, "newer", scattered(5, 61))
        library.save_vectors()
    with Library.open(restored) as reader:
        assert reader.status().vectors == "current"
        assert answers_by_the_rows(reader)


def test_only_verify_reads_all_of_a_large_file_that_looks_as_it_was_written(ten_photos: Path) -> None:
    file = ten_photos / INDEX_NAME
    before = file.stat()
    data = bytearray(file.read_bytes())
    data[-8 * FACES - 100] ^= 4
    file.write_bytes(data)
    with Library.open(ten_photos) as reader:
        assert "checksum" in reader.status().vectors
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # as if the disk itself had done it
    with Library.open(ten_photos) as reader:
        assert reader.status().vectors == "current"
    report = verify(ten_photos, MODELS)
    assert [finding.area for finding in report.findings] == ["vectors"]
    assert verify(ten_photos, MODELS, repair=True).sound
    assert verify(ten_photos, MODELS).findings == ()


def test_a_wrong_number_of_faces_is_found_and_counted_again(ten_photos: Path) -> None:
    with closing(sqlite3.connect(ten_photos / DATABASE_NAME)) as rows, rows:
        rows.execute("DELETE FROM faces WHERE photo_id = 5")
        rows.execute("UPDATE photos SET face_count = 0 WHERE id = 5")
    report = verify(ten_photos, MODELS)
    assert any("counts 400 faces, and the library has 360" in finding.problem for finding in report.findings)
    assert verify(ten_photos, MODELS, repair=True).sound
    with Library.open(ten_photos) as reader:
        assert reader.status().vectors == "current"
        assert answers_by_the_rows(reader)


def test_faces_without_an_embedding_are_not_counted(ten_photos: Path) -> None:
    with Library.open(ten_photos, writable=True) as library:
        with library.changing():
            drawn = library.added.add(1, AddedFace(np.zeros(4, np.float32), "user", None))
        assert library.catalog.embedded_count() == FACES
        with library.changing():
            library.added.remove([drawn])
            library.catalog.drop_faces([1, 2])
        assert library.catalog.embedded_count() == FACES - 2
        assert answers_by_the_rows(library)


def test_the_last_transactions_are_remembered_up_to_a_number_of_faces() -> None:
    recent = RecentChanges(7, 100, "start", ())
    assert recent.since(7) == ()
    assert recent.since(6) is None
    marks = ["start"]
    for number in range(20):
        recent = recent.after([], range(100 * number, 100 * number + 100), remapped=False)
        marks.append(recent.mark)
    assert (recent.generation, recent.faces, len(set(marks))) == (27, 2100, 21)
    assert recent == RecentChanges.read(recent.text(), 27)
    assert RecentChanges.read(recent.text(), 26) is None
    assert RecentChanges.read("{}", 27) is None
    later = recent.since(17)
    assert later is not None
    assert [change.before for change in later] == marks[10:20]
    assert recent.since(16) is None  # 1,024 faces in all
    assert recent.after([3], [], remapped=True).changes == ()


def test_faces_that_come_and_go_in_one_transaction_do_not_count() -> None:
    recent = RecentChanges(1, 10, "", ()).after([1, 2], [2, 3], remapped=False)
    assert (recent.faces, recent.changes) == (10, (FaceChanges(2, "", [1], [3]),))


def test_the_net_of_changes_follows_their_order() -> None:
    changes = (FaceChanges(1, "", [1, 2], [8, 9]), FaceChanges(2, "", [8, 3], [1]), FaceChanges(3, "", [9], [8]))
    assert net(changes) == ({1, 2, 3}, {1, 8})
