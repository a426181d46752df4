"""Partitions: recall measured against brute force, changes in place, training in the background of a change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from support.clustered_vectors import nearest, people

from facesearch.library.index import partitions
from facesearch.library.index.partitions import TrainingCancelledError, partitioned
from facesearch.library.index.training import BackgroundTraining
from facesearch.library.index.vectors import Stamp, Training, Vectors
from facesearch.records import Chunks, Floats

FACES = 6000


def source(embeddings: Floats) -> Chunks:
    """Pieces of 1,000, with ids from 0."""
    return lambda: ((np.arange(at, at + len(some)), some) for at, some in _pieces(embeddings))


def _pieces(embeddings: Floats) -> Iterator[tuple[int, Floats]]:
    for start in range(0, len(embeddings), 1000):
        yield start, embeddings[start : start + 1000]


@pytest.fixture(scope="module")
def embeddings() -> Floats:
    return people(FACES)


@pytest.fixture
def trained(embeddings: Floats) -> Vectors:
    return Vectors(*partitioned(source(embeddings), FACES, lambda: True))


def recall(vectors: Vectors, embeddings: Floats, probes: Floats) -> float:
    """Share of each probe's ten nearest that are found. Ids are rows of `embeddings`."""
    found = [{face.face_id for face in each} for each in vectors.search_batch(probes, 10)]
    shares = [len(each & set(nearest(embeddings, probe, 10))) / 10 for each, probe in zip(found, probes, strict=True)]
    return float(np.mean(shares))


def test_ten_nearest_are_found_in_a_part_of_the_lists(trained: Vectors, embeddings: Floats) -> None:
    assert trained._index.nprobe < trained._index.nlist / 4
    assert trained.training is not None
    assert trained.training.faces == FACES
    assert trained.training.recall >= 0.995
    assert recall(trained, embeddings, people(FACES)[:200] + np.float32(0.05)) >= 0.99


def test_distances_are_those_of_brute_force(trained: Vectors, embeddings: Floats) -> None:
    probe = embeddings[17] + np.float32(0.02)
    for face in trained.search(probe, 10):
        assert face.distance == pytest.approx(np.linalg.norm(embeddings[face.face_id] - probe), rel=1e-5)


def test_as_many_neighbours_as_are_asked_for(trained: Vectors, embeddings: Floats) -> None:
    found = trained.search(embeddings[5], FACES)
    assert [face.face_id for face in found[:3]] == nearest(embeddings, embeddings[5], 3)
    assert sorted(face.face_id for face in found) == list(range(FACES))
    assert len(trained.search(embeddings[5], 3000)) == 3000


def test_no_probe_finds_nothing(trained: Vectors) -> None:
    assert trained.search_batch(np.empty((0, 32), np.float32), 3) == []


def test_changes_keep_the_partitions_and_are_found(trained: Vectors, embeddings: Floats) -> None:
    centroids = trained._index.quantizer.reconstruct_n()
    newcomers = people(500, seed=9)
    trained.remove(np.arange(0, FACES, 2))
    trained.add(np.arange(FACES, FACES + 500), newcomers)
    assert len(trained) == FACES // 2 + 500
    np.testing.assert_array_equal(trained._index.quantizer.reconstruct_n(), centroids)
    assert all(face.face_id % 2 or face.face_id >= FACES for face in trained.search(embeddings[0], 100))
    assert [trained.search(newcomers[row], 1)[0].face_id for row in range(50)] == list(range(FACES, FACES + 50))


def test_centres_stem_from_the_faces_that_are_there(trained: Vectors, embeddings: Floats) -> None:
    gone, left = np.arange(0, FACES, 3), embeddings[np.arange(FACES) % 3 > 0]
    before = trained._index.quantizer.reconstruct_n()
    trained.remove(gone)
    trained.centre()
    centres = trained._index.quantizer.reconstruct_n()
    assert (centres != before).any(axis=1).mean() > 0.9
    lists = trained._index.invlists
    sizes = np.array([lists.list_size(number) for number in range(trained._index.nlist)], np.float64)
    np.testing.assert_allclose(sizes @ centres / sizes.sum(), left.mean(axis=0), atol=1e-4)
    found = [{face.face_id for face in each} for each in trained.search_batch(left[:200] + np.float32(0.05), 10)]
    ids = np.flatnonzero(np.arange(FACES) % 3 > 0)
    right = [set(ids[nearest(left, probe, 10)].tolist()) for probe in left[:200] + np.float32(0.05)]
    assert np.mean([len(one & other) / 10 for one, other in zip(found, right, strict=True)]) >= 0.98


def test_saved_partitions_come_back_with_their_tuning(trained: Vectors, embeddings: Floats, tmp_path: Path) -> None:
    trained.save(tmp_path, Stamp("library", 1, FACES))
    loaded = Vectors.load(tmp_path, Stamp("library", 1, FACES))
    assert loaded.training == trained.training
    assert loaded._index.nprobe == trained._index.nprobe
    assert loaded.description == trained.description
    assert loaded.search_batch(embeddings[:50], 10) == trained.search_batch(embeddings[:50], 10)
    loaded.remove(np.array([3]))
    loaded.add(np.array([FACES]), embeddings[3:4])
    assert loaded.search(embeddings[3], 1)[0].face_id == FACES
    loaded.save(tmp_path, Stamp("library", 2, FACES))
    again = Vectors.load(tmp_path, Stamp("library", 2, FACES))
    assert again.search(embeddings[3], 1)[0].face_id == FACES


def test_when_training_is_due(monkeypatch: pytest.MonkeyPatch, embeddings: Floats) -> None:
    vectors = Vectors.build(np.arange(FACES), embeddings)
    assert not vectors.wants_training()
    monkeypatch.setattr(partitions, "PARTITIONS_FROM_FACES", 1000)
    assert vectors.wants_training()
    assert not Vectors(vectors._index, Training(FACES // 2 + 1, 1.0)).wants_training()
    assert Vectors(vectors._index, Training(FACES // 2, 1.0)).wants_training()


def test_a_training_that_is_stopped_ends(embeddings: Floats) -> None:
    left = iter([True, True, True, False])
    with pytest.raises(TrainingCancelledError):
        partitioned(source(embeddings), FACES, lambda: next(left))


def test_training_in_the_background_follows_what_changes_meanwhile(embeddings: Floats) -> None:
    @contextmanager
    def snapshot() -> Iterator[Chunks]:
        yield source(embeddings[:5000])

    background = BackgroundTraining(snapshot, 5000)
    background.follow([7, 8], [(FACES, embeddings[7]), (FACES + 1, embeddings[5500])])
    background.follow([FACES + 1], [])
    vectors = background.result()
    assert background.is_done
    assert len(vectors) == 4999
    assert vectors.search(embeddings[7], 1)[0].face_id == FACES
    assert vectors.training is not None
    background.cancel()


def test_what_goes_wrong_in_the_background_is_raised_to_who_asks() -> None:
    @contextmanager
    def snapshot() -> Iterator[Chunks]:
        raise OSError("the drive is gone")
        yield

    with pytest.raises(OSError, match="the drive is gone"):
        BackgroundTraining(snapshot, 10).result()


def test_a_cancelled_training_gives_nothing(embeddings: Floats) -> None:
    @contextmanager
    def snapshot() -> Iterator[Chunks]:
        yield source(np.tile(embeddings, (20, 1)))

    background = BackgroundTraining(snapshot, 20 * FACES)
    background.cancel()
    with pytest.raises(TrainingCancelledError):
        background.result()
