"""Pairs of faces that illustrate the figures: some of each kind, and the worst mistakes.

Holds row numbers only: the caller looks up their pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facesearch.evaluation.calibration import Calibration
from facesearch.evaluation.cohort import judged_distances
from facesearch.evaluation.metrics import GENUINE, IMPOSTOR, RocCurve
from facesearch.evaluation.pair_counts import pair_blocks
from facesearch.evaluation.report import Report
from facesearch.records import Floats, Pixels

SHOWN_PAIRS = 15
_SEED = 1


@dataclass(frozen=True)
class ShownPair:
    """Two faces, by row, and how far apart they are."""

    first: int
    second: int
    distance: float


Pairs = tuple[ShownPair, ...]


@dataclass(frozen=True)
class ShownPairs:
    """The pairs that a report shows."""

    # genuine, impostor: some, drawn by a fixed seed, nearest first
    genuine: Pairs
    impostor: Pairs
    rejected: Pairs  # the genuine pairs farthest above the best threshold
    accepted: Pairs  # the impostor pairs farthest below it

    @property
    def rows(self) -> list[int]:
        """Every row that is shown, rising."""
        every = (*self.genuine, *self.impostor, *self.rejected, *self.accepted)
        return sorted({row for pair in every for row in (pair.first, pair.second)})


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that a report shows."""

    report: Report
    roc: RocCurve
    calibration: Calibration | None
    pairs: ShownPairs
    crops: Mapping[int, Pixels]  # uint8 (112, 112, 3), of shown rows whose photo still exists
    captions: Mapping[int, str]  # what to call a row
    samples: Pixels | None = None  # uint8 (N, 112, 112, 3), faces for the sensitivity section, or None
    notes: Sequence[str] = field(default=())  # notes for the reader, in sentences


def choose_listed(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    distances: NDArray[np.float64],
    labels: NDArray[np.int64],
    threshold: float,
) -> ShownPairs:
    """The pairs to show out of a list; never those without a distance. All (P,); labels as in metrics."""
    rng = np.random.default_rng(_SEED)

    def pairs(places: NDArray[np.int64]) -> Pairs:
        return tuple(ShownPair(int(first[at]), int(second[at]), float(distances[at])) for at in places)

    drawn, wrong = [], []
    for kind in (GENUINE, IMPOSTOR):
        own = np.flatnonzero((labels == kind) & np.isfinite(distances))
        some = rng.permutation(own)[:SHOWN_PAIRS]
        drawn.append(pairs(some[np.argsort(distances[some], kind="stable")]))
        excess = (distances[own] - threshold) * (1 if kind == GENUINE else -1)
        worst = own[np.argsort(-excess, kind="stable")][: int((excess > 0).sum())]
        wrong.append(pairs(worst[:SHOWN_PAIRS]))
    return ShownPairs(drawn[0], drawn[1], wrong[0], wrong[1])


def choose_of_all(
    embeddings: NDArray[np.float64], people: NDArray[np.int64], threshold: float, scales: Floats | None = None
) -> ShownPairs:
    """The pairs to show out of all pairs. embeddings: (N, D). people: (N,) numbers. scales: local scales (N,). Needs
    pairs of both kinds."""
    drawn = [_drawn_pairs(people, kind) for kind in (GENUINE, IMPOSTOR)]
    extreme = _extreme_pairs(embeddings, people, scales)
    rows = np.concatenate([*drawn, *extreme])
    unique, place = np.unique(rows, axis=0, return_index=True)
    distances = np.linalg.norm(embeddings[unique[:, 0]] - embeddings[unique[:, 1]], axis=1)
    if scales is not None:
        distances = judged_distances(distances, *scales[unique.T]).astype(np.float64)
    labels = (people[unique[:, 0]] != people[unique[:, 1]]).astype(np.int64)
    first, second = unique.T
    worst = choose_listed(first, second, distances, labels, threshold)
    some = place < len(drawn[0]) + len(drawn[1])
    shown = choose_listed(first[some], second[some], distances[some], labels[some], threshold)
    return ShownPairs(shown.genuine, shown.impostor, worst.rejected, worst.accepted)


def _drawn_pairs(people: NDArray[np.int64], kind: int) -> NDArray[np.int64]:
    """Up to SHOWN_PAIRS pairs of a kind, the lower row first: int64 (P, 2). All faces occur about equally often."""
    rng = np.random.default_rng([_SEED, kind])
    pairs: set[tuple[int, int]] = set()
    for row in rng.permutation(len(people)):
        others = np.flatnonzero((people == people[row]) if kind == GENUINE else (people != people[row]))
        others = others[others != row]
        if len(others) and len(pairs) < SHOWN_PAIRS:
            other = int(rng.choice(others))
            pairs.add((min(int(row), other), max(int(row), other)))
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)


def _extreme_pairs(
    embeddings: NDArray[np.float64], people: NDArray[np.int64], scales: Floats | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The SHOWN_PAIRS genuine pairs farthest apart, and the nearest impostor pairs: int64 (P, 2) each."""
    kept: list[list[tuple[float, int, int]]] = [[], []]
    for start, distances, later in pair_blocks(embeddings, scales):
        impostor = people[start : start + len(distances), None] != people[None, start:]
        for kind, sign in ((GENUINE, -1.0), (IMPOSTOR, 1.0)):
            rows, columns = np.nonzero(later & (impostor == bool(kind)))
            cost = sign * distances[rows, columns]
            if len(cost) > SHOWN_PAIRS:
                best = np.argpartition(cost, SHOWN_PAIRS)[:SHOWN_PAIRS]
                rows, columns, cost = rows[best], columns[best], cost[best]
            found = zip(cost.tolist(), (rows + start).tolist(), (columns + start).tolist(), strict=True)
            kept[kind] = sorted([*kept[kind], *found])[:SHOWN_PAIRS]
    genuine, impostors = (np.array([pair[1:] for pair in own], dtype=np.int64).reshape(-1, 2) for own in kept)
    return genuine, impostors
