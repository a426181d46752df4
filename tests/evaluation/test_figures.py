"""Figures of all pairs and the pairs that show them, against naive loops over a few faces."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from facesearch.evaluation import metrics, pair_counts
from facesearch.evaluation.all_pairs import NamedFaces, _folds_of_people, report_all_pairs
from facesearch.evaluation.calibration import Calibration, reliability
from facesearch.evaluation.evidence import SHOWN_PAIRS, ShownPairs, choose_listed, choose_of_all
from facesearch.evaluation.report import report_lines
from facesearch.evaluation.search import draw_searches, identify_people


def crowd(people: int = 24, photos: int = 3, seed: int = 0, absent: tuple[str, ...] = ()) -> NamedFaces:
    """People around places of their own in the plane, near enough to be mixed up now and then."""
    rng = np.random.default_rng(seed)
    embeddings = rng.uniform(0, 4, (people, 1, 2)) + rng.normal(0, 0.2, (people, photos, 2))
    names = [f"P{person:02}" for person in range(people) for _ in range(photos)]
    return NamedFaces("folders", "drawn", embeddings.reshape(-1, 2), names, absent)


def listed(faces: NamedFaces) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Every pair: rows, rows, distances, labels (1 = two people)."""
    rows = np.array(list(combinations(range(len(faces.names)), 2)))
    distances = np.array([np.linalg.norm(faces.embeddings[a] - faces.embeddings[b]) for a, b in rows])
    labels = np.array([int(faces.names[a] != faces.names[b]) for a, b in rows])
    return rows[:, 0], rows[:, 1], distances, labels


def balanced(distances: np.ndarray, labels: np.ndarray, threshold: float) -> float:
    accepted = distances <= threshold
    return float((accepted[labels == 0].mean() + (~accepted[labels == 1]).mean()) / 2)


def test_both_kinds_weigh_alike_in_the_balanced_figures() -> None:
    faces = crowd()
    report, _ = report_all_pairs(faces, threshold=0.3)
    _, _, distances, labels = listed(faces)
    best = max(balanced(distances, labels, threshold) for threshold in distances)
    assert report.balanced.accuracy == pytest.approx(best, abs=1e-9)
    assert balanced(distances, labels, report.balanced.distance) == pytest.approx(best, abs=0.01)
    assert report.balanced_at_threshold == pytest.approx(balanced(distances, labels, 0.3), abs=0.01)
    assert report.balanced_at_1 == pytest.approx(balanced(distances, labels, 1.0), abs=0.01)


def test_accuracy_by_folds_of_people_equals_a_naive_loop() -> None:
    faces = crowd()
    report, _ = report_all_pairs(faces, threshold=0.3)
    folds = _folds_of_people(faces)
    assert len(folds) == 10
    assert sorted(name for fold in folds for name in fold) == sorted(set(faces.names))
    first, second, distances, labels = listed(faces)
    names = np.array(faces.names)
    inside = [np.isin(names[first], list(fold)) & np.isin(names[second], list(fold)) for fold in folds]
    assert report.accuracy is not None
    for fold, chosen, accuracy in zip(inside, report.accuracy.thresholds, report.accuracy.accuracies, strict=True):
        others = np.any([other for other in inside if other is not fold], axis=0)
        best = max(balanced(distances[others], labels[others], threshold) for threshold in distances[others])
        assert balanced(distances[others], labels[others], chosen) == pytest.approx(best, abs=1e-3)
        assert accuracy == pytest.approx(balanced(distances[fold], labels[fold], chosen), abs=1e-3)


def test_too_few_people_have_no_folds_and_strangers_with_one_photo_still_count() -> None:
    few = NamedFaces("folders", "drawn", np.array([[0.0], [0.1], [1.0], [1.1], [5.0]]), ["a", "a", "b", "b", "c"])
    report, _ = report_all_pairs(few, threshold=0.5)
    assert report.accuracy is None
    assert (report.genuine_pairs, report.impostor_pairs) == (2, 8)
    assert report.identification is not None
    assert (report.identification.people, report.identification.rank_1) == (2, 1.0)
    with pytest.raises(ValueError, match="two people or more"):
        report_all_pairs(NamedFaces("folders", "drawn", np.zeros((2, 1)), ["a", "b"]), 1.0)


def test_a_face_not_found_is_charged_in_the_folds_and_in_the_search_too() -> None:
    whole, lacking = crowd(), crowd(absent=tuple(f"P{person:02}" for person in range(24)))
    reports = [report_all_pairs(faces, 0.3)[0] for faces in (whole, lacking)]
    assert reports[0].accuracy is not None and reports[1].accuracy is not None
    assert reports[1].accuracy.mean < reports[0].accuracy.mean - 0.1
    found = reports[1].identification
    assert found is not None
    assert found.people == 24
    assert found.photos_not_found > 0
    assert found.rank_1 <= 1 - found.photos_not_found / 48


def test_identification_equals_a_naive_search() -> None:
    faces = crowd(seed=3)
    drawn = draw_searches(faces.names, 24, seed=1)
    ranks = []
    for gallery, probe in drawn:
        assert faces.names[gallery] == faces.names[probe] and gallery != probe
        sought = [np.linalg.norm(faces.embeddings[other] - faces.embeddings[probe]) for other, _ in drawn]
        own = np.linalg.norm(faces.embeddings[gallery] - faces.embeddings[probe])
        ranks.append(sum(distance <= own for distance in sought))
    found = identify_people(faces.names, faces.embeddings)
    assert found is not None
    assert found.rank_1 == pytest.approx(np.mean([rank == 1 for rank in ranks]))
    assert found.rank_5 == pytest.approx(np.mean([rank <= 5 for rank in ranks]))
    assert found.rank_1 < found.rank_5 <= 1
    assert identify_people(["a", "b"], np.zeros((2, 2))) is None


def test_the_calibration_error_is_that_of_the_cards_probabilities() -> None:
    calibration = Calibration((0.0, 1.0), (3.0, -3.0))
    report, roc = report_all_pairs(crowd(), 0.3, calibration)
    assert report.calibration_error == pytest.approx(reliability(roc, calibration).expected_error)
    assert any("expected error" in line for line in report_lines(report))
    assert report_all_pairs(crowd(), 0.3)[0].calibration_error is None


def test_the_printed_lines_put_a_distance_of_1_beside_the_best() -> None:
    report, _ = report_all_pairs(crowd(), threshold=0.3)
    lines = "\n".join(report_lines(report))
    below = 100 * (report.balanced.accuracy - report.balanced_at_1)
    assert (
        f"distance 1        1.000: {report.balanced_at_1:.2%} judged correctly, {below:.2f} points below the best"
        in lines
    )
    assert report.accuracy is not None
    assert f"{report.accuracy.mean:.2%} ± {report.accuracy.standard_error:.2%} over 10 folds" in lines
    assert report.identification is not None
    assert f"rank 1 {report.identification.rank_1:.2%}, rank 5 {report.identification.rank_5:.2%}" in lines
    assert lines.count("TAR at FAR") == len(report.true_accepts) > 0


@pytest.mark.parametrize("block_values", [100, 1 << 21])
def test_the_pairs_shown_of_all_are_the_most_wrong_ones(block_values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_counts, "_BLOCK_VALUES", block_values)
    faces = crowd(people=30)
    first, second, distances, labels = listed(faces)
    shown = choose_of_all(faces.embeddings, faces.numbers, threshold=0.3)
    expected = choose_listed(first, second, distances, labels, threshold=0.3)
    for kind in ("rejected", "accepted"):
        pairs, naive = getattr(shown, kind), getattr(expected, kind)
        assert len(pairs) > 3
        assert [(pair.first, pair.second) for pair in pairs] == [(pair.first, pair.second) for pair in naive]
        assert [pair.distance for pair in pairs] == pytest.approx([pair.distance for pair in naive])
    assert_sound(shown, faces)


def assert_sound(shown: ShownPairs, faces: NamedFaces) -> None:
    """Each pair's kind and distance are true, the examples rise, and the worst come first."""
    for pairs, same in (
        (shown.genuine, True),
        (shown.rejected, True),
        (shown.impostor, False),
        (shown.accepted, False),
    ):
        assert 0 < len(pairs) <= SHOWN_PAIRS
        for pair in pairs:
            assert (faces.names[pair.first] == faces.names[pair.second]) is same
            apart = np.linalg.norm(faces.embeddings[pair.first] - faces.embeddings[pair.second])
            assert pair.distance == pytest.approx(apart)
    for pairs in (shown.genuine, shown.impostor, shown.accepted, shown.rejected[::-1]):
        assert [pair.distance for pair in pairs] == sorted(pair.distance for pair in pairs)
    assert {row for pair in shown.genuine for row in (pair.first, pair.second)} <= set(shown.rows)


def test_pairs_without_a_distance_and_right_ones_are_not_shown_as_wrong() -> None:
    rows = np.arange(4)
    labels = np.array([metrics.GENUINE, metrics.GENUINE, metrics.IMPOSTOR, metrics.IMPOSTOR])
    shown = choose_listed(rows, rows + 4, np.array([np.inf, 0.5, -np.inf, 2.0]), labels, threshold=1.0)
    assert (shown.rejected, shown.accepted) == ((), ())
    assert [pair.first for pair in shown.genuine] == [1]
    assert [pair.first for pair in shown.impostor] == [3]
    assert shown.rows == [1, 3, 5, 7]
