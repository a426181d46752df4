"""Should a library's own faces join the tower's cohort? False matches by group against true matches on LFW.

    python scripts/bench_own_cohort.py DIR --lfw lfw

As `bench_groups.py sweep`, with the same DIR. LFW's people of folds 6 and 7 are one library, and those judged by group
another: one face of each of --own people joins the centres of the tower's cohort, except for their own person's faces.
The threshold is the one that 1 % of pairs of strangers of LFW pass with as many own faces.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from group_halves import Halves, Scales, Sweep

from facesearch.evaluation.distance import pair_distances
from facesearch.records import Floats, Ints
from facesearch.vision.tower.tower import Tower
from facesearch_train.cohort import CAP, NEIGHBOURS, POWER, Centres, Strangers, centres_of

OWN = (0, 100, 300, 862)


def mean_distances(faces: Floats, people: Ints, centres: Centres, own: int, neighbours: int) -> Floats:
    """To the nearest of the centres and of `own` other people's faces: (N, D) -> float64 (N,)."""
    rng = np.random.default_rng(0)
    chosen = rng.permutation(np.unique(people))[:own]
    rows = np.array([rng.choice(np.flatnonzero(people == person)) for person in chosen], np.int64)
    to_own = pair_distances(faces, faces[rows]).astype(np.float64) ** 2
    to_own[people[:, None] == people[rows][None]] = np.inf
    to_centres = pair_distances(faces, centres.points).astype(np.float64) ** 2 + centres.spreads
    squared = np.sort(np.concatenate([to_centres, to_own], axis=1), axis=1)[:, :neighbours]
    distances: Floats = np.sqrt(squared).mean(axis=1)
    return distances


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lfw", type=Path, required=True)
    options = parser.parse_args()
    halves = Halves.read(options.folder, options.lfw, Tower.load())
    for own in OWN:
        for neighbours in (NEIGHBOURS, 3):

            def scales_of(cohort: Strangers, own: int = own, neighbours: int = neighbours) -> Scales:
                centres = centres_of(cohort)
                most = np.quantile(mean_distances(halves.known, halves.people, centres, own, neighbours), CAP)

                def scales(faces: Floats, people: Ints) -> Floats:
                    mean = mean_distances(faces, people, centres, own, neighbours)
                    return np.asarray(np.minimum(mean, most) ** POWER, np.float32)

                return scales

            print(Sweep([halves]).line(f"{own} own faces, {neighbours} nearest", scales_of), flush=True)


if __name__ == "__main__":
    main()
