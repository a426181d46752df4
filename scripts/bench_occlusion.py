"""Does the heat map of `facesearch why` find what a distance hangs on? Cover what it calls hottest, and look.

For pairs of photos of one person, people never trained on: a map is made of the first photo's distance to the second;
then the fifth of the pixels that is hottest, the coldest, and one by a map of random numbers are covered, with either
fill, and the distance is measured again. A map that meant nothing would do no better than chance.

python scripts/bench_occlusion.py --data ../shared/data/lfw --fold 6 --fold 7 --pairs 60
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facesearch.evaluation.distance import pair_distances
from facesearch.evaluation.places import Places
from facesearch.query.why.occlusion import Fill, Occlusion, Patches, covered_with, occlude
from facesearch.records import CROP_SIZE_PX, Pixels
from facesearch.vision.tower.tower import Tower
from facesearch_train.data.crops import CropSet, prepare_crops
from facesearch_train.data.datasets import read_dataset
from facesearch_train.data.lfw import people_in_folds, read_folds

SHARE = 0.2  # of the pixels, covered at once
FILLS: tuple[Fill, ...] = ("mean", "blur")
CHOICES = ("hottest", "coldest", "random")


def chosen_pairs(crops: CropSet, people: frozenset[str], count: int, seed: int) -> list[tuple[int, int]]:
    """Two rows of each of some people, drawn by a seed; faces that the detector found only."""
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, (name, origin) in enumerate(zip(crops.identities, crops.origins, strict=True)):
        if name in people and origin == "detected":
            rows[name].append(row)
    rng = np.random.default_rng(seed)
    several = sorted(name for name, own in rows.items() if len(own) > 1)
    return [tuple(rng.permutation(rows[name])[:2].tolist()) for name in rng.permutation(several)[:count]]


def masks_of(found: Occlusion, rng: np.random.Generator) -> list[NDArray[np.bool_]]:
    """Which pixels are covered, by CHOICES."""
    chance = replace(found, changes=rng.normal(size=found.changes.shape))
    return [_largest(values) for values in (found.by_pixel(0), -found.by_pixel(0), chance.by_pixel(0))]


def _largest(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    mask = np.zeros(values.size, dtype=bool)
    mask[np.argsort(values, axis=None)[-round(SHARE * values.size) :]] = True
    return mask.reshape(values.shape)


def measure(crops: Pixels, pairs: Sequence[tuple[int, int]], tower: Tower, patches: Patches) -> dict[str, float]:
    """The mean change of the distance by what was covered and with what, and how often the hottest beats chance."""
    rng = np.random.default_rng(0)
    changes = np.empty((len(pairs), len(FILLS), len(CHOICES)))
    distances, peaks = [], []
    for place, (first, second) in enumerate(pairs):
        crop, reference = np.asarray(crops[first]), tower.embed(np.asarray(crops[second])[None])
        found = occlude(crop, lambda covered: Places.plain(tower.embed(covered)), Places.plain(reference), patches)
        distances.append(float(found.distances[0]))
        peaks.append(float(found.changes.max()))
        masks = masks_of(found, rng)
        covered = [
            np.where(mask[..., None], covered_with(crop, Patches(patches.side_px, patches.stride_px, fill)), crop)
            for fill in FILLS
            for mask in masks
        ]
        far = pair_distances(reference, tower.embed(np.stack(covered)))[0]
        changes[place] = (far - found.distances[0]).reshape(len(FILLS), len(CHOICES))
    figures = {"pairs": len(pairs), "distance": float(np.mean(distances)), "largest_change": float(np.mean(peaks))}
    for column, fill in enumerate(FILLS):
        for choice, mean in zip(CHOICES, changes[:, column].mean(axis=0), strict=True):
            figures[f"{choice}_covered_with_{fill}"] = float(mean)
        figures[f"hottest_beats_random_with_{fill}"] = float((changes[:, column, 0] > changes[:, column, 2]).mean())
    return figures


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="LFW's folder, with pairs.txt")
    parser.add_argument("--fold", type=int, action="append", required=True, help="people of this fold, from 1")
    parser.add_argument("--pairs", type=int, default=60, help="people, a pair of photos each")
    parser.add_argument("--patch", type=int, default=24, help="side of the patches, px")
    parser.add_argument("--stride", type=int, default=8, help="from patch to patch, px")
    parser.add_argument("--cover", choices=FILLS, default="blur", help="what the map covers with")
    parser.add_argument("--seed", type=int, default=1, help="chooses the people and their photos")
    parser.add_argument("--tower", type=Path, help="folder of a tower (the shipped one)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    people = people_in_folds(read_folds(options.data / "pairs.txt", options.fold))
    crops = prepare_crops(read_dataset(options.data))
    pairs = chosen_pairs(crops, people, options.pairs, options.seed)
    patches = Patches(options.patch, options.stride, options.cover)
    figures = measure(crops.crops, pairs, Tower.load(options.tower), patches)
    if options.json:
        print(json.dumps(figures))
        return
    print(f"crops of {CROP_SIZE_PX} px, covered by {len(patches.starts_px) ** 2} patches ({options.cover})")
    for name, value in figures.items():
        print(f"{name.replace('_', ' ')}: {value:.3f}")


if __name__ == "__main__":
    main()
