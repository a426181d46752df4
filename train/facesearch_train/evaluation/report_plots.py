"""The plots of a report, as PNGs: ROC, distances, calibration, movement. Drawn on an Agg canvas, without a screen."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesearch.evaluation.calibration import Calibration, reliability
from facesearch.evaluation.group_figures import GroupReport
from facesearch.evaluation.metrics import RocCurve
from facesearch.evaluation.report import Report
from facesearch_train.evaluation.sensitivity import Movement

_GENUINE, _IMPOSTOR = "tab:blue", "tab:orange"
_BINS = 60
_POINTS = 2000  # of a curve: more would not be visible


def plot_roc(roc: RocCurve, report: Report) -> bytes:
    """TAR by FAR on a logarithmic axis, down to one impostor pair; the printed TARs with their intervals."""
    figure, axes = _figure(8, 5)
    lowest = 1 / roc.impostor_pairs
    kept = _thinned(roc.far, roc.tar)
    axes.plot(np.maximum(roc.far[kept], lowest / 2), roc.tar[kept], color=_GENUINE, drawstyle="steps-post")
    for found in report.true_accepts:
        spread = [[found.tar - found.low], [found.high - found.tar]]
        axes.errorbar([found.far], [found.tar], yerr=spread, fmt="o", color="black", capsize=4)
    axes.plot([report.equal_error_rate], [1 - report.equal_error_rate], "x", color="tab:red", label="equal error rate")
    axes.set(xscale="log", xlim=(lowest / 2, 1), ylim=(0, 1.01))
    axes.set(xlabel="FAR: share of impostor pairs accepted", ylabel="TAR: share of genuine pairs accepted")
    axes.set_title(f"AUC {report.auc:.4f}; bars: 95 % intervals")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend(loc="lower right")
    return _png(figure)


def plot_distances(roc: RocCurve, report: Report) -> bytes:
    """How far apart genuine and impostor pairs are, each kind scaled to one, with the thresholds."""
    figure, axes = _figure(8, 5)
    distances, genuine, impostor = roc.pairs_by_distance()
    edges = np.linspace(0, _far_end(distances, genuine, impostor), _BINS + 1)
    for kind, counts, colour in (("one person", genuine, _GENUINE), ("two people", impostor, _IMPOSTOR)):
        heights, _ = np.histogram(distances, edges, weights=counts / max(counts.sum(), 1))
        axes.stairs(heights, edges, fill=True, alpha=0.5, color=colour, label=f"{kind}: {int(counts.sum()):,} pairs")
    best = report.balanced
    axes.axvline(best.distance, color="black", label=f"best threshold {best.distance:.3f}: {best.accuracy:.1%} right")
    if report.threshold != best.distance:
        label = f"threshold {report.threshold:.3f}: {report.balanced_at_threshold:.1%} right"
        axes.axvline(report.threshold, color="tab:red", linestyle="--", label=label)
    axes.set(xlabel="distance; the farthest pairs lie beyond the right edge", ylabel="share of the pairs of a kind")
    axes.set_xlim(0, edges[-1])
    axes.legend()
    return _png(figure)


def plot_groups(judged: GroupReport | None, plain: GroupReport) -> bytes:
    """The share of strangers that passes in each group, with its interval: by judged and by plain distances."""
    reports = [(kind, report) for kind, report in (("judged", judged), ("plain", plain)) if report is not None]
    groups = [*plain.groups, plain.everybody]
    figure, axes = _figure(9, 1.5 + 0.42 * len(groups))
    height = 0.8 / len(reports)
    for place, (kind, report) in enumerate(reports):
        rows = [(row, each.false_matches) for row, each in enumerate((*report.groups, report.everybody))]
        drawn = [(row, share) for row, share in rows if share is not None]
        shares = np.array([(share.share, share.low, share.high) for _, share in drawn]).reshape(-1, 3).T * 100
        spread = np.abs(shares[1:] - shares[0])
        middles = [row + (place - (len(reports) - 1) / 2) * height for row, _ in drawn]
        colour = _GENUINE if kind == "judged" else _IMPOSTOR
        label = f"{kind} distance up to {report.threshold:.3f}"
        axes.barh(middles, shares[0], height, xerr=spread, color=colour, label=label, ecolor="black", capsize=2)
    axes.set_yticks(range(len(groups)), [each.group for each in groups])
    axes.invert_yaxis()
    axes.set(xlabel="% of pairs of different people that pass; lines: 95 % intervals")
    axes.grid(visible=True, axis="x", alpha=0.3)
    axes.legend(loc="lower right")
    return _png(figure)


def plot_calibration(roc: RocCurve, calibration: Calibration | None) -> bytes:
    """The share of genuine pairs: left by distance, with the card's curve; right by predicted probability."""
    figure, (left, right) = _figure(11, 4.6, columns=2)
    distances, genuine, impostor = roc.pairs_by_distance()
    weights = genuine / max(genuine.sum(), 1), impostor / max(impostor.sum(), 1)
    edges = np.unique([_quantile(distances, weights[0] + weights[1], share) for share in np.linspace(0, 1, 16)])
    masses = [np.histogram(distances, edges, weights=each)[0] for each in weights]
    total = np.maximum(masses[0] + masses[1], 1e-12)
    left.stairs(masses[0] / total, edges, color=_GENUINE, label="found, in these pairs")
    left.set(xlabel="distance", ylabel="probability of one person", ylim=(0, 1), title="by distance")
    left.set_xlim(0, _far_end(distances, genuine, impostor))
    right.plot([0, 1], [0, 1], color="grey", linestyle="--", label="perfect")
    right.set(xlabel="probability said", ylabel="share found", xlim=(0, 1), ylim=(0, 1))
    if calibration is None:
        right.set_title("the tower's card has no calibration")
    else:
        line = np.linspace(edges[0], edges[-1], 300)
        left.plot(line, calibration.probability(line), color="tab:red", label="said, by the card")
        shown = reliability(roc, calibration)
        right.scatter(shown.said, shown.found, s=20 + 400 * shown.weight, color=_GENUINE, label="area: share of pairs")
        right.plot(shown.said, shown.found, color=_GENUINE)
        right.set_title(f"expected calibration error {shown.expected_error:.2%}")
    left.legend()
    right.legend(loc="upper left")
    figure.suptitle("Genuine and impostor pairs weigh alike: a prior of one half")
    return _png(figure)


def plot_movements(movements: Sequence[Movement], threshold: float) -> bytes:
    """The distance of faces from themselves by each change; line: mean, band: the middle 80 of 100 faces."""
    figure, grid = _figure(11, 6.4, columns=3, rows=-(-len(movements) // 3))
    top = max([threshold, *(float(movement.high.max()) for movement in movements)]) * 1.05
    places = np.ravel(grid)
    for axes, movement in zip(places, movements, strict=False):
        change = movement.change
        axes.fill_between(change.strengths, movement.low, movement.high, color=_GENUINE, alpha=0.25)
        axes.plot(change.strengths, movement.mean, "o-", color=_GENUINE)
        axes.axhline(threshold, color="black", linewidth=0.8)
        axes.set(title=change.name, xlabel=change.unit, ylabel="distance from itself", ylim=(0, top))
    for axes in places[len(movements) :]:
        axes.set_visible(False)
    figure.suptitle("Line: mean; band: 80 of 100 faces; black: the best threshold")
    return _png(figure)


def _figure(width: float, height: float, columns: int = 1, rows: int = 1) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns)


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def _far_end(distances: NDArray[np.float64], genuine: NDArray[np.float64], impostor: NDArray[np.float64]) -> float:
    """The end of a plot's axis: a little beyond 99 of 100 pairs of either kind, lest a few squeeze the rest."""
    ends = [_quantile(distances, counts, 0.99) for counts in (genuine, impostor) if counts.any()]
    return max([1e-6, *ends]) * 1.1


def _quantile(values: NDArray[np.float64], weights: NDArray[np.float64], share: float) -> float:
    """The value below which this share of the weight lies. values: in rising order."""
    reached = np.cumsum(weights)
    return float(values[min(int(np.searchsorted(reached, share * reached[-1])), len(values) - 1)])


def _thinned(far: NDArray[np.float64], tar: NDArray[np.float64]) -> NDArray[np.int64]:
    """Some _POINTS points of a curve, dense where FAR is small, the first and the last always."""
    if len(far) <= _POINTS:
        return np.arange(len(far))
    lowest = far[far > 0].min()
    wanted = np.concatenate([np.geomspace(lowest, 1, _POINTS // 2), np.linspace(0, 1, _POINTS // 4)])
    by_far = np.searchsorted(far, wanted, side="right") - 1
    by_tar = np.searchsorted(tar, np.linspace(0, 1, _POINTS // 4))
    return np.unique(np.clip(np.concatenate([by_far, by_tar, [0, len(far) - 1]]), 0, len(far) - 1))
