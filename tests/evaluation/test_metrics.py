"""Metrics against scikit-learn and against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from facesearch.evaluation import metrics

# By hand: four genuine pairs (0) and four impostor pairs (1), nearest first:
#   distance 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8
#   label     0   0   1   0   1   0   1   1
BY_HAND = ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], [0, 0, 1, 0, 1, 0, 1, 1])

pairs = st.lists(
    st.tuples(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, 1.5]), st.integers(0, 1)), min_size=2, max_size=40
).filter(lambda drawn: len({label for _, label in drawn}) == 2)


def unzip(drawn: list[tuple[float, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([distance for distance, _ in drawn]), np.array([label for _, label in drawn])


def random_pairs(count: int = 500, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping distances, rounded so that many are equal."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    return np.round(rng.normal(0.8 + 0.5 * labels, 0.3), 2), labels


def test_roc_by_hand() -> None:
    roc = metrics.roc_curve(*BY_HAND)
    assert roc.thresholds[0] == -np.inf
    np.testing.assert_allclose(roc.thresholds[1:], BY_HAND[0])
    np.testing.assert_allclose(roc.tar, [0, 0.25, 0.5, 0.5, 0.75, 0.75, 1, 1, 1])
    np.testing.assert_allclose(roc.far, [0, 0, 0, 0.25, 0.25, 0.5, 0.5, 0.75, 1])
    # 13 of the 16 genuine-impostor couples stand in the right order: 4 + 4 + 3 + 2.
    assert metrics.auc(roc) == pytest.approx(13 / 16)
    # At 0.4 a quarter of either kind is wrong.
    assert metrics.equal_error_rate(roc) == pytest.approx(0.25)


@settings(max_examples=40, deadline=None)
@given(pairs)
def test_roc_and_auc_equal_scikit_learns(drawn: list[tuple[float, int]]) -> None:
    distances, labels = unzip(drawn)
    far, tar, thresholds = reference.roc_curve(labels == 0, -distances, drop_intermediate=False)
    roc = metrics.roc_curve(distances, labels)
    np.testing.assert_allclose(roc.far, far)
    np.testing.assert_allclose(roc.tar, tar)
    np.testing.assert_allclose(roc.thresholds, -thresholds)
    assert metrics.auc(roc) == pytest.approx(reference.roc_auc_score(labels == 0, -distances))


def test_counted_pairs_give_the_same_roc() -> None:
    distances, labels = random_pairs()
    edges = np.arange(0, 301) / 100  # the distances are whole hundredths
    place = np.rint(np.clip(distances, 0, 3) * 100).astype(int)
    counted = metrics.roc_from_counts(
        edges, np.bincount(place[labels == 0], minlength=301), np.bincount(place[labels == 1], minlength=301)
    )
    listed = metrics.roc_curve(edges[place], labels)
    assert metrics.auc(counted) == pytest.approx(metrics.auc(listed))
    assert (counted.genuine_pairs, counted.impostor_pairs) == (int((labels == 0).sum()), int(labels.sum()))
    assert metrics.best_threshold(counted).accuracy == metrics.best_threshold(listed).accuracy
    at = np.searchsorted(counted.thresholds, listed.thresholds)
    np.testing.assert_allclose(counted.tar[at], listed.tar)
    np.testing.assert_allclose(counted.far[at], listed.far)


def test_equal_error_rate_lies_between_points() -> None:
    # One genuine pair in three is beyond both impostors: FAR jumps from 0 to 1 while 1/3 is rejected.
    roc = metrics.roc_curve([0.1, 0.2, 0.9, 0.5, 0.5], [0, 0, 0, 1, 1])
    assert metrics.equal_error_rate(roc) == pytest.approx(1 / 3)
    assert metrics.equal_error_rate(metrics.roc_curve([0.1, 0.2], [0, 1])) == 0
    assert metrics.equal_error_rate(metrics.roc_curve([0.2, 0.1], [0, 1])) == 1


def test_tar_at_far_takes_the_last_point_within_the_rate() -> None:
    roc = metrics.roc_curve(*BY_HAND)
    found = metrics.tar_at_far(roc, 0.25)
    assert found is not None
    assert (found.tar, found.threshold, found.reached_far) == (0.75, 0.4, 0.25)
    assert found.low < 0.75 < found.high
    almost = metrics.tar_at_far(roc, 0.49)
    assert almost is not None
    assert (almost.tar, almost.reached_far) == (0.75, 0.25)


def test_tar_at_far_says_nothing_below_one_impostor_pair() -> None:
    distances, labels = random_pairs(2000)
    roc = metrics.roc_curve(distances, labels)
    impostors = int(labels.sum())
    assert metrics.tar_at_far(roc, 1 / impostors) is not None
    assert metrics.tar_at_far(roc, 0.9 / impostors) is None


def test_tar_at_far_agrees_with_counting() -> None:
    distances, labels = random_pairs()
    roc = metrics.roc_curve(distances, labels)
    for far in (0.01, 0.05, 0.3):
        found = metrics.tar_at_far(roc, far)
        assert found is not None
        best = max(
            float(np.mean(distances[labels == 0] <= threshold))
            for threshold in distances
            if np.mean(distances[labels == 1] <= threshold) <= far
        )
        assert found.tar == pytest.approx(best)
        assert np.mean(distances[labels == 0] <= found.threshold) == pytest.approx(best)


def test_wilson_interval_of_published_values() -> None:
    # Newcombe 1998, table I, method 3: 81/263, 15/148, 0/20 and 1/29.
    for successes, trials, low, high in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (1, 29, 0.0061, 0.1718)]:
        assert metrics.wilson_interval(successes, trials) == pytest.approx((low, high), abs=5e-5)
    assert metrics.wilson_interval(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    with pytest.raises(ValueError, match="3 of 2"):
        metrics.wilson_interval(3, 2)


def test_best_threshold_by_hand() -> None:
    # Two errors are the fewest: just after 0.2 (0.4 and 0.6 rejected), 0.4 (0.3 in, 0.6 out) and 0.6 (0.3 and 0.5 in).
    best = metrics.best_threshold(metrics.roc_curve(*BY_HAND))
    assert best.distance == pytest.approx(0.45)
    assert best.accuracy == 0.75
    assert metrics.best_threshold(metrics.roc_curve([0.4, 1.0], [0, 1])).distance == pytest.approx(0.7)


@settings(max_examples=40, deadline=None)
@given(pairs)
def test_no_threshold_is_better_than_the_best(drawn: list[tuple[float, int]]) -> None:
    distances, labels = unzip(drawn)
    best = metrics.best_threshold(metrics.roc_curve(distances, labels))
    assert metrics.accuracy_at(distances, labels, best.distance) == pytest.approx(best.accuracy)
    for threshold in [-1.0, *distances, *(distances + 0.1)]:
        assert metrics.accuracy_at(distances, labels, threshold) <= best.accuracy + 1e-12
    order = np.random.default_rng(0).permutation(len(labels))
    assert metrics.best_threshold(metrics.roc_curve(distances[order], labels[order])) == best


@pytest.mark.parametrize("missing", [0, 1, 3])
def test_faces_not_found_count_as_wrong_at_any_threshold(missing: int) -> None:
    distances = np.array([0.1, 0.2, 0.3, 0.9, 1.0, 1.1] + [np.inf, -np.inf] * missing)
    labels = np.array([0, 0, 0, 1, 1, 1] + [0, 1] * missing)
    best = metrics.best_threshold(metrics.roc_curve(distances, labels))
    assert best.accuracy == pytest.approx(6 / (6 + 2 * missing))
    assert metrics.accuracy_at(distances, labels, best.distance) == pytest.approx(best.accuracy)
    assert math.isfinite(best.distance)
    roc = metrics.roc_curve(distances, labels)
    # A missed impostor pair is accepted before any other, a missed genuine pair after all others.
    assert metrics.auc(roc) == pytest.approx((3 / (3 + missing)) ** 2 if missing else 1.0)


def test_all_faces_not_found_is_all_wrong() -> None:
    best = metrics.best_threshold(metrics.roc_curve([np.inf, -np.inf], [0, 1]))
    assert best.accuracy == metrics.accuracy_at([np.inf, -np.inf], [0, 1], best.distance) == 0


def test_a_folds_threshold_comes_from_the_other_folds() -> None:
    # Alone, each fold is separable at its own threshold (0.5 or 2.0); the other fold's threshold gets half of it wrong.
    near, far = ([0.4, 0.6], [0, 1]), ([1.9, 2.1], [0, 1])
    folded = metrics.folded_accuracy([near, far])
    assert folded.thresholds == pytest.approx((2.0, 0.5))
    assert folded.accuracies == (0.5, 0.5)
    three = metrics.folded_accuracy([near, near, ([0.55, 0.45], [0, 1])])
    assert three.accuracies == (1.0, 1.0, 0.0)
    assert three.mean == pytest.approx(2 / 3)
    assert three.std == pytest.approx(math.sqrt(1 / 3))
    assert three.standard_error == pytest.approx(1 / 3)


def test_a_single_fold_has_no_other_to_choose_on() -> None:
    with pytest.raises(ValueError, match="two folds"):
        metrics.folded_accuracy([([0.1, 0.2], [0, 1])])


def test_identification_by_hand() -> None:
    gallery = ["ann", "bob", "cid", "ann"]
    probes = ["ann", "bob", "cid", "dan"]
    distances = [
        [0.9, 0.3, 0.5, 0.1],  # ann's second photo is the nearest: rank 1
        [0.2, 0.4, 0.6, 0.8],  # ann stands before bob: rank 2
        [0.1, 0.2, 0.3, 0.1],  # ann counts once before cid: rank 3
        [0.1, 0.1, 0.1, 0.1],  # dan is not in the gallery: never
    ]
    rates = metrics.identification_rates(distances, probes, gallery, ranks=(1, 2, 3, 10))
    assert rates == {1: 0.25, 2: 0.5, 3: 0.75, 10: 0.75}


def test_identification_counts_ties_and_missing_faces_against_the_tower() -> None:
    assert metrics.identification_rates([[0.5, 0.5]], [1], [1, 2])[1] == 0
    rates = metrics.identification_rates([[np.inf, np.inf], [np.nan, 1.0]], [1, 1], [1, 2], ranks=(1, 5))
    assert rates == {1: 0, 5: 0}


@pytest.mark.parametrize(
    ("distances", "labels", "message"),
    [
        ([0.1, 0.2], [0, 0], "both needed"),
        ([0.1], [0, 1], "one length"),
        ([0.1, float("nan")], [0, 1], "NaN"),
        ([0.1, 0.2], [0, 2], "0 .* or 1"),
    ],
)
def test_what_is_no_list_of_pairs_is_refused(distances: list[float], labels: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.roc_curve(distances, labels)


def test_balanced_accuracy_weighs_both_kinds_alike() -> None:
    # One genuine pair at 1, three impostor pairs at 0.5, 2 and 3: accepting up to 1 is right for 1/1 and 2/3.
    roc = metrics.roc_curve([1.0, 0.5, 2.0, 3.0], [0, 1, 1, 1])
    np.testing.assert_allclose(roc.balanced_accuracy, [1 / 2, 1 / 3, 5 / 6, 2 / 3, 1 / 2])
    best = metrics.best_threshold(roc, balanced=True)
    assert (best.distance, best.accuracy) == (1.5, pytest.approx(5 / 6))
    # With many more impostor pairs the fewest errors are made by accepting nobody; weighed alike they are not.
    many = metrics.roc_curve([1.0, *np.linspace(0.9, 5, 100)], [0, *[1] * 100])
    assert metrics.best_threshold(many).distance < 0.9
    assert metrics.best_threshold(many, balanced=True).distance > 1.0


def test_balanced_and_plain_thresholds_agree_on_as_many_pairs_of_each_kind() -> None:
    rng = np.random.default_rng(4)
    for pairs in (7, 300, 601):
        distances = np.concatenate([rng.normal(1, 0.5, pairs), rng.normal(2, 0.5, pairs)])
        roc = metrics.roc_curve(distances, np.repeat([0, 1], pairs))
        assert metrics.best_threshold(roc, balanced=True) == metrics.best_threshold(roc)


def test_pairs_are_counted_by_finite_distance() -> None:
    roc = metrics.roc_curve([1.0, 2.0, 2.0, np.inf, 3.0, -np.inf], [0, 0, 1, 0, 1, 1])
    distances, genuine, impostor = roc.pairs_by_distance()
    assert (distances.tolist(), genuine.tolist(), impostor.tolist()) == ([1, 2, 3], [1, 1, 0], [0, 1, 1])
    counted = metrics.roc_from_counts([1.0, 2.0, 3.0], [1, 0, 1], [0, 0, 2])
    assert [each.tolist() for each in counted.pairs_by_distance()] == [[1, 3], [1, 1], [0, 2]]


def test_a_threshold_leads_to_the_point_that_it_accepts() -> None:
    roc = metrics.roc_curve([1.0, 2.0, 2.0, 3.0], [0, 0, 1, 1])
    points = [roc.point_at(threshold) for threshold in (0.5, 1.0, 1.5, 2.0, 9.0)]
    assert [(roc.tar[point], roc.far[point]) for point in points] == [(0, 0), (0.5, 0), (0.5, 0), (1, 0.5), (1, 1)]
