"""A small library's file is searched without FAISS: the same faces in the same order, and no other file is taken."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from facesearch.library.index import vectors as store_vectors
from facesearch.library.index.flat import FlatSearch, flat_search
from facesearch.library.index.vectors import Stamp, Vectors

FACES = 3000


def people(count: int, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(count, 32))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def file_of(index: object) -> NDArray[np.uint8]:
    return np.asarray(faiss.serialize_index(index))


@pytest.fixture
def index() -> faiss.IndexIDMap:
    index = faiss.IndexIDMap(faiss.IndexFlatL2(32))
    index.add_with_ids(people(FACES), np.arange(FACES, dtype=np.int64) * 7 + 3)
    return index


def test_the_nearest_are_those_that_faiss_finds(index: faiss.IndexIDMap) -> None:
    found = flat_search(file_of(index))
    assert found is not None
    assert found.ntotal == FACES
    probes = people(19, seed=1)
    probes[0] = people(FACES)[5]
    squared, ids = found.search(probes, 50)
    expected, expected_ids = index.search(probes, 50)
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_allclose(squared, expected, rtol=1e-6)
    assert (squared[0, 0], ids[0, 0]) == (0, 38)
    exact = ((people(FACES)[None].astype(float) - probes[:, None]) ** 2).sum(axis=2)
    np.testing.assert_array_equal(squared, np.sort(exact, axis=1)[:, :50].astype(np.float32))


def test_all_of_them_can_be_asked_for(index: faiss.IndexIDMap) -> None:
    found = flat_search(file_of(index))
    assert found is not None
    _, ids = found.search(people(1, seed=1), FACES)
    assert sorted(ids[0].tolist()) == [7 * row + 3 for row in range(FACES)]


def test_what_is_no_such_file_is_left_to_faiss(index: faiss.IndexIDMap) -> None:
    whole = file_of(index)
    for length in (0, 20, 60, len(whole) - 1):
        assert flat_search(whole[:length]) is None
    assert flat_search(np.append(whole, np.uint8(0))) is None
    for place in (0, 4, 8, 37, 41, 45, 74, len(whole) - 8 * FACES - 8):  # names, widths, counts
        damaged = whole.copy()
        damaged[place] ^= 1
        assert flat_search(damaged) is None
    inner_product = faiss.IndexIDMap(faiss.IndexFlatIP(32))
    inner_product.add_with_ids(people(2), np.arange(2))
    assert flat_search(file_of(inner_product)) is None
    assert flat_search(file_of(faiss.IndexFlatL2(32))) is None


def test_a_search_without_faiss_is_saved_and_changed_as_ever(tmp_path: Path) -> None:
    stamp = Stamp("library", 1, FACES)
    Vectors.build(np.arange(FACES), people(FACES)).save(tmp_path, stamp)
    loaded = Vectors.load(tmp_path, stamp)
    assert isinstance(loaded._index, FlatSearch)
    probe = people(FACES)[9]
    before = loaded.search(probe, 3)
    again = tmp_path / "again"
    again.mkdir()
    loaded.save(again, stamp)
    assert (again / "faces.faiss").read_bytes() == (tmp_path / "faces.faiss").read_bytes()
    loaded = Vectors.load(tmp_path, stamp)
    loaded.remove(np.array([9]))
    assert len(loaded) == FACES - 1
    assert [one.face_id for one in loaded.search(probe, 2)] == [one.face_id for one in before[1:]]


def test_a_large_library_is_searched_by_faiss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stamp = Stamp("library", 1, FACES)
    Vectors.build(np.arange(FACES), people(FACES)).save(tmp_path, stamp)
    small = Vectors.load(tmp_path, stamp)
    monkeypatch.setattr(store_vectors, "MOST_FACES", FACES - 1)
    large = Vectors.load(tmp_path, stamp)
    assert isinstance(small._index, FlatSearch)
    assert not isinstance(large._index, FlatSearch)
    for probe in people(5, seed=2):
        mine, theirs = small.search(probe, 20), large.search(probe, 20)
        assert [one.face_id for one in mine] == [one.face_id for one in theirs]
        np.testing.assert_allclose([one.distance for one in mine], [one.distance for one in theirs], rtol=1e-6)
