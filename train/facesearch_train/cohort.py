"""A cohort of strangers for a tower's card, made at export (`train --cohort`) or, for a finished tower, by this module.

One photo of each person is embedded, and the embeddings are gathered around centres (k-means). A centre that fewer than
LEAST_PEOPLE people make is dissolved into its neighbours: no real person's face ships. If a list says which group each
person belongs to, every group makes the same number of centres: nearest strangers are then as near for a group with few
people in the cohort as for one with many. Threshold, figures and probabilities of plain distances, and unit, threshold
and probabilities of judged ones, are then fitted to the people who validate. `scripts/bench_groups.py sweep` says which
numbers suit a tower.

    python -m facesearch_train.cohort TOWER --cohort SET [--cohort SET ...] --groups FILE --data LFW --hold-out-fold 6
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesearch.errors import TrainingDataError
from facesearch.evaluation import metrics
from facesearch.evaluation.cohort import Cohort
from facesearch.records import Floats
from facesearch.vision.tower.tower import Tower, TowerCard, write_card
from facesearch_train.card_figures import THRESHOLD_FAR, calibrate_pairs, judge, pairs_roc, threshold_by_person
from facesearch_train.data.crop_parts import Progress
from facesearch_train.data.crops import CropSet, prepare_crops
from facesearch_train.data.datasets import Dataset, list_photos, read_dataset
from facesearch_train.data.lfw import people_in_folds, read_folds
from facesearch_train.data.pairs import number_identities
from facesearch_train.evaluation.group_list import photo_names, read_groups
from facesearch_train.evaluation.protocols import Embed, embed_rows, found_rows

CENTRES = 300  # asked of k-means if no groups are known; fewer remain once small ones are dissolved
CENTRES_A_GROUP = 8
NEIGHBOURS = 1  # more blur the groups (docs/research/model-card.md)
POWER = 1.25  # of the mean distance: a higher power evens out the groups, a lower one costs fewer genuine pairs
CAP = 0.5  # share of validation faces whose mean distance stays below the bound
LEAST_PEOPLE = 5  # per centre
_SEED = 1


@dataclasses.dataclass(frozen=True)
class StrangerPhotos:
    """What a cohort is made of."""

    sets: Sequence[Path]  # labelled photos
    groups: Path | None = None  # the group of each photo, as `evaluate --groups` reads it


@dataclasses.dataclass(frozen=True, eq=False)
class Strangers:
    """One face of each person in a cohort."""

    embeddings: Floats  # (P, D)
    groups: NDArray[np.str_]  # (P,), "" if unknown


def cohort_embeddings(
    photos: StrangerPhotos,
    embed: Embed,
    say: Callable[[str], None] = lambda _: None,
    progress: Progress | None = None,
) -> Strangers:
    """An embedding for each person of some labelled photos, of their first photo, and their group.

    Raises TrainingDataError where too few people have one, and for a list of groups that cannot be read or that names
    none of them.
    """
    listed = read_groups(photos.groups) if photos.groups else {}
    found: list[Floats] = []
    groups: list[str] = []
    for path in photos.sets:
        dataset = list_photos(path)
        say(f"cohort: {dataset.describe()}")
        firsts = {photo.identity: photo for photo in reversed(dataset.photos)}
        chosen = tuple(firsts[identity] for identity in sorted(firsts))
        crops = prepare_crops(
            dataclasses.replace(dataset, name=f"{dataset.name}-cohort", photos=chosen), progress=progress
        )
        if rows := found_rows(crops):
            found.append(embed_rows(crops, rows, embed).astype(np.float32))
            known = _groups_of_people(dataset, listed)
            groups += [known.get(crops.identities[row], "") for row in rows]
    people = sum(map(len, found))
    if people < 2 * LEAST_PEOPLE:
        raise TrainingDataError(
            f"The cohort has {people} people with a usable photo; it takes {2 * LEAST_PEOPLE}, and some hundreds of "
            "every group to be of use. Give more labelled photos with --cohort."
        )
    if photos.groups and not any(groups):
        raise TrainingDataError(
            f"{photos.groups} lists no photo of the cohort. Name a photo of each person, by its path below its set, "
            "or by its file name."
        )
    return Strangers(np.concatenate(found), np.array(groups, np.str_))


def _groups_of_people(dataset: Dataset, listed: Mapping[str, Sequence[str]]) -> dict[str, str]:
    named = zip(dataset.photos, photo_names(dataset), strict=True)
    return {photo.identity: listed[name][0] for photo, names in named for name in names if name in listed}


@dataclasses.dataclass(frozen=True, eq=False)
class Centres:
    """Means of neighbouring people."""

    points: Floats  # (C, D)
    spreads: Floats  # (C,), the mean squared distance of their people from them, for people who are not among them

    def __len__(self) -> int:
        return len(self.points)


@dataclasses.dataclass(frozen=True)
class Shape:
    """How local scales are made."""

    centres: int | None = None  # asked for, of each group where groups are known; None: see CENTRES, CENTRES_A_GROUP
    neighbours: int = NEIGHBOURS
    power: float = POWER
    cap: float = CAP  # 1 sets no bound


def centres_of(strangers: Strangers, asked: int | None = None) -> Centres:
    """The centres of a cohort: `asked` of each group, of everybody where no group is known.

    Raises TrainingDataError for a group of fewer than LEAST_PEOPLE people.
    """
    names, counts = np.unique(strangers.groups, return_counts=True)
    if len(names) == 1:
        return gather_centres(strangers.embeddings, asked or CENTRES)
    if counts.min() < LEAST_PEOPLE:
        name = names[counts.argmin()] or "people without a group"
        raise TrainingDataError(
            f"The cohort's group {name} has {counts.min()} people with a usable photo; it takes {LEAST_PEOPLE}. Give "
            "more of them, or list them under another group."
        )
    each = [gather_centres(strangers.embeddings[strangers.groups == name], asked or CENTRES_A_GROUP) for name in names]
    return Centres(np.concatenate([group.points for group in each]), np.concatenate([group.spreads for group in each]))


def gather_centres(embeddings: Floats, centres: int = CENTRES, least_people: int = LEAST_PEOPLE) -> Centres:
    """Means of neighbouring people, each of `least_people` or more: (P, D) -> C centres, at most `centres`."""
    from sklearn.cluster import KMeans

    most = max(1, min(centres, len(embeddings) // least_people))
    means = KMeans(most, n_init=1, random_state=_SEED).fit(embeddings.astype(np.float64))
    place: NDArray[np.int64] = means.labels_.astype(np.int64)
    while True:
        numbers, counts = np.unique(place, return_counts=True)
        if len(numbers) == 1 or counts.min() >= least_people:
            points, spreads = zip(*(_centre(embeddings[place == number]) for number in numbers), strict=True)
            return Centres(np.stack(points).astype(np.float32), np.array(spreads, np.float32))
        smallest = numbers[counts.argmin()]
        others = numbers[numbers != smallest]
        middles = np.stack([embeddings[place == other].mean(axis=0) for other in others])
        rows = np.flatnonzero(place == smallest)
        apart = ((embeddings[rows][:, None] - middles[None]) ** 2).sum(axis=2)
        place[rows] = others[apart.argmin(axis=1)]


def _centre(people: Floats) -> tuple[Floats, float]:
    """The mean, and the mean squared distance from it, corrected for the mean being of these very people."""
    mean = people.mean(axis=0)
    squared = float(((people - mean) ** 2).sum(axis=1).mean())
    return mean, squared * len(people) / max(len(people) - 1, 1)


def fit_cohort(
    centres: Centres, embeddings: Floats, identities: NDArray[np.int32], far: float, shape: Shape | None = None
) -> Cohort:
    """The cohort of some centres, fitted to people who were never trained on: (N, D) and (N,) person numbers.

    The unit puts the best judged threshold at 1, as rescale_to_unit_threshold does with plain ones. far: the share of
    impostor pairs that passes its threshold.
    """
    shape = shape or Shape()
    neighbours = min(shape.neighbours, len(centres))
    mean = Cohort(centres.points, neighbours, 1.0, 1.0, far, spreads=centres.spreads)
    most = float(np.quantile(mean.local_scale(embeddings), shape.cap)) if shape.cap < 1 else None
    raw = dataclasses.replace(mean, power=shape.power, most=most)
    best = threshold_by_person(embeddings, identities, raw.local_scale(embeddings)).distance
    cohort = raw.times(float(1 / best))
    scales = cohort.local_scale(embeddings)
    roc = pairs_roc(embeddings, identities, scales)
    accepts = metrics.tar_at_far(roc, far)
    threshold = metrics.best_threshold(roc, balanced=True).distance if accepts is None else accepts.threshold
    return dataclasses.replace(
        cohort,
        threshold=round(float(threshold), 4),
        calibration=calibrate_pairs(roc, embeddings, identities, scales),
    )


@dataclasses.dataclass(frozen=True)
class Validation:
    """Labelled photos of people that a tower never saw."""

    data: Path
    folds: Sequence[int] = ()  # only the people of these folds of its pairs.txt


def add_cohort(
    folder: Path,
    photos: StrangerPhotos,
    validation: Validation,
    shape: Shape | None = None,
    say: Callable[[str], None] = print,
) -> TowerCard:
    """Add a cohort to the card of a finished tower, and refit all figures of distances in it. The weights stay.

    Raises TowerError and TrainingDataError, and then leaves the card as it was.
    """
    shape = shape or Shape()
    tower = Tower.load(folder, device="auto")
    crops = validating(validation.data, validation.folds)
    say(crops.describe())
    centres = centres_of(cohort_embeddings(photos, tower.embed, say), shape.centres)
    rows = found_rows(crops)
    embeddings = embed_rows(crops, rows, tower.embed).astype(np.float32)
    identities = number_identities([crops.identities[row] for row in rows])
    cohort = fit_cohort(centres, embeddings, identities, THRESHOLD_FAR, shape)
    card = dataclasses.replace(tower.card, cohort=described(cohort, photos), **judge(embeddings, identities))
    write_card(folder, card)
    say(f"plain distances: threshold {card.threshold:.3f}")
    say(f"cohort: {len(centres)} centres, {cohort.identity[:12]}; judged threshold {cohort.threshold:.3f}")
    return card


def validating(data: Path, folds: Sequence[int] = ()) -> CropSet:
    """The crops of some labelled photos, or of all photos of the people in these folds of their pairs.txt."""
    dataset = read_dataset(data)
    if folds:
        people = people_in_folds(read_folds(data / "pairs.txt", folds))
        photos = tuple(photo for photo in dataset.photos if photo.identity in people)
        dataset = dataclasses.replace(dataset, name=f"{dataset.name}-validation", photos=photos)
    return prepare_crops(dataset)


def described(cohort: Cohort, photos: StrangerPhotos) -> dict[str, Any]:
    """The form that a card stores, with the names of the data that the cohort was made from."""
    return {
        **cohort.to_card(),
        "data": [path.resolve().name for path in photos.sets],
        "groups": photos.groups.name if photos.groups else None,
        "least_people_a_centre": LEAST_PEOPLE,
    }


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description="Give a finished tower a cohort of strangers.")
    parser.add_argument("tower", type=Path, help="folder with tower.keras and tower.json")
    parser.add_argument("--cohort", type=Path, action="append", required=True, help="labelled photos of strangers")
    parser.add_argument("--groups", type=Path, help="CSV file with a photo of the cohort and its group a line")
    parser.add_argument("--data", type=Path, required=True, help="labelled photos of people that the tower never saw")
    parser.add_argument("--hold-out-fold", type=int, action="append", default=[], help="of the data's pairs.txt")
    parser.add_argument("--centres", type=int, help="asked for, of each group with --groups")
    parser.add_argument("--neighbours", type=int, default=NEIGHBOURS, help="nearest centres to a local scale")
    parser.add_argument("--power", type=float, default=POWER, help="of their mean distance")
    parser.add_argument(
        "--cap", type=float, default=CAP, help="share of the data's faces under the largest mean distance that counts"
    )
    given = parser.parse_args()
    shape = Shape(given.centres, given.neighbours, given.power, given.cap)
    add_cohort(
        given.tower, StrangerPhotos(given.cohort, given.groups), Validation(given.data, given.hold_out_fold), shape
    )


if __name__ == "__main__":
    main()
