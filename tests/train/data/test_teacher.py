"""A teacher's file: what is read, which photos it matches, and which neighbours share a batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesearch.errors import TrainingDataError
from facesearch_train.data.taught import THRESHOLD_PLACE, draw_lookalikes, nearest_others, teach
from facesearch_train.data.teacher import DLIB_THRESHOLD, read_teacher, taught_places


def write_teacher(path: Path, **members: Any) -> Path:
    np.savez(path, **members)
    return path


def test_distances_count_in_the_teachers_threshold(tmp_path: Path) -> None:
    embeddings = np.array([[0.3, 0], [0, 0.6]], np.float16)
    teacher = read_teacher(write_teacher(tmp_path / "a.npz", paths=["a/1.jpg", "b/1.jpg"], embeddings=embeddings))
    np.testing.assert_allclose(teacher.embeddings, np.array([[0.3, 0], [0, 0.6]]) / DLIB_THRESHOLD, atol=1e-3)
    own = write_teacher(tmp_path / "b.npz", paths=["a/1.jpg"], embeddings=[[3.0, 4.0]], threshold=2.5)
    np.testing.assert_allclose(read_teacher(own).embeddings, [[1.2, 1.6]])


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"paths": ["a"]}, "cannot be read as a teacher"),
        ({"paths": ["a"], "embeddings": [[1.0], [2.0]]}, "must be"),
        ({"paths": ["a"], "embeddings": [1.0]}, "must be"),
        ({"paths": ["a"], "embeddings": [[np.nan]]}, "finite"),
        ({"paths": ["a"], "embeddings": [[1.0]], "threshold": 0.0}, "threshold"),
        ({"paths": ["a"], "embeddings": [["x"]]}, "cannot be read as a teacher"),
    ],
)
def test_what_is_no_teacher_is_refused(tmp_path: Path, members: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingDataError, match=message):
        read_teacher(write_teacher(tmp_path / "t.npz", **members))


def test_damaged_and_missing_files_are_refused(tmp_path: Path) -> None:
    whole = write_teacher(tmp_path / "whole.npz", paths=["a"] * 50, embeddings=np.ones((50, 4)))
    cut = tmp_path / "cut.npz"
    cut.write_bytes(whole.read_bytes()[:300])
    array = tmp_path / "array.npz"
    with array.open("wb") as file:
        np.save(file, np.ones(3))
    for path in (cut, array, tmp_path / "none.npz"):
        with pytest.raises(TrainingDataError, match="cannot be read as a teacher"):
            read_teacher(path)


def test_each_file_is_taken_for_the_set_that_it_knows_the_most_photos_of(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second.tar"
    paths = [first / "p" / "1.jpg", first / "p" / "2.jpg", second / "p" / "1.jpg", second / "q" / "9.jpg"]
    of_second = write_teacher(tmp_path / "s.npz", paths=["p/1.jpg", "q/9.jpg"], embeddings=[[0.6], [1.2]])
    of_first = write_teacher(tmp_path / "f.npz", paths=["p/1.jpg", "p/2.jpg"], embeddings=[[-0.6], [-1.2]])
    places = taught_places([read_teacher(of_second), read_teacher(of_first)], [first, second], paths)
    np.testing.assert_allclose(places[:, 0], [-1, -2, 1, 2], rtol=1e-5)
    alone = taught_places([read_teacher(of_second)], [first, second], paths)
    assert np.isnan(alone[:2]).all()
    assert np.isfinite(alone[2:]).all()


def test_files_that_fit_nothing_or_each_other_are_refused(tmp_path: Path) -> None:
    strange = write_teacher(tmp_path / "s.npz", paths=["x/1.jpg"], embeddings=[[1.0]])
    with pytest.raises(TrainingDataError, match=r"has no photo of the data: its first is x/1\.jpg"):
        taught_places([read_teacher(strange)], [tmp_path], [tmp_path / "p" / "1.jpg"])
    other = write_teacher(tmp_path / "o.npz", paths=["x/1.jpg"], embeddings=[[1.0, 2.0]])
    with pytest.raises(TrainingDataError, match=r"\[1, 2\] numbers a photo"):
        taught_places([read_teacher(strange), read_teacher(other)], [tmp_path], [tmp_path / "x" / "1.jpg"])


def test_places_keep_the_teachers_distances_with_the_principal_components_first() -> None:
    rng = np.random.default_rng(0)
    places = rng.normal(size=(200, 6)).astype("float32") * np.array([0.1, 3, 0.2, 2, 0.1, 1], "float32") + 5
    taught = teach(places, np.arange(200, dtype=np.int32), truth=0.0, neighbours=3).places
    expected = np.linalg.norm(places[0] - places[1:], axis=1) * THRESHOLD_PLACE
    np.testing.assert_allclose(np.linalg.norm(taught[0] - taught[1:], axis=1), expected, rtol=1e-3)
    assert (np.diff(taught.std(axis=0)) <= 1e-4).all()
    np.testing.assert_allclose(taught.mean(axis=0), 0, atol=1e-3)


def test_the_truth_draws_a_persons_places_together_and_leaves_unknown_people_alone() -> None:
    rng = np.random.default_rng(1)
    places = rng.normal(size=(40, 4)).astype("float32")
    ids = np.repeat(np.arange(-1, 9), 4).astype(np.int32)
    alone, mixed = (teach(places, ids, truth, 2).places for truth in (0.0, 0.5))

    def spread(rows: np.ndarray) -> float:
        return float(np.linalg.norm(rows - rows.mean(axis=0), axis=1).mean())

    np.testing.assert_allclose(mixed[:4], alone[:4], atol=1e-5)
    assert all(spread(mixed[ids == person]) < spread(alone[ids == person]) for person in range(9))
    np.testing.assert_allclose(np.linalg.norm(mixed, axis=1), np.linalg.norm(alone, axis=1), rtol=1e-4)


def test_neighbours_are_the_nearest_others_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    places = rng.normal(size=(70, 5)).astype("float32")
    monkeypatch.setattr("facesearch_train.data.taught._SEARCH_BATCH", 16)
    distance = np.linalg.norm(places[:, None] - places[None], axis=2) + np.diag(np.full(70, np.inf))
    np.testing.assert_array_equal(nearest_others(places, 4), np.argsort(distance, axis=1)[:, :4])
    monkeypatch.setattr("facesearch_train.data.taught.MOST_SEARCHED", 20)
    some = nearest_others(places, 4)
    assert len(np.unique(some)) <= 20
    assert (some != np.arange(70)[:, None]).all()
    assert nearest_others(places[:3], 24).shape == (3, 2)


def test_batches_are_anchors_each_with_its_neighbours() -> None:
    neighbours = nearest_others(np.random.default_rng(3).normal(size=(30, 4)).astype("float32"), 8)
    drawn = draw_lookalikes(neighbours, np.random.default_rng(0), group=4, wanted=120).reshape(-1, 4)
    assert sorted(drawn[:, 0]) == list(range(30))  # each photo is an anchor once
    for anchor, *others in drawn:
        assert set(others) <= set(neighbours[anchor].tolist())
        assert len(set(others)) == 3
    again = draw_lookalikes(neighbours, np.random.default_rng(0), group=4, wanted=120)
    np.testing.assert_array_equal(again, drawn.reshape(-1))
