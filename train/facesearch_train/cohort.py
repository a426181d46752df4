"""A cohort of strangers for a tower's card, made at export: `train --cohort`, or for a finished tower this module.

One photo of each person is embedded, and the embeddings are gathered around centres (k-means). A centre that fewer than
LEAST_PEOPLE people make is dissolved into its neighbours: no real person's face ships. Threshold, figures and
probabilities of plain distances, and unit, threshold and probabilities of judged ones, are then fitted to the people
who validate. `scripts/bench_groups.py sweep` says which numbers suit a tower.

    python -m facesearch_train.cohort TOWER --cohort SET [--cohort SET ...] --data LFW --hold-out-fold 6
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesearch.errors import TrainingDataError
from facesearch.evaluation import metrics
from facesearch.evaluation.cohort import Cohort
from facesearch.records import Floats
from facesearch.vision.tower.tower import Tower, TowerCard, write_card
from facesearch_train.data.crop_parts import Progress
from facesearch_train.data.crops import CropSet, prepare_crops
from facesearch_train.data.datasets import list_photos, read_dataset
from facesearch_train.data.lfw import people_in_folds, read_folds
from facesearch_train.data.pairs import number_identities
from facesearch_train.evaluation.evaluate import Embed, embed_rows, found_rows

CENTRES = 300  # asked of k-means; fewer are left after small ones are dissolved
NEIGHBOURS = 1  # more blur the groups (docs/research/model-card.md)
POWER = 1.1  # of the mean distance: more evens the groups out, less spares genuine pairs
LEAST_PEOPLE = 5  # to a centre
_SEED = 1


def cohort_embeddings(
    sets: Sequence[Path], embed: Embed, say: Callable[[str], None] = lambda _: None, progress: Progress | None = None
) -> Floats:
    """An embedding for each person of some labelled photos, of their first usable photo: float32 (P, D).

    Raises TrainingDataError where too few people have one.
    """
    found: list[Floats] = []
    for path in sets:
        dataset = list_photos(path)
        say(f"cohort: {dataset.describe()}")
        firsts = {photo.identity: photo for photo in reversed(dataset.photos)}
        chosen = tuple(firsts[identity] for identity in sorted(firsts))
        crops = prepare_crops(
            dataclasses.replace(dataset, name=f"{dataset.name}-cohort", photos=chosen), progress=progress
        )
        if rows := found_rows(crops):
            found.append(embed_rows(crops, rows, embed).astype(np.float32))
    people = sum(map(len, found))
    if people < 2 * LEAST_PEOPLE:
        raise TrainingDataError(
            f"The cohort has {people} people with a usable photo; it takes {2 * LEAST_PEOPLE}, and some hundreds of "
            "every group to be of use. Give more labelled photos with --cohort."
        )
    return np.concatenate(found)


@dataclasses.dataclass(frozen=True, eq=False)
class Centres:
    """Means of neighbouring people."""

    points: Floats  # (C, D)
    spreads: Floats  # (C,), the mean squared distance of their people from them, for people who are not among them

    def __len__(self) -> int:
        return len(self.points)


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


@dataclasses.dataclass(frozen=True)
class Shape:
    """How local scales are made."""

    centres: int = CENTRES  # asked for
    neighbours: int = NEIGHBOURS
    power: float = POWER


def fit_cohort(
    centres: Centres, embeddings: Floats, identities: NDArray[np.int32], far: float, shape: Shape | None = None
) -> Cohort:
    """The cohort of some centres, fitted to people who were never trained on: (N, D) and (N,) person numbers.

    The unit puts the best judged threshold at 1, as rescale_to_unit_threshold does with plain ones. far: the share of
    impostor pairs that passes its threshold.
    """
    from facesearch_train.export import calibrate_pairs, pairs_roc, threshold_by_person

    shape = shape or Shape()
    neighbours = min(shape.neighbours, len(centres))
    raw = Cohort(centres.points, neighbours, 1.0, 1.0, far, power=shape.power, spreads=centres.spreads)
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
    sets: Sequence[Path],
    validation: Validation,
    shape: Shape | None = None,
    say: Callable[[str], None] = print,
) -> TowerCard:
    """Give a finished tower a cohort, in its card, and fit all that the card says of distances anew; the weights stay.

    Raises TowerError and TrainingDataError; the card is then as it was.
    """
    from facesearch_train.export import THRESHOLD_FAR, judge

    shape = shape or Shape()
    tower = Tower.load(folder, device="auto")
    crops = validating(validation.data, validation.folds)
    say(crops.describe())
    centres = gather_centres(cohort_embeddings(sets, tower.embed, say), shape.centres)
    rows = found_rows(crops)
    embeddings = embed_rows(crops, rows, tower.embed).astype(np.float32)
    identities = number_identities([crops.identities[row] for row in rows])
    cohort = fit_cohort(centres, embeddings, identities, THRESHOLD_FAR, shape)
    card = dataclasses.replace(tower.card, cohort=described(cohort, sets), **judge(embeddings, identities))
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


def described(cohort: Cohort, sets: Sequence[Path]) -> dict[str, Any]:
    """A cohort as the card keeps it, with the names of what it was made of."""
    return {**cohort.to_card(), "data": [path.resolve().name for path in sets], "least_people_a_centre": LEAST_PEOPLE}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description="Give a finished tower a cohort of strangers.")
    parser.add_argument("tower", type=Path, help="folder with tower.keras and tower.json")
    parser.add_argument("--cohort", type=Path, action="append", required=True, help="labelled photos of strangers")
    parser.add_argument("--data", type=Path, required=True, help="labelled photos of people that the tower never saw")
    parser.add_argument("--hold-out-fold", type=int, action="append", default=[], help="of the data's pairs.txt")
    parser.add_argument("--centres", type=int, default=CENTRES, help="asked for")
    parser.add_argument("--neighbours", type=int, default=NEIGHBOURS, help="nearest centres to a local scale")
    parser.add_argument("--power", type=float, default=POWER, help="of their mean distance")
    given = parser.parse_args()
    shape = Shape(given.centres, given.neighbours, given.power)
    add_cohort(given.tower, given.cohort, Validation(given.data, given.hold_out_fold), shape)


if __name__ == "__main__":
    main()
