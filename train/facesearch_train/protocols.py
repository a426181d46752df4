"""Judge a tower on labelled photos, from folders to a report: what `facesearch evaluate` calls. Trains nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facesearch.errors import UsageError
from facesearch.tower import Tower
from facesearch_train.crop_parts import Progress
from facesearch_train.crops import prepare_crops
from facesearch_train.datasets import read_dataset
from facesearch_train.evaluate import Report, evaluate_folders, evaluate_lfw
from facesearch_train.lfw import Fold, photos_of_pairs, read_lfw_pairs

Protocol = Literal["lfw", "folders"]


@dataclass(frozen=True)
class Examination:
    """What to judge a tower by.

    protocol: "lfw" judges the pairs of a list, fold by fold; "folders" all pairs of the photos. data: labelled photos,
    in any layout that training reads. pairs: LFW's list, by default `pairs.txt` in data. folds: only these of the
    list, from 1; with "folders", all pairs of the photos that they name.
    """

    protocol: Protocol
    data: Path
    pairs: Path | None = None
    folds: tuple[int, ...] = ()

    def chosen_folds(self) -> tuple[Fold, ...]:
        """The folds of the list that count. Raises UsageError for a fold that the list does not have."""
        path = self.pairs or self.data / "pairs.txt"
        every = read_lfw_pairs(path)
        if wrong := [fold for fold in self.folds if not 1 <= fold <= len(every)]:
            raise UsageError(f"{path} has folds 1 to {len(every)}, so there is no fold {wrong[0]}. Leave --fold out.")
        return tuple(every[fold - 1] for fold in self.folds) or every


def examine(
    examination: Examination,
    tower: Tower,
    threshold: float | None = None,
    say: Callable[[str], None] = lambda _: None,
    progress: Progress | None = None,
) -> Report:
    """A tower's figures. threshold: the distance to judge beside the best one, by default the card's.

    Raises TrainingDataError for data that cannot be judged on and UsageError for folds that do not exist.
    """
    asked = tower.card.threshold if threshold is None else threshold
    wants_list = examination.protocol == "lfw" or examination.folds
    folds = examination.chosen_folds() if wants_list else ()
    dataset = read_dataset(examination.data)
    if folds:
        dataset = photos_of_pairs(dataset, folds)
    say(dataset.describe())
    crops = prepare_crops(dataset, progress=progress)
    say(crops.describe())
    if examination.protocol == "lfw":
        return evaluate_lfw(crops, folds, tower.embed, asked)
    return evaluate_folders(crops, tower.embed, asked)
