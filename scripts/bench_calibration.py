"""A library's own calibration beside the tower's, measured on people neither has seen.

python scripts/bench_calibration.py --data ../shared/data/lfw
python scripts/bench_calibration.py --drawn 120

Each draw splits the people the tower was never trained on in three: a library names some of the first third and
calibrates itself, the tower's calibration is fitted to the second third as at its export, and all pairs of the last
third judge both. --drawn: drawn people instead, with the calibration that is on the tower's card, which was fitted
to photos. Threshold and FAR: 1 %, or what fewer people allow. Intervals are 95 %, over the draws.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facesearch import load_tower
from facesearch.demo import draw_portrait, random_people
from facesearch.errors import LibraryError
from facesearch.evaluation import metrics
from facesearch.evaluation.calibration import Calibration, fit_calibration, reliability
from facesearch.evaluation.places import Places
from facesearch.records import Floats
from facesearch.tuning.calibration.fitting import EXPECTED_PAIRS, FAR, InForce, fit_sample
from facesearch.tuning.calibration.sample import MOST_FACES, NamedSample, pairs_of
from facesearch.vision.alignment import align_faces
from facesearch.vision.detector.detector import load_detector
from facesearch_train.data.crops import prepare_crops
from facesearch_train.data.datasets import read_dataset
from facesearch_train.data.lfw import people_in_folds, read_folds
from facesearch_train.evaluation.protocols import named_faces

PORTRAITS_EACH = 5


@dataclass(frozen=True, eq=False)
class Faces:
    """Where N faces lie, as in a library that the tower built, and the rows of each person."""

    places: Places
    rows: list[NDArray[np.int64]]

    def sample(self, people: NDArray[np.int64], most: int = 10**6) -> NamedSample:
        own = [self.rows[person][:most] for person in people]
        rows = np.concatenate(own)
        numbers = np.repeat(np.arange(len(own)), [len(each) for each in own])
        return NamedSample(self.places[rows], numbers, np.arange(len(rows)), len(rows))


def labelled(data: Path, folds: list[int], tower: Path | None) -> Faces:
    """The people of some folds of LFW."""
    wanted, network = people_in_folds(read_folds(data / "pairs.txt", folds)), load_tower(tower)
    faces, _ = named_faces(prepare_crops(read_dataset(data)), network.embed, wanted)
    numbers = faces.numbers
    rows = [np.flatnonzero(numbers == number) for number in range(numbers.max() + 1)]
    embeddings = faces.embeddings.astype(np.float32)
    return Faces(Places(embeddings, network.local_scale(embeddings)), rows)


def drawn(people: int, tower: Path | None) -> Faces:
    """People who do not exist, as the demo draws them."""
    detector, network = load_detector(), load_tower(tower)
    embeddings: list[Floats] = []
    rows: list[NDArray[np.int64]] = []
    for number, person in enumerate(random_people(people, seed=3)):
        own = []
        for shot in range(PORTRAITS_EACH):
            pixels = draw_portrait(person, np.random.default_rng([number, shot])).pixels
            if found := detector.detect(pixels):
                own.append(len(embeddings))
                (aligned,) = align_faces(pixels, found[:1])
                embeddings.append(network.embed(aligned.crop[None])[0])
        rows.append(np.array(own, np.int64))
    points = np.stack(embeddings)
    return Faces(Places(points, network.local_scale(points)), [own for own in rows if len(own)])


def judged(sample: NamedSample, threshold: float, calibration: Calibration) -> dict[str, float]:
    """On all pairs of people nobody has seen."""
    pairs = pairs_of(sample)
    roc = metrics.roc_curve(pairs.distances, pairs.labels)
    point = roc.point_at(threshold)
    return {
        "FAR": float(roc.far[point]),
        "TAR": float(roc.tar[point]),
        "accuracy": float(roc.balanced_accuracy[point]),
        "calibration error": reliability(roc, calibration).expected_error,
    }


def measure(faces: Faces, named: int, draws: int, card: InForce | None) -> dict[str, tuple[float, float]]:
    """Mean and half of the 95 % interval of each figure. card: in force instead of a fit to the second third."""
    found: dict[str, list[float]] = defaultdict(list)
    far = max(FAR, 2 * EXPECTED_PAIRS / (named * (named - 1)))
    for seed in range(draws):
        thirds = np.array_split(np.random.default_rng(seed).permutation(len(faces.rows)), 3)
        several = sorted(thirds[0], key=lambda person: len(faces.rows[person]) < 2)  # whoever is named is on some
        tower = card or _exported(faces.sample(thirds[1]), far)
        try:
            fit = fit_sample(faces.sample(np.array(several[:named]), MOST_FACES), tower, far)
        except LibraryError:
            found["refused"].append(1.0)
            continue
        found["refused"].append(0.0)
        others = faces.sample(thirds[2])
        own, usual = (
            judged(others, fit.threshold, fit.calibration),
            judged(others, tower.threshold, tower.calibration or fit.calibration),
        )
        for figure in own:
            found[f"own {figure}"].append(own[figure])
            found[f"tower {figure}"].append(usual[figure])
            found[f"own - tower {figure}"].append(own[figure] - usual[figure])
        found["FAR interval, high / low"].append(fit.far_interval[1] / max(fit.far_interval[0], 1e-4))
        found["FAR within its interval"].append(fit.far_interval[0] <= own["FAR"] <= fit.far_interval[1])
        found["said of people left out: accuracy"].append(fit.own.accuracy)
        found["said of people left out: calibration error"].append(fit.own.calibration_error or np.nan)
    spread = metrics.Z_95 / np.sqrt(draws)
    return {"FAR asked": (far, 0.0)} | {
        name: (float(np.nanmean(values)), float(np.nanstd(values) * spread)) for name, values in found.items()
    }


def _exported(sample: NamedSample, far: float) -> InForce:
    """As a tower's card has it, with a threshold at the same FAR."""
    pairs = pairs_of(sample)
    roc = metrics.roc_curve(pairs.distances, pairs.labels)
    accepts = metrics.tar_at_far(roc, far)
    assert accepts is not None
    return InForce(accepts.threshold, fit_calibration(roc))


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="LFW, with pairs.txt")
    source.add_argument("--drawn", type=int, help="how many people to draw instead")
    parser.add_argument("--fold", type=int, nargs="+", default=[6, 7], help="whose people the tower never saw (6 7)")
    parser.add_argument("--named", type=int, nargs="+", default=[12, 30, 60, 120], help="people with a name")
    parser.add_argument("--draws", type=int, default=40, help="how often people are drawn (40)")
    parser.add_argument("--tower", type=Path, help="folder of a tower (the shipped one)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    card = None
    if options.data:
        faces = labelled(options.data, options.fold, options.tower)
    else:
        faces, tower = drawn(options.drawn, options.tower), load_tower(options.tower)
        cohort, its = tower.cohort, tower.card
        card = InForce(its.threshold, Calibration.from_card(its.calibration))
        if cohort is not None:
            card = InForce(cohort.threshold, cohort.calibration)
    named = [each for each in options.named if each <= len(faces.rows) // 3]
    figures = {str(each): measure(faces, each, options.draws, card) for each in named}
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    rows = list(dict.fromkeys(name for found in figures.values() for name in found))
    print("| people named | " + " | ".join(figures) + " |\n| --- |" + " --- |" * len(figures))
    for name in rows:
        cells = [f"{found[name][0]:.4f} ± {found[name][1]:.4f}" if name in found else "" for found in figures.values()]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
