"""What teaching a library gives, and what other heads would give, on people the tower was never trained on.

Draws families from LFW's folds 6 and 7 (of another folder from everybody: were they trained on, that says little).
Each candidate learns from some photos of a family; then it is asked about the
others of these photos against those that were learned, with everybody else as strangers ("known"), and about
everybody else, among each other ("strangers"). Changes are in points against the tower's own space, means over the
draws. "teach" is what `facesearch teach` does: the head in use where its own held-out faces let it keep it, and
otherwise nothing; with names shuffled there is nothing to learn. "by groups" names only the groups that `people
group` finds among these photos and those of 200 of the others, each after whoever has most faces in it, wrong ones
included.

    python scripts/bench_teach.py --data lfw
    python scripts/bench_teach.py --data lfw --candidates teach --draws 20 --families 5x5 10x5 20x10
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from drawn_families import Family, Map, embedded
from numpy.typing import NDArray

from facesearch.evaluation.calibration import Calibration
from facesearch.library.space import Space
from facesearch.people.clusters import Bounds
from facesearch.tuning.teaching.deciding import decide
from facesearch.tuning.teaching.held_out import Placing, ask_held_out
from facesearch.tuning.teaching.learning import PULL, SHRINKAGE, draw_pairs, learn_head, whitening
from facesearch.tuning.teaching.lessons import Lessons
from facesearch.tuning.teaching.teach import LEAST_FACES as LEAST_FACES_EACH
from facesearch.tuning.teaching.teach import LEAST_PEOPLE

FAMILIES = ("5x5", "5x10", "10x5", "10x10", "20x5", "20x10", "12x20")
FIGURES = ("accuracy", "AUC", "TAR@1%", "rank 1", "strangers: accuracy", "AUC", "TAR@1%")


def linear(head: NDArray[np.float64]) -> Map:
    return Space(head.astype(np.float32)).map


def low_rank(head: NDArray[np.float64], rank: int) -> NDArray[np.float64]:
    """The identity and what matters most of the rest."""
    left, values, right = np.linalg.svd(head - np.eye(len(head)))
    return np.asarray(np.eye(len(head)) + (left[:, :rank] * values[:rank]) @ right[:rank])


def perceptron(lessons: Lessons, margin: float, seed: int, pull: float, hidden: int = 32) -> Map:
    """x + B tanh(A x), by the same loss and Adam; its gradient by the chain rule."""
    rng = np.random.default_rng(seed)
    ids = Lessons(np.eye(len(lessons.people), dtype=np.float32), lessons.people, lessons.apart, lessons.names)
    pairs = draw_pairs(ids, np.ones(len(ids.people), bool), 1.0, seed)  # differences of unit vectors say which rows
    one, other = pairs.differences.argmax(axis=1), pairs.differences.argmin(axis=1)
    rows = lessons.embeddings.astype(np.float64) / margin
    weights = [rng.normal(size=(hidden, 32)) * 2 / np.sqrt(32), np.zeros((32, hidden))]
    moments = [[np.zeros_like(each), np.zeros_like(each)] for each in weights]
    kinds = np.where(pairs.genuine, pairs.genuine.sum(), (~pairs.genuine).sum())
    for step in range(1, 151):
        inner = np.tanh(rows @ weights[0].T)
        mapped = rows + inner @ weights[1].T
        difference = mapped[one] - mapped[other]
        distance = np.linalg.norm(difference, axis=1) + 1e-9
        towards = 2 * np.where(pairs.genuine, 1, -np.maximum(1 - distance, 0) / distance) / kinds
        slope = np.zeros_like(rows)
        np.add.at(slope, one, towards[:, None] * difference)
        np.add.at(slope, other, -towards[:, None] * difference)
        gradients = (
            ((slope @ weights[1]) * (1 - inner**2)).T @ rows,
            slope.T @ inner + 2 * pull / pairs.people * weights[1],
        )
        for number, (moment, gradient) in enumerate(zip(moments, gradients, strict=True)):
            moment[0] = 0.9 * moment[0] + 0.1 * gradient
            moment[1] = 0.999 * moment[1] + 0.001 * gradient**2
            rate = 0.01 * (1 + np.cos(np.pi * step / 150)) / 2
            weights[number] -= rate * moment[0] / (1 - 0.9**step) / (np.sqrt(moment[1] / (1 - 0.999**step)) + 1e-8)
    return lambda faces: (
        faces / margin + np.tanh(faces.astype(np.float64) / margin @ weights[0].T) @ weights[1].T
    ).astype(np.float32)


def candidates(
    margin: float, threshold: float, by_groups: Callable[[Family], Lessons]
) -> dict[str, Callable[[Family, int], Map | None]]:
    """By name, what makes a map of a family; None where it is not kept."""

    def learned(lessons: Lessons, seed: int, pull: float = PULL, shrinkage: float = SHRINKAGE) -> NDArray[np.float64]:
        return learn_head(lessons, np.ones(len(lessons.people), bool), margin, seed, pull=pull, shrinkage=shrinkage)

    def alone(family: Family) -> Lessons:
        return replace(family.lessons, apart=family.lessons.apart[:0])

    def taught(family: Family, seed: int, shuffled: bool = False, grouped: bool = False) -> Map | None:
        lessons = by_groups(family) if grouped else alone(family)
        if (lessons.faces_a_person >= LEAST_FACES_EACH).sum() < LEAST_PEOPLE:
            return None
        if shuffled:
            named = np.flatnonzero(lessons.people >= 0)
            people = lessons.people.copy()
            people[named] = np.random.default_rng(seed).permutation(people[named])
            lessons = replace(lessons, people=people)

        def learn(faces: NDArray[np.bool_], number: int) -> Placing:
            return Space(learn_head(lessons, faces, margin, number).astype(np.float32)).place

        verdict = decide(ask_held_out(lessons, learn, threshold, seed), seed)
        return linear(learned(lessons, seed)) if verdict.kept else None

    def pulled(family: Family, seed: int, pull: float) -> Map:
        return linear(learned(alone(family), seed, pull))

    def spread(family: Family, seed: int) -> Map:
        lessons = alone(family)
        return linear(whitening(lessons, lessons.people >= 0))

    return {
        "teach": taught,
        "teach, with names shuffled": lambda family, seed: taught(family, seed, shuffled=True),
        "teach, by groups": lambda family, seed: taught(family, seed, grouped=True),
        "the head, whatever becomes of it": lambda family, seed: linear(learned(alone(family), seed)),
        **{f"pull {PULL * times:.3g} instead of {PULL}": partial(pulled, pull=PULL * times) for times in (0.25, 4)},
        "shrinkage 0.7": lambda family, seed: linear(learned(alone(family), seed, shrinkage=0.7)),
        "with pairs of strangers in one photo": lambda family, seed: linear(learned(family.lessons, seed)),
        "only whitening": spread,
        "only contrastive": lambda family, seed: linear(learned(alone(family), seed, shrinkage=1.0)),
        "only contrastive, rank 8": lambda family, seed: linear(
            low_rank(learned(alone(family), seed, shrinkage=1.0), 8)
        ),
        "perceptron": lambda family, seed: perceptron(alone(family), margin, seed, PULL),
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="LFW with pairs.txt, or another folder")
    parser.add_argument("--fold", type=int, action="append", help="folds of people never trained on (6 and 7)")
    parser.add_argument(
        "--families", nargs="+", default=list(FAMILIES), help="people x photos that are learned of each"
    )
    parser.add_argument("--draws", type=int, default=8, help="families drawn of each size")
    parser.add_argument("--candidates", nargs="+", help="only those whose names begin so")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    options = parser.parse_args()
    faces, card = embedded(options.data, options.fold or [6, 7])
    bounds = Bounds.of(Calibration.from_card(card.calibration), card.threshold)
    if not options.json:
        print(
            f"{len(faces.people):,} photos of {len(np.unique(faces.people)):,} people; margin {card.margin:.3f}",
            flush=True,
        )
    chosen = {
        name: make
        for name, make in candidates(
            card.margin, card.threshold, lambda family: faces.lessons_by_groups(family, bounds)
        ).items()
        if options.candidates is None or name.startswith(tuple(options.candidates))
    }
    for size in options.families:
        people, photos = map(int, size.split("x"))
        families = [faces.family(people, photos, seed) for seed in range(options.draws)]
        before = [faces.figures(family, lambda rows: rows) for family in families]
        report(Line(size, "the tower's own space", before, None, 0.0), options.json)
        for name, make in chosen.items():
            start = time.process_time()
            maps = [make(family, seed) for seed, family in enumerate(families)]
            seconds = (time.process_time() - start) / len(families)
            changes = [
                np.zeros(len(FIGURES)) if each is None else faces.figures(family, each) - own
                for each, family, own in zip(maps, families, before, strict=True)
            ]
            kept = sum(each is not None for each in maps)
            report(Line(size, name, changes, kept if name.startswith("teach") else None, seconds), options.json)


@dataclass(frozen=True, eq=False)
class Line:
    """A candidate's line: figures or changes of them, a draw each, how often it was kept, and its time."""

    family: str
    candidate: str
    figures: list[NDArray[np.float64]]
    kept: int | None
    seconds: float


def report(line: Line, as_json: bool) -> None:
    mean = np.mean(line.figures, axis=0).round(2).tolist()
    if as_json:
        print(json.dumps({**vars(line), "figures": mean}), flush=True)
        return
    of_tower = line.candidate.startswith("the tower")
    if of_tower:
        print(f"\nfamily {line.family}, {len(line.figures)} draws; known: {', '.join(FIGURES)}; seconds", flush=True)
    numbers = " ".join(f"{value:{'' if of_tower else '+'}6.1f}" for value in mean)
    kept = "" if line.kept is None else f"  kept {line.kept} of {len(line.figures)}"
    print(f"  {line.candidate:38} {numbers} {line.seconds:6.1f}{kept}", flush=True)


if __name__ == "__main__":
    main()
