"""From distance to probability, against worked-out numbers, scikit-learn's isotonic regression, and known truths."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.isotonic import IsotonicRegression

from facesearch.evaluation import metrics
from facesearch.evaluation.calibration import Calibration, _never_rising, fit_calibration, held_out_error, reliability

LINE = Calibration((1.0, 2.0), (2.0, -2.0))


def normal_pairs(seed: int, genuine: int, impostor: int) -> metrics.RocCurve:
    """Distances of two normal distributions a unit apart with the same width 0.5: their log odds are 4 * (1.5 - d)."""
    rng = np.random.default_rng(seed)
    distances = np.concatenate([rng.normal(1.0, 0.5, genuine), rng.normal(2.0, 0.5, impostor)])
    return metrics.roc_curve(distances, np.repeat([metrics.GENUINE, metrics.IMPOSTOR], [genuine, impostor]))


def test_between_the_knots_log_odds_are_straight_and_beyond_them_level() -> None:
    assert LINE.probability(1.5) == pytest.approx(0.5)
    assert LINE.probability(1.25) == pytest.approx(1 / (1 + math.exp(-1)))
    assert LINE.probability(0.0) == LINE.probability(1.0) == pytest.approx(1 / (1 + math.exp(-2)))
    assert LINE.probability(9.0) == LINE.probability(2.0)
    np.testing.assert_allclose(LINE.probability(np.array([1.5, 2.0])), [0.5, 1 / (1 + math.exp(2))])


def test_the_prior_multiplies_the_odds() -> None:
    # Even odds by distance, one genuine pair to nine impostor pairs beforehand: one to nine remains.
    assert LINE.probability(1.5, prior=0.1) == pytest.approx(0.1)
    odds = LINE.probability(1.0, prior=0.1) / (1 - LINE.probability(1.0, prior=0.1))
    assert odds == pytest.approx(math.exp(2) / 9)
    for prior in (0.0, 1.0, -1.0):
        with pytest.raises(ValueError, match="prior"):
            LINE.probability(1.0, prior=prior)


def test_the_fit_finds_a_known_truth_whatever_the_numbers_of_pairs() -> None:
    truth = {distance: 1 / (1 + math.exp(-4 * (1.5 - distance))) for distance in (0.8, 1.2, 1.5, 1.8, 2.2)}
    for genuine, impostor in ((20_000, 20_000), (4_000, 40_000)):
        fitted = fit_calibration(normal_pairs(0, genuine, impostor))
        assert fitted is not None
        for distance, probability in truth.items():
            assert fitted.probability(distance) == pytest.approx(probability, abs=0.03)
        assert np.all(np.diff(fitted.log_odds) <= 0)


def test_nothing_is_certain_even_where_the_kinds_lie_apart() -> None:
    distances = np.concatenate([np.linspace(0.1, 0.5, 50), np.linspace(1.0, 1.5, 50)])
    fitted = fit_calibration(metrics.roc_curve(distances, np.repeat([0, 1], 50)))
    assert fitted is not None
    assert 0.9 < fitted.probability(0.1) < 1
    assert 0 < fitted.probability(1.5) < 0.1


def test_too_few_pairs_or_the_wrong_order_give_no_calibration() -> None:
    assert fit_calibration(normal_pairs(0, 19, 1000)) is None
    assert fit_calibration(normal_pairs(0, 20, 1000)) is not None
    rng = np.random.default_rng(0)
    backwards = np.concatenate([rng.normal(2, 0.2, 100), rng.normal(1, 0.2, 100)])
    assert fit_calibration(metrics.roc_curve(backwards, np.repeat([0, 1], 100))) is None


def test_faces_not_found_do_not_bend_the_fit() -> None:
    rng = np.random.default_rng(1)
    distances = np.concatenate([rng.normal(1, 0.5, 500), rng.normal(2, 0.5, 500)])
    labels = np.repeat([0, 1], 500)
    whole = metrics.roc_curve(np.append(distances, [np.inf, -np.inf]), np.append(labels, [0, 1]))
    assert fit_calibration(whole) == fit_calibration(metrics.roc_curve(distances, labels))


def test_pooling_equals_scikit_learns() -> None:
    rng = np.random.default_rng(3)
    for size in (1, 2, 7, 60):
        values, weights = rng.uniform(size=size) - np.arange(size) * 0.02, rng.uniform(0.1, 2, size)
        expected = IsotonicRegression(increasing=False).fit_transform(np.arange(size), values, sample_weight=weights)
        np.testing.assert_allclose(_never_rising(values, weights), expected, atol=1e-12)


def test_reliability_by_hand() -> None:
    # Probabilities 0.88 (at 1) and 0.12 (at 2). At 1: two of two genuine pairs... but one of four impostor pairs too.
    roc = metrics.roc_curve([1, 1, 1, 2, 2, 2], [0, 0, 1, 1, 1, 1])
    shown = reliability(roc, LINE)
    high, low = 1 / (1 + math.exp(-2)), 1 / (1 + math.exp(2))
    # Genuine pairs weigh 1/4 each, impostor pairs 1/8 each: at 1 lies 5/8 of the weight, 4/5 of it genuine.
    np.testing.assert_allclose(shown.weight, [3 / 8, 5 / 8])
    np.testing.assert_allclose(shown.found, [0, 4 / 5], atol=1e-12)
    np.testing.assert_allclose(shown.said, [low, high])
    assert shown.expected_error == pytest.approx(3 / 8 * low + 5 / 8 * (high - 4 / 5))


def test_reliability_equals_scikit_learns_on_as_many_pairs_of_each_kind() -> None:
    roc = normal_pairs(9, 3_000, 3_000)
    rng = np.random.default_rng(9)
    distances = np.concatenate([rng.normal(1.0, 0.5, 3_000), rng.normal(2.0, 0.5, 3_000)])
    calibration = Calibration((0.0, 3.0), (6.0, -6.0))
    found, said = calibration_curve(np.arange(6_000) < 3_000, calibration.probability(distances), n_bins=10)
    shown = reliability(roc, calibration)
    np.testing.assert_allclose(shown.found, found, atol=1e-9)
    np.testing.assert_allclose(shown.said, said, atol=1e-9)


def test_a_wrong_calibration_has_a_large_error_and_a_right_one_a_small() -> None:
    roc = normal_pairs(5, 5_000, 5_000)
    right = Calibration((0.0, 3.0), (6.0, -6.0))
    overdone = Calibration((0.0, 3.0), (60.0, -60.0))
    assert reliability(roc, right).expected_error < 0.02
    assert reliability(roc, overdone).expected_error > 0.1


def test_the_held_out_error_is_measured_on_the_other_half() -> None:
    halves = [normal_pairs(6, 4_000, 4_000), normal_pairs(7, 4_000, 4_000)]
    error = held_out_error(halves)
    assert error is not None
    fits = [fit_calibration(half) for half in halves]
    assert fits[0] is not None and fits[1] is not None
    expected = [reliability(halves[1], fits[0]).expected_error, reliability(halves[0], fits[1]).expected_error]
    assert error == pytest.approx(np.mean(expected))
    assert 0 < error < 0.03
    assert held_out_error([halves[0], normal_pairs(8, 5, 5)]) is None
    assert held_out_error(halves[:1]) is None


def test_a_card_gives_back_what_was_written() -> None:
    calibration = Calibration((0.5, 1.0, 2.0), (3.0, 0.5, -4.0), 0.02)
    assert Calibration.from_card(json.loads(json.dumps(calibration.to_card()))) == calibration
    assert calibration.to_card()["prior"] == 0.5
    assert Calibration.from_card(None) is None
    assert Calibration.from_card({"slope": -3.0, "offset": 2.5}) is None
    assert Calibration.from_card({**calibration.to_card(), "method": "a later one"}) is None


@pytest.mark.parametrize(
    "change",
    [
        {"distances": [1.0, 1.0, 2.0]},
        {"distances": [1.0, 2.0]},
        {"log_odds": [1.0, 2.0, 0.0]},
        {"log_odds": [1.0, float("nan"), 0.0]},
        {"log_odds": "high"},
        {"distances": [], "log_odds": []},
        {"distances": None},
    ],
)
def test_numbers_that_cannot_be_used_are_refused(change: dict[str, object]) -> None:
    card = Calibration((0.5, 1.0, 2.0), (3.0, 0.5, -4.0)).to_card()
    with pytest.raises(ValueError, match="calibration"):
        Calibration.from_card({**card, **change})


def test_beyond_is_what_the_pairs_themselves_say() -> None:
    """The knots alone give back how many pairs of either kind lie farther apart."""
    rng = np.random.default_rng(2)
    genuine, impostor = rng.normal(1.0, 0.5, 20_000), rng.normal(2.0, 0.5, 20_000)
    roc = metrics.roc_curve(np.concatenate([genuine, impostor]), np.repeat([0, 1], 20_000))
    fitted = fit_calibration(roc)
    assert fitted is not None
    for distance in (0.8, 1.2, 1.5, 1.8):
        expected = math.log((genuine > distance).mean() / (impostor > distance).mean())
        assert float(fitted.beyond(distance)) == pytest.approx(expected, abs=0.1)
    assert float(fitted.beyond(0.0)) == 0.0
    assert np.all(np.diff(fitted.beyond(np.linspace(0, 3, 50))) <= 1e-12)


def test_the_least_of_several_distances_is_judged_as_such() -> None:
    """n = m^2.5 faces count as m independent ones: held against the least of m drawn distances."""
    rng = np.random.default_rng(3)
    fitted = fit_calibration(normal_pairs(4, 40_000, 40_000))
    assert fitted is not None
    for several in (2, 4):
        least = [rng.normal(mean, 0.5, (40_000, several)).min(axis=1) for mean in (1.0, 2.0)]
        edges = np.quantile(np.concatenate(least), np.linspace(0.05, 0.7, 8))
        counts = [np.histogram(each, edges)[0] for each in least]
        middles = (edges[1:] + edges[:-1]) / 2
        found = np.log(counts[0] / counts[1])
        said = fitted.person_log_odds(middles, several**2.5)
        np.testing.assert_allclose(said, found, atol=0.35)
        assert np.abs(fitted.person_log_odds(middles, 1) - found).max() > 1


def test_one_face_is_one_pair_and_nearer_is_always_likelier() -> None:
    distances = np.linspace(1.0, 2.0, 11)
    np.testing.assert_allclose(LINE.person_log_odds(distances, 1), np.linspace(2, -2, 11))
    np.testing.assert_allclose(LINE.person_log_odds(np.array([0.0, 0.5]), 1), [6.0, 4.0])
    assert np.all(np.diff(LINE.person_log_odds(np.linspace(0, 2, 40), 25)) < 0)
