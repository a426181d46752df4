"""The cache of vectors: exact against brute force, and believed only when it fits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.clustered_vectors import scattered

from facesearch.errors import LibraryError
from facesearch.library.index.vectors import DESCRIPTION_NAME, INDEX_NAME, Stamp, Vectors, VectorsUnusableError

STAMP = Stamp("library", 3, 200)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    Vectors.build(np.arange(200), scattered(200)).save(tmp_path, STAMP)
    return tmp_path


def test_search_equals_brute_force() -> None:
    embeddings = scattered(500)
    ids = np.random.default_rng(1).permutation(10_000)[:500].astype(np.int64)
    vectors = Vectors.build(ids, embeddings)
    for probe in scattered(20, seed=2):
        distances = np.sqrt(((embeddings - probe) ** 2).sum(axis=1))
        order = np.argsort(distances)[:10]
        found = vectors.search(probe, 10)
        assert [neighbour.face_id for neighbour in found] == ids[order].tolist()
        np.testing.assert_allclose([neighbour.distance for neighbour in found], distances[order], rtol=1e-6)


def test_removed_and_added_faces() -> None:
    embeddings = scattered(50)
    vectors = Vectors.build(np.arange(40), embeddings[:40])
    vectors.remove(np.array([0, 7, 39]))
    vectors.add(np.arange(40, 50), embeddings[40:])
    assert len(vectors) == 47
    expected = np.delete(np.arange(50), [0, 7, 39])
    assert sorted(neighbour.face_id for neighbour in vectors.search(embeddings[7], 50)) == expected.tolist()
    assert vectors.search(embeddings[45], 1)[0].face_id == 45
    vectors.remove(np.array([], np.int64))
    assert len(vectors) == 47


def test_equally_near_faces_come_by_id() -> None:
    """As many twins as FAISS handles in one stride and more, added in disorder."""
    ids = np.random.default_rng(0).permutation(37).astype(np.int64)
    vectors = Vectors.build(ids, np.tile(scattered(1), (37, 1)))
    assert [neighbour.face_id for neighbour in vectors.search(scattered(1, seed=5)[0], 37)] == list(range(37))


def test_of_equals_at_the_end_the_lower_ids_come_in() -> None:
    ids = np.random.default_rng(0).permutation(300).astype(np.int64)
    embeddings = np.vstack([np.tile(scattered(1), (290, 1)), scattered(10, seed=4)])
    vectors = Vectors.build(ids, embeddings)
    expected = sorted(ids[:290].tolist())[:20]
    assert [neighbour.face_id for neighbour in vectors.search(embeddings[0], 20)] == expected


@pytest.mark.parametrize("count", [1, 16, 50])
def test_a_batch_gives_each_probe_what_it_gets_alone(count: int) -> None:
    """Near twins are told apart too, where expanding the square would lose them."""
    embeddings = scattered(400) * np.float32(0.001) + np.float32(3)
    vectors = Vectors.build(np.arange(400), embeddings)
    assert vectors.search_batch(embeddings[:count], 10) == [vectors.search(probe, 10) for probe in embeddings[:count]]
    assert [each[0].face_id for each in vectors.search_batch(embeddings[:count], 1)] == list(range(count))


def test_a_search_leaves_the_number_of_cores_as_it_was() -> None:
    import faiss

    faiss.omp_set_num_threads(3)
    Vectors.build(np.arange(50), scattered(50)).search(scattered(1)[0], 5)
    assert faiss.omp_get_max_threads() == 3
    faiss.omp_set_num_threads(2)


def test_no_faces_no_neighbours() -> None:
    assert Vectors.build(np.empty(0, np.int64), np.empty((0, 32), np.float32)).search(scattered(1)[0], 5) == []


def test_a_saved_cache_comes_back(saved: Path) -> None:
    vectors = Vectors.load(saved, STAMP)
    assert len(vectors) == 200
    assert vectors.search(scattered(200)[17], 1)[0].face_id == 17
    vectors.remove(np.array([17]))  # from here on in memory: the file stays as it is
    vectors.add(np.array([999]), scattered(1, seed=9))
    assert vectors.search(scattered(1, seed=9)[0], 1)[0].face_id == 999
    assert Vectors.load(saved, STAMP).search(scattered(200)[17], 1)[0].face_id == 17
    assert {entry.name: entry.stat().st_mode & 0o777 for entry in saved.iterdir()} == {
        INDEX_NAME: 0o600,
        DESCRIPTION_NAME: 0o600,
    }


@pytest.mark.parametrize("stamp", [Stamp("other", 3, 200), Stamp("library", 4, 200), Stamp("library", 3, 201)])
def test_a_foreign_or_stale_cache_is_refused(saved: Path, stamp: Stamp) -> None:
    with pytest.raises(VectorsUnusableError, match="another state"):
        Vectors.load(saved, stamp)


def _truncate(folder: Path) -> None:
    data = (folder / INDEX_NAME).read_bytes()
    (folder / INDEX_NAME).write_bytes(data[:-100])


def _flip_a_bit(folder: Path) -> None:
    data = bytearray((folder / INDEX_NAME).read_bytes())
    data[len(data) // 2] ^= 4
    (folder / INDEX_NAME).write_bytes(data)


def _put_a_folder(folder: Path) -> None:
    (folder / INDEX_NAME).unlink()
    (folder / INDEX_NAME).mkdir()


DAMAGE = {
    "truncated": _truncate,
    "flipped bit": _flip_a_bit,
    "garbage": lambda folder: (folder / INDEX_NAME).write_bytes(b"garbage"),
    "empty": lambda folder: (folder / INDEX_NAME).write_bytes(b""),
    "gone": lambda folder: (folder / INDEX_NAME).unlink(),
    "a folder": _put_a_folder,
    "description gone": lambda folder: (folder / DESCRIPTION_NAME).unlink(),
    "description garbage": lambda folder: (folder / DESCRIPTION_NAME).write_bytes(b"\xff\x00{"),
    "description a list": lambda folder: (folder / DESCRIPTION_NAME).write_text("[]"),
    "description without checksum": lambda folder: (folder / DESCRIPTION_NAME).write_text(
        json.dumps({"format": 2, "library_id": "library", "generation": 3, "faces": 200, "training": None})
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_cache_is_refused(saved: Path, damage: str) -> None:
    DAMAGE[damage](saved)
    with pytest.raises(VectorsUnusableError):
        Vectors.load(saved, STAMP)


def test_a_cache_of_another_kind_is_refused_though_its_checksum_is_right(tmp_path: Path) -> None:
    import faiss

    Vectors(faiss.IndexFlatL2(32)).save(tmp_path, Stamp("library", 3, 0))
    with pytest.raises(VectorsUnusableError, match="another kind"):
        Vectors.load(tmp_path, Stamp("library", 3, 0))


def test_a_cache_with_another_number_of_faces_is_refused_and_both_numbers_said(tmp_path: Path) -> None:
    Vectors.build(np.arange(7), scattered(7)).save(tmp_path, Stamp("library", 3, 8))
    with pytest.raises(VectorsUnusableError, match="it has 7 faces instead of 8"):
        Vectors.load(tmp_path, Stamp("library", 3, 8))


def test_a_full_disk_is_an_error_and_leaves_the_former_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(LibraryError, match="No space left on device; free disk space"):
        Vectors.build(np.arange(100), scattered(100)).save(saved, Stamp("library", 4, 100))
    assert len(Vectors.load(saved, STAMP)) == 200
