"""People drawn at random who are enrolled in a library, and others who are not, with a calibration of their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facesearch import load_tower
from facesearch.evaluation import metrics
from facesearch.evaluation.calibration import Calibration, fit_calibration
from facesearch.evaluation.distance import pair_distances
from facesearch.records import Values
from facesearch_train.data.crops import prepare_crops
from facesearch_train.data.datasets import read_dataset
from facesearch_train.data.lfw import people_in_folds, read_folds
from facesearch_train.evaluation.protocols import named_faces

PHOTOS = (1, 2, 3, 5, 10, 30, 1000)
STRANGERS = 100


@dataclass(frozen=True, eq=False)
class People:
    """Everybody who may be drawn."""

    embeddings: Values  # (N, D)
    rows: list[NDArray[np.int64]]  # of each person

    @classmethod
    def of(cls, data: Path, folds: list[int], tower: Path | None) -> People:
        wanted = people_in_folds(read_folds(data / "pairs.txt", folds))
        faces, _ = named_faces(prepare_crops(read_dataset(data)), load_tower(tower).embed, wanted)
        numbers = faces.numbers
        return cls(faces.embeddings, [np.flatnonzero(numbers == number) for number in range(numbers.max() + 1)])


@dataclass(frozen=True, eq=False)
class Draw:
    """A library and those who are looked up in it."""

    calibration: Calibration  # fitted on people who are in neither
    gallery: list[NDArray[np.int64]]  # rows of each enrolled person
    left: list[NDArray[np.int64]]  # their other rows
    strangers: list[NDArray[np.int64]]  # rows of others, a person each

    @property
    def counts(self) -> NDArray[np.int64]:
        return np.array([len(rows) for rows in self.gallery])

    @classmethod
    def make(cls, people: People, enrolled: int, seed: int) -> Draw:
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(people.rows))
        fitted = [people.rows[person] for person in order[: len(order) // 3]]
        others = [rng.permutation(people.rows[person]) for person in order[len(order) // 3 :]]
        several = [rows for rows in others if len(rows) > 1]
        strangers = several[enrolled:] + [rows for rows in others if len(rows) == 1]
        kept = [min(len(rows) - 1, int(rng.choice(PHOTOS))) for rows in several[:enrolled]]
        return cls(
            calibration=_fit(people.embeddings, fitted),
            gallery=[rows[:count] for rows, count in zip(several, kept, strict=False)],
            left=[rows[count:] for rows, count in zip(several, kept, strict=False)],
            strangers=strangers[: max(enrolled, STRANGERS)],
        )


def _fit(embeddings: Values, people: list[NDArray[np.int64]]) -> Calibration:
    rows = np.concatenate(people)
    numbers = np.repeat(np.arange(len(people)), [len(own) for own in people])
    first, second = np.triu_indices(len(rows), k=1)
    distances = pair_distances(embeddings[rows], embeddings[rows])[first, second]
    fitted = fit_calibration(metrics.roc_curve(distances, (numbers[first] != numbers[second]).astype(np.int64)))
    if fitted is None:
        raise SystemExit("too few people to fit a calibration on")
    return fitted
