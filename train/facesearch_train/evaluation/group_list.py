"""A list of photos with the group noted for each, and a tower's figures by group.

A CSV file with a header; the first two columns count, a photo and a group. A photo may stand in several lines, each
with a group. Refuses lists that name photos which are not there.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facesearch.errors import TrainingDataError
from facesearch.evaluation.group_figures import GroupedFaces, GroupReport, report_groups
from facesearch.vision.tower.tower import Tower
from facesearch_train.data.crop_parts import Progress
from facesearch_train.data.crops import CropSet, prepare_crops
from facesearch_train.data.datasets import Dataset, list_photos
from facesearch_train.data.lfw import photos_of_pairs
from facesearch_train.evaluation.examination import Examination
from facesearch_train.evaluation.protocols import embed_rows, found_rows


@dataclass(frozen=True)
class GroupsExamined:
    """A tower's figures by group: by judged and by plain distances. judged is None without a cohort."""

    judged: GroupReport | None
    plain: GroupReport


def read_groups(path: Path) -> dict[str, list[str]]:
    """The groups of each photo, as the list names photos. Raises TrainingDataError, with the line's number."""
    groups: dict[str, list[str]] = defaultdict(list)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = csv.reader(stream)
            next(lines, None)
            for number, cells in enumerate(lines, start=2):
                if not any(cells):
                    continue
                if len(cells) < 2 or not cells[0].strip() or not cells[1].strip():
                    raise TrainingDataError(f"{path}, line {number}: a photo and a group are expected, not {cells}.")
                groups[cells[0].strip()].append(cells[1].strip())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TrainingDataError(
            f"{path} cannot be read as a list of groups ({error}). Give a CSV file: a photo and a group in each line."
        ) from error
    if not groups:
        raise TrainingDataError(f"{path} lists no photo. Give a header and then a photo and a group on each line.")
    return dict(groups)


def examine_groups(
    examination: Examination,
    tower: Tower,
    threshold: float | None = None,
    say: Callable[[str], None] = lambda _: None,
    progress: Progress | None = None,
) -> GroupsExamined:
    """A tower's figures by the groups that the examination lists.

    threshold: the judged distance, or without a cohort the plain one, by default the card's. Raises TrainingDataError
    for a list or data that cannot be used, and UsageError for a fold that is not there.
    """
    assert examination.groups is not None
    listed = read_groups(examination.groups)
    dataset = list_photos(examination.data)
    _require_listed(listed, dataset, examination.groups)
    if examination.folds:
        dataset = photos_of_pairs(dataset, examination.chosen_folds())
    say(dataset.describe())
    crops = prepare_crops(dataset, progress=progress)
    say(crops.describe())
    faces = _grouped(crops, listed, tower)
    plain_threshold = tower.card.threshold if threshold is None or tower.cohort is not None else threshold
    plain = report_groups(faces, plain_threshold)
    if tower.cohort is None:
        return GroupsExamined(None, plain)
    asked = tower.cohort.threshold if threshold is None else threshold
    return GroupsExamined(report_groups(faces, asked, tower.local_scale(faces.embeddings)), plain)


def _grouped(crops: CropSet, listed: dict[str, list[str]], tower: Tower) -> GroupedFaces:
    """The faces found in photos of the list."""
    names = photo_names(crops.dataset)
    rows = [row for row in found_rows(crops) if any(name in listed for name in names[row])]
    groups: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        for group in {group for name in names[row] for group in listed.get(name, ())}:
            groups[group].append(place)
    if not rows:
        raise TrainingDataError(f"No photo of {crops.dataset.name} that the list names shows a face.")
    embeddings = embed_rows(crops, rows, tower.embed).astype(np.float32)
    return GroupedFaces(embeddings, [crops.identities[row] for row in rows], groups)


def photo_names(dataset: Dataset) -> list[tuple[str, str]]:
    """What a list may call each photo: its path below the dataset's root, or its file name."""
    return [(photo.path.relative_to(dataset.root).as_posix(), photo.path.name) for photo in dataset.photos]


def _require_listed(listed: dict[str, list[str]], dataset: Dataset, list_path: Path) -> None:
    known = {name for names in photo_names(dataset) for name in names}
    if missing := sorted(set(listed) - known):
        raise TrainingDataError(
            f"{len(missing):,} of {len(listed):,} photos that {list_path} names are not in {dataset.root} (first: "
            f"{missing[0]}). Name them by their path below it, or by their file name."
        )
