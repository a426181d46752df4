"""Measure grouping: how right the groups are beside DBSCAN and Chinese whispers, and what a large library costs.

python scripts/bench_grouping.py --data ../shared/data/lfw
python scripts/bench_grouping.py --faces 1e4 1e5 1e6

With --data, the people of some folds of LFW's View 2 make libraries without a name: all of them at once, and small
libraries of 60 drawn people. "as shipped" groups with the tower's card and the constants of people.clusters. The
other methods get their settings from a sweep: those with a B-cubed precision of 0.95 or more on the people of
--choose-on, and of these the best F. Every figure is of --report-on, other people; the rows "at best" are swept on
these themselves, which nobody can do at home. Small libraries are means of several draws.

With --faces, synthetic people as in bench_search.py are grouped, every size in a process of its own: seconds, seconds
of processors (what counts where other programs run), and peak memory. 1e6 faces take minutes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from bench_search import FACES_A_PERSON, faces, memory_mb
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN

from facesearch.evaluation.calibration import Calibration
from facesearch.evaluation.cohort import Cohort
from facesearch.evaluation.distance import pair_distances
from facesearch.people.clusters import Bounds, ClusterScores, KnownFaces, group_faces, score_clusters
from facesearch.records import Floats
from facesearch.vision.tower.tower import Tower
from facesearch_train.data.crops import prepare_crops
from facesearch_train.data.datasets import read_dataset
from facesearch_train.data.lfw import people_in_folds, read_folds

PRECISION = 0.95
SMALL_PEOPLE, DRAWS = 60, 8
EPS = np.arange(0.15, 1.0, 0.025)
MIN_SAMPLES = (1, 2, 3, 5, 8, 12)
LEAST_FACES = (2, 3, 5, 8)
CHANCE = np.arange(0.5, 2.5, 0.125)
ROUNDS = 20  # of Chinese whispers; it has settled long before

Groups = NDArray[np.int64]
Library = tuple[Floats, NDArray[np.int64]]  # float32 (N, 32), and whose each face is
Method = Callable[[Floats, Any], Groups]


def dbscan(embeddings: Floats, settings: tuple[float, int, int]) -> Groups:
    eps, min_samples, least = settings
    return without_small(DBSCAN(eps=eps, min_samples=min_samples).fit_predict(embeddings), least)


def chinese_whispers(embeddings: Floats, settings: tuple[float, int]) -> Groups:
    """Each face, in random order, takes the label that weighs most among its neighbours. Source: Biemann 2006."""
    threshold, least = settings
    distances = pair_distances(embeddings, embeddings)
    np.fill_diagonal(distances, np.inf)
    near = [np.flatnonzero(row <= threshold) for row in distances]
    labels = np.arange(len(embeddings))
    rng = np.random.default_rng(0)
    for _ in range(ROUNDS):
        before = labels.copy()
        for face in rng.permutation(len(embeddings)).tolist():
            if len(near[face]):
                weights = threshold - distances[face, near[face]]
                found, place = np.unique(labels[near[face]], return_inverse=True)
                labels[face] = found[np.argmax(np.bincount(place, weights))]
        if np.array_equal(labels, before):
            break
    return without_small(labels, least)


def without_small(labels: Groups, least: int) -> Groups:
    """The same without groups of fewer faces."""
    numbers, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return np.where((numbers[place] >= 0) & (counts[place] >= least), labels, -1)


def facesearch(embeddings: Floats, bounds: Bounds, cohort: Cohort | None) -> Groups:
    """cohort: the tower's, for judged distances; DBSCAN and Chinese whispers go by plain ones."""
    scales = None if cohort is None else cohort.local_scale(embeddings)
    return group_faces(embeddings, KnownFaces.nothing(len(embeddings)), bounds, scales=scales)


METHODS: dict[str, tuple[Method, list[Any]]] = {
    "DBSCAN": (dbscan, list(itertools.product(EPS, MIN_SAMPLES, LEAST_FACES))),
    "Chinese whispers": (chinese_whispers, list(itertools.product(EPS, LEAST_FACES))),
}


def mean_scores(libraries: Sequence[Library], method: Callable[[Floats], Groups]) -> dict[str, float]:
    """The mean of each figure over libraries; F is that of the mean precision and recall."""
    scores: list[ClusterScores] = [score_clusters(method(embeddings), people) for embeddings, people in libraries]
    figures = {name: float(np.mean([asdict(each)[name] for each in scores])) for name in asdict(scores[0])}
    total = figures["precision"] + figures["recall"]
    return figures | {"f": 2 * figures["precision"] * figures["recall"] / total if total else 0.0}


def swept(libraries: Sequence[Library], method: Method, settings: Sequence[Any]) -> tuple[Any, dict[str, float]]:
    """The best setting by the rule: enough precision first, then F."""
    best: tuple[tuple[bool, float], Any, dict[str, float]] | None = None
    for setting in settings:
        figures = mean_scores(libraries, lambda embeddings, now=setting: method(embeddings, now))  # type: ignore[misc]
        rank = (figures["precision"] >= PRECISION, figures["f"])
        if best is None or rank > best[0]:
            best = rank, setting, figures
    assert best is not None
    return best[1], best[2]


def compare(
    chosen: Sequence[Library], reported: Sequence[Library], bounds: Bounds, cohort: Cohort | None
) -> Iterator[dict[str, Any]]:
    """A row a method: its figures on `reported`."""

    def ours(embeddings: Floats, setting: Bounds) -> Groups:
        return facesearch(embeddings, setting, cohort)

    yield {
        "method": "facesearch, as shipped",
        "setting": f"{bounds.chance:.3g}",
        **mean_scores(reported, lambda embeddings: ours(embeddings, bounds)),
    }
    own = [replace(bounds, chance=float(chance)) for chance in CHANCE]
    for name, (method, settings) in {"facesearch": (ours, own), **METHODS}.items():
        setting, _ = swept(chosen, method, settings)
        figures = mean_scores(reported, lambda embeddings: method(embeddings, setting))  # noqa: B023
        yield {"method": name, "setting": shown(setting), **figures}
        best, figures = swept(reported, method, settings)
        yield {"method": f"{name}, at best", "setting": shown(best), **figures}
    yield {"method": "no groups", "setting": "", **mean_scores(reported, lambda faces: np.full(len(faces), -1))}


def shown(setting: Any) -> str:
    if isinstance(setting, Bounds):
        return f"{setting.chance:.3g}"
    return ", ".join(f"{value:.3g}" for value in setting)


def libraries_of(embeddings: Floats, names: NDArray[np.str_], seed: int) -> dict[str, list[Library]]:
    """All faces as one library, and small ones of some of the people."""
    people = np.unique(names, return_inverse=True)[1].astype(np.int64)
    small = []
    for draw in range(DRAWS):
        drawn = np.random.default_rng((seed, draw)).permutation(people.max() + 1)[:SMALL_PEOPLE]
        rows = np.isin(people, drawn)
        small.append((embeddings[rows], people[rows]))
    return {f"all {people.max() + 1} people": [(embeddings, people)], f"{SMALL_PEOPLE} people, {DRAWS} draws": small}


def embedded(data: Path, folds: Sequence[int], tower: Tower) -> tuple[Floats, NDArray[np.str_]]:
    """Every photo of the people of some folds."""
    wanted = people_in_folds(read_folds(data / "pairs.txt", folds))
    crops = prepare_crops(read_dataset(data))
    rows = [row for row, name in enumerate(crops.identities) if name in wanted]
    pieces = [tower.embed(np.asarray(crops.crops[rows[start : start + 64]])) for start in range(0, len(rows), 64)]
    return np.concatenate(pieces), np.array([crops.identities[row] for row in rows])


def measure_accuracy(data: Path, choose_on: list[int], report_on: list[int], folder: Path | None) -> list[Any]:
    """A table a kind of library."""
    tower = Tower.load(folder)
    cohort = tower.cohort
    bounds = Bounds.of(Calibration.from_card(tower.card.calibration), tower.card.threshold)
    if cohort is not None:
        bounds = Bounds.of(cohort.calibration, cohort.threshold)
    kinds = [libraries_of(*embedded(data, folds, tower), seed=1) for folds in (choose_on, report_on)]
    return [
        {"library": name, "tower": tower.identity[:12], "rows": list(compare(chosen, reported, bounds, cohort))}
        for (_, chosen), (name, reported) in zip(*(kind.items() for kind in kinds), strict=True)
    ]


COLUMNS = {
    "B³ precision": "precision",
    "B³ recall": "recall",
    "B³ F": "f",
    "precision of the grouped": "grouped_precision",
    "pair precision": "pair_precision",
    "pair recall": "pair_recall",
    "groups": "groups",
    "faces in groups": "grouped",
}


def print_tables(tables: list[Any]) -> None:
    for each in tables:
        size = f"{each['rows'][0]['faces']:.0f} faces"
        print(f"{each['library']}, {size}, tower {each['tower']}\n")
        print("| method | setting | " + " | ".join(COLUMNS) + " |")
        print("| --- " * (len(COLUMNS) + 2) + "|")
        for row in each["rows"]:
            cells = [f"{row[key]:.0f}" if key.startswith("group") and key != "grouped_precision" else f"{row[key]:.3f}"
                     for key in COLUMNS.values()]  # fmt: skip
            print(f"| {row['method']} | {row['setting']} | " + " | ".join(cells) + " |")
        print()


def measure_cost(count: int, threads: int) -> dict[str, float]:
    """Group synthetic faces. Their own pairs lie around 2.8 apart and pairs of strangers around 8: the calibration that
    goes with them says so."""
    faiss.omp_set_num_threads(threads)
    embeddings = faces(count, 0, count // FACES_A_PERSON)
    bounds = Bounds((2.0, 4.0, 6.0), (16.0, 8.0, 0.0))
    before_mb = memory_mb()
    start, start_cpu = time.perf_counter(), time.process_time()
    groups = group_faces(embeddings, KnownFaces.nothing(count), bounds)
    return {
        "faces": float(count),
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - start_cpu,
        "peak_memory_mb": memory_mb("VmHWM"),
        "memory_before_mb": before_mb,
        "groups": float(groups.max() + 1),
        "faces_in_groups": float((groups >= 0).sum()),
        "threads": float(threads),
    }


def main() -> None:
    """Measure and print tables, lines, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--data", type=Path, help="LFW, with its pairs.txt")
    what.add_argument("--faces", type=float, nargs="+", help="numbers of synthetic faces")
    parser.add_argument("--choose-on", type=int, nargs="+", default=[6], help="folds to choose settings on (6)")
    parser.add_argument("--report-on", type=int, nargs="+", default=[7], help="folds to report on (7)")
    parser.add_argument("--tower", type=Path, help="folder of a tower (the shipped one)")
    parser.add_argument("--threads", type=int, default=faiss.omp_get_max_threads(), help="of FAISS (one a core)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    if options.data:
        tables = measure_accuracy(options.data, options.choose_on, options.report_on, options.tower)
        print(json.dumps(tables)) if options.json else print_tables(tables)
    elif len(options.faces) > 1:
        passed = ["--threads", str(options.threads), *(["--json"] if options.json else [])]
        for size in options.faces:
            subprocess.run([sys.executable, __file__, "--faces", str(size), *passed], check=True)
    else:
        figures = measure_cost(int(options.faces[0]), options.threads)
        lines = (
            [json.dumps(figures)] if options.json else [f"{name:20} {value:12,.4g}" for name, value in figures.items()]
        )
        print("\n".join(lines), flush=True)


if __name__ == "__main__":
    main()
