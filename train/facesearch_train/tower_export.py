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

from facesearch.errors import TowerError
from facesearch.records import CROP_SIZE_PX, Pixels
from facesearch.vision.tower.keras_archive import read_keras_archive
from facesearch.vision.tower.quantisation import observe_ranges
from facesearch.vision.tower.tower import CARD_NAME, WEIGHTS_NAME, Tower, TowerCard, weights_sha256, write_card
from facesearch_train.card_figures import THRESHOLD_FAR, judge, threshold_by_person
from facesearch_train.cohort import StrangerPhotos, centres_of, cohort_embeddings, described, fit_cohort
from facesearch_train.config import TrainConfig
from facesearch_train.crop_data import CropData
from facesearch_train.model.network import build_tower

# float16 kernels and another runtime together must not move an embedding by more than this share of its length.
MOST_DEVIATION = 0.02
_BATCH = 64


def serving_tower(config: TrainConfig, weights: Path) -> keras.Model:
    """The whole network for use, (B, 112, 112, 3) RGB 0..255 -> (B, D), with a trained tower's weights."""
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

    validation: crops of people never trained on, which set the threshold and the card's figures. training: the
    card's entry on the data. unit_threshold: first scale the best threshold to 1 (see rescale_to_unit_threshold) and
    the card's margin with it; its training records the factor. sample: crops of people trained on, uint8
    (N, 112, 112, 3), that show which values the network meets, so that it can run in int8; without them it cannot.
    cohort: labelled photos of strangers of all groups, for judged distances (see facesearch_train.cohort).
    Raises TowerError if the runtime that loads it does not reproduce the network's numbers, and TrainingDataError for
    a cohort that cannot be used.
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

    Changes only the distances, and never their order (see multiply_distances). Best: see threshold_by_person. Raises
    TowerError if distances cannot be multiplied, or if the network tells nobody apart.
    """
    batches = [validation.crops[start : start + _BATCH] for start in range(0, len(validation.crops), _BATCH)]
    embeddings = np.concatenate([np.asarray(serving.predict_on_batch(crops.astype(np.float32))) for crops in batches])
    best = threshold_by_person(embeddings, validation.identities)
    if not np.isfinite(best.distance) or best.distance <= 0:
        raise TowerError("the network tells nobody apart on validation people: there is no threshold to bring to 1")
    factor = 1 / best.distance
    multiply_distances(serving, factor)
    return factor


def multiply_distances(network: keras.Model, factor: float) -> None:
    """Fold a factor into the last layer, a Dense without activation or a Rescaling, in place.

    Raises TowerError for another last layer.
    """
    last = network.layers[-1]
    if isinstance(last, keras.layers.Rescaling):
        last.scale *= factor
        network.make_predict_function(force=True)  # the function compiled before holds the old number
    elif isinstance(last, keras.layers.Dense) and last.activation is keras.activations.linear:
        for weight in (last.kernel, last.bias):
            if weight is not None:
                weight.assign(weight * factor)
    else:
        raise TowerError("distances can be rescaled only in a network that ends in a linear Dense or a Rescaling layer")


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
