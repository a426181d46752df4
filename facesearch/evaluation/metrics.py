"""How well distances tell one person from two: ROC, TAR at FAR, EER, accuracy by folds, identification. NumPy only.

A pair is genuine (one person) or impostor (two people); its distance is smaller the more alike its faces are, and it is
accepted where the distance is at most the threshold. `label` is 0 for a genuine and 1 for an impostor pair throughout.
A face that was not found makes a pair that must count as wrong: +inf for a genuine one, -inf for an impostor. Refuses
figures that the number of pairs cannot carry.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from facesearch.records import Ints, Values

GENUINE, IMPOSTOR = 0, 1
Z_95 = 1.959963984540054  # two-sided 95 % of the normal distribution


@dataclass(frozen=True, eq=False)
class RocCurve:
    """One point a threshold, rising: at thresholds[i] the share tar[i] of genuine pairs and far[i] of impostor pairs
    are accepted. The first point, at -inf, accepts none, the last all. All float64 (M,). The numbers of pairs say how
    fine the shares can be."""

    thresholds: Values
    far: Values
    tar: Values
    genuine_pairs: int
    impostor_pairs: int

    @property
    def accuracy(self) -> Values:
        """The share of all pairs judged correctly at each point."""
        right = self.tar * self.genuine_pairs + (1 - self.far) * self.impostor_pairs
        return np.rint(right) / (self.genuine_pairs + self.impostor_pairs)

    @property
    def balanced_accuracy(self) -> Values:
        """The mean of the shares of genuine and of impostor pairs judged correctly at each point: both kinds weigh
        alike, however many there are of each."""
        genuine = np.rint(self.tar * self.genuine_pairs)  # whole numbers, so that equally good points are equal
        impostor = self.impostor_pairs - np.rint(self.far * self.impostor_pairs)
        right = genuine * self.impostor_pairs + impostor * self.genuine_pairs
        return np.asarray(right / (2 * self.genuine_pairs * self.impostor_pairs), dtype=np.float64)

    def pairs_by_distance(self) -> tuple[Values, Values, Values]:
        """The distinct finite distances, and how many genuine and impostor pairs each has: float64 (D,) thrice."""
        genuine, impostor = np.diff(self.tar) * self.genuine_pairs, np.diff(self.far) * self.impostor_pairs
        distances = self.thresholds[1:]
        wanted = np.isfinite(distances) & (genuine + impostor > 0.5)
        return distances[wanted], np.rint(genuine[wanted]), np.rint(impostor[wanted])

    def point_at(self, threshold: float) -> int:
        """The point of a threshold: its tar and far are the shares that the threshold accepts."""
        return max(int(np.searchsorted(self.thresholds, threshold, side="right")) - 1, 0)


@dataclass(frozen=True)
class TrueAccepts:
    """The share of genuine pairs accepted where at most the share `far` of impostor pairs is."""

    far: float
    tar: float
    # low, high: 95 % Wilson interval of tar, from the number of genuine pairs
    low: float
    high: float
    threshold: float  # that accepts them
    reached_far: float  # of the impostor pairs at hand


@dataclass(frozen=True)
class Threshold:
    """A threshold, and the share of pairs judged correctly among those that it was chosen on."""

    distance: float
    accuracy: float


@dataclass(frozen=True)
class FoldedAccuracy:
    """Accuracy on each fold at the threshold that is best on the others. std: of the folds, not of their mean."""

    accuracies: tuple[float, ...]
    thresholds: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Of the folds' accuracies."""
        return float(np.mean(self.accuracies))

    @property
    def std(self) -> float:
        """Standard deviation of the folds (divided by their number less one); 0 for a single fold."""
        return float(np.std(self.accuracies, ddof=1)) if len(self.accuracies) > 1 else 0.0

    @property
    def standard_error(self) -> float:
        """Of the mean, as LFW's results state it: std / sqrt(folds)."""
        return self.std / math.sqrt(len(self.accuracies))


def roc_curve(distances: ArrayLike, labels: ArrayLike) -> RocCurve:
    """The ROC of pairs: (P,) distances and labels. One point for each distinct distance, and one that accepts none.

    Raises ValueError where either kind of pair is missing, a distance is NaN or the lengths differ.
    """
    values, kinds = _checked(distances, labels)
    thresholds, place = np.unique(values, return_inverse=True)
    counts = [np.bincount(place[kinds == kind], minlength=len(thresholds)) for kind in (GENUINE, IMPOSTOR)]
    return roc_from_counts(thresholds, counts[0], counts[1])


def roc_from_counts(thresholds: ArrayLike, genuine: ArrayLike, impostor: ArrayLike) -> RocCurve:
    """The ROC of pairs that were only counted: how many of each kind have their distance at, or below and above the one
    before, each of the rising thresholds (M,). Raises ValueError where either kind is missing."""
    accepted = [np.cumsum(np.asarray(counts, dtype=np.int64)) for counts in (genuine, impostor)]
    genuine_pairs, impostor_pairs = (int(counts[-1]) for counts in accepted)
    if not genuine_pairs or not impostor_pairs:
        raise ValueError("genuine and impostor pairs are both needed")
    return RocCurve(
        thresholds=np.concatenate([[-np.inf], np.asarray(thresholds, dtype=np.float64)]),
        far=np.concatenate([[0.0], accepted[1] / impostor_pairs]),
        tar=np.concatenate([[0.0], accepted[0] / genuine_pairs]),
        genuine_pairs=genuine_pairs,
        impostor_pairs=impostor_pairs,
    )


def auc(roc: RocCurve) -> float:
    """The area under the ROC: how often a genuine pair is nearer than an impostor pair, ties counted half."""
    return float(np.trapezoid(roc.tar, roc.far))


def equal_error_rate(roc: RocCurve) -> float:
    """The rate at which false rejections equal false acceptances, interpolated between the ROC's points."""
    gap = roc.far - (1 - roc.tar)  # from -1 up to 1
    after = int(np.argmax(gap >= 0))
    before = after - 1
    share = -gap[before] / (gap[after] - gap[before])
    return float(roc.far[before] + share * (roc.far[after] - roc.far[before]))


def wilson_interval(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """The confidence interval of a share: 95 % unless z says otherwise. Source: Wilson 1927.

    Unlike the normal approximation it stays within 0..1 and has a width where all trials end alike.
    """
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"{successes} of {trials} is not a share")
    share = successes / trials
    centre = share + z**2 / (2 * trials)
    spread = z * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    scale = 1 + z**2 / trials
    return max((centre - spread) / scale, 0.0), min((centre + spread) / scale, 1.0)


def tar_at_far(roc: RocCurve, far: float) -> TrueAccepts | None:
    """TAR where at most the share `far` of impostor pairs is accepted; None where that allows less than one pair.

    With n impostor pairs no rate below 1 / n can be measured.
    """
    if far * roc.impostor_pairs < 1 - 1e-9:
        return None
    point = int(np.searchsorted(roc.far, far + 1e-12, side="right")) - 1
    tar = float(roc.tar[point])
    low, high = wilson_interval(round(tar * roc.genuine_pairs), roc.genuine_pairs)
    return TrueAccepts(far, tar, low, high, float(roc.thresholds[point]), float(roc.far[point]))


def accuracy_at(distances: ArrayLike, labels: ArrayLike, threshold: float) -> float:
    """The share of pairs judged correctly when those at most `threshold` apart are taken as one person."""
    values, kinds = _checked(distances, labels, both_kinds=False)
    return float(np.mean((values > threshold) == (kinds == IMPOSTOR)))


def best_threshold(roc: RocCurve, balanced: bool = False) -> Threshold:
    """The threshold with the fewest errors: the middle between two neighbouring distances, or just outside all.

    balanced: genuine and impostor pairs weigh alike, however many there are of each; accuracy is then that mean.
    Of several equally good ones the middle one is taken (the lower of two), so that the result does not depend on one
    pair's distance.
    """
    return best_of(roc.thresholds, roc.balanced_accuracy if balanced else roc.accuracy)


def best_of(thresholds: Values, accuracy: Values) -> Threshold:
    """`best_threshold` by any measure: the thresholds of a RocCurve and how good each of its points is, both (M,)."""
    usable = accuracy.copy()
    if thresholds[1] == -np.inf:
        usable[0] = -1  # no threshold rejects a distance of -inf,
    if thresholds[-1] == np.inf:
        usable[-1] = -1  # and none accepts one of +inf
    best = np.flatnonzero(usable == usable.max())
    point = int(best[(len(best) - 1) // 2])
    return Threshold(_between(thresholds, point), float(usable[point]))


def folded_accuracy(folds: Sequence[tuple[ArrayLike, ArrayLike]]) -> FoldedAccuracy:
    """Accuracy of each fold at the best threshold of all other folds: (distances, labels) for each, two or more.

    With a single fold there is no other to choose on: ValueError.
    """
    if len(folds) < 2:
        raise ValueError("a fold's threshold is chosen on the other folds: give two folds or more")
    pairs = [_checked(distances, labels, both_kinds=False) for distances, labels in folds]
    accuracies, thresholds = [], []
    for held_out, (values, kinds) in enumerate(pairs):
        others = [pair for number, pair in enumerate(pairs) if number != held_out]
        chosen = best_threshold(roc_curve(*(np.concatenate(part) for part in zip(*others, strict=True))))
        thresholds.append(chosen.distance)
        accuracies.append(accuracy_at(values, kinds, chosen.distance))
    return FoldedAccuracy(tuple(accuracies), tuple(thresholds))


def identification_rates(
    distances: ArrayLike, probe_people: ArrayLike, gallery_people: ArrayLike, ranks: Sequence[int] = (1, 5)
) -> dict[int, float]:
    """How often a probe's own person is among the k nearest people of the gallery, for each k of `ranks`.

    distances: (P, G), probes by gallery faces. People are numbers or names: (P,) and (G,). A person with several
    gallery faces stands where the nearest of them does. On equal distances strangers come first. A person whose
    distance is NaN or inf is never found; nor is a probe's person who is not in the gallery.
    """
    values = np.asarray(distances, dtype=np.float64)
    gallery, column = np.unique(np.asarray(gallery_people), return_inverse=True)
    probes = np.asarray(probe_people)
    if values.shape != (len(probes), len(column)) or not len(probes):
        raise ValueError(f"distances {values.shape} do not fit {len(probes)} probes and {len(column)} gallery faces")
    nearest = np.full((len(probes), len(gallery)), np.inf)
    for face, person in enumerate(column):
        nearest[:, person] = np.fmin(nearest[:, person], values[:, face])
    own = np.where(probes[:, None] == gallery[None, :], nearest, np.inf).min(axis=1)
    before = ((nearest <= own[:, None]) & (probes[:, None] != gallery[None, :])).sum(axis=1)
    return {rank: float(np.mean(np.isfinite(own) & (before < rank))) for rank in ranks}


def _checked(distances: ArrayLike, labels: ArrayLike, both_kinds: bool = True) -> tuple[Values, Ints]:
    values, kinds = np.asarray(distances, dtype=np.float64), np.asarray(labels)
    if values.ndim != 1 or values.shape != kinds.shape or not len(values):
        raise ValueError(f"distances {values.shape} and labels {kinds.shape} must be two lists of one length")
    if not np.isin(kinds, (GENUINE, IMPOSTOR)).all():
        raise ValueError("labels are 0 (one person) or 1 (two people)")
    if np.isnan(values).any():
        raise ValueError("a distance is NaN: a pair without one counts as +inf (genuine) or -inf (impostor)")
    if both_kinds and len(np.unique(kinds)) < 2:
        raise ValueError("genuine and impostor pairs are both needed")
    return values, kinds.astype(np.int64)


def _between(thresholds: Values, point: int) -> float:
    """The middle between a ROC's threshold and the next higher finite one; beyond the ends, a little outside."""
    low = float(thresholds[point])
    high = float(thresholds[point + 1]) if point + 1 < len(thresholds) else math.inf
    if math.isfinite(low) and math.isfinite(high):
        return (low + high) / 2
    if math.isfinite(high):
        return float(np.nextafter(high, -math.inf))
    return low if math.isfinite(low) else 0.0
