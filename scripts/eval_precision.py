"""What a tower loses when it runs in bf16 or int8 instead of float32: the same figures side by side, in points.

python scripts/eval_precision.py --data ../shared/data/lfw --protocol lfw --fold 6 --fold 7

bf16 is OpenVINO's own: whether the processor computes in it is printed, layer by layer counted. int8 quantises every
convolution: weights by output channel, activations by the ranges on the tower's card, or else those that they take on
some crops of the set (no labels are used); the rest is in the processor's fastest. With --stock there are two more
columns: "keras", the same crops through Keras' `predict` on TensorFlow, and "stock", crops by the mtcnn package through
that.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import openvino

from facesearch.records import DetectedFace, Floats, Pixels
from facesearch.vision.detector.detector import Detector
from facesearch.vision.runtime import RuntimeSettings
from facesearch.vision.tower.card import TowerCard, check_weights, read_card
from facesearch.vision.tower.keras_archive import read_keras_archive
from facesearch.vision.tower.quantisation import observe_ranges, quantise
from facesearch.vision.tower.tower import SHIPPED_TOWER, WEIGHTS_NAME
from facesearch_train.data.crops import CropSet, prepare_crops
from facesearch_train.data.cutting import detecting_cutter
from facesearch_train.data.datasets import read_dataset
from facesearch_train.data.lfw import Fold, photos_of_pairs
from facesearch_train.evaluation.examination import Examination
from facesearch_train.evaluation.protocols import evaluate_folders, evaluate_lfw

BATCH = 16
CALIBRATION_CROPS = 128
PRECISIONS = ("f32", "bf16", "int8")


class Network:
    """A tower compiled for one precision. kinds: how many convolutions run in which precision, as OpenVINO says."""

    def __init__(self, model: openvino.Model, settings: RuntimeSettings) -> None:
        compiled = openvino.Core().compile_model(model, "CPU", settings.properties())
        self._request = compiled.create_infer_request()
        layers = [op.get_rt_info() for op in compiled.get_runtime_model().get_ops()]
        self.kinds = Counter(
            str(info["runtimePrecision"].astype(str))
            for info in layers
            if info["layerType"].astype(str) == "Convolution"
        )

    def embed(self, crops: Pixels) -> Floats:
        """uint8 (N, 112, 112, 3) -> float32 (N, 32)."""
        embeddings = []
        for start in range(0, len(crops), BATCH):
            batch = np.zeros((BATCH, *crops.shape[1:]), np.float32)
            filled = crops[start : start + BATCH]
            batch[: len(filled)] = filled
            embeddings.append(next(iter(self._request.infer([batch]).values()))[: len(filled)].copy())
        return np.concatenate(embeddings)


class KerasNetwork:
    """A tower as Keras runs it."""

    def __init__(self, weights: Path) -> None:
        import keras

        self._model = keras.saving.load_model(weights, compile=False)
        self.kinds = Counter({"f32 by Keras": sum("Conv2D" in type(layer).__name__ for layer in self._model.layers)})

    def embed(self, crops: Pixels) -> Floats:
        """uint8 (N, 112, 112, 3) -> float32 (N, 32)."""
        return np.asarray(self._model.predict(crops, batch_size=64, verbose=0), np.float32)


class PackageDetector:
    """The mtcnn package."""

    identity = "mtcnn package"

    def __init__(self) -> None:
        from mtcnn import MTCNN

        self._detector = MTCNN()

    def detect(self, pixels: Pixels) -> list[DetectedFace]:
        """Every face of a photo."""
        rows = np.asarray(self._detector.detect_faces(pixels, output_type="numpy", box_format="xyxy"), np.float32)
        return [DetectedFace(row[1:5], row[6:].reshape(2, 5).T, float(row[5])) for row in rows.reshape(-1, 16)]


def stock_crops(crops: CropSet) -> CropSet:
    """The same photos cut by the package's landmarks; ours where it finds no face."""
    cut = detecting_cutter(cast(Detector, PackageDetector()))  # it uses no more than `detect`
    found = [cut(photo).crop for photo in crops.dataset.photos]
    print(f"the package finds a face in {sum(crop is not None for crop in found)} of {len(found)} photos")
    anew = [ours if crop is None else crop for ours, crop in zip(crops.crops, found, strict=True)]
    return replace(crops, crops=np.stack(anew))


def build(weights: Path, side: int) -> openvino.Model:
    """The tower's graph for batches of BATCH."""
    model = read_keras_archive(weights)
    model.reshape([BATCH, side, side, 3])
    return model


def quantised(folder: Path, card: TowerCard, crops: Pixels) -> openvino.Model:
    """The graph as facesearch runs it in int8; the ranges are taken from `crops` where the card has none."""
    ranges = card.int8_ranges or observe_ranges(read_keras_archive(folder / WEIGHTS_NAME), crops)
    model = build(folder / WEIGHTS_NAME, card.input_size_px)
    quantise(model, ranges)
    return model


def figures_of(
    crops: CropSet, folds: tuple[Fold, ...], card: TowerCard, embed: Callable[[Pixels], Floats]
) -> dict[str, float]:
    """The figures that are compared, all shares."""
    if folds:
        report = evaluate_lfw(crops, folds, embed, card.threshold)
    else:
        report = evaluate_folders(crops, embed, card.threshold)
    figures = {} if report.accuracy is None else {"accuracy by folds": report.accuracy.mean}
    figures |= {
        "accuracy at the best threshold": report.balanced.accuracy,
        "accuracy at the card's threshold": report.balanced_at_threshold,
        "accuracy at a distance of 1": report.balanced_at_1,
        "AUC": report.auc,
        "equal error rate": report.equal_error_rate,
    }
    return figures | {f"TAR at FAR {found.far:g}": found.tar for found in report.true_accepts}


def measure(arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """For each precision its figures, and what its convolutions ran in."""
    folder: Path = arguments.tower
    card = read_card(folder)
    check_weights(folder / WEIGHTS_NAME, card)
    examination = Examination(arguments.protocol, arguments.data, arguments.pairs, tuple(arguments.fold))
    folds = examination.chosen_folds() if arguments.protocol == "lfw" or arguments.fold else ()
    dataset = read_dataset(arguments.data)
    crops = prepare_crops(photos_of_pairs(dataset, folds) if folds else dataset)
    side = card.input_size_px
    drawn = np.sort(np.random.default_rng(1).permutation(len(crops))[:CALIBRATION_CROPS])
    measured: dict[str, dict[str, Any]] = {}
    for precision in (*PRECISIONS, "keras", "stock") if arguments.stock else PRECISIONS:
        network: Network | KerasNetwork
        if precision in ("keras", "stock"):
            network = KerasNetwork(folder / WEIGHTS_NAME)
            crops = stock_crops(crops) if precision == "stock" else crops
        elif precision == "int8":
            model = quantised(folder, card, np.asarray(crops.crops[drawn]))
            network = Network(model, RuntimeSettings(precision="int8"))
        else:
            settings = RuntimeSettings(precision="bf16" if precision == "bf16" else "f32")
            network = Network(build(folder / WEIGHTS_NAME, side), settings)
        listed = folds if arguments.protocol == "lfw" else ()
        measured[precision] = {
            "figures": figures_of(crops, listed, card, network.embed),
            "convolutions": dict(network.kinds),
        }
    return measured


def print_table(measured: dict[str, dict[str, Any]]) -> None:
    """One line a figure: float32 in percent, and for the others the percent and the difference in points."""
    processor = openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")
    offered = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    print(f"processor: {processor}, which offers {', '.join(offered)}")
    for precision, each in measured.items():
        ran = ", ".join(f"{count} in {kind}" for kind, count in sorted(each["convolutions"].items()))
        print(f"{precision}: convolutions ran {ran}")
    others = [precision for precision in measured if precision != "f32"]
    print(f"{'':36}{'f32':>9}" + "".join(f"{precision:>18}" for precision in others))
    for name, whole in measured["f32"]["figures"].items():
        cells = []
        for precision in others:
            value = measured[precision]["figures"][name]
            cells.append(f"{100 * value:9.2f}  ({100 * (value - whole):+.2f})".rjust(18))
        print(f"{name:36}{100 * whole:9.2f}" + "".join(cells))


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, required=True, help="labelled photos: LFW, CelebA, or one folder per person"
    )
    parser.add_argument("--protocol", choices=("lfw", "folders"), default="folders", help="as in facesearch evaluate")
    parser.add_argument("--pairs", type=Path, help="LFW's list of pairs (pairs.txt in --data)")
    parser.add_argument(
        "--fold", type=int, action="append", default=[], help="only this fold of the list; several times"
    )
    parser.add_argument("--tower", type=Path, default=SHIPPED_TOWER, help="folder of a tower (the shipped one)")
    parser.add_argument("--stock", action="store_true", help="also by Keras and by the mtcnn package, on TensorFlow")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    measured = measure(arguments)
    if arguments.json:
        print(json.dumps(measured))
    else:
        print_table(measured)


if __name__ == "__main__":
    main()
