"""Photos, files, faces and people in a real database."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facesearch.library.changes import FaceMove
from facesearch.library.rows.catalog import Catalog
from facesearch.library.rows.database import Database
from facesearch.library.rows.files import Files, WalkedPaths
from facesearch.library.rows.journal import Journal
from facesearch.library.rows.people import People
from facesearch.records import DetectedFace, EmbeddedFace, KnownFile, NewPhoto, PhotoFile

ODD_NAMES = [
    b"plain.jpg",
    "é ü.jpg".encode(),
    b"new\nline.jpg",
    "🙂.jpg".encode(),
    b"\xff\xfe not utf-8.jpg",
    b"back\\slash",
]


@pytest.fixture
def catalog(database: Database) -> Catalog:
    return Catalog(database)


@pytest.fixture
def files(database: Database) -> Files:
    return Files(database)


@pytest.fixture
def people(database: Database) -> People:
    return People(database)


def _face(seed: int) -> EmbeddedFace:
    random = np.random.default_rng(seed)
    box = np.array([1.5, 2.25, 30 + seed, 40], np.float32)
    landmarks = random.uniform(0, 40, (5, 2)).astype(np.float32)
    return EmbeddedFace(DetectedFace(box, landmarks, 0.97), random.normal(size=32).astype(np.float32))


def _photo(name: str, *seeds: int) -> NewPhoto:
    return NewPhoto(name, 640, 480, [_face(seed) for seed in seeds])


def _file(path: str | bytes, size_bytes: int = 10) -> PhotoFile:
    return PhotoFile(Path(os.fsdecode(path)), size_bytes, 1_700_000_000_123_456_789)


def test_embeddings_come_back_as_they_were(database: Database, catalog: Catalog) -> None:
    with database.transaction() as changes:
        catalog.add_photo(_photo("a", 1, 2))
        catalog.add_photo(_photo("b", 3))
    ids, embeddings = catalog.embeddings()
    assert ids.tolist() == [face_id for face_id, _ in changes.added] == [1, 2, 3]
    assert ids.dtype == np.int64
    assert embeddings.dtype == np.float32
    np.testing.assert_array_equal(embeddings, [_face(seed).embedding for seed in (1, 2, 3)])


def test_the_quality_of_a_face_comes_back_and_can_be_unknown(database: Database, catalog: Catalog) -> None:
    rated = replace(_face(1), quality=0.625)
    with database.transaction():
        catalog.add_photo(NewPhoto("a", 640, 480, [rated, _face(2)]))
    assert [face.quality for face in catalog.faces([1, 2]).values()] == [0.625, None]
    np.testing.assert_array_equal(catalog.qualities(), [0.625, np.nan])


def test_an_empty_catalog_has_no_embeddings(catalog: Catalog) -> None:
    ids, embeddings = catalog.embeddings()
    assert ids.shape == (0,)
    assert embeddings.shape == (0, 32)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_file_name_comes_back(database: Database, catalog: Catalog, files: Files, name: bytes) -> None:
    file = _file(b"/photos/" + name)
    with database.transaction():
        photo_id = catalog.add_photo(_photo("a"))
        files.put(file, photo_id)
    known = files.under([Path("/photos")])
    assert known == {b"/photos/" + name: KnownFile(1, 10, file.mtime_ns, photo_id, None, False)}
    assert catalog.photo_paths([photo_id])[photo_id].path == file.path


def test_files_under_a_folder_are_not_those_beside_it(database: Database, catalog: Catalog, files: Files) -> None:
    paths = [
        b"/photos",
        b"/photos/a.jpg",
        b"/photos/deep/er/b.jpg",
        b"/photos-2/c.jpg",
        b"/photo/d.jpg",
        b"/photos.jpg",
    ]
    with database.transaction():
        for path in paths:
            files.put(_file(path), None, "is no photo")
    assert set(files.under([Path("/photos")])) == set(paths[:3])
    assert set(files.under([Path("/photos/a.jpg")])) == {paths[1]}
    assert set(files.under([Path("/")])) == set(paths)
    assert set(files.under([Path("/photos/deep"), Path("/photo")])) == {paths[2], paths[4]}


def test_a_copied_photo_has_one_set_of_faces_and_two_paths(database: Database, catalog: Catalog, files: Files) -> None:
    with database.transaction():
        photo_id = catalog.add_photo(_photo("a", 1))
        files.put(_file("/b.jpg"), photo_id)
        files.put(_file("/a.jpg"), photo_id)
    assert catalog.counts().photos == 1
    assert catalog.counts().files == 2
    assert catalog.counts().faces == 1
    assert catalog.photo_paths([photo_id])[photo_id].path == Path("/a.jpg")
    with database.transaction():
        files.set_missing([known.file_id for known in files.under([Path("/a.jpg")]).values()], missing=True)
    path = catalog.photo_paths([photo_id])[photo_id]
    assert (path.path, path.missing) == (Path("/b.jpg"), False)


def test_an_edited_file_drops_its_former_faces_unless_another_file_shows_them(
    database: Database, catalog: Catalog, files: Files
) -> None:
    with database.transaction():
        old = catalog.add_photo(_photo("old", 1, 2))
        files.put(_file("/a.jpg"), old)
        files.put(_file("/copy.jpg"), old)
    with database.transaction() as changes:
        new = catalog.add_photo(_photo("new", 3))
        files.put(_file("/a.jpg", 11), new)
        assert catalog.drop_unshown() == 0
    assert changes.removed == []
    with database.transaction() as changes:
        files.put(_file("/copy.jpg", 11), new)
        assert catalog.drop_unshown() == 1
    assert changes.removed == [1, 2]
    assert catalog.photo_ids() == {"new": new}
    assert catalog.embeddings()[0].tolist() == [3]


def test_a_file_that_can_no_longer_be_read_keeps_its_reason_and_loses_its_faces(
    database: Database, catalog: Catalog, files: Files
) -> None:
    with database.transaction():
        files.put(_file("/a.jpg"), catalog.add_photo(_photo("a", 1)))
    with database.transaction():
        files.put(_file("/a.jpg", 5), None, "is cut off \udcff")
        catalog.drop_unshown()
    (known,) = files.under([Path("/a.jpg")]).values()
    assert known.photo_id is None
    assert known.reason is not None
    assert known.reason.startswith("is cut off")
    assert catalog.counts().faces == 0
    assert catalog.counts().files_failed == 1


def test_the_generation_rises_with_the_embeddings_only(database: Database, catalog: Catalog, files: Files) -> None:
    def generation_after(change: object) -> int:
        with database.transaction() as changes:
            change()  # type: ignore[operator]
        assert changes.generation == database.generation()
        return changes.generation

    assert generation_after(lambda: None) == 0
    assert generation_after(lambda: catalog.add_photo(_photo("no faces"))) == 0
    assert generation_after(lambda: files.put(_file("/a.jpg"), catalog.add_photo(_photo("a", 1)))) == 1
    assert generation_after(lambda: WalkedPaths(database, "roots").put([Path("/")])) == 1
    assert generation_after(lambda: files.put(_file("/a.jpg"), None, "gone bad")) == 1
    assert generation_after(catalog.drop_unshown) == 2


def test_an_interrupted_transaction_leaves_nothing(database: Database, catalog: Catalog) -> None:
    with pytest.raises(KeyboardInterrupt), database.transaction():
        catalog.add_photo(_photo("a", 1))
        raise KeyboardInterrupt
    assert catalog.counts().photos == 0
    assert database.generation() == 0


def test_faces_are_not_added_outside_a_transaction(catalog: Catalog) -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        catalog.add_photo(_photo("a", 1))


def test_face_ids_are_never_used_twice(database: Database, catalog: Catalog, files: Files) -> None:
    with database.transaction():
        files.put(_file("/a.jpg"), catalog.add_photo(_photo("a", 1)))
    with database.transaction():
        files.put(_file("/a.jpg"), None, "gone bad")
        catalog.drop_unshown()
    with database.transaction() as changes:
        catalog.add_photo(_photo("b", 2))
    assert [face_id for face_id, _ in changes.added] == [2]


def test_more_faces_than_a_query_has_variables(database: Database, catalog: Catalog) -> None:
    with database.transaction():
        for number in range(1200):
            catalog.add_photo(_photo(str(number), 7))
    faces = catalog.faces(range(1, 5000))
    assert list(faces) == list(range(1, 1201))
    np.testing.assert_array_equal(faces[1200].box, _face(7).face.box)


def test_a_label_never_takes_a_face_from_another_person(database: Database, catalog: Catalog, people: People) -> None:
    with database.transaction():
        catalog.add_photo(_photo("a", 1, 2))
        alice, bob = people.named("Alice"), people.named("Bob")
        assert people.label(alice, [1], "user") == 1
        assert people.label(bob, [1, 2], "folder") == 1
    faces = catalog.faces([1, 2])
    assert [faces[1].name, faces[2].name] == ["Alice", "Bob"]
    assert people.photo_counts([alice, bob]) == {alice: 1, bob: 1}
    lines = Journal(database).lines()
    assert [(line.action, dict(line.facts)) for line in lines] == [
        ("label", {"source": "user"}),
        ("label", {"source": "folder"}),
    ]
    assert [line.parts[0].moves for line in lines] == [
        (FaceMove((1,), None, (alice, "user")),),
        (FaceMove((2,), None, (bob, "folder")),),
    ]
    assert [line.parts[0].people[0].person_id for line in lines] == [alice, bob]  # their creation is listed too


def test_a_rejected_face_is_never_labelled_and_a_rejection_goes_with_its_face(
    database: Database, catalog: Catalog, people: People
) -> None:
    with database.transaction():
        catalog.add_photo(_photo("a", 1, 2))
        alice = people.named("Alice")
        with people.change("reject") as change:
            assert (change.reject(alice, [1, 2, 99]), change.reject(alice, [1])) == (2, 0)
        assert people.label(alice, [1], "folder") == 0
    assert people.rejections() == {(1, alice), (2, alice)}
    with database.transaction():
        catalog.drop_faces([1])
    assert people.rejected_from(alice) == {2}
    with database.transaction():
        people.delete([alice])
    assert people.rejections() == set()


def test_one_name_is_one_person_however_it_is_composed(database: Database, people: People) -> None:
    with database.transaction():
        composed = people.named(unicodedata.normalize("NFC", "Zoë"))
        assert people.named(unicodedata.normalize("NFD", "Zoë")) == composed
        assert people.named("Zoe") != composed
        assert people.named("bytes \udcff") == people.named("bytes \udcff")
        people.add()
    assert database.rows("SELECT count(*), count(name) FROM people") == [(4, 3)]
