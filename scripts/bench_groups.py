"""Which cohort of strangers, how many centres, which power and cap: false matches by group against true matches on LFW.

    python scripts/bench_groups.py split groups/utk.tar.gz DIR
    python scripts/bench_groups.py sweep DIR --lfw lfw
    python scripts/bench_groups.py review DIR --lfw lfw
    python scripts/bench_groups.py grouping DIR --lfw lfw --families packed/fiw.tar.gz

split: half of UTKFace's people make DIR/utk-cohort.tar, the other half DIR/utk-judged.tar, each with its groups, people
of 13 years and more by group and sex, and children (see group_halves.py). sweep: each half is the cohort once and
judges the other, and so do those of two other halvings, at the threshold that 1 % of strangers of LFW's folds 6
and 7 pass; figures are those of all together. Embeddings are kept in DIR. It ends with the most even of
the settings that keep the true matches of plain distances, which is what facesearch_train.cohort should have, with how
uneven groups that are exactly alike would look, because there are so few people in them, and with the same on halvings
on which nothing was chosen. review: how often two strangers of a group look as much like one person to `people review`
as 1 % of LFW's strangers do. grouping: by plain distances and by those of the tower's card, how well `people group`
separates LFW's people and the members of families (people are named FAMILY-MEMBER), and how many of the judged half,
all different people, it groups.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from group_halves import FARS, Halves, Line, Scales, Sweep, split

from facesearch.evaluation.calibration import Calibration
from facesearch.evaluation.cohort import Cohort
from facesearch.evaluation.places import Places
from facesearch.people.clusters import Bounds, ClusterScores, KnownFaces, group_faces, score_clusters
from facesearch.people.likeness import Likeness
from facesearch.records import Floats, Ints
from facesearch.vision.tower.tower import Tower
from facesearch_train.cohort import CAP, NEIGHBOURS, POWER, Centres, Shape, Strangers, centres_of
from facesearch_train.data.crops import prepare_crops
from facesearch_train.data.datasets import list_photos
from facesearch_train.evaluation.protocols import embed_rows, found_rows

A_GROUP = (6, 8, 12)  # centres
OF_ALL = (300,)  # centres where no groups are known
CAPS = (0.5, 0.6, 1.0)
POWERS = (1.0, 1.1, 1.25, 1.4)
MOST_IN_WORST = 0.03
DRAWS_BY_CHANCE = 1000
CHOSEN_ON, HALVINGS = 3, 8
PAIRS_AT_ONCE = 1 << 18


class Shapes:
    """Local scales of many shapes; centres are gathered once."""

    def __init__(self, known: Floats) -> None:
        self._known = known
        self._centres: dict[tuple[Strangers, bool, int], Centres] = {}

    def scales(self, shape: Shape, by_group: bool) -> Callable[[Strangers], Scales]:
        """Of a cohort, with its groups or without."""

        def made(cohort: Strangers) -> Scales:
            centres = self._gathered(cohort, shape.centres or 0, by_group)
            mean = Cohort(centres.points, shape.neighbours, 1.0, 1.0, spreads=centres.spreads)
            most = float(np.quantile(mean.local_scale(self._known), shape.cap))
            scales = replace(mean, power=shape.power, most=most).local_scale
            return lambda faces, _: scales(faces)

        return made

    def _gathered(self, cohort: Strangers, asked: int, by_group: bool) -> Centres:
        key = (cohort, by_group, asked)
        if key not in self._centres:
            groups = cohort.groups if by_group else np.full(len(cohort.groups), "")
            self._centres[key] = centres_of(replace(cohort, groups=groups), asked)
        return self._centres[key]


def sweep(at_hand: Sweep) -> None:
    """Print a line for each setting, the choice, and what chance does."""
    plain = at_hand.line("plain", None)
    print(plain, flush=True)
    shapes = Shapes(at_hand.halves.known)
    kinds = [*((asked, True) for asked in A_GROUP), *((asked, False) for asked in OF_ALL)]
    tried = [(*kind, NEIGHBOURS, *bent) for kind in kinds for bent in itertools.product(CAPS, POWERS)]
    tried += [(A_GROUP[1], True, neighbours, CAP, POWER) for neighbours in (2, 3)]
    even: list[tuple[Line, Callable[[Strangers], Scales]]] = []
    for asked, by_group, neighbours, cap, power in tried:
        kind = f"{asked} centres {'a group' if by_group else 'in all'}, {neighbours} nearest"
        scales_of = shapes.scales(Shape(asked, neighbours, power, cap), by_group)
        line = at_hand.line(f"{kind}, cap {cap:g}, power {power:g}", scales_of)
        print(line, flush=True)
        if all(now >= before for now, before in zip(line.tar, plain.tar, strict=True)):
            even.append((line, scales_of))
    even = [each for each in even if each[0].passing[each[0].worst] < MOST_IN_WORST] or even
    if not even:
        print("\nNothing tried keeps the true matches of plain distances.")
        return
    line, scales_of = min(even, key=lambda each: each[0].unevenness)
    print(
        f"\nMost even with under {MOST_IN_WORST:.0%} in the worst group and at least the true matches of plain:\n{line}"
    )
    print(by_chance(at_hand, scales_of))
    print(f"\nThe same on {HALVINGS} other halvings:")
    seeds = range(CHOSEN_ON, CHOSEN_ON + HALVINGS)
    others = [Sweep([at_hand.halves.again(seed)]).line(f"halving {seed}", scales_of) for seed in seeds]
    print(*others, sep="\n")
    for group in line.passing:
        print(f"  {group:<14}{np.mean([other.passing[group] for other in others]):.2%}")


def by_chance(at_hand: Sweep, scales_of: Callable[[Strangers], Scales]) -> str:
    """How uneven groups look that are exactly alike: each group gets the threshold that 1 % of its strangers pass, and
    its people are drawn again."""
    rng = np.random.default_rng(1)
    noise: list[Floats] = []
    for cohort, judged in Sweep([at_hand.halves]).ways():
        distances = at_hand.distances(cohort, judged, scales_of)[0]
        shares = []
        for group in np.unique(judged.groups).tolist():
            rows = np.flatnonzero(judged.groups == group)
            own, size = distances[np.ix_(rows, rows)], len(rows)
            near = own <= np.quantile(own[np.triu_indices(size, 1)], 0.01)
            np.fill_diagonal(near, False)
            drawn = rng.multinomial(size, np.full(size, 1 / size), DRAWS_BY_CHANCE).astype(np.float64)
            pairs = drawn.sum(axis=1) ** 2 - (drawn**2).sum(axis=1)
            passed = np.einsum("rn,rn->r", drawn @ near.astype(np.float64), drawn)
            shares.append(passed / pairs / near.sum() * size * (size - 1))
        noise.append(np.array(shares))
    both = np.mean(noise, axis=0)
    ratios = both.max(axis=0) / np.maximum(both.min(axis=0), 1e-6)
    low, middle, high = np.quantile(ratios, [0.05, 0.5, 0.95]).tolist()
    uneven = float(np.median(np.log(np.maximum(both, 1e-6)).std(axis=0)))
    return (
        f"If all groups were alike, chance would make the ratio {middle:.1f} ({low:.1f} to {high:.1f} in nine draws of "
        f"ten), under 2 in {(ratios < 2).mean():.0%} of draws, and the unevenness {uneven:.2f}."
    )


def review(at_hand: Halves, threshold: float) -> None:
    """Print how often two strangers look as much like one person to `people review` as 1 % of LFW's strangers do."""
    for kind in ("plain", "local scales"):
        counts: Counter[str] = Counter()
        pairs: Counter[str] = Counter()
        found: list[float] = []
        for cohort, judged in Sweep([at_hand]).ways():
            points = np.concatenate([at_hand.known, judged.embeddings])
            owners = np.concatenate([at_hand.people, at_hand.people.max() + 1 + np.arange(len(judged.embeddings))])
            scales = np.ones(len(points), np.float32)
            if kind != "plain":
                scales = Shapes(at_hand.known).scales(Shape(A_GROUP[1]), True)(cohort)(points, owners)
            likeness = Likeness(Places(points, scales), owners, threshold / float(scales.mean()))
            known = np.arange(len(at_hand.known))
            evidence, same = _evidence(likeness, known), np.equal.outer(owners, owners)
            first, second = np.triu_indices(len(known), 1)
            impostor = ~same[first, second]
            bounds = [float(np.quantile(evidence[impostor], 1 - far)) for far in FARS]
            found += [float((evidence[~impostor] >= bound).mean()) for bound in bounds]
            for group in np.unique(judged.groups).tolist():
                of_group = _evidence(likeness, len(known) + np.flatnonzero(judged.groups == group))
                counts[group] += int((of_group >= bounds[0]).sum())
                pairs[group] += len(of_group)
        shares = {group: counts[group] / pairs[group] for group in pairs}
        print(f"{kind}: {', '.join(f'{group} {share:.1%}' for group, share in shares.items())}")
        print(f"  worst to best {max(shares.values()) / min(shares.values()):.1f}; of LFW's pairs of one person")
        print(f"  {np.mean(found[::2]):.1%} are found at FAR 1 %, {np.mean(found[1::2]):.1%} at 0.1 %")


def _evidence(likeness: Likeness, rows: Ints) -> Floats:
    """That two faces are one person's, of all pairs of some faces."""
    first, second = (rows[side] for side in np.triu_indices(len(rows), 1))
    pieces = []
    for start in range(0, len(first), PAIRS_AT_ONCE):
        one, other = first[start : start + PAIRS_AT_ONCE], second[start : start + PAIRS_AT_ONCE]
        ones = np.ones(len(one))
        scales = (likeness._scales[one] + likeness._scales[other]) / 2
        pieces.append(likeness._ratio(likeness._faces[one], ones, likeness._faces[other], ones, scales))
    return np.concatenate(pieces).astype(np.float32)


FAMILIES, TOGETHER, DRAWS = 200, 20, 6


def grouping(folder: Path, at_hand: Halves, families: Path, tower: Tower) -> None:
    """Print a line for either kind of distances."""
    kept = folder / f"families-{tower.identity[:12]}.npz"
    if not kept.exists():
        np.savez(kept, **_family_faces(families, tower))
    with np.load(kept) as arrays:
        faces, members = arrays["faces"], arrays["members"]
    family = np.array([name.split("-")[0] for name in members.tolist()])
    people = np.unique(members, return_inverse=True)[1].astype(np.int64)
    names = np.unique(family)
    drawn = [np.isin(family, np.random.default_rng(seed).permutation(names)[:TOGETHER]) for seed in range(DRAWS)]
    children = at_hand.judged.groups == "children"
    card, cohort = tower.card, tower.cohort
    assert cohort is not None
    kinds = {
        "plain": (Bounds.of(Calibration.from_card(card.calibration), card.threshold), Places.plain),
        "judged": (
            Bounds.of(cohort.calibration, cohort.threshold),
            lambda points: Places(points, cohort.local_scale(points)),
        ),
    }
    for name, (bounds, place) in kinds.items():
        grouped = _Grouped(bounds)
        known, kin, others = place(at_hand.known), place(faces), place(at_hand.judged.embeddings)
        print(f"{name} distances")
        print("  LFW, folds 6 and 7      ", grouped.mean([(known, at_hand.people.astype(np.int64))]))
        alone = [(kin[family == each], people[family == each]) for each in names.tolist()]
        print(f"  {len(names)} families, each alone", grouped.mean(alone))
        print(f"  {TOGETHER} families together   ", grouped.mean([(kin[rows], people[rows]) for rows in drawn]))
        for kind, rows in (("children", children), ("everybody", np.ones(len(children), bool))):
            score = grouped.score(others[rows], np.arange(int(rows.sum())))
            size = f"{rows.sum():,} different people ({kind})"
            print(f"  {size}: {score.grouped} in groups, precision {score.precision:.3f}")


@dataclass(frozen=True)
class _Grouped:
    """Groups without any name, by a rule."""

    bounds: Bounds

    def score(self, places: Places, people: Ints) -> ClusterScores:
        found = group_faces(places.points, KnownFaces.nothing(len(places)), self.bounds, scales=places.scales)
        return score_clusters(found, people)

    def mean(self, libraries: Sequence[tuple[Places, Ints]]) -> str:
        scores = [self.score(*each) for each in libraries]
        precision, recall = (
            float(np.mean([getattr(each, name) for each in scores])) for name in ("precision", "recall")
        )
        return f"B-cubed precision {precision:.3f}, recall {recall:.3f}"


def _family_faces(archive: Path, tower: Tower) -> dict[str, Any]:
    """The faces of some families, and whose each is."""
    dataset = list_photos(archive)
    names = sorted({photo.identity.split("-")[0] for photo in dataset.photos}, key=_hashed)[:FAMILIES]
    chosen = tuple(photo for photo in dataset.photos if photo.identity.split("-")[0] in set(names))
    crops = prepare_crops(replace(dataset, name=f"{dataset.name}-{FAMILIES}-families", photos=chosen))
    rows = found_rows(crops)
    faces = embed_rows(crops, rows, tower.embed).astype(np.float32)
    return {"faces": faces, "members": np.array([crops.identities[row] for row in rows])}


def _hashed(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def main() -> None:
    """See the script's first lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    halves = commands.add_parser("split")
    halves.add_argument("archive", type=Path)
    halves.add_argument("folder", type=Path)
    for name in ("sweep", "review", "grouping"):
        tried = commands.add_parser(name)
        tried.add_argument("folder", type=Path)
        tried.add_argument("--lfw", type=Path, required=True)
        tried.add_argument("--tower", type=Path, help="folder of a tower (the shipped one)")
        if name == "grouping":
            tried.add_argument("--families", type=Path, required=True)
    given = parser.parse_args()
    if given.command == "split":
        split(given.archive, given.folder)
        return
    tower = Tower.load(given.tower, device="auto")
    at_hand = Halves.read(given.folder, given.lfw, tower)
    if given.command == "sweep":
        sweep(Sweep([at_hand, *(at_hand.again(seed) for seed in range(1, CHOSEN_ON))]))
    elif given.command == "review":
        review(at_hand, tower.card.threshold)
    else:
        grouping(given.folder, at_hand, given.families, tower)


if __name__ == "__main__":
    main()
