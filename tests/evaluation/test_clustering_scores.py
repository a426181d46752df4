"""Scores of groups against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from facesearch.people.clusters import score_clusters


def test_scores_of_groups_worked_out_by_hand() -> None:
    # Groups {a a b}, {b b}; one a and the only c in no group.
    groups = [0, 0, 0, 1, 1, -1, -1]
    people = ["a", "a", "b", "b", "b", "a", "c"]
    scores = score_clusters(groups, people)
    # Each face: its group's share of its person, and its person's share in its group.
    precision = [2 / 3, 2 / 3, 1 / 3, 1, 1, 1, 1]
    recall = [2 / 3, 2 / 3, 1 / 3, 2 / 3, 2 / 3, 1 / 3, 1]
    assert scores.precision == pytest.approx(sum(precision) / 7)
    assert scores.recall == pytest.approx(sum(recall) / 7)
    assert scores.f == pytest.approx(2 * scores.precision * scores.recall / (scores.precision + scores.recall))
    assert scores.grouped_precision == pytest.approx(sum(precision[:5]) / 5)
    # Pairs: 3 + 1 in groups, of which aa and bb are right; 3 of a and 3 of b there are.
    assert (scores.pair_precision, scores.pair_recall) == (2 / 4, 2 / 6)
    assert (scores.groups, scores.grouped, scores.faces) == (2, 5, 7)


def test_the_example_of_amigo_and_others() -> None:
    """Two groups, of five faces (four of one person) and of four (two and two): precision 0.6 over all nine."""
    scores = score_clusters([0] * 5 + [1] * 4, [1, 1, 1, 1, 2, 2, 2, 3, 3])
    assert scores.precision == pytest.approx((4 * 4 / 5 + 1 / 5 + 4 * 2 / 4) / 9)
    assert scores.recall == pytest.approx((4 * 1 + 1 / 3 + 2 * 2 / 3 + 2 * 1) / 9)


def test_nothing_grouped_is_precise_and_finds_nobody() -> None:
    scores = score_clusters([-1, -1, -1], [1, 1, 2])
    assert (scores.precision, scores.grouped_precision, scores.pair_precision) == (1, 1, 1)
    assert (scores.pair_recall, scores.groups) == (0, 0)
    assert scores.recall == pytest.approx((1 / 2 + 1 / 2 + 1) / 3)


def test_scores_agree_with_a_loop_over_pairs_of_faces() -> None:
    rng = np.random.default_rng(0)
    groups, people = rng.integers(-1, 6, 60), rng.integers(0, 8, 60)
    alone = np.where(groups < 0, 100 + np.arange(60), groups)
    precision, recall = [], []
    for face in range(60):
        group = [other for other in range(60) if alone[other] == alone[face]]
        person = [other for other in range(60) if people[other] == people[face]]
        both = len(set(group) & set(person))
        precision.append(both / len(group))
        recall.append(both / len(person))
    scores = score_clusters(groups, people)
    assert scores.precision == pytest.approx(np.mean(precision))
    assert scores.recall == pytest.approx(np.mean(recall))


@pytest.mark.parametrize(("groups", "people"), [([], []), ([1, 2], [1]), ([[1]], [[1]])])
def test_lists_that_do_not_fit_are_refused(groups: list[int], people: list[int]) -> None:
    with pytest.raises(ValueError, match="two lists of one length"):
        score_clusters(groups, people)
