"""Families drawn at random from the people of a data set, what they can learn from, and how well a map of the space
tells them apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facesearch import load_tower
from facesearch.evaluation import metrics
from facesearch.evaluation.distance import pair_distances
from facesearch.people.clusters import LEAST_FACES, Bounds, KnownFaces, group_faces
from facesearch.records import Floats
from facesearch.tuning.teaching.lessons import NOBODY, Lessons
from facesearch.vision.tower.card import TowerCard
from facesearch_train.data.crops import prepare_crops
from facesearch_train.data.datasets import read_dataset
from facesearch_train.data.lfw import people_in_folds, read_folds

Map = Callable[[Floats], Floats]
MOST_PHOTOS = 20  # of anybody that are asked about; 3 of a stranger


@dataclass(frozen=True, eq=False)
class Family:
    """Rows of faces."""

    learned: NDArray[np.int64]  # of the family
    asked: NDArray[np.int64]  # other rows of theirs
    strangers: NDArray[np.int64]  # of everybody else, but for those who serve as company in photos
    lessons: Lessons  # of the learned rows, beside that company


@dataclass(frozen=True, eq=False)
class Faces:
    """What is known of the data set."""

    embeddings: Floats  # (N, 32)
    people: NDArray[np.int64]  # (N,), whose each is

    def lessons_by_groups(self, family: Family, bounds: Bounds) -> Lessons:
        """What somebody says who names the groups of the family and nothing else."""
        beside = family.strangers[
            np.isin(self.people[family.strangers], np.unique(self.people[family.strangers])[:200])
        ]
        rows = np.concatenate([family.learned, beside])
        nobody = np.full(len(rows), -1, np.int64)
        known = KnownFaces(nobody, np.arange(len(rows)), np.empty((0, 2), np.int64), 0)
        groups = group_faces(self.embeddings[rows], known, bounds, LEAST_FACES)
        family_of = {int(person): number for number, person in enumerate(np.unique(self.people[family.learned]))}
        whose = np.full(len(rows), NOBODY, np.int64)
        for group in np.unique(groups[groups >= 0]):
            people, counts = np.unique(self.people[rows[groups == group]], return_counts=True)
            whose[groups == group] = family_of.get(int(people[counts.argmax()]), NOBODY)
        named = np.flatnonzero(whose >= 0)
        numbers = np.unique(whose[named], return_inverse=True)[1].astype(np.int64)
        names = [str(person) for person in np.unique(whose[named])]
        return Lessons(self.embeddings[rows[named]], numbers, np.empty((0, 2), np.int64), names)

    def family(self, people: int, photos: int, seed: int) -> Family:
        """Some people with half as many photos again as are learned, or more, drawn by a seed. A fifth of the
        strangers only stands beside others in photos."""
        rng = np.random.default_rng(seed)
        counts = np.bincount(self.people)
        able = np.flatnonzero(counts >= max(5, photos * 3 // 2))
        members = rng.choice(able, min(people, len(able)), replace=False)
        learned, asked, whose = [], [], []
        for number, person in enumerate(members):
            rows = rng.permutation(np.flatnonzero(self.people == person))
            count = min(photos, len(rows) * 2 // 3)
            learned += sorted(rows[:count].tolist())
            asked += rows[count : count + MOST_PHOTOS].tolist()
            whose += [number] * count
        others = rng.permutation(np.setdiff1d(np.unique(self.people), members))
        beside, strangers = np.split(others, [len(others) // 5])
        company = np.concatenate([np.flatnonzero(self.people == person)[:2] for person in beside])
        rows = np.concatenate([np.flatnonzero(self.people == person)[:3] for person in strangers])
        known = np.concatenate([np.array(learned), company])
        pairs = len(learned) + rng.permutation(len(company))[: len(company) // 2 * 2].reshape(-1, 2)
        pairs = pairs[self.people[known[pairs[:, 0]]] != self.people[known[pairs[:, 1]]]]
        lessons = Lessons(
            self.embeddings[known],
            np.array(whose + [-1] * len(company)),
            pairs,
            [str(person) for person in members],
        )
        return Family(np.array(learned), np.array(asked), rows, lessons)

    def figures(self, family: Family, space: Map) -> NDArray[np.float64]:
        """FIGURES, in points."""
        rows = space(self.embeddings)
        probes = np.concatenate([family.asked, family.strangers])
        distances = pair_distances(rows[probes], rows[family.learned])
        same = self.people[probes][:, None] == self.people[family.learned][None, :]
        nearest = family.learned[distances[: len(family.asked)].argmin(axis=1)]
        among = np.triu_indices(len(family.strangers), 1)
        others = self.people[family.strangers]
        return 100 * np.array(
            [
                *figures_of(distances.ravel(), same.ravel()),
                np.mean(self.people[nearest] == self.people[family.asked]),
                *figures_of(
                    pair_distances(rows[family.strangers], rows[family.strangers])[among],
                    others[among[0]] == others[among[1]],
                ),
            ]
        )


def figures_of(distances: Floats, same: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Balanced accuracy at the best threshold, AUC, and TAR at FAR 1 %."""
    roc = metrics.roc_curve(distances, np.where(same, metrics.GENUINE, metrics.IMPOSTOR))
    accepts = metrics.tar_at_far(roc, 0.01)
    assert accepts is not None
    return metrics.best_threshold(roc, balanced=True).accuracy, metrics.auc(roc), accepts.tar


def embedded(data: Path, folds: list[int]) -> tuple[Faces, TowerCard]:
    """The faces of LFW's people in some folds, or of everybody in another folder, with the shipped tower's card."""
    crops = prepare_crops(read_dataset(data))
    wanted = frozenset(crops.identities)
    if (data / "pairs.txt").is_file():
        wanted = people_in_folds(read_folds(data / "pairs.txt", folds))
    rows = [row for row, identity in enumerate(crops.identities) if identity in wanted]
    tower = load_tower()
    pieces = [tower.embed(np.ascontiguousarray(crops.crops[rows[at : at + 64]])) for at in range(0, len(rows), 64)]
    people = np.unique([crops.identities[row] for row in rows], return_inverse=True)[1].astype(np.int64)
    return Faces(np.concatenate(pieces), people), tower.card
