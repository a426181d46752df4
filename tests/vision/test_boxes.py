"""Overlap and suppression against values by hand and a naive loop."""

from __future__ import annotations

import numpy as np
import pytest

from facesearch.records import Span
from facesearch.vision import boxes as boxes_room
from facesearch.vision.boxes import Measure, overlap, pair_up_in_time, suppress

A = [0, 0, 10, 10]
B = [5, 0, 15, 10]  # half of A
INSIDE = [2, 2, 4, 4]
AWAY = [20, 20, 30, 30]
TOUCHING = [10, 0, 20, 10]
POINT = [3, 3, 3, 3]


def rows(*boxes: list[int]) -> np.ndarray:
    return np.array(boxes, dtype=np.float32)


def test_overlap_as_share_of_the_union() -> None:
    shared = overlap(rows(A), rows(A, B, INSIDE, AWAY, TOUCHING, POINT))
    np.testing.assert_allclose(shared, [[1, 50 / 150, 4 / 100, 0, 0, 0]])


def test_overlap_as_share_of_the_smaller() -> None:
    np.testing.assert_allclose(overlap(rows(A, INSIDE), rows(B, INSIDE), "min"), [[0.5, 1], [0, 1]])


def naive_suppress(boxes: np.ndarray, scores: np.ndarray, threshold: float, measure: Measure) -> list[int]:
    order = sorted(range(len(boxes)), key=lambda index: -scores[index])
    kept = []
    for place, index in enumerate(order):
        better = order[:place]
        if all(overlap(boxes[[index]], boxes[[other]], measure)[0, 0] <= threshold for other in better):
            kept.append(index)
    return kept


@pytest.mark.parametrize("measure", ["union", "min"])
@pytest.mark.parametrize("count", [0, 1, 60])
def test_suppression_equals_a_naive_loop(measure: Measure, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boxes_room, "_BLOCK", 7)
    rng = np.random.default_rng(count)
    corner, size = rng.uniform(0, 60, (count, 2)), rng.uniform(5, 40, (count, 2))
    boxes = np.concatenate([corner, corner + size], axis=1).astype(np.float32)
    scores = rng.permutation(count).astype(np.float32)
    assert suppress(boxes, scores, 0.4, measure).tolist() == naive_suppress(boxes, scores, 0.4, measure)


def test_a_suppressed_box_suppresses_too() -> None:
    chain = rows([0, 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10])  # neighbours share 7 of 13, the outer two 4 of 16
    assert suppress(chain, np.array([0.9, 0.8, 0.7], np.float32), 0.5).tolist() == [0]


def test_faces_of_a_film_are_paired_by_time_and_place() -> None:
    def seen(box: list[int], start_s: float, end_s: float, at_s: float) -> tuple[np.ndarray, Span]:
        return np.array(box, np.float32), Span(start_s, end_s, at_s, 0)

    early, late, aside = seen(A, 0, 4, 2), seen(A, 10, 14, 12), seen(AWAY, 0, 4, 2)
    assert pair_up_in_time([early, late, aside], [late, aside, early]) == [(0, 2), (1, 0), (2, 1)]
    # The same frame comes first, although the other face has more time in common with it.
    assert pair_up_in_time([seen(A, 0, 4, 2)], [seen(A, 0, 4, 3), seen(B, 2, 9, 2)]) == [(0, 1)]
    # 5 of 7 s in common, and then 3 of 9.
    assert pair_up_in_time([seen(A, 0, 4, 1)], [seen(A, 2, 8, 3), seen(A, 0, 6, 3)]) == [(0, 1)]
    assert pair_up_in_time([early], [late, aside]) == []
    assert pair_up_in_time([early], []) == []
