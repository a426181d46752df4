"""From trained weights to a tower that ships: `tower.keras` with its card, checked against the runtime that serves it.

Convolution kernels are stored as float16, which halves the file and moves no distance by more than a thousandth.
"""

from __future__ import annotations

import dataclasses
import datetime
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from numpy.typing import NDArray

from facesearch.errors import TowerError
from facesearch.evaluation import metrics
from facesearch.evaluation.calibration import Calibration, fit_calibration, held_out_error
from facesearch.evaluation.cohort import judged_distances
from facesearch.evaluation.distance import pair_distances
from facesearch.evaluation.pair_counts import count_pairs
from facesearch.records import CROP_SIZE_PX, Floats, Pixels
from facesearch.vision.tower.keras_archive import read_keras_archive
from facesearch.vision.tower.quantisation import observe_ranges
from facesearch.vision.tower.tower import CARD_NAME, WEIGHTS_NAME, Tower, TowerCard, weights_sha256, write_card
from facesearch_train.cohort import StrangerPhotos, centres_of, cohort_embeddings, described, fit_cohort
from facesearch_train.config import TrainConfig
from facesearch_train.crop_data import CropData
from facesearch_train.data.pairs import photos_by_person
from facesearch_train.model.network import build_tower

# The threshold is set where one impostor pair in a hundred passes: `query` marks those below it as the same person.
THRESHOLD_FAR = 0.01
# float16 kernels and another runtime together must not move an embedding by more than this share of its length.
MOST_DEVIATION = 0.02
_BATCH = 64
_HALVES_SEED = 1
_MOST_LISTED = 3000  # photos: their 4.5 million pairs take some 200 MB

Identities = NDArray[np.int32]


def serving_tower(config: TrainConfig, weights: Path) -> keras.Model:
    """The whole network as it is served, (B, 112, 112, 3) RGB 0..255 -> (B, D), with a trained tower's weights."""
    last = config.stages[-1]
    trained = build_tower(last.input_size_px, config.embedding_size, config.network, radius=last.radius)
    trained.load_weights(weights)
    serving = build_tower(
        CROP_SIZE_PX,
        config.embedding_size,
        config.network,
        input_size_px=last.input_size_px,
        radius=last.radius,
        mirrored=config.mirrored,
    )
    serving.set_weights(trained.get_weights())
    return serving


def export_tower(
    serving: keras.Model,
    folder: Path,
    config: TrainConfig,
    validation: CropData,
    training: dict[str, Any],
    *,
    unit_threshold: bool = False,
    sample: Pixels | None = None,
    cohort: StrangerPhotos | None = None,
) -> TowerCard:
    """Write `tower.keras` and `tower.json` into a folder and return the card. Both appear whole or not at all.

    validation: crops of people never trained on, which set the threshold and the card's figures. training: what the
    card says of the data. unit_threshold: first bring the best threshold to 1 (see rescale_to_unit_threshold); the
    card's margin follows, and its training says the factor. sample: crops of people trained on, uint8
    (N, 112, 112, 3), that show which values the network meets, so that it can run in int8; without them it cannot.
    cohort: labelled photos of strangers of all groups, for judged distances (see facesearch_train.cohort).
    Raises TowerError when the runtime that serves it does not give the network's numbers, and TrainingDataError for a
    cohort that cannot be used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    factor = rescale_to_unit_threshold(serving, validation) if unit_threshold else 1.0
    if unit_threshold:
        training = {**training, "distances_times": factor}
    with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as name:
        temporary = Path(name)
        serving.save(temporary / WEIGHTS_NAME)
        halve_kernels(temporary / WEIGHTS_NAME)
        draft = TowerCard(
            name=f"{config.name}-{config.stages[-1].input_size_px}px",
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            sha256=weights_sha256(temporary / WEIGHTS_NAME),
            embedding_size=config.embedding_size,
            margin=config.margin * factor,
            threshold=config.margin * factor / 2,
            threshold_far=THRESHOLD_FAR,
            training={**training, "config": config.to_json()},
        )
        write_card(temporary, draft)
        tower = Tower.load(temporary, device="cpu")
        _check_runtime(serving, tower, validation.crops)
        embeddings = tower.embed(np.asarray(validation.crops))
        card = dataclasses.replace(draft, **judge(embeddings, validation.identities))
        if cohort:
            centres = centres_of(cohort_embeddings(cohort, tower.embed))
            fitted = fit_cohort(centres, embeddings, validation.identities, THRESHOLD_FAR)
            card = dataclasses.replace(card, cohort=described(fitted, cohort))
        if sample is not None:
            ranges = observe_ranges(read_keras_archive(temporary / WEIGHTS_NAME), sample)
            card = dataclasses.replace(card, int8_ranges=ranges)
        write_card(temporary, card)
        for file in (WEIGHTS_NAME, CARD_NAME):
            (temporary / file).replace(folder / file)
    return card


def rescale_to_unit_threshold(serving: keras.Model, validation: CropData) -> float:
    """Multiply all distances so that the best threshold on validation people is 1; returns the factor.

    Nothing but the distances changes, and no order among them (see multiply_distances). Best: see
    threshold_by_person. Raises TowerError where distances cannot be multiplied, and where the network tells nobody
    apart.
    """
    batches = [validation.crops[start : start + _BATCH] for start in range(0, len(validation.crops), _BATCH)]
    embeddings = np.concatenate([np.asarray(serving.predict_on_batch(crops.astype(np.float32))) for crops in batches])
    best = threshold_by_person(embeddings, validation.identities)
    if not np.isfinite(best.distance) or best.distance <= 0:
        raise TowerError("the network tells nobody apart on validation people: there is no threshold to bring to 1")
    factor = 1 / best.distance
    multiply_distances(serving, factor)
    return factor


def threshold_by_person(embeddings: Floats, identities: Identities, scales: Floats | None = None) -> metrics.Threshold:
    """The best threshold where all people weigh alike: float32 (N, D), (N,) person numbers. scales: local scales (N,),
    for judged distances.

    Its accuracy is the mean of two shares judged correctly: of impostor pairs, and of genuine pairs as the mean over
    people. Otherwise the few people with the most photos would decide, for pairs grow as the square of photos.
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


def multiply_distances(network: keras.Model, factor: float) -> None:
    """Fold a factor into the last layer, a Dense without activation or a Rescaling, in place.

    Raises TowerError for another last layer.
    """
    last = network.layers[-1]
    if isinstance(last, keras.layers.Rescaling):
        last.scale *= factor
        network.make_predict_function(force=True)  # the one before holds the number as it was
    elif isinstance(last, keras.layers.Dense) and last.activation is keras.activations.linear:
        for weight in (last.kernel, last.bias):
            if weight is not None:
                weight.assign(weight * factor)
    else:
        raise TowerError("distances can be rescaled only in a network that ends in a linear Dense or a Rescaling layer")


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


def calibrate_pairs(
    roc: metrics.RocCurve, embeddings: Floats, identities: Identities, scales: Floats | None = None
) -> Calibration | None:
    """Fitted on all pairs, its error measured on halves: each half of the people by a fit on the other half."""
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
    """Of all pairs; of many photos they are only counted, in steps of some 0.00005 of distance. scales: local scales
    (N,), for judged distances.

    Raises TowerError for embeddings that are no numbers.
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


def halve_kernels(archive: Path) -> None:
    """Store the kernels of a `.keras` file (everything with two or more axes) as float16, the rest as it is."""
    with zipfile.ZipFile(archive) as source:
        members = {name: source.read(name) for name in source.namelist()}
    with tempfile.TemporaryDirectory() as name:
        weights = Path(name) / "model.weights.h5"
        weights.write_bytes(members["model.weights.h5"])
        smaller = Path(name) / "half.weights.h5"
        with h5py.File(weights, "r") as source, h5py.File(smaller, "w") as target:
            _copy_halved(source, target)
        members["model.weights.h5"] = smaller.read_bytes()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for member, content in members.items():
            target.writestr(member, content)


def _copy_halved(source: Any, target: Any) -> None:
    target.attrs.update(source.attrs)
    for name, entry in source.items():
        if isinstance(entry, h5py.Group):
            _copy_halved(entry, target.create_group(name))
            continue
        values = entry[()]
        is_kernel = values.ndim >= 2 and values.dtype == np.float32
        target.create_dataset(name, data=values.astype(np.float16) if is_kernel else values)


def _check_runtime(serving: keras.Model, tower: Tower, crops: Any) -> None:
    sample = np.asarray(crops[:32])
    expected = np.asarray(serving.predict_on_batch(sample.astype(np.float32)))
    served = tower.embed(sample)
    deviation = np.linalg.norm(served - expected, axis=1) / np.maximum(np.linalg.norm(expected, axis=1), 1e-6)
    if not np.isfinite(served).all() or deviation.max() > MOST_DEVIATION:
        raise TowerError(
            f"the exported tower's embeddings differ from the trained one's by {deviation.max():.1%}: it was not "
            "written. Report this with the run's config.json."
        )
