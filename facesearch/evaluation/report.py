"""The figures of one protocol under the names used in print and in `--json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from facesearch.evaluation import metrics
from facesearch.evaluation.calibration import Calibration, reliability

FARS = (1e-1, 1e-2, 1e-3, 1e-4)


@dataclass(frozen=True)
class Identification:
    """The shares of probes whose own person was the nearest, or among the five nearest, in a gallery of one face a
    person."""

    people: int
    rank_1: float
    rank_5: float
    photos_not_found: int  # of gallery and probes, those without a face found; their people count as missed


@dataclass(frozen=True)
class Report:
    """A tower's figures by one protocol. Mean distances are of pairs with both faces found."""

    protocol: str
    dataset: str
    photos: int
    genuine_pairs: int
    impostor_pairs: int
    # photos_not_found, pairs_not_found: photos of the protocol in which no face was found, and pairs with such a photo
    photos_not_found: int
    pairs_not_found: int
    # by folds, each at the best threshold of the others; None without two folds. In a list of pairs the folds are the
    # list's; among all pairs they are of people, and both kinds of pairs weigh alike
    accuracy: metrics.FoldedAccuracy | None
    best: metrics.Threshold  # the threshold with the fewest errors on all pairs
    balanced: metrics.Threshold  # the best threshold when both kinds weigh alike
    threshold: float  # the threshold that the caller asked about
    accuracy_at_threshold: float  # of all pairs
    balanced_at_threshold: float  # when both kinds weigh alike
    balanced_at_1: float  # the same at a distance of 1
    auc: float
    equal_error_rate: float
    # at FAR 0.1 to 0.0001, as far as the number of impostor pairs allows. Their intervals treat pairs as independent,
    # which pairs that share a person are not quite
    true_accepts: tuple[metrics.TrueAccepts, ...]
    genuine_distance: float
    impostor_distance: float
    calibration_error: float | None  # the expected calibration error of the card's probabilities; None without any
    identification: Identification | None  # None where nobody has two photos
    # of a library, where threshold and probabilities come from: "tower", "head" or "library"; the library's own were
    # fitted to the very people who are judged
    calibrated_by: str | None = None
    # the same figures by distances that the tower's cohort judges (see cohort); None without one. All others are of
    # plain distances
    judged: Report | None = None

    def to_json(self) -> dict[str, Any]:
        """All figures under these names, and the accuracy's mean, std and standard_error. None: no finite number."""
        values = asdict(replace(self, judged=None))
        values["judged"] = None if self.judged is None else self.judged.to_json()
        if self.accuracy:
            values["accuracy"]["mean"] = self.accuracy.mean
            values["accuracy"]["std"] = self.accuracy.std
            values["accuracy"]["standard_error"] = self.accuracy.standard_error
        cleaned: dict[str, Any] = _finite(values)
        return cleaned


def roc_figures(roc: metrics.RocCurve, threshold: float, calibration: Calibration | None) -> dict[str, Any]:
    """Those of Report's figures that follow from the ROC, by name."""
    accepts = [metrics.tar_at_far(roc, far) for far in FARS]
    return {
        "genuine_pairs": roc.genuine_pairs,
        "impostor_pairs": roc.impostor_pairs,
        "best": metrics.best_threshold(roc),
        "balanced": metrics.best_threshold(roc, balanced=True),
        "threshold": threshold,
        "balanced_at_threshold": float(roc.balanced_accuracy[roc.point_at(threshold)]),
        "balanced_at_1": float(roc.balanced_accuracy[roc.point_at(1.0)]),
        "auc": metrics.auc(roc),
        "equal_error_rate": metrics.equal_error_rate(roc),
        "true_accepts": tuple(found for found in accepts if found),
        "calibration_error": None if calibration is None else reliability(roc, calibration).expected_error,
    }


def report_lines(report: Report) -> list[str]:
    """The figures in words, for a terminal or a page."""
    lines = [
        f"{report.genuine_pairs:,} genuine and {report.impostor_pairs:,} impostor pairs of {report.photos:,} photos"
    ]
    if report.pairs_not_found:
        lines.append(
            f"{report.photos_not_found:,} photos without a face: {report.pairs_not_found:,} pairs count as errors"
        )
    if report.protocol != "lfw":
        lines.append("Accuracy weighs genuine and impostor pairs equally; no person is in two folds.")
    if report.accuracy:
        folded = report.accuracy
        lines.append(
            f"accuracy          {folded.mean:.2%} ± {folded.standard_error:.2%} over {len(folded.accuracies)} folds "
            f"(standard deviation {folded.std:.2%})"
        )
    best = report.balanced
    lines += [
        f"best threshold    {best.distance:.3f}: {best.accuracy:.2%} judged correctly",
        _at("threshold         ", report.threshold, report.balanced_at_threshold, best.accuracy),
        _at("distance 1        ", 1.0, report.balanced_at_1, best.accuracy),
        f"mean distance     genuine {report.genuine_distance:.3f}, impostor {report.impostor_distance:.3f}",
        f"AUC               {report.auc:.4f}",
        f"equal error rate  {report.equal_error_rate:.2%}",
    ]
    lines += [*_accept_lines(report.true_accepts), *_last_lines(report)]
    if report.judged is None:
        return lines
    return [
        *lines,
        "by judged distances (with the tower's cohort):",
        *(f"  {line}" for line in _short_lines(report.judged)),
    ]


def _short_lines(report: Report) -> list[str]:
    """The lines that differ between plain and judged distances."""
    return [
        f"best threshold    {report.balanced.distance:.3f}: {report.balanced.accuracy:.2%} judged correctly",
        f"equal error rate  {report.equal_error_rate:.2%}",
        *_accept_lines(report.true_accepts),
        *_last_lines(report),
    ]


def _at(head: str, threshold: float, accuracy: float, best: float) -> str:
    below = 100 * (best - accuracy)
    return f"{head}{threshold:.3f}: {accuracy:.2%} judged correctly, {below:.2f} points below the best"


def _accept_lines(accepts: Sequence[metrics.TrueAccepts]) -> list[str]:
    return [
        f"TAR at FAR {found.far:<7g}{found.tar:.2%} ({found.low:.2%} to {found.high:.2%}), "
        f"at distance {found.threshold:.3f}"
        for found in accepts
    ]


def _last_lines(report: Report) -> list[str]:
    lines = []
    if report.identification:
        found = report.identification
        lines.append(
            f"identification    rank 1 {found.rank_1:.2%}, rank 5 {found.rank_5:.2%} among {found.people:,} people, "
            "one photo each"
        )
    if report.calibration_error is not None:
        whose = {"library": "library's own", "head": "head's"}.get(report.calibrated_by or "", "card's")
        lines.append(f"calibration       expected error {report.calibration_error:.2%} of the {whose} probabilities")
    return lines


def _finite(value: Any) -> Any:
    """The same nested values with None for inf and NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
