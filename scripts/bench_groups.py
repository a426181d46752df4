"""Which cohort of strangers, how many centres and neighbours: false matches by group against true matches on LFW.

    python scripts/bench_groups.py split groups/utk.tar.gz DIR
    python scripts/bench_groups.py sweep DIR --lfw lfw --cohort DIR/utk-cohort.tar --cohort packed/celeba_more.tar.gz
    python scripts/bench_groups.py grouping DIR --lfw lfw --cohort DIR/utk-cohort.tar --families fiw.tar.gz

split: half of UTKFace's people (by a hash of the folder's name) makes utk-cohort.tar, the other half utk-judged.tar,
with its groups in groups.csv: those of 13 years and more by group and sex, and children. sweep: judges the second half,
at the threshold that 1 % of pairs of strangers of LFW's folds 6 and 7 pass, for several numbers of centres and of
neighbours, and powers. Embeddings are kept in DIR, one file a tower. It ends with the trade-off: of all that was tried
the most true matches for each rate in the worst group, and the setting that facesearch_train.cohort should have.
grouping: by plain distances and by those of the tower's card, how well `people group` separates LFW's people and the
members of families (people are named FAMILY-MEMBER), and how many of the second half, all different people, it groups.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from facesearch.evaluation import metrics
from facesearch.evaluation.calibration import Calibration
from facesearch.evaluation.cohort import Cohort
from facesearch.evaluation.group_figures import ALL, GroupedFaces
from facesearch.evaluation.places import Places
from facesearch.people.clusters import Bounds, ClusterScores, KnownFaces, group_faces, score_clusters
from facesearch.records import Floats, Ints
from facesearch.vision.tower.tower import Tower
from facesearch_train.cohort import Centres, cohort_embeddings, gather_centres, validating
from facesearch_train.data.crops import prepare_crops
from facesearch_train.data.datasets import list_photos
from facesearch_train.data.pairs import number_identities
from facesearch_train.evaluation.evaluate import embed_rows, found_rows
from facesearch_train.evaluation.group_list import read_groups
from facesearch_train.export import pairs_roc

GROUPS = ("White", "Black", "Asian", "Indian", "other")
SEXES = ("men", "women")
CHILD_BELOW_YEARS = 13
CENTRES = (0, 100, 300, 400)  # 0: each person a point, which never ships
NEIGHBOURS = (1, 2, 3, 5)
POWERS = (0.75, 1.0, 1.05, 1.1, 1.2, 1.5)
MOST_IN_WORST = 0.03


def split(archive: Path, folder: Path) -> None:
    """Write the two halves and the list of groups."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tarfile.open(archive) as source,
        tarfile.open(folder / "utk-cohort.tar", "w") as cohort,
        tarfile.open(folder / "utk-judged.tar", "w") as judged,
        (folder / "groups.csv").open("w", newline="", encoding="utf-8") as stream,
    ):
        lines = csv.writer(stream)
        lines.writerow(["photo", "group"])
        for member in source:
            if not member.isfile():
                continue
            person, name = member.name.split("/")[-2:]
            in_cohort = hashlib.sha256(person.encode()).digest()[0] % 2 == 0
            (cohort if in_cohort else judged).addfile(member, source.extractfile(member))
            if not in_cohort:
                lines.writerow([f"{person}/{name}", _group(name)])


def _group(name: str) -> str:
    age, sex, group = (int(part) for part in name.split("_")[:3])
    return "children" if age < CHILD_BELOW_YEARS else f"{GROUPS[group]} {SEXES[sex]}"


@dataclass(frozen=True)
class Line:
    """What a setting gives. worst, best, everybody: shares of strangers that pass."""

    name: str
    ships: bool  # not the face of a real person
    worst: float
    worst_group: str
    best: float
    everybody: float
    tar: tuple[float, float]  # on LFW at FAR 1 % and 0.1 %
    equal_error_rate: float

    def __str__(self) -> str:
        return (
            f"{self.name:<40} worst {self.worst:6.2%} ({self.worst_group})  ratio {self.worst / self.best:4.1f}  "
            f"all {self.everybody:6.2%}  LFW TAR at FAR 1 % {self.tar[0]:.1%}, 0.1 % {self.tar[1]:.1%}, "
            f"EER {self.equal_error_rate:.1%}"
        )


class Sweep:
    """The embeddings of everybody by one tower, and what a choice of scales gives on them."""

    def __init__(self, folder: Path, lfw: Path, cohort: Sequence[Path], tower: Tower) -> None:
        kept = folder / f"embeddings-{tower.identity[:12]}.npz"
        if not kept.exists():
            np.savez(kept, **_embedded(folder, lfw, cohort, tower))
        with np.load(kept) as arrays:
            self.known, self.people, judged, names, groups, self.strangers = (arrays[name] for name in ARRAYS)
        members = {str(group): np.flatnonzero(groups == group).tolist() for group in np.unique(groups)}
        self.judged = GroupedFaces(judged, names.tolist(), members)

    def line(self, name: str, scales: tuple[Floats, Floats] | None, *, ships: bool = True) -> Line:
        """scales: of LFW's faces and of those judged by group; None for plain distances."""
        roc = pairs_roc(self.known, self.people, None if scales is None else scales[0])
        accepts = [metrics.tar_at_far(roc, far) for far in (0.01, 0.001)]
        assert accepts[0] is not None and accepts[1] is not None
        shares = self._shares(accepts[0].threshold, None if scales is None else scales[1])
        everybody = shares.pop(ALL)
        worst = max(shares, key=lambda group: shares[group])
        return Line(
            name,
            ships,
            shares[worst],
            worst,
            min(shares.values()),
            everybody,
            (accepts[0].tar, accepts[1].tar),
            metrics.equal_error_rate(roc),
        )

    def _shares(self, threshold: float, scales: Floats | None) -> dict[str, float]:
        """The strangers that pass, by group, and of all."""
        places = Places.plain(self.judged.embeddings) if scales is None else Places(self.judged.embeddings, scales)
        people = np.unique(self.judged.people, return_inverse=True)[1]
        shares = {}
        for group, rows in {**self.judged.groups, ALL: self.judged.rows}.items():
            first, second = np.triu_indices(len(rows), 1)
            strangers = people[rows][first] != people[rows][second]
            near = places[rows].distances_to(places[rows])[first, second] <= threshold
            shares[group] = float(near[strangers].mean())
        return shares


ARRAYS = ("known", "people", "judged", "names", "groups", "strangers")


def _embedded(folder: Path, lfw: Path, cohort: Sequence[Path], tower: Tower) -> dict[str, Any]:
    """By the names of ARRAYS."""
    known = validating(lfw, (6, 7))
    crops = prepare_crops(list_photos(folder / "utk-judged.tar"))
    rows = found_rows(crops)
    listed = read_groups(folder / "groups.csv")
    return {
        "known": embed_rows(known, found_rows(known), tower.embed).astype(np.float32),
        "people": number_identities([known.identities[row] for row in found_rows(known)]),
        "judged": embed_rows(crops, rows, tower.embed).astype(np.float32),
        "names": np.array([crops.identities[row] for row in rows]),
        "groups": np.array([listed["/".join(crops.paths[row].parts[-2:])][0] for row in rows]),
        "strangers": cohort_embeddings(cohort, tower.embed),
    }


def sweep(at_hand: Sweep) -> None:
    """Print a line for each setting, and the trade-off."""
    lines = [at_hand.line("plain", None)]
    print(lines[0], flush=True)
    for count in CENTRES:
        everybody = Centres(at_hand.strangers, np.zeros(len(at_hand.strangers), np.float32))
        centres = gather_centres(at_hand.strangers, count) if count else everybody
        kind = f"{len(centres)} centres of {count}" if count else f"{len(centres)} people"
        for neighbours in NEIGHBOURS:
            raw = Cohort(centres.points, min(neighbours, len(centres)), 1.0, 1.0, spreads=centres.spreads)
            scales = [raw.local_scale(faces) for faces in (at_hand.known, at_hand.judged.embeddings)]
            for power in POWERS:
                name = f"{kind}, {neighbours} nearest, power {power:g}"
                powered = (scales[0] ** np.float32(power), scales[1] ** np.float32(power))
                lines.append(at_hand.line(name, powered, ships=bool(count)))
                print(lines[-1], flush=True)
    print("\nThe trade-off (nothing tried has fewer strangers in the worst group and more true matches):")
    most = 0.0
    for line in sorted(lines, key=lambda each: (each.worst, -each.tar[0])):
        if line.ships and line.tar[0] > most:
            most = line.tar[0]
            print(line)
    even = [line for line in lines if line.ships and line.worst < MOST_IN_WORST] or lines
    print(f"\nMost true matches with under {MOST_IN_WORST:.0%} in the worst group:")
    print(max(even, key=lambda each: each.tar[0]))


FAMILIES, TOGETHER, DRAWS = 200, 20, 6


def grouping(folder: Path, at_hand: Sweep, families: Path, tower: Tower) -> None:
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
    children = np.zeros(len(at_hand.judged.people), bool)
    children[at_hand.judged.groups["children"]] = True
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
    for name in ("sweep", "grouping"):
        tried = commands.add_parser(name)
        tried.add_argument("folder", type=Path)
        tried.add_argument("--lfw", type=Path, required=True)
        tried.add_argument("--cohort", type=Path, action="append", required=True)
        tried.add_argument("--tower", type=Path, help="folder of a tower (the shipped one)")
        if name == "grouping":
            tried.add_argument("--families", type=Path, required=True)
    given = parser.parse_args()
    if given.command == "split":
        split(given.archive, given.folder)
        return
    tower = Tower.load(given.tower, device="auto")
    at_hand = Sweep(given.folder, given.lfw, given.cohort, tower)
    if given.command == "sweep":
        sweep(at_hand)
    else:
        grouping(given.folder, at_hand, given.families, tower)


if __name__ == "__main__":
    main()
