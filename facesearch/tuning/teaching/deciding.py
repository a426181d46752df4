"""Whether what was learned is kept: by how much it is better on faces that it has not seen, and how sure that is.

What is compared is the area under the ROC (AUC): how often two photos of one person are nearer than two of two people.
Its gain is given with an interval by bootstrap over people (Efron 1979): photos of one person are not independent
witnesses, people nearly are. Refuses to keep what might be chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesearch.records import Values
from facesearch.tuning.teaching.held_out import HeldOut, HeldOutPairs

MOST_LOST = 0.02  # of the AUC, among people who were left out
RULE = (
    "kept if the AUC rises for new photos of named people against all others, and does not fall by 0.02 among people "
    "who were left out: both with 95 % confidence, by bootstrap over people"
)

_RESAMPLES = 1000
_MOST_UNITS = 80  # people are drawn in as many groups, where there are more
_BINS = 256
_AT_ONCE = 100


@dataclass(frozen=True)
class Gain:
    """A change of the AUC and its 95 % interval."""

    gain: float
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """Whether what was learned is kept, and the gains that say so."""

    kept: bool
    known: Gain
    left_out: Gain


def decide(held_out: HeldOut, seed: int) -> Verdict:
    """Whether to keep what was learned."""
    known, left_out = bootstrapped_gain(held_out.known, seed), bootstrapped_gain(held_out.left_out, seed)
    return Verdict(known.low > 0 and left_out.low > -MOST_LOST, known, left_out)


def bootstrapped_gain(pairs: HeldOutPairs, seed: int) -> Gain:
    """The gain in AUC, with the interval that it lies in when people are redrawn, with replacement.

    A resample in which a pair of either kind is missing is left out. Raises ValueError where that are all.
    """
    people, unit = np.unique(np.concatenate([pairs.first, pairs.second]), return_inverse=True)
    unit %= _MOST_UNITS
    units = min(len(people), _MOST_UNITS)
    counts = [
        _Counts.of(unit[: len(pairs.first)], unit[len(pairs.first) :], pairs.genuine, distances, units)
        for distances in (pairs.before, pairs.after)
    ]
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(units, np.full(units, 1 / units), _RESAMPLES).astype(np.float64)
    gains = []
    for start in range(0, _RESAMPLES, _AT_ONCE):
        before, after = (each.auc(weights[start : start + _AT_ONCE]) for each in counts)
        gains.append(after - before)
    drawn = np.concatenate(gains)
    drawn = drawn[np.isfinite(drawn)]
    whole = [float(each.auc(np.ones((1, units)))[0]) for each in counts]
    if not len(drawn) or not np.isfinite(whole).all():
        raise ValueError("there are no pairs of both kinds")
    low, high = np.quantile(drawn, (0.025, 0.975)).tolist()
    return Gain(whole[1] - whole[0], low, high)


@dataclass(frozen=True, eq=False)
class _Counts:
    """Pairs counted by distance and by whose they are."""

    genuine: Values  # (U, B)
    impostor: Values  # (U * U, B)

    @classmethod
    def of(
        cls,
        first: NDArray[np.int64],
        second: NDArray[np.int64],
        genuine: NDArray[np.bool_],
        distances: NDArray[np.float32],
        units: int,
    ) -> _Counts:
        """Bins hold as many pairs each: the AUC asks only for the order."""
        edges = np.quantile(distances, np.linspace(0, 1, _BINS + 1)[1:-1])
        bins = np.searchsorted(edges, distances)
        whose = np.where(genuine, first, first * units + second) * _BINS + bins
        tables = [
            np.bincount(whose[chosen], minlength=size * _BINS).reshape(size, _BINS).astype(np.float64)
            for chosen, size in ((genuine, units), (~genuine, units * units))
        ]
        return cls(*tables)

    def auc(self, weights: Values) -> Values:
        """The AUC where each unit counts so many times, weights (R, U) -> (R,); NaN without pairs of either kind."""
        genuine = weights @ self.genuine
        both = (weights[:, :, None] * weights[:, None, :]).reshape(len(weights), -1)
        impostor = both @ self.impostor
        nearer = np.cumsum(genuine, axis=1) - genuine / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((nearer * impostor).sum(axis=1) / (genuine.sum(axis=1) * impostor.sum(axis=1)))
