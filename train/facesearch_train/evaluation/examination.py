"""Judge a tower on labelled photos, from folders to a report. `facesearch evaluate` calls it. Trains nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facesearch.evaluation.all_pairs import report_all_pairs
from facesearch.evaluation.calibration import Calibration
from facesearch.evaluation.cohort import Cohort
from facesearch.evaluation.evidence import Evidence, ShownPairs, choose_listed, choose_of_all
from facesearch.evaluation.metrics import RocCurve
from facesearch.evaluation.report import Report
from facesearch.records import Floats, Pixels
from facesearch.vision.tower.tower import Tower
from facesearch_train.data.crop_parts import Progress
from facesearch_train.data.crops import CropSet, prepare_crops
from facesearch_train.data.datasets import read_dataset
from facesearch_train.data.lfw import Fold, photos_of_pairs, read_folds
from facesearch_train.evaluation.protocols import Embed, Scale, judge_lfw_pairs, named_faces, report_lfw

Protocol = Literal["lfw", "folders"]
MOST_SAMPLES = 200  # faces in a report's sensitivity section


@dataclass(frozen=True)
class Examination:
    """The data and the protocol that a tower is judged by."""

    protocol: Protocol  # "lfw" judges the pairs of a list, fold by fold; "folders" all pairs of the photos
    data: Path  # labelled photos, in any layout that training reads
    pairs: Path | None = None  # LFW's list, by default `pairs.txt` in data
    # only these of the list, from 1; with "folders", all pairs of the photos that they name
    folds: tuple[int, ...] = ()
    groups: Path | None = None  # a list of photos and their groups (see group_list)

    def chosen_folds(self) -> tuple[Fold, ...]:
        """The folds of the list that count. Raises UsageError for a fold that the list does not have."""
        return read_folds(self.pairs or self.data / "pairs.txt", self.folds)


@dataclass(frozen=True, eq=False)
class Examined:
    """A tower that was judged: its report, and on demand the evidence for it."""

    report: Report
    roc: RocCurve
    calibration: Calibration | None
    crops: CropSet
    rows: NDArray[np.int64]  # int64 (N,), the crop of each of the N faces that `choose` chooses pairs of
    choose: Callable[[], ShownPairs]

    def evidence(self) -> Evidence:
        """What `facesearch evaluate --report` shows. Samples: up to 200 faces of the set, drawn by a fixed seed."""
        pairs = self.choose()
        shown = {row: int(self.rows[row]) for row in pairs.rows}
        found = [row for row in self.rows.tolist() if self.crops.origins[row] != "fallback"]
        drawn = np.random.default_rng(1).permutation(found)[:MOST_SAMPLES]
        return Evidence(
            report=self.report,
            roc=self.roc,
            calibration=self.calibration,
            pairs=pairs,
            crops={row: np.asarray(self.crops.crops[crop]) for row, crop in shown.items()},
            captions={row: self.crops.paths[crop].name for row, crop in shown.items()},
            samples=np.asarray(self.crops.crops[np.sort(drawn)]) if len(drawn) else None,
        )


def examine(
    examination: Examination,
    tower: Tower,
    threshold: float | None = None,
    say: Callable[[str], None] = lambda _: None,
    progress: Progress | None = None,
) -> Examined:
    """A tower's figures, by plain distances, and by judged ones where it has a cohort. threshold: the plain distance to
    judge beside the best one, by default the card's.

    Raises TrainingDataError for data that cannot be judged on and UsageError for folds that do not exist.
    """
    wants_list = examination.protocol == "lfw" or examination.folds
    folds = examination.chosen_folds() if wants_list else ()
    dataset = read_dataset(examination.data)
    if folds:
        dataset = photos_of_pairs(dataset, folds)
    say(dataset.describe())
    crops = prepare_crops(dataset, progress=progress)
    say(crops.describe())
    embed = _remembered(tower.embed)
    plain = _judged(examination, folds, crops, embed, _Measure.plain(tower, threshold))
    if tower.cohort is None:
        return plain
    judged = _judged(examination, folds, crops, embed, _Measure.judged(tower.cohort))
    return replace(plain, report=replace(plain.report, judged=judged.report))


@dataclass(frozen=True)
class _Measure:
    """What gives embeddings and local scales."""

    threshold: float
    calibration: Calibration | None
    scale: Scale | None  # None for plain distances

    @classmethod
    def plain(cls, tower: Tower, threshold: float | None) -> _Measure:
        asked = tower.card.threshold if threshold is None else threshold
        return cls(asked, Calibration.from_card(tower.card.calibration), None)

    @classmethod
    def judged(cls, cohort: Cohort) -> _Measure:
        return cls(cohort.threshold, cohort.calibration, cohort.local_scale)


def _remembered(embed: Embed) -> Embed:
    """An `embed` that remembers, and embeds no batch of crops twice."""
    known: dict[bytes, Floats] = {}

    def remembering(crops: Pixels) -> Floats:
        key = hashlib.sha256(crops.tobytes()).digest()
        if key not in known:
            known[key] = embed(crops)
        return known[key]

    return remembering


def _judged(
    examination: Examination, folds: tuple[Fold, ...], crops: CropSet, embed: Embed, measure: _Measure
) -> Examined:
    calibration = measure.calibration
    if examination.protocol == "lfw":
        pairs = judge_lfw_pairs(crops, folds, embed, measure.scale)
        report, roc = report_lfw(crops, folds, pairs, measure.threshold, calibration)
        listed = (pairs.first, pairs.second, pairs.distances, pairs.labels)
        choose = partial(choose_listed, *listed, report.balanced.distance)
        return Examined(report, roc, calibration, crops, np.arange(len(crops)), choose)
    faces, rows = named_faces(crops, embed, scale=measure.scale)
    report, roc = report_all_pairs(faces, measure.threshold, calibration)
    choose = partial(choose_of_all, faces.embeddings, faces.numbers, report.balanced.distance, faces.scales)
    return Examined(report, roc, calibration, crops, rows, choose)
