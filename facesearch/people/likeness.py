"""How the faces of people compare: how well each fits its own person and others, and which people look like one.

A probabilistic linear discriminant: faces scatter around their person, people around the middle, both as normal
distributions that are estimated from the named faces themselves. Source: Ioffe 2006 (Probabilistic Linear Discriminant
Analysis). People are found by a few points each, through FAISS: the work grows with the faces, not with their square.
Refuses to know who anybody is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from facesearch.evaluation.places import Places
from facesearch.records import EMBEDDING_SIZE, Floats, Ints, Values

OTHERS = 4  # people who are measured against a face, and against a person
_POINTS = 4  # points that stand for a person's faces in the search: a child and a grown-up lie apart
_SAMPLED = 64  # faces of a person that these points are chosen from
_TRUSTED = 4  # more faces say little more of a person, because faces of one day are not independent
_EXACT_POINTS = 50_000  # beyond these the search is by partitions
_PROBES_AT_ONCE = 16_384
_KEPT_ROUND = 0.5  # how much of the scatter within people is taken as equal in all directions
# Faces that lie where strangers are near differ less than others: the squares of what two differ by are divided by
# their local scale to this power (docs/research/review.md).
_SCALED = 1.25
# Before any face is named: root mean square distances of one person's and two people's faces, as multiples of the
# threshold, and how many faces or people it takes to outweigh that. The shipped tower has 1.18 and 2.07 on LFW's
# people of fold 6, 1.10 and 2.09 on fold 7.
_GENUINE, _IMPOSTOR, _OUTWEIGHED = 1.25, 2.0, EMBEDDING_SIZE


@dataclass(frozen=True, eq=False)
class Fits:
    """Of each face, natural logarithms of how much likelier it is as a face of a person than as one of anybody."""

    own: Values  # float64 (N,), of its own person by the other faces; NaN where there is none
    others: Ints  # int64 (N, OTHERS), people by position in `Likeness.people`, -1 for none
    to_others: Values  # float64 (N, OTHERS), -inf for none


class Likeness:
    """The people of some faces, ready to be held against one another.

    places: of N faces; owners: int64 (N,) ids of people. threshold: up to this distance two faces count as one person.
    How faces scatter is estimated in the space itself; a judged threshold stands for a plain one where scales are
    average. Local scales count in proportion to the average face's: with them, strangers of every group of people look
    about as different.
    """

    def __init__(self, places: Places, owners: Ints, threshold: float) -> None:
        self.people, self.positions, self.counts = np.unique(owners, return_inverse=True, return_counts=True)
        rows = np.asarray(places.points, np.float64)
        middle = rows.mean(axis=0)
        average = float(places.scales.mean(dtype=np.float64))
        plain = threshold * average
        within, between = _scatter(rows - middle, self.positions, self.counts, plain)
        projection, self._spread = _diagonal(within, between)
        self._faces = (rows - middle) @ projection
        self._sums = _sums(self._faces, self.positions, len(self.people))
        self._scales = np.asarray(places.scales, np.float64) / average  # of faces
        self._person_scales = np.bincount(self.positions, self._scales, len(self.people)) / self.counts

    @cached_property
    def _search(self) -> tuple[Any, Ints]:
        """A search over the points of all people, and whose each is."""
        points, owners = _points(self._faces, self.positions, self._sums / self.counts[:, None])
        return _index(points), owners

    def fits(self) -> Iterator[tuple[Ints, Fits]]:
        """How well each face fits, in pieces: rows, int64 (n,), and theirs."""
        for start in range(0, len(self._faces), _PROBES_AT_ONCE):
            rows = np.arange(start, min(start + _PROBES_AT_ONCE, len(self._faces)))
            own = self.own_fit(rows)
            others = self._near(self._faces[rows], self.positions[rows])
            known = np.maximum(others, 0)
            to_others = self._ratio(
                self._faces[rows][:, None],
                np.ones(others.shape),
                self._sums[known] / self.counts[known][..., None],
                np.minimum(self.counts[known], _TRUSTED),
                (self._scales[rows][:, None] + self._person_scales[known]) / 2,
            )
            yield rows, Fits(own, others, np.where(others >= 0, to_others, -np.inf))

    def own_fit(self, rows: Ints, without: Ints | None = None) -> Values:
        """How well faces fit the other faces of their person, but for one more face each (`without`); NaN where
        there is no other."""
        mine = self.positions[rows]
        left, sums = self.counts[mine] - 1, self._sums[mine] - self._faces[rows]
        if without is not None:
            left, sums = left - 1, sums - self._faces[without]
        means = sums / np.maximum(left, 1)[:, None]
        scales = (self._scales[rows] + self._person_scales[mine]) / 2
        ratio = self._ratio(self._faces[rows], np.ones(len(rows)), means, np.clip(left, 1, _TRUSTED), scales)
        return np.where(left > 0, ratio, np.nan)

    def alike(self) -> Iterator[tuple[int, int, float]]:
        """Pairs of people (positions, the first has more faces) near one another, and how much likelier it is that they
        are one person than two, as a natural logarithm."""
        means = self._sums / self.counts[:, None]
        for start in range(0, len(self.people), _PROBES_AT_ONCE):
            mine = np.arange(start, min(start + _PROBES_AT_ONCE, len(self.people)))
            found = self._near(means[mine], mine)
            pairs = np.stack([np.repeat(mine, OTHERS), found.ravel()], axis=1)
            pairs = pairs[pairs[:, 1] >= 0]
            first, second = pairs.T
            swap = (self.counts[first] < self.counts[second]) | (
                (self.counts[first] == self.counts[second]) & (first > second)
            )
            first, second = np.where(swap, second, first), np.where(swap, first, second)
            scales = (self._person_scales[first] + self._person_scales[second]) / 2
            ratio = self._ratio(means[first], self.counts[first], means[second], self.counts[second], scales)
            yield from zip(first.tolist(), second.tolist(), ratio.tolist(), strict=True)

    def _near(self, probes: Values, mine: Ints) -> Ints:
        """Up to OTHERS people nearest to each probe, except `mine`: (n, OTHERS), -1 for none."""
        index, owners = self._search
        _, found = index.search(np.ascontiguousarray(probes, np.float32), min(len(owners), _POINTS * (OTHERS + 1)))
        whose = np.where(found >= 0, owners[found], mine[:, None])
        near = np.full((len(probes), OTHERS), -1, np.int64)
        for row, (theirs, me) in enumerate(zip(whose.tolist(), mine.tolist(), strict=True)):
            others = [other for other in dict.fromkeys(theirs) if other != me][:OTHERS]
            near[row, : len(others)] = others
        return near

    def _ratio(
        self,
        first: Values,
        first_count: Values | Ints,
        second: Values,
        second_count: Values | Ints,
        scales: Values,
    ) -> Values:
        """log p(both means | one person) - log p(both | two people): (..., 32) -> (...). Counts and scales: (...)."""
        between = self._spread
        n1, n2 = np.asarray(first_count, np.float64)[..., None], np.asarray(second_count, np.float64)[..., None]
        known = between / (between + 1 / n2)  # how much the second mean says about the person
        given, alone = between * (1 - known) + 1 / n1, between + 1 / n1
        apart = (first - known * second) ** 2 / given / (scales**_SCALED)[..., None]
        logs = np.log(alone / given) + first**2 / alone - apart
        return np.asarray(logs.sum(axis=-1) / 2)


def _scatter(rows: Values, positions: Ints, counts: Ints, threshold: float) -> tuple[Values, Values]:
    """The covariances within people and between them, (32, 32) each, of which the threshold gives a first guess."""
    size = rows.shape[1]
    guess = np.array([_GENUINE**2, _IMPOSTOR**2 - _GENUINE**2]) * threshold**2 / 2 / size
    means = _sums(rows, positions, len(counts)) / counts[:, None]
    rest = rows - means[positions]
    # Faces at the wrong person would pass for scatter: none counts for more than twice the guess.
    length = np.linalg.norm(rest, axis=1, keepdims=True)
    rest *= np.minimum(1, 2 * _GENUINE / np.sqrt(2) * threshold / np.maximum(length, 1e-12))
    free = len(rows) - len(counts)
    within = (rest.T @ rest + _OUTWEIGHED * guess[0] * np.eye(size)) / (free + _OUTWEIGHED)
    within = (1 - _KEPT_ROUND) * within + _KEPT_ROUND * np.trace(within) / size * np.eye(size)
    people = len(counts) - 1
    between = np.zeros((size, size))
    if people > 0:
        typical = (len(rows) - (counts.astype(np.float64) ** 2).sum() / len(rows)) / people  # of unequal groups
        weighted = (means * counts[:, None]).T @ means / people
        values, vectors = np.linalg.eigh((weighted - within) / typical)
        between = (vectors * np.maximum(values, 0)) @ vectors.T
    between = (people * between + _OUTWEIGHED * guess[1] * np.eye(size)) / (people + _OUTWEIGHED)
    return within, between


def _diagonal(within: Values, between: Values) -> tuple[Values, Values]:
    """A projection (32, 32) after which the scatter within people is 1 and that between them diagonal, and that."""
    unit = np.linalg.inv(np.linalg.cholesky(within)).T
    values, vectors = np.linalg.eigh(unit.T @ between @ unit)
    return unit @ vectors, np.maximum(values, 1e-9)


def _sums(rows: Values, positions: Ints, people: int) -> Values:
    """The sum of each person's rows: (N, D) -> (people, D)."""
    return np.stack([np.bincount(positions, column, people) for column in rows.T], axis=1)


def _points(faces: Values, positions: Ints, means: Values) -> tuple[Floats, Ints]:
    """Each person's mean, and where there are several faces up to _POINTS - 1 of them that lie far apart; and whose
    each point is. Source: Gonzalez 1985 (farthest-first traversal)."""
    order = np.argsort(positions, kind="stable")
    starts = np.searchsorted(positions[order], np.arange(len(means) + 1))
    points, owners = [means], [np.arange(len(means))]
    for person in np.flatnonzero(np.diff(starts) > 1).tolist():
        rows = order[starts[person] : starts[person + 1]]
        if len(rows) > _SAMPLED:
            rows = rows[np.linspace(0, len(rows) - 1, _SAMPLED).astype(np.int64)]
        theirs = faces[rows]
        chosen: list[int] = []
        far = ((theirs - means[person]) ** 2).sum(axis=1)
        while len(chosen) < min(_POINTS - 1, len(rows)):
            chosen.append(int(np.argmax(far)))
            far = np.minimum(far, ((theirs - theirs[chosen[-1]]) ** 2).sum(axis=1))
        points.append(theirs[chosen])
        owners.append(np.full(len(chosen), person))
    return np.concatenate(points).astype(np.float32), np.concatenate(owners)


def _index(points: Floats) -> Any:
    """A search over points: exact, or for very many by partitions."""
    import faiss

    index = faiss.IndexFlatL2(points.shape[1])
    if len(points) > _EXACT_POINTS:
        partitions = int(4 * np.sqrt(len(points)))
        index = faiss.IndexIVFFlat(index, points.shape[1], partitions)
        index.cp.max_points_per_centroid, index.cp.niter = 64, 10
        index.train(points)
        index.nprobe = 16
    index.add(points)
    return index
