"""A library that outgrows exact search: trained in the background of a run that changes it, and kept for the next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.clustered_vectors import scattered

from facesearch.errors import LibraryError
from facesearch.library import Library
from facesearch.library.index import partitions
from facesearch.library.index.vectors import INDEX_NAME
from facesearch.records import DetectedFace, EmbeddedFace, Floats, Models, NewPhoto, PhotoFile

MODELS = Models("detector-1", "ab" * 32, "tower", 0.5)


def _add(library: Library, name: str, embeddings: Floats) -> None:
    face = DetectedFace(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 1.0)
    with library.changing():
        photo = NewPhoto(name, 100, 100, [EmbeddedFace(face, embedding) for embedding in embeddings])
        library.files.put(PhotoFile(Path(f"/{name}.jpg"), 1, 1), library.catalog.add_photo(photo))


def _equals_brute_force(library: Library) -> bool:
    """Whether a search that looks into every partition gives what the rows give; the order of near twins may differ."""
    ids, embeddings = library.catalog.embeddings()
    probe = scattered(1, 99)[0]
    distances = np.sqrt(((embeddings.astype(np.float64) - probe) ** 2).sum(axis=1))
    found = library.vectors().search(probe, len(ids))
    by_id = dict(zip(ids.tolist(), distances.tolist(), strict=True))
    rows = [by_id[face.face_id] for face in found]
    return len(set(found)) == len(ids) and np.allclose(rows, np.sort(distances), rtol=1e-5, atol=0)


@pytest.fixture
def untrained_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """600 faces, enough for partitions, in a search that has yet to be trained."""
    monkeypatch.setattr(partitions, "PARTITIONS_FROM_FACES", 500)
    with Library.create(tmp_path / "library", MODELS) as library:
        _add(library, "first", scattered(400, 0))
        library.train_vectors()
        library.save_vectors(finish_training=True)
        assert library.status().search == "exact, on the cpu"
        _add(library, "second", scattered(200, 1))
        library.save_vectors()
    yield tmp_path / "library"


def test_trained_while_faces_come_and_go_and_kept_for_readers(untrained_library: Path) -> None:
    with Library.open(untrained_library, writable=True) as library:
        library.train_vectors()
        _add(library, "third", scattered(100, 2))
        with library.changing():
            library.files.put(PhotoFile(Path("/second.jpg"), 2, 2), None, "is cut off")
            library.catalog.drop_unshown()
        assert library.vectors().training is None  # the former ones answer until then
        library.save_vectors(finish_training=True)
        assert library.vectors().training is not None
        assert _equals_brute_force(library)
    with Library.open(untrained_library) as reader:
        assert reader.status().vectors == "current"
        assert "partitions (recall@10 " in reader.status().search
        assert reader.vectors().training is not None
        assert _equals_brute_force(reader)


def test_growth_is_followed_in_place_until_it_is_trained_anew(untrained_library: Path) -> None:
    trained_at = []
    with Library.open(untrained_library, writable=True) as library:
        for number in range(8):
            library.train_vectors()
            library.save_vectors(finish_training=True)
            training = library.vectors().training
            assert training is not None
            trained_at.append(training.faces)
            _add(library, f"more {number}", scattered(150, 10 + number))
        assert _equals_brute_force(library)
    assert trained_at == [600] * 4 + [1200] * 4


def test_a_run_that_ends_early_keeps_the_exact_search(untrained_library: Path) -> None:
    with Library.open(untrained_library, writable=True) as library:
        library.train_vectors()
        _add(library, "third", scattered(10, 2))
    with Library.open(untrained_library) as reader:
        assert len(reader.vectors()) == 610
        assert reader.vectors().training is None
        assert _equals_brute_force(reader)


def test_a_training_that_fails_leaves_the_search_as_it_was(
    untrained_library: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(*_: object) -> None:
        raise MemoryError("no room")

    with Library.open(untrained_library, writable=True) as library:
        monkeypatch.setattr("facesearch.library.index.training.partitioned", failing)
        library.train_vectors()
        library.save_vectors(finish_training=True)
        assert library.status().search == "exact, on the cpu"
    assert "training failed (no room)" in caplog.text


def test_damaged_partitions_are_rebuilt_as_an_exact_search(untrained_library: Path) -> None:
    with Library.open(untrained_library, writable=True) as library:
        library.train_vectors()
        library.save_vectors(finish_training=True)
    (untrained_library / INDEX_NAME).write_bytes((untrained_library / INDEX_NAME).read_bytes()[:-1])
    with Library.open(untrained_library) as reader:
        assert "to be rebuilt" in reader.status().vectors
        assert _equals_brute_force(reader)


def test_vectors_are_rebuilt_from_more_faces_than_one_piece_of_rows(
    untrained_library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facesearch.library.rows.embedding_rows._FACES_A_PIECE", 70)
    (untrained_library / INDEX_NAME).unlink()
    with Library.open(untrained_library) as reader:
        assert len(reader.vectors()) == 600
        assert _equals_brute_force(reader)


def test_a_reader_trains_nothing(untrained_library: Path) -> None:
    with Library.open(untrained_library) as reader, pytest.raises(LibraryError, match="for reading only"):
        reader.train_vectors()
