"""Fit a threshold and a calibration to a library's named people, and measure both on people who were left out.

Intervals come from drawing the people again, not the pairs: pairs that share a person are not independent evidence.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesearch.errors import LibraryError, UsageError
from facesearch.evaluation import metrics
from facesearch.evaluation.calibration import Calibration, fit_calibration, reliability_of
from facesearch.library import Library
from facesearch.records import Values
from facesearch.tuning.calibration.kept import KeptCalibration
from facesearch.tuning.calibration.sample import NamedSample, Pairs, named_sample, pairs_of

FAR = 0.01
# So many pairs of people must be expected within the threshold that their number is known within a factor of about
# three: of a Poisson count of 4 the 95 % interval is 1.1 to 10.2. More photos of the same two people say little new.
EXPECTED_PAIRS = 4
LEAST_WITH_TWO_PHOTOS = 10  # one person's ways of being photographed are a tenth of what genuine distances are then
LEAST_GENUINE_PAIRS = 40  # four knots, by the calibration's own rule; with a fifth of the people left out still three
FOLDS = 5
_ROUNDS = 3  # of drawing the folds
_RESAMPLES = 200
_SEED = 1

Interval = tuple[float, float]


@dataclass(frozen=True)
class Judged:
    """How a threshold and probabilities do."""

    # far, tar: the shares of impostor and of genuine pairs at most that far apart
    far: float
    tar: float
    accuracy: float  # the mean of the two shares judged correctly
    calibration_error: float | None  # the expected one; None without a calibration


@dataclass(frozen=True)
class Fit:
    """A library's own calibration and how sure it is. Intervals are 95 %, over the people drawn again."""

    threshold: float
    threshold_interval: Interval
    far: float
    far_interval: Interval  # of the share that passes the threshold; tar likewise
    tar: float
    tar_interval: Interval
    faces: int  # of named people, faces_used of which were taken; the grouping gave faces_grouped of them to anybody
    faces_used: int
    faces_grouped: int
    people: int  # who have them
    people_with_two: int  # on two photos or more
    genuine_pairs: int
    impostor_pairs: int
    # own, tower: on people that the fit never saw, and by what was in force without it, on the same pairs.
    # calibration.expected_calibration_error is own's
    own: Judged
    tower: Judged
    tower_threshold: float
    calibration: Calibration

    def to_json(self) -> dict[str, Any]:
        """Everything under these names."""
        return {**asdict(self), "calibration": self.calibration.to_card()}

    def kept(self, fitted_at: str) -> KeptCalibration:
        """To be kept by the library."""
        figures = {name: value for name, value in self.to_json().items() if name != "calibration"}
        return KeptCalibration(self.threshold, self.far, self.calibration, fitted_at, figures)


@dataclass(frozen=True)
class InForce:
    """By what a library is judged without a calibration of its own."""

    threshold: float
    calibration: Calibration | None


def least_people(far: float) -> int:
    """How many named people a threshold at a false accept rate takes: P of them are P (P - 1) / 2 pairs of people."""
    return math.ceil((1 + math.sqrt(1 + 8 * EXPECTED_PAIRS / far)) / 2 - 1e-9)


def fit_library(library: Library, in_force: InForce, far: float = FAR) -> Fit:
    """The calibration of a library's named people. far: the share of pairs of different people to pass the threshold.

    Raises LibraryError, which says how much is missing, where there are too few, and UsageError for another far.
    """
    if not 0 < far < 1:
        raise UsageError(f"the share of false matches is {far}; give more than 0 and less than 1, such as 0.01")
    return fit_sample(named_sample(library), in_force, far)


def fit_sample(sample: NamedSample, in_force: InForce, far: float) -> Fit:
    """The same of faces at hand."""
    if missing := _missing(sample, far):
        raise LibraryError(f"too few named people for a calibration: {'; '.join(missing)}. Nothing was changed")
    pairs = pairs_of(sample)
    calibration, threshold = _fitted(pairs, far)
    if calibration is None:
        raise LibraryError(
            "faces of one person are no nearer to each other than to other people's: look for wrong names "
            "(facesearch people review), or move to another tower"
        )
    own, usual = _held_out(sample, pairs, far, in_force)
    resampled = _resampled(pairs, threshold, far)
    return Fit(
        threshold=threshold,
        threshold_interval=_interval(resampled[0]),
        far=far,
        far_interval=_interval(resampled[1]),
        tar=float((pairs.distances[pairs.labels == metrics.GENUINE] <= threshold).mean()),
        tar_interval=_interval(resampled[2]),
        faces=sample.in_all,
        faces_used=len(sample.people),
        faces_grouped=sample.grouped,
        people=sample.people_count,
        people_with_two=sample.with_two_photos,
        genuine_pairs=int((pairs.labels == metrics.GENUINE).sum()),
        impostor_pairs=int((pairs.labels == metrics.IMPOSTOR).sum()),
        own=own,
        tower=usual,
        tower_threshold=in_force.threshold,
        calibration=Calibration(calibration.distances, calibration.log_odds, own.calibration_error),
    )


def missing_names(library: Library, far: float = FAR) -> str | None:
    """What a library has too few of for a calibration, in words; None where there is enough."""
    return "; ".join(_missing(named_sample(library), far)) or None


def _missing(sample: NamedSample, far: float) -> list[str]:
    """What there is too little of, in words that say how much more it takes."""
    people, several, genuine = sample.people_count, sample.with_two_photos, sample.genuine_pairs
    missing = []
    if people < (least := least_people(far)):
        remedy = f"name {least - people} more"
        if people > 2 and (reachable := 2 * EXPECTED_PAIRS / (people * (people - 1))) < 1:
            remedy += f", or allow {math.ceil(reachable * 1000) / 10:g} %"
        missing.append(
            f"{least} named people are needed for at most {100 * far:g} % false matches, and there "
            f"{'is' if people == 1 else 'are'} {people} ({remedy})"
        )
    if several < LEAST_WITH_TWO_PHOTOS:
        are = "is" if several == 1 else "are"
        missing.append(f"{LEAST_WITH_TWO_PHOTOS} of them must be on two photos or more, and {several} {are}")
    if genuine < LEAST_GENUINE_PAIRS:
        missing.append(
            f"{LEAST_GENUINE_PAIRS} pairs of photos of the same person are needed, and there "
            f"{'is' if genuine == 1 else 'are'} {genuine} (a third photo of somebody adds two)"
        )
    return missing


def _fitted(pairs: Pairs, far: float) -> tuple[Calibration | None, float]:
    """The calibration, if the pairs give one, and the threshold that at most the share `far` of strangers passes."""
    roc = metrics.roc_curve(pairs.distances, pairs.labels)
    accepts = metrics.tar_at_far(roc, far)
    return fit_calibration(roc), 0.0 if accepts is None else max(accepts.threshold, 0.0)


def _held_out(sample: NamedSample, pairs: Pairs, far: float, in_force: InForce) -> tuple[Judged, Judged]:
    """On the pairs within each fold of people: by what the others' pairs give, and by what is in force."""
    own, usual = _Counted(), _Counted()
    for left_out in _folds(sample):
        tested = pairs.among(left_out)
        calibration, threshold = _fitted(pairs.among(~left_out), far)
        own.add(tested, threshold, calibration)
        usual.add(tested, in_force.threshold, in_force.calibration)
    return own.judged(), usual.judged()


def _folds(sample: NamedSample) -> Iterator[NDArray[np.bool_]]:
    """Masks over the people, (people,), drawn several times by a fixed seed; those with many faces spread evenly."""
    rng = np.random.default_rng(_SEED)
    faces = np.bincount(sample.people)
    for _ in range(_ROUNDS):
        order = np.lexsort((rng.random(len(faces)), -np.minimum(faces, 2)))
        for fold in range(FOLDS):
            left_out = np.zeros(len(faces), np.bool_)
            left_out[order[fold::FOLDS]] = True
            yield left_out


class _Counted:
    """Held-out pairs, gathered from fold to fold."""

    def __init__(self) -> None:
        self._labels: list[NDArray[np.int64]] = []
        self._accepted: list[NDArray[np.bool_]] = []
        self._said: list[Values] = []

    def add(self, pairs: Pairs, threshold: float, calibration: Calibration | None) -> None:
        self._labels.append(pairs.labels)
        self._accepted.append(pairs.distances <= threshold)
        if calibration is not None:
            self._said.append(calibration.probability(pairs.distances))

    def judged(self) -> Judged:
        labels, accepted = np.concatenate(self._labels), np.concatenate(self._accepted)
        shares = [float(accepted[labels == kind].mean()) for kind in (metrics.GENUINE, metrics.IMPOSTOR)]
        error = None
        if len(self._said) == len(self._labels):
            genuine = (labels == metrics.GENUINE).astype(np.float64)
            error = reliability_of(np.concatenate(self._said), genuine, 1 - genuine).expected_error
        return Judged(shares[1], shares[0], (shares[0] + 1 - shares[1]) / 2, error)


def _resampled(pairs: Pairs, threshold: float, far: float) -> tuple[Values, Values, Values]:
    """For people drawn again with repetition: the threshold at the FAR, and FAR and TAR at the fitted threshold.

    A person drawn w times counts w times; a pair of two people the product. Nobody makes a pair with themselves.
    """
    rng = np.random.default_rng(_SEED)
    people = int(max(pairs.first.max(), pairs.second.max())) + 1
    genuine = pairs.labels == metrics.GENUINE
    kinds = [(pairs.distances[of], pairs.first[of], pairs.second[of]) for of in (genuine, ~genuine)]
    within = [int(np.searchsorted(distances, threshold, side="right")) for distances, _, _ in kinds]
    drawn: list[tuple[float, float, float]] = []
    for _ in range(_RESAMPLES):
        weight = np.bincount(rng.integers(0, people, people), minlength=people).astype(np.float64)
        own = weight[kinds[0][1]]
        passed = np.cumsum(weight[kinds[1][1]] * weight[kinds[1][2]])
        if passed[-1] == 0 or own.sum() == 0:
            continue
        place = int(np.searchsorted(passed, far * passed[-1], side="right")) - 1
        drawn.append(
            (
                float(kinds[1][0][max(place, 0)]),
                float(passed[within[1] - 1] / passed[-1]) if within[1] else 0.0,
                float(own[: within[0]].sum() / own.sum()),
            )
        )
    thresholds, fars, tars = np.array(drawn, np.float64).T
    return thresholds, fars, tars


def _interval(values: Values) -> Interval:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
