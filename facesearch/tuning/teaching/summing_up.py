"""Figures of held-out pairs, before and after teaching: plain values, ready for JSON."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesearch.evaluation import metrics
from facesearch.records import Floats
from facesearch.tuning.teaching.deciding import Gain
from facesearch.tuning.teaching.held_out import HeldOutPairs

FAR = 0.01


@dataclass(frozen=True)
class Figures:
    """Of some pairs in one space."""

    accuracy: float  # the mean of the shares of genuine and impostor pairs judged correctly, at the best threshold
    auc: float
    # genuine pairs accepted where 1 % of impostor pairs are; None with fewer than 100 of these
    tar_at_far: float | None
    # far, tar: of impostor and genuine pairs the share up to the library's threshold
    far: float
    tar: float
    rank_1: float | None = None  # photos of which the nearest shows the same person; None where nobody was looked up


@dataclass(frozen=True)
class Measured:
    """Pairs that were held out, before and after."""

    people: int
    genuine_pairs: int
    impostor_pairs: int
    before: Figures
    after: Figures
    gain: Gain  # of the AUC, with its 95 % interval


def measured(
    pairs: HeldOutPairs, threshold: float, gain: Gain, rank_1: tuple[float | None, float | None] = (None, None)
) -> Measured:
    """The figures of held-out pairs. rank_1: before and after."""
    return Measured(
        people=len(np.unique(np.concatenate([pairs.first, pairs.second]))),
        genuine_pairs=int(pairs.genuine.sum()),
        impostor_pairs=int((~pairs.genuine).sum()),
        before=_figures(pairs.before, pairs.genuine, threshold, rank_1[0]),
        after=_figures(pairs.after, pairs.genuine, threshold, rank_1[1]),
        gain=gain,
    )


def roc_of(distances: Floats, genuine: NDArray[np.bool_]) -> metrics.RocCurve:
    """The ROC of pairs: float32 (P,) and bool (P,)."""
    return metrics.roc_curve(distances, np.where(genuine, metrics.GENUINE, metrics.IMPOSTOR))


def _figures(distances: Floats, genuine: NDArray[np.bool_], threshold: float, rank_1: float | None) -> Figures:
    roc = roc_of(distances, genuine)
    point = roc.point_at(threshold)
    accepts = metrics.tar_at_far(roc, FAR)
    return Figures(
        accuracy=metrics.best_threshold(roc, balanced=True).accuracy,
        auc=metrics.auc(roc),
        tar_at_far=None if accepts is None else accepts.tar,
        far=float(roc.far[point]),
        tar=float(roc.tar[point]),
        rank_1=rank_1,
    )
