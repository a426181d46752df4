"""Labels that a tower doubts: photos far from their own person's others, and two people who look like one.

Numbers only, in terms of mean squared distances, which centroids and spreads give exactly without all pairs. A tower
errs, a weak one often: these are suggestions to check, worst first. Refuses to judge a person's label by
fewer than two other photos.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesearch.records import Floats, Values
from facesearch_train.data.pairs import photos_by_person

# How many robust standard deviations farther than usual a photo must lie from its person's others.
FAR = 3.5
# To be judged, a photo needs that many others of its person.
LEAST_OTHERS = 2
# Two people look like one when their photos are, on average, no farther apart than this share of what is usual.
ONE_PERSON = 0.5
# The nearest person stands out if no farther than this share of the second nearest's distance.
STANDS_OUT = 0.6
# Where the judge says from which distance on two photos show one person, and that person lies within it, a smaller
# lead will do. Figures: scripts/bench_checking.py.
STANDS_OUT_WITHIN = 0.95
_BLOCK = 2048


@dataclass(frozen=True)
class Suspect:
    """A photo whose label is doubtful."""

    row: int  # which
    own: float  # root mean square distance to its person's other photos
    person: int | None  # the number of the nearest other person, where that one stands out
    other: float  # their distance


@dataclass(frozen=True)
class Twins:
    """Two people who look like one."""

    first: int
    second: int
    distance: float  # root mean square between their photos
    within: float  # between each one's own


@dataclass(frozen=True, eq=False)
class People:
    """Statistics of each person."""

    numbers: NDArray[np.int64]  # (P,)
    counts: NDArray[np.int64]  # (P,)
    centroids: Values  # (P, D)
    spreads: Values  # (P,), the mean squared distance of the photos from their centroid

    @classmethod
    def of(cls, embeddings: Floats, people: NDArray[np.int32]) -> People:
        """embeddings: (N, D). people: (N,) person numbers."""
        groups = photos_by_person(people)
        points = [embeddings[rows].astype(np.float64) for rows in groups]
        centroids = np.stack([part.mean(axis=0) for part in points])
        spreads = [((part - centre) ** 2).sum(axis=1).mean() for part, centre in zip(points, centroids, strict=True)]
        return cls(
            numbers=np.array([people[rows[0]] for rows in groups], np.int64),
            counts=np.array([len(rows) for rows in groups], np.int64),
            centroids=centroids,
            spreads=np.array(spreads),
        )

    def within(self) -> Values:
        """Mean squared distance between two different photos of each person; NaN for one photo."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(2 * self.spreads * self.counts / (self.counts - 1))


def own_distances(embeddings: Floats, people: NDArray[np.int32]) -> Values:
    """Root mean square distance of each photo to the others of its person: (N,); NaN where there are fewer than two."""
    known = People.of(embeddings, people)
    place = np.searchsorted(known.numbers, people)
    counts = known.counts[place]
    off = ((embeddings.astype(np.float64) - known.centroids[place]) ** 2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        squared = counts * (off + known.spreads[place]) / (counts - 1)
    return np.asarray(np.where(counts > LEAST_OTHERS, np.sqrt(squared), np.nan))


def find_mislabelled(embeddings: Floats, people: NDArray[np.int32], threshold: float | None = None) -> list[Suspect]:
    """Photos far from their own person's others, the farthest first.

    embeddings: (N, D). people: (N,) numbers from 0. threshold: the distance below which whoever made the embeddings
    takes two photos for one person, where that is known: it helps to say which person a photo shows instead. Far means
    FAR robust standard deviations (1.4826 times the median absolute deviation) above the median of all photos. A wrong
    photo makes its neighbours look far too, so each person's farthest is taken out before the others are judged again.
    """
    own = own_distances(embeddings, people)
    if np.isnan(own).all():
        return []
    usual = float(np.nanmedian(own))
    least = usual + FAR * 1.4826 * float(np.nanmedian(np.abs(own - usual)))
    kept = np.arange(len(people))
    farther: dict[int, float] = {}
    while len(places := _farthest_of_each(own, people[kept], least)):
        farther |= {int(kept[place]): float(own[place]) for place in places}
        kept = np.delete(kept, places)
        own = own_distances(embeddings[kept], people[kept])
    known = People.of(embeddings[kept], people[kept])
    found = []
    for row, distance in farther.items():
        person, other, second = _nearest_other(known, embeddings[row], int(people[row]))
        stands_out = other < min(least, STANDS_OUT * second)
        if threshold is not None:
            stands_out = other < min(threshold, STANDS_OUT_WITHIN * second)
        likely = person if stands_out else None
        found.append(Suspect(row, distance, likely, other))
    return sorted(found, key=lambda suspect: -suspect.own)


def _farthest_of_each(own: Values, people: NDArray[np.int32], least: float) -> list[int]:
    """Of every person with photos farther than `least`, the place of the farthest."""
    places = np.flatnonzero(own > least)
    order = places[np.argsort(-own[places], kind="stable")]
    return [int(order[first]) for first in np.unique(people[order], return_index=True)[1]]


def _nearest_other(known: People, embedding: Floats, own: int) -> tuple[int, float, float]:
    """The person with two photos or more nearest to an embedding but its own: number, root mean square distance, and
    that of the second nearest."""
    squared = ((known.centroids - embedding.astype(np.float64)) ** 2).sum(axis=1) + known.spreads
    squared[(known.counts < LEAST_OTHERS) | (known.numbers == own)] = np.inf
    nearest = int(np.argmin(squared))
    second = np.sqrt(np.partition(squared, 1)[1])
    return int(known.numbers[nearest]), float(np.sqrt(squared[nearest])), float(second)


def find_twins(embeddings: Floats, people: NDArray[np.int32]) -> list[Twins]:
    """Pairs of people with two photos or more who look like one, the most alike first.

    If one person's photos are cut in two, the mean squared distance between the halves is about that within them.
    So between two people it may exceed the mean within both by at most ONE_PERSON of the usual one. As a tower that
    crowds strangers gives such pairs by the thousand, both must also be each other's nearest, and stand out from the
    second nearest of either.
    """
    known = People.of(embeddings, people)
    several = np.flatnonzero(known.counts >= LEAST_OTHERS)
    if len(several) < 3:
        return []
    within, spreads, centroids = known.within()[several], known.spreads[several], known.centroids[several]
    nearest, distance, second = _two_nearest(centroids)
    usual = float(np.median(within))
    found = []
    for place, other in enumerate(nearest):
        if place > other or nearest[other] != place:
            continue
        between = distance[place] ** 2 + spreads[place] + spreads[other]
        mean_within = (within[place] + within[other]) / 2
        stands_out = distance[place] < STANDS_OUT * min(second[place], second[other])
        if stands_out and between - mean_within < ONE_PERSON * usual:
            first, last = (int(known.numbers[several[member]]) for member in (place, other))
            found.append(Twins(first, last, float(np.sqrt(between)), float(np.sqrt(mean_within))))
    return sorted(found, key=lambda twins: twins.distance)


def _two_nearest(points: Values) -> tuple[NDArray[np.int64], Values, Values]:
    """Of each point (P, D) the nearest other (P,), how far it is (P,), and how far the second nearest is (P,)."""
    nearest, distance, second = np.empty(len(points), np.int64), np.empty(len(points)), np.empty(len(points))
    squares = (points**2).sum(axis=1)
    for start in range(0, len(points), _BLOCK):
        rows = slice(start, start + _BLOCK)
        squared = squares[rows, None] + squares[None, :] - 2 * points[rows] @ points.T
        squared[np.arange(len(squared)), np.arange(start, start + len(squared))] = np.inf
        nearest[rows] = squared.argmin(axis=1)
        two = np.sqrt(np.maximum(np.partition(squared, 1, axis=1)[:, :2], 0.0))
        distance[rows], second[rows] = two[:, 0], two[:, 1]
    return nearest, distance, second
