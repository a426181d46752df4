"""Who is it? Rules for a person's distance, how far their probabilities can be trusted, and what faces of one photo say
of one another: measured on people the tower was never trained on, redrawn many times.

python scripts/bench_identity.py --data ../shared/data/lfw --enrolled 30 250

Each draw splits the people of the folds in three: a third to fit the calibration on, as a tower's card has it; of the
others some are enrolled by 1, 2, 3, 5, 10, 30 or all of their photos but the probe, and as many others, and 100 at
least, are probes that the library does not hold. DIR at FPIR: the share of enrolled people who come first and above the
score that the given share of the others reaches. Intervals are 95 %, over the draws; differences are to the nearest
face. On composed photos the faces are of different people, or (twice) one of them stands there twice.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from enrolled_people import Draw, People
from numpy.typing import NDArray

from facesearch.evaluation import metrics
from facesearch.evaluation.distance import pair_distances
from facesearch.query.ranking import PRIOR, PROTOTYPE_FACES, Contenders, beliefs, person_distances
from facesearch.records import Values

CHOSEN = "halfway between nearest and prototype"
POWERS = (0.0, 0.3, 0.4, 0.5, 1.0)
FPIRS = (0.01, 0.1)
STORED = {"1 photo": (1, 1), "2-4 photos": (2, 4), "5+ photos": (5, 10**6)}
BINS = 10
PEOPLE_ON_A_PHOTO = (2, 6)
STRANGERS_ON_A_PHOTO = 0.2
COMPOSED = 40  # photos a draw


def person_values(embeddings: Values, probes: Values, gallery: list[NDArray[np.int64]]) -> dict[str, Values]:
    """What rules say of each probe and each enrolled person (Q, P): smaller is nearer."""
    found: dict[str, list[Values]] = defaultdict(list)
    for rows in gallery:
        distances = np.sort(pair_distances(probes, embeddings[rows]).astype(np.float64), axis=1)
        sampled = rows[:: max(1, len(rows) // PROTOTYPE_FACES)]
        prototype = np.linalg.norm(probes - embeddings[sampled].mean(axis=0), axis=1)
        found["nearest"].append(distances[:, 0])
        found["mean of the nearest 2"].append(distances[:, :2].mean(axis=1))
        found["mean of the nearest 3"].append(distances[:, :3].mean(axis=1))
        found["mean of all"].append(distances.mean(axis=1))
        found["soft minimum (0.1)"].append(-0.1 * np.log(np.exp(-distances / 0.1).mean(axis=1)))
        found["nearest + 0.05 ln n"].append(distances[:, 0] + 0.05 * np.log(len(rows)))
        found["prototype"].append(prototype)
        found["the lesser of nearest and prototype"].append(np.minimum(distances[:, 0], prototype))
        found[CHOSEN].append(person_distances(distances[:, 0], prototype))
    return {name: np.stack(columns, axis=1) for name, columns in found.items()}


def with_chance_taken_off(draw: Draw, distances: Values) -> Values:
    """Minus the log odds of each person: the rule that `query` ranks by. Equals come by distance."""
    return -draw.calibration.person_log_odds(distances, draw.counts) + 1e-9 * distances


def closed_and_open(scores: Values, own: NDArray[np.int64], counts: NDArray[np.int64]) -> dict[str, float]:
    """Rank 1 and 5 of the enrolled and DIR at FPIRs. own: (Q,) the place of the probe's person, -1 for strangers."""
    enrolled = own >= 0
    mine = scores[np.flatnonzero(enrolled), own[enrolled]]
    before = (scores[enrolled] < mine[:, None]).sum(axis=1)
    strangers = np.sort(scores[~enrolled].min(axis=1))
    figures = {"rank 1": np.mean(before < 1), "rank 5": np.mean(before < 5)}
    for fpir in FPIRS:
        limit = strangers[int(fpir * len(strangers))]
        figures[f"DIR at FPIR {fpir:.0%}"] = np.mean((before < 1) & (mine < limit))
    for name, (low, high) in STORED.items():
        within = (counts[own[enrolled]] >= low) & (counts[own[enrolled]] <= high)
        figures[f"rank 1, {name}"] = np.mean(before[within] < 1) if within.any() else np.nan
    return {name: float(value) for name, value in figures.items()}


def measure_rules(people: People, enrolled: int, draws: int) -> dict[str, dict[str, tuple[float, float, float]]]:
    """For each rule and figure the mean, half its 95 % interval, and half that of its difference to nearest."""
    every: dict[str, list[dict[str, float]]] = defaultdict(list)
    for seed in range(draws):
        draw = Draw.make(people, enrolled, seed)
        probes = np.array([rows[0] for rows in (*draw.left, *draw.strangers)])
        own = np.append(np.arange(len(draw.left)), np.full(len(draw.strangers), -1))
        values = person_values(people.embeddings, people.embeddings[probes], draw.gallery)
        for name in (CHOSEN, "nearest", "prototype"):
            values[f"{name}, less chance"] = with_chance_taken_off(draw, values[name])
        for name, scores in values.items():
            every[name].append(closed_and_open(scores, own, draw.counts))
    table: dict[str, dict[str, tuple[float, float, float]]] = {}
    for name, found in every.items():
        table[name] = {}
        for figure in found[0]:
            mine, base = (np.array([each[figure] for each in rule]) for rule in (found, every["nearest"]))
            spread = metrics.Z_95 / np.sqrt(draws)
            table[name][figure] = (
                float(np.nanmean(mine)),
                float(np.nanstd(mine, ddof=1) * spread),
                float(np.nanstd(mine - base, ddof=1) * spread),
            )
    return table


def measure_powers(people: People, enrolled: int, draws: int) -> dict[str, float]:
    """The mean log of the truth's probability, half of the probes strangers, where n faces count as n^power."""
    found: dict[str, list[float]] = defaultdict(list)
    for seed in range(draws):
        draw = Draw.make(people, enrolled, seed)
        probes = np.array([rows[0] for rows in (*draw.left, *draw.strangers)])
        own = np.append(np.arange(len(draw.left)), np.full(len(draw.strangers), -1))
        distances = person_values(people.embeddings, people.embeddings[probes], draw.gallery)[CHOSEN]
        pair, beyond = draw.calibration.person_log_odds(distances, 1), draw.calibration.beyond(distances)
        for power in POWERS:
            odds = np.exp(pair + (draw.counts**power - 1) * beyond) / len(draw.counts)
            truth = np.where(own >= 0, odds[np.arange(len(own)), own], 1) / (1 + odds.sum(axis=1))
            found[f"n^{power:g}"].append(
                float(np.mean([np.log(truth[own >= 0]).mean(), np.log(truth[own < 0]).mean()]))
            )
    return {power: float(np.mean(values)) for power, values in found.items()}


def expected_error(said: Values, right: Values) -> float:
    """The expected calibration error in bins of equal width."""
    place = np.minimum((said * BINS).astype(np.int64), BINS - 1)
    gaps = [
        abs(said[place == each].mean() - right[place == each].mean()) * (place == each).mean() for each in set(place)
    ]
    return float(np.sum(gaps))


def measure_photos(people: People, enrolled: int, draws: int, *, kind: str) -> dict[str, float]:
    """Whole photos by `ranking.beliefs`, each face alone and all together.

    kind: "single" (one face; half are strangers, as the prior says), "different" (2 to 6 different people, a fifth of
    them strangers, the prior as it is), "twice" (the same, and one of them stands there twice, in two of their photos).
    """
    gathered: dict[str, list[float]] = defaultdict(list)
    prior = PRIOR if kind == "single" else 1 - STRANGERS_ON_A_PHOTO
    for seed in range(draws):
        draw, rng = Draw.make(people, enrolled, seed), np.random.default_rng([seed, 1])
        for _ in range(COMPOSED):
            rows, own = _photo(draw, rng, kind, prior)
            distances = person_values(people.embeddings, people.embeddings[rows], draw.gallery)[CHOSEN]
            keys = range(len(draw.gallery))
            faces = [Contenders(keys, each, draw.counts, np.inf) for each in distances]
            for belief, person in zip(beliefs(faces, draw.calibration, len(keys), prior), own.tolist(), strict=True):
                for name, posterior, nobody, likeliest in (
                    ("alone", belief.alone, belief.nobody_alone, belief.likeliest_alone),
                    ("together", belief.posterior, belief.nobody, belief.likeliest),
                ):
                    truth = posterior[person] if person >= 0 else nobody
                    gathered[f"{name}: answer right"].append((likeliest if likeliest is not None else -1) == person)
                    gathered[f"{name}: log of the truth's probability"].append(float(np.log(truth)))
                    gathered[f"{name}: said"].append(float(posterior.max()))
                    gathered[f"{name}: found"].append(int(np.argmax(posterior)) == person)
                    gathered[f"{name}: nobody said"].append(nobody)
                    gathered[f"{name}: nobody found"].append(person < 0)
                    if person >= 0:
                        gathered[f"{name}: rank 1"].append(int(np.argmax(posterior)) == person)
                gathered["changed"].append(belief.likeliest != belief.likeliest_alone)
    return _summed({name: np.array(values, np.float64) for name, values in gathered.items()})


def _photo(
    draw: Draw, rng: np.random.Generator, kind: str, prior: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the faces on a photo, and the place of each person among the enrolled, -1 for a stranger."""
    faces = 1 if kind == "single" else int(rng.integers(PEOPLE_ON_A_PHOTO[0], PEOPLE_ON_A_PHOTO[1] + 1))
    own = rng.choice(len(draw.gallery), faces, replace=False)
    own[rng.random(faces) >= prior] = -1
    unknown = rng.choice(len(draw.strangers), faces, replace=False)
    rows = [
        rng.choice(draw.left[who] if who >= 0 else draw.strangers[new]) for who, new in zip(own, unknown, strict=True)
    ]
    if kind == "twice":
        twins = [who for who, rest in enumerate(draw.left) if len(rest) > 1]
        who = int(rng.choice(twins))
        own, rows = (
            np.append(own[own != who], [who, who]),
            [
                *(row for row, old in zip(rows, own, strict=True) if old != who),
                *rng.choice(draw.left[who], 2, replace=False),
            ],
        )
    return np.array(rows), own


def _summed(values: dict[str, Values]) -> dict[str, float]:
    figures: dict[str, float] = {"faces": len(values["changed"]), "changed": float(values["changed"].mean())}
    for name in ("alone", "together"):
        for figure in ("rank 1", "answer right", "log of the truth's probability", "nobody said", "nobody found"):
            figures[f"{name}: {figure}"] = float(values[f"{name}: {figure}"].mean())
        for what, said, found in (("the first", "said", "found"), ("nobody", "nobody said", "nobody found")):
            error = expected_error(values[f"{name}: {said}"], values[f"{name}: {found}"])
            figures[f"{name}: expected calibration error of {what}"] = error
    return figures


def show_rules(table: dict[str, dict[str, tuple[float, float, float]]]) -> None:
    figures = list(next(iter(table.values())))
    print("| rule | " + " | ".join(figures) + " |\n| --- |" + " --- |" * len(figures))
    for name, found in table.items():
        cells = [
            f"{found[figure][0]:.1%} ({found[figure][0] - table['nearest'][figure][0]:+.1%} ± {found[figure][2]:.1%})"
            if name != "nearest"
            else f"{found[figure][0]:.1%} ± {found[figure][1]:.1%}"
            for figure in figures
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="LFW, with pairs.txt")
    parser.add_argument("--fold", type=int, nargs="+", default=[6, 7], help="whose people the tower never saw (6 7)")
    parser.add_argument("--enrolled", type=int, nargs="+", default=[30, 200], help="people in the library (30 200)")
    parser.add_argument("--draws", type=int, default=40, help="how often people and photos are drawn (40)")
    parser.add_argument("--tower", type=Path, help="folder of a tower (the shipped one)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    people = People.of(options.data, options.fold, options.tower)
    figures: dict[str, Any] = {}
    for enrolled in options.enrolled:
        figures[f"{enrolled} enrolled"] = {"rules": measure_rules(people, enrolled, options.draws)}
        figures[f"{enrolled} enrolled"]["powers"] = measure_powers(people, enrolled, options.draws)
        for kind in ("single", "different", "twice"):
            figures[f"{enrolled} enrolled"][kind] = measure_photos(people, enrolled, options.draws, kind=kind)
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    for title, parts in figures.items():
        print(f"\n## {title}\n")
        show_rules(parts["rules"])
        for kind in ("powers", "single", "different", "twice"):
            print(f"\n{kind}: " + "; ".join(f"{name} {value:.4g}" for name, value in parts[kind].items()))


if __name__ == "__main__":
    main()
