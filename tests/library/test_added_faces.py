"""Faces that were added to photos, with an embedding and without one: all readers of embeddings cope with both."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from support.people_library import ANN, everything
from support.tiles import MODELS, ColourTower, TileDetector, draw, embedding_of

from facesearch.errors import UsageError
from facesearch.library import Library, forget, verify
from facesearch.library.rows import schema
from facesearch.library.rows.added_faces import AddedFace
from facesearch.people import (
    find_suspects,
    group_people,
    list_people,
    name_faces,
    reject_faces,
    show_person,
    undo_change,
)
from facesearch.people.addressing import photo_at
from facesearch.query import ask, probe_photo
from facesearch.query.lookalikes import lookalikes
from facesearch.records import DetectedFace, EmbeddedFace, Floats
from facesearch.tuning.calibration.sample import named_sample
from facesearch.tuning.teaching.lessons import read_lessons

BOX = np.array([3, 4, 30, 33], np.float32)


def _add(library: Library, photo: Path, name: str | None, embedding: Floats | None = None) -> int:
    """A face on a photo, named as one change."""
    photo_id = photo_at(library, photo)
    assert photo_id is not None
    embedded = None
    if embedding is not None:
        face = DetectedFace(BOX, np.arange(10, dtype=np.float32).reshape(5, 2), 0.7)
        embedded = EmbeddedFace(face, embedding, 0.8)
    with library.changing(), library.people.change("add-face") as change:
        face_id = change.add_face(photo_id, AddedFace(BOX, "user", embedded))
        if name is not None:
            person = library.people.find(name)
            change.move([face_id], change.create(name) if person is None else person)
    return face_id


def test_a_face_without_an_embedding_is_listed_and_never_compared(library: Library, album: Path) -> None:
    vectors = len(library.vectors())
    face_id = _add(library, album / "Ann" / "0.png", "Dora")
    assert len(library.vectors()) == vectors == library.catalog.embedded_count() == library.catalog.face_count() - 1
    (face,) = library.catalog.faces([face_id]).values()
    assert (face.found_by, face.is_embedded, face.score, face.name) == ("user", False, 0, "Dora")
    dora = next(each for each in list_people(library).people if each.name == "Dora")
    assert (dora.faces, dora.cover_face_id) == (1, face_id)
    assert show_person(library, dora.person_id).faces[0].face_id == face_id
    assert find_suspects(library, None).people == 4
    assert face_id not in {face for group in group_people(library).people for face in group.face_ids}
    assert lookalikes(library, dora.person_id) == ()
    assert len(named_sample(library).people) == 12
    reject_faces(library, 1, [face_id])
    assert len(read_lessons(library).embeddings) == 13
    library.save_vectors()
    assert verify(library.path, MODELS).findings == ()


def test_an_added_face_with_an_embedding_is_found(library: Library, album: Path, tmp_path: Path) -> None:
    face_id = _add(library, album / "Ann" / "0.png", "Dora", embedding_of((1, 1, 1)))
    (found,) = ask(library, probe_photo(draw(tmp_path / "probe.png", (2, 2, 2)), TileDetector(), ColourTower())).faces
    assert (found.people[0].name, found.people[0].face_id) == ("Dora", face_id)


def test_a_named_person_on_the_photo_is_not_joined_by_another_face_of_it(library: Library, album: Path) -> None:
    """Face 12 of the group photo is Carl by its colour; somebody has drawn Carl elsewhere on that photo."""
    _add(library, album / "together.png", "Carl")
    joined = {face for person in group_people(library).people for face in person.face_ids}
    assert {10, 11} <= joined
    assert 12 not in joined


@pytest.mark.parametrize("embedding", [None, embedding_of(ANN)])
def test_adding_is_undone_and_done_again(library: Library, album: Path, embedding: Floats | None) -> None:
    before, photo = everything(library), album / "Bob" / "1.png"
    vectors = len(library.vectors())
    face_id = _add(library, photo, "Dora", embedding)
    after = everything(library)
    undone = undo_change(library)
    assert (everything(library), undone.gone) == (before, 0)
    assert not library.catalog.faces([face_id])
    assert len(library.vectors()) == vectors
    library.save_vectors()
    assert verify(library.path, MODELS).findings == ()
    undo_change(library, undone.change)
    assert everything(library) == after
    (face,) = library.catalog.faces([face_id]).values()
    np.testing.assert_array_equal(face.box, BOX)
    assert face.is_embedded == (embedding is not None)
    assert len(library.vectors()) == vectors + face.is_embedded
    library.save_vectors()
    assert verify(library.path, MODELS).findings == ()


def test_a_face_that_was_named_since_is_not_taken_out(library: Library, album: Path) -> None:
    face_id = _add(library, album / "Bob" / "1.png", None)
    added = library.journal.lines()[-1].line_id
    named = name_faces(library, [face_id], "Dora").change
    with pytest.raises(UsageError, match=f"because change {named}"):
        undo_change(library, added)


@pytest.mark.parametrize("undone", [False, True])
def test_forgetting_leaves_nothing_of_added_faces(library: Library, album: Path, undone: bool) -> None:
    embedding = np.random.default_rng(5).normal(size=32).astype(np.float32)
    _add(library, album / "Ann" / "0.png", "Dora", embedding)
    _add(library, album / "Ann" / "1.png", "Dora")
    if undone:
        undo_change(library)
        undo_change(library)
    path = library.path
    library.close()
    summary = forget(path, "Dora")
    assert (summary.faces, summary.people) == ((0, 1) if undone else (2, 1))
    for file in path.iterdir():
        content = file.read_bytes()
        assert embedding[:4].tobytes() not in content
        assert b"Dora" not in content


def test_what_refers_to_faces_survives_the_step_that_writes_their_table_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, every = tmp_path / "library.db", schema.MIGRATIONS
    monkeypatch.setattr(schema, "MIGRATIONS", every[:13])
    schema.create(path, {})
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO photos (sha256, width_px, height_px, added_at) VALUES ('a', 1, 1, '')")
        numbers = (bytes(16), bytes(40), bytes(128))
        columns = "photo_id, box, landmarks, score, embedding"
        for face_id in (1, 2, 9):
            connection.execute(f"INSERT INTO faces (id, {columns}) VALUES ({face_id}, 1, ?, ?, 1, ?)", numbers)
        connection.execute("DELETE FROM faces WHERE id = 9")
        connection.execute("INSERT INTO people (name, created_at, cover_face_id) VALUES ('Ann', '', 2)")
        connection.execute("INSERT INTO rejections (face_id, person_id) VALUES (1, 1)")
        connection.execute("INSERT INTO next_photos (photo_id, width_px, height_px) VALUES (1, 1, 1)")
        connection.execute(f"INSERT INTO next_faces (former_id, {columns}) VALUES (2, 1, ?, ?, 1, ?)", numbers)
    monkeypatch.setattr(schema, "MIGRATIONS", every)
    schema.migrate(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA foreign_keys = ON")
        assert connection.execute("SELECT cover_face_id FROM people").fetchall() == [(2,)]
        assert connection.execute("SELECT face_id, person_id FROM rejections").fetchall() == [(1, 1)]
        assert connection.execute("SELECT former_id, found_by FROM next_faces").fetchall() == [(2, "detector")]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        new = connection.execute(f"INSERT INTO faces ({columns}) VALUES (1, ?, ?, 1, ?)", numbers).lastrowid
        assert new == 10  # 9 was used
        connection.execute("DELETE FROM faces WHERE id = 1")
        assert connection.execute("SELECT * FROM rejections").fetchall() == []
