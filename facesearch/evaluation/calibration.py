"""From a distance to the probability that two faces are one person, and how far such probabilities can be trusted.

Fitted on people never trained on, by isotonic regression: the probability never rises with the distance, and nothing
else is assumed of its shape. Genuine and impostor pairs weigh alike in the fit, so a probability assumes even odds
beforehand (a prior of one half); `prior` says otherwise. From pairs to people: somebody with many stored faces is
nearer by chance, which `person_log_odds` corrects. Does not estimate how likely a library holds the person on a photo
(see `query.ranking`). NumPy only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facesearch.records import Values

if TYPE_CHECKING:
    from facesearch.evaluation.metrics import RocCurve

METHOD = "isotonic"
EQUAL_PRIOR = 0.5
_MOST_KNOTS = 20
_FEWEST_PAIRS = 10  # of the rarer kind per knot: with fewer, its share means little
RELIABILITY_BINS = 10
INDEPENDENT = 0.4  # the power of a person's faces that count as independent; 0.3 and 0.5 fit nearly as well


@dataclass(frozen=True)
class Calibration:
    """A map from distance to the log of (probability of one person / of two people), for an equal prior."""

    # knots in rising order, each in the middle of an equal share of the pairs
    distances: tuple[float, ...]
    log_odds: tuple[float, ...]  # one per knot, never rising; straight lines between knots, constant beyond the ends
    # on people that it was not fitted on; None if not measured
    expected_calibration_error: float | None = None

    @overload
    def probability(self, distance: float, prior: float = EQUAL_PRIOR) -> float: ...
    @overload
    def probability(self, distance: Values, prior: float = EQUAL_PRIOR) -> Values: ...
    def probability(self, distance: float | Values, prior: float = EQUAL_PRIOR) -> float | Values:
        """The probability that faces this far apart are one person: a number, or one for each of an array.

        prior: the probability beforehand, between 0 and 1. Raises ValueError for any other prior.
        """
        if not 0 < prior < 1:
            raise ValueError(f"a prior must lie between 0 and 1, not at {prior}")
        odds = np.interp(distance, self.distances, self.log_odds) + math.log(prior / (1 - prior))
        probability = 1 / (1 + np.exp(-odds))
        return float(probability) if np.ndim(distance) == 0 else np.asarray(probability, dtype=np.float64)

    def person_log_odds(self, distance: Values, faces: ArrayLike) -> Values:
        """The log odds that a probe is a person, not another, for an equal prior, from the person's distance, which is
        the nearer the more faces there are. distance: (...). faces: how many are stored, 1 or more, broadcast.

        The least of m independent distances has the density m f (1 - F)^(m - 1), so that m - 1 times what `beyond` says
        is added to the log odds of one pair. A person's faces are alike: n of them count as n^0.4 independent ones,
        which fits people never trained on better than n or 1, with two towers of unlike strength
        (docs/research/grouping.md).
        Before the first knot the line through the first two goes on to distance 0: of several people who are all that
        near, the nearest stays the likeliest.
        """
        independent = np.asarray(faces, dtype=np.float64) ** INDEPENDENT
        pair = np.interp(distance, self.distances, self.log_odds)
        if len(self.distances) > 1 and self.distances[0] > 0:
            slope = (self.log_odds[1] - self.log_odds[0]) / (self.distances[1] - self.distances[0])
            pair -= slope * np.maximum(self.distances[0] - np.asarray(distance), 0.0)
        return np.asarray(pair + (independent - 1) * self.beyond(distance), dtype=np.float64)

    def beyond(self, distance: ArrayLike) -> Values:
        """The log of (share of genuine pairs / of impostor pairs) that lie farther apart: 0 or less. (...) -> (...).

        Read from the knots: a knot's equal share of the pairs is split by its own odds.
        """
        return np.asarray(np.interp(np.asarray(distance, dtype=np.float64), *self._beyond_knots), dtype=np.float64)

    @cached_property
    def _beyond_knots(self) -> tuple[Values, Values]:
        """Distances, and `beyond` there: at 0, and at each knot, whose own pairs lie half before and half behind it."""
        genuine = 1 / (1 + np.exp(-np.array(self.log_odds)))
        kinds = (genuine / genuine.sum(), (1 - genuine) / (1 - genuine).sum())
        farther = [1 - np.cumsum(share) + share / 2 for share in kinds]
        ratio = np.minimum(np.log(farther[0]) - np.log(farther[1]), 0.0)
        return np.append(min(0.0, self.distances[0]), self.distances), np.append(0.0, ratio)

    def to_card(self) -> dict[str, Any]:
        """The form that a tower's card stores."""
        return {"method": METHOD, "prior": EQUAL_PRIOR, **asdict(self)}

    @classmethod
    def from_card(cls, values: Mapping[str, Any] | None) -> Calibration | None:
        """The calibration of a card; None where it has none, or one of a method that this version does not know.

        Raises ValueError where the method is known and its numbers cannot be used.
        """
        if values is None or values.get("method") != METHOD:
            return None
        distances, log_odds = (_numbers(values.get(name)) for name in ("distances", "log_odds"))
        if len(distances) != len(log_odds) or not distances:
            raise ValueError("a calibration needs as many distances as log_odds, one at least")
        if np.any(np.diff(distances) <= 0) or np.any(np.diff(log_odds) > 0):
            raise ValueError("a calibration's distances rise and its log_odds never do")
        error = values.get("expected_calibration_error")
        return cls(distances, log_odds, None if error is None else float(error))


@dataclass(frozen=True, eq=False)
class Reliability:
    """Pairs in bins of equal width by their predicted probability. All float64 (B,), empty bins left out."""

    said: Values  # the mean probability
    found: Values  # the share of pairs of one person
    weight: Values  # the share of all pairs, sums to 1. Genuine and impostor pairs weigh alike in all three

    @property
    def expected_error(self) -> float:
        """The expected calibration error: how far off predictions are on average. Source: Naeini et al., AAAI 2015."""
        return float((self.weight * np.abs(self.said - self.found)).sum())


def fit_calibration(roc: RocCurve) -> Calibration | None:
    """The calibration that fits these pairs best; None if there are too few, or genuine pairs are not nearer.

    Pairs are pooled into up to 20 knots of equal weight, each with 10 genuine and 10 impostor pairs on average or more,
    and half a pair of either kind is added to each, so that no distance makes anything certain.
    """
    distances, genuine, impostor = roc.pairs_by_distance()
    pairs = (float(genuine.sum()), float(impostor.sum()))
    knots = min(_MOST_KNOTS, int(min(pairs)) // _FEWEST_PAIRS)
    if knots < 2:
        return None
    weight = genuine / pairs[0] + impostor / pairs[1]
    middle = np.cumsum(weight) - weight / 2  # 0 to 2
    knot_of = np.minimum((middle * knots / 2).astype(np.int64), knots - 1)
    mass, moment, genuine, impostor = _sums(knot_of, knots, weight, weight * distances, genuine, impostor)
    shares = [(own + 0.5) / (total + 0.5 * len(mass)) for own, total in zip((genuine, impostor), pairs, strict=True)]
    probability = _never_rising(shares[0] / (shares[0] + shares[1]), mass)
    if len(mass) < 2 or probability[0] <= probability[-1]:
        return None
    odds = np.log(probability / (1 - probability))
    return Calibration(tuple((moment / mass).tolist()), tuple(odds.tolist()))


def reliability(roc: RocCurve, calibration: Calibration, bins: int = RELIABILITY_BINS) -> Reliability:
    """How often pairs showed one person, by predicted probability. Leaves out infinite distances."""
    distances, genuine, impostor = roc.pairs_by_distance()
    return reliability_of(calibration.probability(distances), genuine, impostor, bins)


def reliability_of(said: Values, genuine: Values, impostor: Values, bins: int = RELIABILITY_BINS) -> Reliability:
    """The reliability of stated probabilities, from whichever calibrations. said: (D,), the probabilities. genuine,
    impostor: (D,), how many pairs of each kind were given that probability."""
    mine, others = genuine / max(genuine.sum(), 1) / 2, impostor / max(impostor.sum(), 1) / 2
    place = np.minimum((said * bins).astype(np.int64), bins - 1)
    mass, moment, found = _sums(place, bins, mine + others, (mine + others) * said, mine)
    return Reliability(moment / mass, found / mass, mass)


def held_out_error(rocs: Sequence[RocCurve]) -> float | None:
    """The expected calibration error on people a calibration was not fitted on: each ROC by a fit on another.

    rocs: of pairs among two or more groups of people with nobody in common. None where any of them allows no fit.
    """
    errors = []
    for number, roc in enumerate(rocs):
        fitted = fit_calibration(rocs[number - 1])
        if fitted is None:
            return None
        errors.append(reliability(roc, fitted).expected_error)
    return float(np.mean(errors)) if len(errors) > 1 else None


def _sums(place: NDArray[np.int64], bins: int, *weights: Values) -> list[Values]:
    """Each of the weights summed by bin, without the bins in which the first is 0."""
    sums = [np.asarray(np.bincount(place, each, bins), dtype=np.float64) for each in weights]
    return [each[sums[0] > 0] for each in sums]


def _never_rising(values: Values, weights: Values) -> Values:
    """The nearest never rising values by weighted squares. Source: pool adjacent violators (Ayer and others 1955)."""
    blocks: list[tuple[float, float, int]] = []  # mean, weight, length
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        block = (value, weight, 1)
        while blocks and blocks[-1][0] < block[0]:
            mean, mass, length = blocks.pop()
            both = mass + block[1]
            block = ((mean * mass + block[0] * block[1]) / both, both, length + block[2])
        blocks.append(block)
    return np.repeat([mean for mean, _, _ in blocks], [length for _, _, length in blocks])


def _numbers(values: ArrayLike | None) -> tuple[float, ...]:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError("a calibration's distances and log_odds are lists of numbers") from error
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError("a calibration's distances and log_odds are lists of finite numbers")
    return tuple(array.tolist())
