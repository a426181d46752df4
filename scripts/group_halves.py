"""Two halves of a set of faces with known groups: each makes a cohort once, and the other judges it.

The people of each group go to the halves in turn. Photos that show the same picture again are left out: one in seven of
UTKFace does, under another name, and would count as a stranger who passes.
"""

from __future__ import annotations

import csv
import io
import tarfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from facesearch.evaluation.distance import pair_distances
from facesearch.evaluation.places import Places
from facesearch.records import Floats, Ints
from facesearch.vision.tower.tower import Tower
from facesearch_train.cohort import StrangerPhotos, Strangers, cohort_embeddings, validating
from facesearch_train.data.pairs import number_identities
from facesearch_train.evaluation.protocols import embed_rows, found_rows

GROUPS = ("White", "Black", "Asian", "Indian", "other")
SEXES = ("men", "women")
CHILD_BELOW_YEARS = 13
HALVES = ("cohort", "judged")
SAME_PICTURE = 0.96  # correlation of small grey pictures: copies lie above it, nearly all at 0.99 and more
_SIDE_PX, _BORDER_PX = 32, 4
FARS = (0.01, 0.001)


def split(archive: Path, folder: Path) -> None:
    """Write each half, DIR/utk-HALF.tar, and its groups, DIR/HALF-groups.csv. Prints how many photos were copies."""
    folder.mkdir(parents=True, exist_ok=True)
    seen: list[Floats] = []
    copies = 0
    lists: dict[str, list[tuple[str, str]]] = {half: [] for half in HALVES}
    in_group: Counter[str] = Counter()
    with ExitStack() as stack:
        source = stack.enter_context(tarfile.open(archive))
        halves = {half: stack.enter_context(tarfile.open(folder / f"utk-{half}.tar", "w")) for half in HALVES}
        for member in source:
            stream = source.extractfile(member)
            if stream is None:
                continue
            content = stream.read()
            small = _small(content)
            if seen and float((np.stack(seen) @ small).max()) >= SAME_PICTURE:
                copies += 1
                continue
            seen.append(small)
            person, name = member.name.split("/")[-2:]
            group = _group(name)
            half = HALVES[in_group[group] % 2]
            in_group[group] += 1
            halves[half].addfile(member, io.BytesIO(content))
            lists[half].append((f"{person}/{name}", group))
    for half, lines in lists.items():
        with (folder / f"{half}-groups.csv").open("w", newline="", encoding="utf-8") as text:
            csv.writer(text).writerows([("photo", "group"), *lines])
    print(f"{len(seen):,} photos, {copies} copies left out")


def _small(content: bytes) -> Floats:
    """A small grey picture without its border, as a vector of mean 0 and length 1: the product of two is their
    correlation."""
    with Image.open(io.BytesIO(content)) as picture:
        grey = np.asarray(picture.convert("L").resize((_SIDE_PX, _SIDE_PX), Image.Resampling.BOX), np.float32)
    inner = grey[_BORDER_PX:-_BORDER_PX, _BORDER_PX:-_BORDER_PX].ravel()
    centred = inner - inner.mean()
    return np.asarray(centred / max(float(np.linalg.norm(centred)), 1e-6), np.float32)


def _group(name: str) -> str:
    age, sex, group = (int(part) for part in name.split("_")[:3])
    return "children" if age < CHILD_BELOW_YEARS else f"{GROUPS[group]} {SEXES[sex]}"


@dataclass(frozen=True, eq=False)
class Halves:
    """Embeddings by one tower."""

    known: Floats  # of LFW's folds 6 and 7
    people: Ints  # whose these are
    cohort: Strangers
    judged: Strangers

    @classmethod
    def read(cls, folder: Path, lfw: Path, tower: Tower) -> Halves:
        """From DIR/embeddings-TOWER.npz, which is written first where it is missing."""
        kept = folder / f"embeddings-{tower.identity[:12]}.npz"
        if not kept.exists():
            known = validating(lfw, (6, 7))
            rows = found_rows(known)
            arrays: dict[str, Any] = {
                "known": embed_rows(known, rows, tower.embed).astype(np.float32),
                "people": number_identities([known.identities[row] for row in rows]),
            }
            for half in HALVES:
                photos = StrangerPhotos([folder / f"utk-{half}.tar"], folder / f"{half}-groups.csv")
                faces = cohort_embeddings(photos, tower.embed)
                arrays |= {half: faces.embeddings, f"{half}_groups": faces.groups}
            np.savez(kept, **arrays)
        with np.load(kept) as stored:
            halves = [Strangers(stored[half], stored[f"{half}_groups"]) for half in HALVES]
            return cls(stored["known"], stored["people"].astype(np.int64), *halves)

    def again(self, seed: int) -> Halves:
        """The same people, halved another way."""
        faces = np.concatenate([self.cohort.embeddings, self.judged.embeddings])
        groups = np.concatenate([self.cohort.groups, self.judged.groups])
        drawn = np.random.default_rng(seed).permutation(len(groups))
        drawn = drawn[np.argsort(groups[drawn], kind="stable")]  # group after group, then in turn
        halves = [Strangers(faces[drawn[start::2]], groups[drawn[start::2]]) for start in (0, 1)]
        return Halves(self.known, self.people, *halves)


Scales = Callable[[Floats, Ints], Floats]  # local scales of faces; the second are numbers of their people


@dataclass(frozen=True)
class Line:
    """What a setting gives."""

    name: str
    passing: dict[str, float]  # the share of strangers that passes, by group
    everybody: float  # that of all
    tar: tuple[float, ...]  # on LFW at FARS

    @property
    def worst(self) -> str:
        """The group whose strangers pass most."""
        return max(self.passing, key=lambda group: self.passing[group])

    @property
    def unevenness(self) -> float:
        """The standard deviation of the logarithms of the groups' shares: all groups count, not only two."""
        return float(np.log(np.maximum(list(self.passing.values()), 1e-6)).std())

    def __str__(self) -> str:
        ratio = self.passing[self.worst] / max(min(self.passing.values()), 1e-6)
        return (
            f"{self.name:<42} worst {self.passing[self.worst]:6.2%} ({self.worst})  ratio {ratio:4.1f}  "
            f"unevenness {self.unevenness:.2f}  all {self.everybody:6.2%}  LFW TAR at FAR 1 % {self.tar[0]:.1%}, "
            f"0.1 % {self.tar[1]:.1%}"
        )


class Sweep:
    """What a choice of scales gives: the mean over halvings, and over both halves of each as the cohort."""

    def __init__(self, halvings: Sequence[Halves]) -> None:
        self.halves = halves = halvings[0]
        self._halvings = halvings
        self._first, self._second = np.triu_indices(len(halves.known), 1)
        self._plain = pair_distances(halves.known, halves.known)[self._first, self._second]
        self._same = halves.people[self._first] == halves.people[self._second]

    def line(self, name: str, scales_of: Callable[[Strangers], Scales] | None) -> Line:
        """scales_of: makes local scales of a cohort; None for plain distances."""
        all_ways = [self.way(*way, scales_of) for way in self.ways()]
        groups = all_ways[0][0]
        passed = {group: np.sum([way[0][group] for way in all_ways], axis=0) for group in groups}
        passing = {group: float(counts[0] / counts[1]) for group, counts in passed.items()}
        everybody = passing.pop("")
        tar = tuple(float(np.mean([way[1][place] for way in all_ways])) for place in range(len(FARS)))
        return Line(name, passing, everybody, tar)

    def ways(self) -> list[tuple[Strangers, Strangers]]:
        """The cohort, and the people that it judges."""
        pairs = [(halves.cohort, halves.judged) for halves in self._halvings]
        return [*pairs, *((second, first) for first, second in pairs)]

    def way(
        self, cohort: Strangers, judged: Strangers, scales_of: Callable[[Strangers], Scales] | None
    ) -> tuple[dict[str, Floats], tuple[float, ...]]:
        """Pairs that pass and all pairs by group, of all under "", and true accept rates."""
        distances, threshold, tar = self.distances(cohort, judged, scales_of)
        counts = {}
        for group in ["", *np.unique(judged.groups).tolist()]:
            rows = np.flatnonzero((judged.groups == group) | (group == ""))
            near = distances[np.ix_(rows, rows)][np.triu_indices(len(rows), 1)] <= threshold
            counts[group] = np.array([near.sum(), len(near)])
        return counts, tar

    def distances(
        self, cohort: Strangers, judged: Strangers, scales_of: Callable[[Strangers], Scales] | None
    ) -> tuple[Floats, float, tuple[float, ...]]:
        """(N, N) of those judged, the threshold, and LFW's true accept rates."""
        scales = _ones if scales_of is None else scales_of(cohort)
        known = scales(self.halves.known, self.halves.people)
        near = self._plain / ((known[self._first] + known[self._second]) / 2)
        impostor, genuine = near[~self._same], near[self._same]
        places = [max(int(far * len(impostor)) - 1, 0) for far in FARS]
        thresholds = np.partition(impostor, sorted(places))[places]
        tar = tuple(float((genuine <= threshold).mean()) for threshold in thresholds)
        faces = Places(judged.embeddings, scales(judged.embeddings, np.arange(len(judged.embeddings))))
        return faces.distances_to(faces), float(thresholds[0]), tar


def _ones(faces: Floats, _: Ints) -> Floats:
    return np.ones(len(faces), np.float32)
