"""What is learned of named faces: lessons, the start, the loss and its gradient, and what is held out to judge it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.noisy_people import MARGIN, MODELS, PEOPLE, noisy_people

from facesearch.evaluation.places import Places
from facesearch.library import Library
from facesearch.records import DetectedFace, EmbeddedFace, Floats, NewPhoto, PhotoFile
from facesearch.tuning.teaching.deciding import bootstrapped_gain
from facesearch.tuning.teaching.held_out import HeldOutPairs, ask_held_out, scale_of
from facesearch.tuning.teaching.learning import (
    PULL,
    Pairs,
    contrastive_loss,
    draw_pairs,
    learn_head,
    least_loss,
    whitening,
)
from facesearch.tuning.teaching.lessons import NOBODY, Lessons, read_lessons


def test_lessons_are_names_rejections_and_faces_in_one_photo(tmp_path: Path) -> None:
    face = DetectedFace(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 1.0)
    embeddings = noisy_people(0)[0][:8]
    with Library.create(tmp_path / "library", MODELS) as library:
        with library.changing():
            for number, faces in enumerate(([0, 1], [2], [3, 4], [5], [6], [7])):
                photo = NewPhoto(f"{number:064}", 9, 9, [EmbeddedFace(face, embeddings[one]) for one in faces])
                file = PhotoFile(tmp_path / f"{9 - number}.jpg", 1, 1)
                library.files.put(file, library.catalog.add_photo(photo))
            for name, theirs, source in (
                ("Ann", [1, 3], "user"),
                ("Bea", [4, 5], "folder"),
                ("Ann", [8], "group"),
                ("Carl", [7], "list"),
            ):
                library.people.label(library.people.named(name), theirs, source)
            library.people.label(library.people.add(), [6], "user")
            ann = library.people.find("Ann")
            assert ann is not None
            with library.people.change("reject") as change:
                change.reject(ann, [6])
        lessons = read_lessons(library)
    assert list(lessons.names) == ["Ann", "Bea", "Carl"]
    # Of Ann the face on the photo whose path comes first; 2 and 6 have no name, 8 has it from the grouping alone.
    ids = [int(np.flatnonzero((embeddings == row).all(axis=1))[0]) + 1 for row in lessons.embeddings]
    assert ids == [3, 1, 4, 5, 7, 2, 6]
    assert lessons.people.tolist() == [0, 0, 1, 1, 2, NOBODY, NOBODY]
    apart = {tuple(sorted((ids[one], ids[other]))) for one, other in lessons.apart.tolist()}
    assert apart == {(1, 2), (1, 6), (3, 6)}  # 4 and 5 stand in one photo, and are Bea by her folder all the same


def test_the_gradient_is_that_of_the_loss() -> None:
    rng = np.random.default_rng(2)
    pairs = Pairs(rng.normal(size=(60, 32)) * 0.2, np.arange(60) < 25, 4)
    head = np.eye(32) + rng.normal(size=(32, 32)) * 0.1
    loss, gradient = contrastive_loss(head, pairs, 0.3)
    distances = [float(np.linalg.norm(head @ row)) for row in pairs.differences]
    by_hand = (
        sum(d**2 for d in distances[:25]) / 25
        + sum(max(1 - d, 0) ** 2 for d in distances[25:]) / 35
        + 0.3 * float(((head - np.eye(32)) ** 2).sum())
    )
    assert loss == pytest.approx(by_hand, rel=1e-12)
    assert any(d < 1 for d in distances[25:])
    for row, column in rng.integers(0, 32, (40, 2)).tolist():
        step = np.zeros((32, 32))
        step[row, column] = 1e-6
        slope = (contrastive_loss(head + step, pairs, 0.3)[0] - contrastive_loss(head - step, pairs, 0.3)[0]) / 2e-6
        assert gradient[row, column] == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_learning_ends_where_the_loss_is_least() -> None:
    embeddings, people = noisy_people(4)
    lessons = Lessons(embeddings, np.array(people), np.empty((0, 2), np.int64), [str(one) for one in range(PEOPLE)])
    pairs = draw_pairs(lessons, np.ones(len(people), bool), MARGIN, 0)
    pull = PULL / PEOPLE
    head = least_loss(pairs)
    least, gradient = contrastive_loss(head, pairs, pull)
    start, slope = contrastive_loss(np.eye(32), pairs, pull)
    assert least < start
    assert np.abs(gradient).max() < np.abs(slope).max() / 20
    far = np.abs(least_loss(pairs, pull=1e6) - np.eye(32)).max()
    assert far < 0.05 < np.abs(head - np.eye(32)).max()


def test_the_start_evens_out_what_varies_within_people() -> None:
    embeddings, people = noisy_people(6, people=30, photos=30)
    everybody = np.ones(len(people), bool)
    lessons = Lessons(embeddings, np.array(people), np.empty((0, 2), np.int64), [str(one) for one in range(30)])
    for shrinkage in (0.0, 0.5, 1.0):
        head = whitening(lessons, everybody, shrinkage)
        assert (head**2).sum() == pytest.approx(32)
        faces = (embeddings @ head.T).reshape(30, 30, 32)
        spread = np.linalg.eigvalsh(np.cov((faces - faces.mean(axis=1, keepdims=True)).reshape(-1, 32).T))
        ratio = float(np.median(spread[16:]) / np.median(spread[:16]))
        assert ratio == pytest.approx({0.0: 1.0, 0.5: 3.37, 1.0: 7.56}[shrinkage], rel=0.1)  # 0.22² / 0.08² is 7.56
    np.testing.assert_allclose(whitening(lessons, everybody, 1.0), np.eye(32), atol=1e-9)
    ones = np.arange(len(people)) % 30 == 0  # one face of each
    np.testing.assert_array_equal(whitening(lessons, ones), np.eye(32))
    some = everybody.copy()
    some[450:] = False
    only = Lessons(embeddings[:450], np.array(people[:450]), lessons.apart, lessons.names[:15])
    np.testing.assert_array_equal(whitening(lessons, some), whitening(only, np.ones(450, bool)))
    held_back = learn_head(lessons, everybody, MARGIN, 0, pull=1e6)
    assert np.abs(held_back - whitening(lessons, everybody)).max() < 0.05


def test_pairs_are_of_the_faces_that_may_teach() -> None:
    rng = np.random.default_rng(0)
    people = np.array([0, 0, 0, 1, 1, 2, NOBODY, NOBODY])
    embeddings = rng.normal(size=(8, 32)).astype(np.float32)
    lessons = Lessons(embeddings, people, np.array([[0, 6], [6, 7]]), "abc")
    taught = np.array([True, True, False, True, True, True, True, False])
    pairs = draw_pairs(lessons, taught, MARGIN, 0)
    whose = {}
    for one in range(8):
        for other in range(8):
            if one != other:
                whose[tuple(np.round((embeddings[one].astype(float) - embeddings[other]) / MARGIN, 5))] = (one, other)
    drawn = [whose[tuple(np.round(row, 5))] for row in pairs.differences]
    genuine, impostor = drawn[: pairs.genuine.sum()], drawn[pairs.genuine.sum() :]
    assert {tuple(sorted(pair)) for pair in genuine} == {(0, 1), (3, 4)}
    strangers = {tuple(sorted(pair)) for pair in impostor}
    assert strangers == {(0, 3), (0, 4), (0, 5), (1, 3), (1, 4), (1, 5), (3, 5), (4, 5), (0, 6)}
    assert impostor.count((0, 6)) == 1
    with pytest.raises(ValueError, match="two people or more"):
        draw_pairs(lessons, people == 0, MARGIN, 0)


def test_what_is_asked_was_never_learned() -> None:
    """A learner that remembers which faces it was given: none of the pairs that it is asked about is one of them."""
    people = np.repeat(np.arange(12), 9)
    embeddings = np.zeros((len(people), 32), np.float32)
    embeddings[:, 0] = np.arange(len(people))
    lessons = Lessons(embeddings, people, np.empty((0, 2), np.int64), [str(one) for one in range(12)])
    given = []

    def learn(teaches: np.ndarray, seed: int) -> object:
        given.append(teaches.copy())
        marks = np.where(teaches, 1000.0, 0.0).astype(np.float32)

        def marked(rows: Floats) -> Places:
            moved = rows.copy()
            moved[:, 1] = marks
            return Places.plain(moved)

        return marked

    held_out = ask_held_out(lessons, learn, 5.0, seed=0)  # type: ignore[arg-type]
    # A pair of a learned face and one that was not lies some 1000 apart before scaling, a pair of two others does not.
    assert held_out.known.after.min() > 5 * held_out.left_out.after.max()
    for teaches in given:
        left_out = set(people[~teaches]) - set(people[teaches])
        assert 2 <= len(left_out) <= 4
        counts = np.bincount(people[teaches], minlength=12)
        assert set(counts[counts > 0]) <= {7, 8}
    assert (np.sum(given, axis=0) >= 2).all()  # every photo teaches in some runs, and is left out of others
    assert (np.sum(given, axis=0) <= 4).all()


def test_a_persons_photos_are_left_out_in_one_piece() -> None:
    people = np.repeat(np.arange(6), 20)
    lessons = Lessons(np.zeros((120, 32), np.float32), people, np.empty((0, 2), np.int64), "abcdef")
    given: list[np.ndarray] = []

    def learn(teaches: np.ndarray, seed: int) -> object:
        given.append(teaches.copy())
        return lambda rows: Places.plain(rows + np.arange(120, dtype=np.float32)[:, None])

    ask_held_out(lessons, learn, 1.0, seed=3)  # type: ignore[arg-type]
    for teaches in given:
        for person in range(6):
            missing = np.flatnonzero(~teaches[people == person])
            assert len(missing) in (4, 20)
            assert (np.diff(missing) == 1).all()


def test_distances_are_scaled_so_that_as_many_strangers_pass() -> None:
    before = np.random.default_rng(0).uniform(0.2, 2, 50_000).astype(np.float32)
    scale = scale_of(before, 3 * before, 0.5)
    assert scale == pytest.approx(1 / 3, rel=1e-3)
    after = before**2
    assert (after * scale_of(before, after, 0.5) <= 0.5).mean() == pytest.approx((before <= 0.5).mean(), abs=1e-3)
    assert scale_of(before[:30], 2 * before[:30], 0.0001) == pytest.approx(0.5, rel=1e-3)  # by 15 of 30, not by none


def test_the_interval_is_one_of_people_not_of_pairs() -> None:
    """The bootstrap held against a naive one; and ten people, of which only one gains, give no certain gain, however
    many pairs they have."""
    rng = np.random.default_rng(1)
    first, second = np.triu_indices(10, 0)
    first, second = np.repeat(first, 30).astype(np.int32), np.repeat(second, 30).astype(np.int32)
    before = rng.normal(1.0, 0.2, len(first)).astype(np.float32) - np.float32(0.15) * (first == second)
    after = before - np.float32(0.3) * ((first == 0) & (second == 0))
    one = bootstrapped_gain(HeldOutPairs(first, second, before, after), 0)
    assert one.gain > 0.02
    assert one.low < 0.001
    after = before - np.float32(0.1) * (first == second)
    everybody = HeldOutPairs(first, second, before, after)
    found = bootstrapped_gain(everybody, 0)
    assert found.low > 0.02
    gains = []
    for _ in range(400):
        weights = np.bincount(rng.integers(0, 10, 10), minlength=10)
        times = np.where(first == second, weights[first], weights[first] * weights[second])
        gains.append(_weighted_auc(everybody, after, times) - _weighted_auc(everybody, before, times))
    assert (found.low, found.high) == pytest.approx(np.quantile(gains, (0.025, 0.975)).tolist(), abs=0.012)
    assert found.gain == pytest.approx(
        _weighted_auc(everybody, after, np.ones(len(first))) - _weighted_auc(everybody, before, np.ones(len(first))),
        abs=1e-3,
    )


def _weighted_auc(pairs: HeldOutPairs, distances: Floats, weights: np.ndarray) -> float:
    genuine, impostor = pairs.genuine, ~pairs.genuine
    order = np.argsort(distances[impostor])
    further = np.cumsum(weights[impostor][order][::-1])[::-1]
    place = np.searchsorted(distances[impostor][order], distances[genuine])
    beyond = np.append(further, 0)[place]
    return float((beyond * weights[genuine]).sum() / (weights[genuine].sum() * weights[impostor].sum()))
