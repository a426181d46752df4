"""What a tower's card says of distances: threshold, figures and calibration, from people never trained on."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesearch.errors import TowerError
from facesearch.evaluation import metrics
from facesearch.evaluation.calibration import Calibration, fit_calibration, held_out_error
from facesearch.evaluation.cohort import judged_distances
from facesearch.evaluation.distance import pair_distances
from facesearch.evaluation.pair_counts import count_pairs
from facesearch.records import Floats
from facesearch_train.data.pairs import photos_by_person

# The threshold is set where one impostor pair in a hundred passes: `query` marks those below it as the same person.
THRESHOLD_FAR = 0.01
_HALVES_SEED = 1
_MOST_LISTED = 3000  # photos: their 4.5 million pairs take some 200 MB

Identities = NDArray[np.int32]


def judge(embeddings: Floats, identities: Identities) -> dict[str, Any]:
    """The card's threshold, figures and calibration, from all pairs of people never trained on."""
    roc = pairs_roc(embeddings, identities)
    best, balanced = metrics.best_threshold(roc), metrics.best_threshold(roc, balanced=True)
    means = [np.average(roc.thresholds[1:], weights=np.diff(shares)) for shares in (roc.tar, roc.far)]
    figures: dict[str, Any] = {
        "people": len(np.unique(identities)),
        "photos": len(embeddings),
        "genuine_pairs": roc.genuine_pairs,
        "impostor_pairs": roc.impostor_pairs,
        "auc": round(metrics.auc(roc), 5),
        "equal_error_rate": round(metrics.equal_error_rate(roc), 5),
        "best_threshold": round(balanced.distance, 4),
        "best_threshold_far": round(_far_at(roc, balanced.distance), 5),
        "accuracy_at_best_threshold": round(balanced.accuracy, 5),
        "accuracy_at_1": round(float(roc.balanced_accuracy[roc.point_at(1.0)]), 5),
        "genuine_distance": round(float(means[0]), 4),
        "impostor_distance": round(float(means[1]), 4),
    }
    for far in (0.1, 0.01, 0.001):
        if accepts := metrics.tar_at_far(roc, far):
            figures[f"tar_at_far_{far:g}"] = round(accepts.tar, 5)
    calibration = calibrate_pairs(roc, embeddings, identities)
    measured = {"figures": figures, "calibration": None if calibration is None else calibration.to_card()}
    accepts = metrics.tar_at_far(roc, THRESHOLD_FAR)
    if accepts is None:
        return {"threshold": best.distance, "threshold_far": max(_far_at(roc, best.distance), 1e-6), **measured}
    return {"threshold": round(accepts.threshold, 4), "threshold_far": THRESHOLD_FAR, **measured}


def threshold_by_person(embeddings: Floats, identities: Identities, scales: Floats | None = None) -> metrics.Threshold:
    """The best threshold if all people weigh alike: float32 (N, D), (N,) person numbers. scales: local scales (N,),
    for judged distances.

    Its accuracy is the mean of two shares judged correctly: of impostor pairs, and of genuine pairs as the mean over
    people. Otherwise the few people with the most photos would decide, because pairs grow with the square of photos.
    """
    roc = pairs_roc(embeddings, identities, scales)
    distances, weights = [], []
    for photos in photos_by_person(identities):
        if len(photos) > 1:
            first, second = np.triu_indices(len(photos), k=1)
            own = _all_distances(embeddings[photos], None if scales is None else scales[photos])[first, second]
            distances.append(own)
            weights.append(np.full(len(own), 1 / len(own)))
    genuine = np.concatenate(distances)
    order = np.argsort(genuine, kind="stable")
    accepted = np.concatenate([[0.0], np.cumsum(np.concatenate(weights)[order]) / len(distances)])
    place = np.searchsorted(genuine[order], roc.thresholds, side="right")
    return metrics.best_of(roc.thresholds, (accepted[place] + 1 - roc.far) / 2)


def calibrate_pairs(
    roc: metrics.RocCurve, embeddings: Floats, identities: Identities, scales: Floats | None = None
) -> Calibration | None:
    """Fitted on all pairs. Its error is measured on each half of the people with a fit on the other half."""
    fitted = fit_calibration(roc)
    if fitted is None:
        return None
    people = np.random.default_rng(_HALVES_SEED).permutation(np.unique(identities))
    rocs = []
    for half in np.array_split(people, 2):
        rows = np.isin(identities, half)
        if not 1 < len(half) < rows.sum():  # no pairs of both kinds: the error stays unknown
            return fitted
        rocs.append(pairs_roc(embeddings[rows], identities[rows], None if scales is None else scales[rows]))
    error = held_out_error(rocs)
    return dataclasses.replace(
        fitted,
        log_odds=tuple(round(odds, 4) for odds in fitted.log_odds),
        expected_calibration_error=None if error is None else round(error, 5),
    )


def pairs_roc(embeddings: Floats, identities: Identities, scales: Floats | None = None) -> metrics.RocCurve:
    """The ROC of all pairs. With many photos, pairs are only counted, in steps of about 0.00005 of distance. scales:
    local scales (N,), for judged distances.

    Raises TowerError for embeddings that are not finite.
    """
    if not np.isfinite(embeddings).all():
        raise TowerError("the network's embeddings are not finite: it was not written. Train it again.")
    if len(embeddings) > _MOST_LISTED:
        counts = count_pairs(embeddings.astype(np.float64), identities.astype(np.int64), 0.0, scales=scales)
        return metrics.roc_from_counts(counts.edges, counts.genuine, counts.impostor)
    first, second = np.triu_indices(len(embeddings), k=1)
    distances = _all_distances(embeddings, scales)[first, second]
    return metrics.roc_curve(distances, (identities[first] != identities[second]).astype(np.int64))


def _all_distances(embeddings: Floats, scales: Floats | None) -> Floats:
    distances = pair_distances(embeddings, embeddings)
    return distances if scales is None else judged_distances(distances, scales[:, None], scales)


def _far_at(roc: metrics.RocCurve, threshold: float) -> float:
    return float(roc.far[roc.point_at(threshold)])
