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

from facesearch import metrics
from facesearch.distance import pair_distances
from facesearch.errors import TowerError
from facesearch.records import CROP_SIZE_PX, Floats, Pixels
from facesearch.tower import CARD_NAME, WEIGHTS_NAME, Tower, TowerCard, weights_sha256, write_card
from facesearch_train.config import TrainConfig
from facesearch_train.loop import CropData
from facesearch_train.network import build_tower

# The threshold is set where one impostor pair in a hundred passes: `query` marks those below it as the same person.
THRESHOLD_FAR = 0.01
# float16 kernels and another runtime together must not move an embedding by more than this share of its length.
MOST_DEVIATION = 0.02


def serving_tower(config: TrainConfig, weights: Path) -> keras.Model:
    """The whole network as it is served, (B, 112, 112, 3) RGB 0..255 -> (B, D), with a trained tower's weights."""
    size = config.stages[-1].input_size_px
    trained = build_tower(size, config.embedding_size, config.network)
    trained.load_weights(weights)
    serving = build_tower(CROP_SIZE_PX, config.embedding_size, config.network, input_size_px=size)
    serving.set_weights(trained.get_weights())
    return serving


def export_tower(
    serving: keras.Model, folder: Path, config: TrainConfig, validation: CropData, training: dict[str, Any]
) -> TowerCard:
    """Write `tower.keras` and `tower.json` into a folder and return the card. Both appear whole or not at all.

    validation: crops of people never trained on, which set the threshold and the card's figures. training: what the
    card says of the data. Raises TowerError when the runtime that serves it does not give the network's numbers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as name:
        temporary = Path(name)
        serving.save(temporary / WEIGHTS_NAME)
        halve_kernels(temporary / WEIGHTS_NAME)
        draft = TowerCard(
            name=f"{config.name}-{config.stages[-1].input_size_px}px",
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            sha256=weights_sha256(temporary / WEIGHTS_NAME),
            embedding_size=config.embedding_size,
            margin=config.margin,
            threshold=config.margin / 2,
            threshold_far=THRESHOLD_FAR,
            training={**training, "config": config.to_json()},
        )
        write_card(temporary, draft)
        tower = Tower.load(temporary, device="cpu")
        _check_runtime(serving, tower, validation.crops)
        card = dataclasses.replace(draft, **judge(tower.embed(np.asarray(validation.crops)), validation))
        write_card(temporary, card)
        for file in (WEIGHTS_NAME, CARD_NAME):
            (temporary / file).replace(folder / file)
    return card


def judge(embeddings: Floats, validation: CropData) -> dict[str, Any]:
    """The card's threshold and figures, from all pairs of people never trained on."""
    first, second = np.triu_indices(len(embeddings), k=1)
    distances = pair_distances(embeddings, embeddings)[first, second]
    labels = (validation.identities[first] != validation.identities[second]).astype(np.int64)
    roc = metrics.roc_curve(distances, labels)
    best = metrics.best_threshold(roc)
    figures: dict[str, Any] = {
        "people": len(np.unique(validation.identities)),
        "photos": len(embeddings),
        "genuine_pairs": roc.genuine_pairs,
        "impostor_pairs": roc.impostor_pairs,
        "auc": round(metrics.auc(roc), 5),
        "equal_error_rate": round(metrics.equal_error_rate(roc), 5),
        "genuine_distance": round(float(distances[labels == 0].mean()), 4),
        "impostor_distance": round(float(distances[labels == 1].mean()), 4),
    }
    for far in (0.1, 0.01, 0.001):
        if accepts := metrics.tar_at_far(roc, far):
            figures[f"tar_at_far_{far:g}"] = round(accepts.tar, 5)
    accepts = metrics.tar_at_far(roc, THRESHOLD_FAR)
    if accepts is None:
        return {"threshold": best.distance, "threshold_far": max(_far_at(roc, best.distance), 1e-6), "figures": figures}
    return {"threshold": round(accepts.threshold, 4), "threshold_far": THRESHOLD_FAR, "figures": figures}


def _far_at(roc: metrics.RocCurve, threshold: float) -> float:
    return float(roc.far[max(0, int(np.searchsorted(roc.thresholds, threshold, side="right")) - 1)])


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


def _check_runtime(serving: keras.Model, tower: Tower, crops: Pixels) -> None:
    sample = np.asarray(crops[:32])
    expected = np.asarray(serving.predict_on_batch(sample.astype(np.float32)))
    served = tower.embed(sample)
    deviation = np.linalg.norm(served - expected, axis=1) / np.maximum(np.linalg.norm(expected, axis=1), 1e-6)
    if not np.isfinite(served).all() or deviation.max() > MOST_DEVIATION:
        raise TowerError(
            f"the exported tower's embeddings differ from the trained one's by {deviation.max():.1%}: it was not "
            "written. Report this with the run's config.json."
        )
