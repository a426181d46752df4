"""The lessons of the training photos: a place for each, from a teacher's embeddings and from the labels.

Also which photos are look-alikes by it, and meet in a batch. Knows nothing of networks or files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesearch.records import Floats

# Where the teacher's threshold comes to lie: strangers, at a right angle, are then about the margin of 2 apart.
THRESHOLD_PLACE = math.sqrt(2)
# Nearest neighbours are looked for among so many photos at most, which takes some seconds.
MOST_SEARCHED = 100_000
_SEARCH_BATCH = 1024
_SEARCH_SEED = 3


@dataclass(frozen=True, eq=False)
class Taught:
    """What the photos that are trained on are taught."""

    places: Floats  # float32 (N, K), one a photo, turned so that the first numbers are the principal components
    neighbours: NDArray[np.int32]  # int32 (N, M), each photo's nearest others


def teach(places: Floats, identities: NDArray[np.int32], truth: float, neighbours: int) -> Taught:
    """Places to learn, from a teacher's embeddings and from the labels.

    places: float32 (N, K), the teacher's threshold at 1. identities: int32 (N,) person numbers, below 0 for a photo
    without a label. truth: how far each place is moved towards the mean of its person's, from 0 (the teacher alone) to
    1. neighbours: how many nearest ones to name. Places are brought to the mean of all, and scaled so that the
    threshold comes to THRESHOLD_PLACE.
    """
    centred = (places - places.mean(axis=0)) * np.float32(THRESHOLD_PLACE)
    values, axes = np.linalg.eigh(np.cov(centred.T).reshape(places.shape[1], -1))
    turned = (centred @ axes[:, np.argsort(values)[::-1]]).astype(np.float32)
    whose, counts = np.unique(identities, return_inverse=True, return_counts=True)[1:]
    sums = np.zeros((len(counts), turned.shape[1]), np.float64)
    np.add.at(sums, whose, turned)
    means = (sums / counts[:, None]).astype(np.float32)
    means = np.where((identities >= 0)[:, None], means[whose], turned)
    mixed = (1 - truth) * turned + truth * means
    if truth:  # the mean of several lies nearer to the middle than each of them
        mixed = mixed * (np.linalg.norm(turned, axis=1) / np.maximum(np.linalg.norm(mixed, axis=1), 1e-6))[:, None]
    return Taught(mixed.astype(np.float32), nearest_others(turned, neighbours))


def nearest_others(places: Floats, count: int) -> NDArray[np.int32]:
    """The rows of the `count` nearest other places to each: float32 (N, K) -> int32 (N, count), the nearest first.

    Of more than MOST_SEARCHED places only so many, drawn by a seed, are looked through.
    """
    rows = np.arange(len(places))
    if len(rows) > MOST_SEARCHED:
        rows = np.sort(np.random.default_rng(_SEARCH_SEED).permutation(rows)[:MOST_SEARCHED])
    count = min(count, len(rows) - 1)
    found = np.empty((len(places), count), np.int32)
    gallery = places[rows].T.copy()
    norms = np.square(gallery).sum(axis=0) / 2
    for start in range(0, len(places), _SEARCH_BATCH):
        farness = norms - places[start : start + _SEARCH_BATCH] @ gallery
        own = np.arange(start, start + len(farness))
        place = np.minimum(np.searchsorted(rows, own), len(rows) - 1)
        farness[np.flatnonzero(rows[place] == own), place[rows[place] == own]] = np.inf
        nearest = np.argpartition(farness, count - 1, axis=1)[:, :count]
        order = np.argsort(np.take_along_axis(farness, nearest, axis=1), axis=1, kind="stable")
        found[start : start + _SEARCH_BATCH] = rows[np.take_along_axis(nearest, order, axis=1)]
    return found


def draw_lookalikes(
    neighbours: NDArray[np.int32], rng: np.random.Generator, group: int, wanted: int
) -> NDArray[np.int64]:
    """Photos in groups of look-alikes: (wanted,) rows, each group an anchor and `group - 1` of its neighbours.

    neighbours: int32 (N, M). Anchors come in a random order, each once before any comes again.
    """
    groups = max(1, wanted // group)
    rounds = -(-groups // len(neighbours))
    anchors = np.concatenate([rng.permutation(len(neighbours)) for _ in range(rounds)])[:groups]
    chosen = [rng.permutation(neighbours[anchor])[: group - 1] for anchor in anchors]
    return np.concatenate([anchors[:, None], np.array(chosen, np.int64)], axis=1).reshape(-1)
