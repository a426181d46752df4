"""Looking people up: one face of each in a gallery, another of each to find them with."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facesearch.evaluation import metrics
from facesearch.evaluation.cohort import judged_distances
from facesearch.evaluation.distance import pair_distances
from facesearch.evaluation.report import Identification
from facesearch.records import Floats

MOST_PEOPLE = 2000  # looked up at most: their distances are 32 MB
SEED = 1


def draw_searches(identities: Sequence[Hashable], people: int, seed: int = SEED) -> list[tuple[int, int]]:
    """Pick two photos each of some people: one for the gallery and one as the probe, both by index.

    People are drawn by the seed and come in the order of their first photo. Raises ValueError where there are fewer.
    """
    places: dict[Hashable, list[int]] = defaultdict(list)
    for place, identity in enumerate(identities):
        places[identity].append(place)
    several = [own for own in places.values() if len(own) > 1]
    if not 0 < people <= len(several):
        raise ValueError(f"{people:,} people with two or more photos are asked for; there are {len(several):,}")
    rng = np.random.default_rng(seed)
    drawn = []
    for number in np.sort(rng.choice(len(several), people, replace=False)):
        gallery, probe = rng.choice(several[number], 2, replace=False).tolist()
        drawn.append((gallery, probe))
    return drawn


def identify(gallery: ArrayLike, probes: ArrayLike, scales: tuple[Floats, Floats] | None = None) -> Identification:
    """Rank-1 and rank-5 of P people. gallery, probes: (P, D) embeddings, row by row the same person; NaN: not found.
    scales: local scales of both, (P,) each, by which distances are judged (see cohort)."""
    stored, sought = np.asarray(gallery, dtype=np.float64), np.asarray(probes, dtype=np.float64)
    missing = [np.isnan(rows).any(axis=1) for rows in (stored, sought)]
    distances = pair_distances(np.nan_to_num(sought), np.nan_to_num(stored)).astype(np.float64)
    if scales is not None:
        distances = judged_distances(distances, scales[1][:, None], scales[0]).astype(np.float64)
    distances[missing[1]] = np.inf
    distances[:, missing[0]] = np.inf
    people = np.arange(len(stored))
    rates = metrics.identification_rates(distances, people, people)
    return Identification(len(people), rates[1], rates[5], int(missing[0].sum() + missing[1].sum()))


def identify_people(
    identities: Sequence[Hashable], embeddings: NDArray[np.float64], scales: Floats | None = None
) -> Identification | None:
    """Rank-1 and rank-5 of everybody with two photos or more, or of 2,000 of them drawn by a fixed seed; None where
    nobody has. identities: N names. embeddings: (N, D), NaN where no face was found. scales: local scales (N,)."""
    several = sum(count > 1 for count in Counter(identities).values())
    if not several:
        return None
    drawn = np.array(draw_searches(identities, min(several, MOST_PEOPLE)))
    sides = None if scales is None else (scales[drawn[:, 0]], scales[drawn[:, 1]])
    return identify(embeddings[drawn[:, 0]], embeddings[drawn[:, 1]], sides)
