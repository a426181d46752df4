"""From folders of labelled photos to a tower: read, cut, split by person, train, export. `facesearch train` calls it.

Writes only into the run's folder and the cache of crops; the photos are never touched.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from facesearch.errors import TowerError, UsageError
from facesearch.records import Floats
from facesearch.vision.tower.tower import CARD_NAME, WEIGHTS_NAME, TowerCard, read_card
from facesearch_train.config import TrainConfig
from facesearch_train.data.crops import prepare_crops
from facesearch_train.data.datasets import UNKNOWN, list_photos, read_dataset
from facesearch_train.data.joined import JoinedCrops, bare_name, merge_datasets
from facesearch_train.data.lfw import fetch_lfw, people_in_folds, read_folds
from facesearch_train.data.pairs import NOBODY, number_identities
from facesearch_train.data.splits import split_by_person
from facesearch_train.data.teacher import read_teacher, taught_places
from facesearch_train.evaluation.group_list import read_groups
from facesearch_train.model.dlib_teacher import dlib_weights_path
from facesearch_train.model.teacher_embeddings import DLIB, teacher_files

ORDER_NAME = "order.json"
TOWER_FOLDER = "tower"
# Training photos that show the ranges of the tower's values, for int8.
_SAMPLE, _SAMPLE_SEED = 256, 2


def _ignore(*_: Any) -> None:
    return None


@dataclass(frozen=True)
class Order:
    """What to train, and where to put it."""

    config: TrainConfig
    folder: Path
    data: tuple[Path, ...] = ()  # folders of labelled photos; none means LFW, downloaded if missing
    # folds of the data's own `pairs.txt` (from 1): only their people validate
    hold_out_folds: tuple[int, ...] = ()
    start_from: Path | None = None  # a tower's folder, to fine-tune it
    cohort: tuple[Path, ...] = ()  # labelled photos of strangers, for judged distances
    cohort_groups: Path | None = None  # the group of each of these photos
    teachers: tuple[Path, ...] = ()  # files of a teacher's embeddings of the data (see `teacher`), or DLIB

    def save(self) -> None:
        """Write the order into the run's folder, for `resume`."""
        values = {
            "data": [str(path.resolve()) for path in self.data],
            "hold_out_folds": list(self.hold_out_folds),
            "start_from": str(self.start_from.resolve()) if self.start_from else None,
            "cohort": [str(path.resolve()) for path in self.cohort],
            "cohort_groups": str(self.cohort_groups.resolve()) if self.cohort_groups else None,
            "teachers": [str(path if path == DLIB else path.resolve()) for path in self.teachers],
        }
        (self.folder / ORDER_NAME).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Order:
        """The order that a run's folder was started with. Raises UsageError where no run was started."""
        try:
            order = json.loads((folder / ORDER_NAME).read_text(encoding="utf-8"))
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise UsageError(
                f"{folder} holds no run to resume ({error.filename} is missing). Leave --resume out."
            ) from None
        except ValueError as error:
            raise UsageError(f"{folder} holds a damaged run ({error}). Start again in another folder.") from None
        return cls(
            config=TrainConfig.from_json(config),
            folder=folder,
            data=tuple(Path(path) for path in order["data"]),
            hold_out_folds=tuple(order["hold_out_folds"]),
            start_from=Path(order["start_from"]) if order["start_from"] else None,
            cohort=tuple(Path(path) for path in order.get("cohort", ())),
            cohort_groups=Path(order["cohort_groups"]) if order.get("cohort_groups") else None,
            teachers=tuple(Path(path) for path in order.get("teachers", ())),
        )


@dataclass(frozen=True)
class Listener:
    """What to call as the work proceeds."""

    say: Callable[[str], None] = _ignore  # a line about the data
    crops: Callable[[int, int], None] = _ignore  # photos done, in all
    epoch: Callable[[Any], None] = _ignore  # an EpochReport


@dataclass(frozen=True, eq=False)
class People:
    """Crops, split by person."""

    crops: JoinedCrops
    numbers: np.ndarray[Any, np.dtype[np.int32]]  # int32 (N,), a number for each person, NOBODY without a label
    # training, validation: rows of `crops`
    training: np.ndarray[Any, np.dtype[np.int64]]
    validation: np.ndarray[Any, np.dtype[np.int64]]
    names: tuple[str, ...] = field(default=())
    places: Floats | None = None  # float32 (N, K), a teacher's


def train_tower(order: Order, resume: bool = False, listener: Listener | None = None) -> TowerCard:
    """Carry out an order: write the tower into `order.folder / "tower"` and return its card.

    resume: continue the run in the order's folder, or only export the tower if just that is missing. Raises UsageError
    if there is nothing left to do; TrainingDataError for data that cannot be trained on, before anything is written;
    TrainingCollapsedError when training leads nowhere; TowerError for a start_from that does not fit.
    """
    listener = listener or Listener()
    if resume and (order.folder / TOWER_FOLDER / CARD_NAME).exists():
        raise UsageError(
            f"{order.folder} has finished training ({order.config.epochs} epochs); its tower is in "
            f"{order.folder / TOWER_FOLDER}. To export it again, delete that folder; to train on, use --start-from."
        )
    for path in order.cohort:
        list_photos(path)  # so that a mistyped path is reported before hours of work
    if order.cohort_groups:
        read_groups(order.cohort_groups)
    people = read_people(order, listener)
    from facesearch_train.cohort import StrangerPhotos
    from facesearch_train.crop_data import CropData
    from facesearch_train.loop import Run
    from facesearch_train.tower_export import export_tower, serving_tower

    places = None if people.places is None else people.places[people.training]
    training = CropData(people.crops.rows(people.training), people.numbers[people.training], places)
    validation = CropData(people.crops[people.validation], people.numbers[people.validation])
    run = Run(order.config, order.folder, training, validation)
    wanted = not resume or order.config.start_share > 0  # a resumed run needs the start only for the mean
    initial = _weights_of(order.start_from) if order.start_from and wanted else None
    if not resume:
        order.folder.mkdir(parents=True, exist_ok=True)
        order.save()
    run.train(resume, None if resume else initial, listener.epoch)
    serving = serving_tower(order.config, order.folder / "best.weights.h5")
    if initial is not None:
        _draw_back(serving, initial, order.config.start_share)
    return export_tower(
        serving,
        order.folder / TOWER_FOLDER,
        order.config,
        validation,
        _described(order, people),
        unit_threshold=order.config.unit_threshold,
        sample=_sample(people),
        cohort=StrangerPhotos(order.cohort, order.cohort_groups) if order.cohort else None,
    )


def read_people(order: Order, listener: Listener) -> People:
    """The crops of an order's data, split by person. Reports what was found and what was left out."""
    paths = order.data or (fetch_lfw(),)
    same_view = any(stage.lessons and stage.lessons.same_view for stage in order.config.stages)
    if same_view or DLIB in order.teachers:  # report missing or unreadable weights before crops are cut
        dlib_weights_path()
    for path in order.teachers:
        if path != DLIB:
            read_teacher(path)
    if order.config.taught and not order.teachers:
        raise UsageError(
            f"preset {order.config.name} learns from a teacher, and none was given: name its files by --teacher"
        )
    datasets = [list_photos(path, unlabelled=True) if order.teachers else read_dataset(path) for path in paths]
    for dataset in datasets:
        listener.say(dataset.describe())
    merged = merge_datasets(datasets)
    for warning in merged.warnings:
        listener.say(f"warning: {warning}")
    crop_sets = [prepare_crops(dataset, progress=listener.crops) for dataset in datasets]
    for crops in crop_sets:
        listener.say(crops.describe())
    joined = JoinedCrops(merged, crop_sets)
    held_out = _people_of_folds([dataset.root for dataset in datasets], order.hold_out_folds)
    share = 0.0 if held_out else order.config.validation_share
    named = np.array([not bare_name(identity).startswith(UNKNOWN) for identity in joined.identities])
    split = split_by_person(
        (identity for identity, is_named in zip(joined.identities, named, strict=True) if is_named),
        share,
        order.config.seed,
        held_out,
        taught=bool(order.teachers),
    )
    validates = np.array([identity in split.validation for identity in joined.identities])
    listener.say(
        f"training on {len(split.training):,} people ({int((~validates).sum()):,} photos), "
        f"validating with {len(split.validation):,} others ({int(validates.sum()):,} photos)"
    )
    places, trains = None, ~validates
    if order.teachers:
        teachers = [read_teacher(path) for path in teacher_files(order.teachers, crop_sets, listener.crops)]
        places = taught_places(teachers, [dataset.root for dataset in datasets], joined.paths)
        known = np.isfinite(places[:, 0])
        if missing := int((trains & ~known).sum()):
            listener.say(f"warning: the teacher has no embeddings of {missing:,} photos, which are left out")
        trains &= known
    return People(
        crops=joined,
        numbers=np.where(named, number_identities(joined.identities), NOBODY).astype(np.int32),
        places=places,
        training=np.flatnonzero(trains),
        validation=np.flatnonzero(validates),
        names=tuple(dataset.name for dataset in datasets),
    )


def _people_of_folds(roots: Sequence[Path], folds: Sequence[int]) -> frozenset[str]:
    if not folds:
        return frozenset()
    lists = [root / "pairs.txt" for root in roots if (root / "pairs.txt").is_file()]
    if not lists:
        raise UsageError(
            "--hold-out-fold needs a pairs.txt in one of the data folders. Put LFW's there, or leave it out."
        )
    return frozenset(people_in_folds(read_folds(lists[0], folds)))


def _weights_of(folder: Path) -> list[Any]:
    """A tower's weights to start from, with distances in the scale of training, to which the margin applies.

    Raises TowerError when there is no tower.
    """
    import keras

    from facesearch_train.tower_export import multiply_distances

    path = folder / WEIGHTS_NAME
    try:
        tower = keras.saving.load_model(path, compile=False)
    except (OSError, ValueError) as error:
        raise TowerError(
            f"{path} cannot be read as a tower to begin with ({error}). Name a folder with tower.keras."
        ) from error
    if factor := read_card(folder).training.get("distances_times"):
        multiply_distances(tower, 1 / factor)
    weights: list[Any] = tower.get_weights()
    return weights


def _draw_back(tower: Any, start: Sequence[Any], share: float) -> None:
    """Set a tower's weights to the weighted mean of its own and those that it started from, `share` of the latter.

    What fine-tuning gains on its own photos it loses elsewhere; the mean keeps most of both. Source: Wortsman et al.,
    "Robust fine-tuning of zero-shot models", CVPR 2022.
    """
    if share:
        pairs = zip(tower.get_weights(), start, strict=True)
        tower.set_weights([(1 - share) * tuned + share * first for tuned, first in pairs])


def _sample(people: People) -> Any:
    """Some crops that the tower trained on, uint8 (N, 112, 112, 3); the same data gives the same crops."""
    rows = np.random.default_rng(_SAMPLE_SEED).permutation(people.training)[:_SAMPLE]
    return people.crops[np.sort(rows)]


def _described(order: Order, people: People) -> dict[str, Any]:
    """What the card says of the training data."""
    return {
        "data": list(people.names),
        "people": len(np.unique(people.numbers[people.training])),
        "photos": len(people.training),
        "validation_people": len(np.unique(people.numbers[people.validation])),
        "hold_out_folds": list(order.hold_out_folds),
        "started_from_a_tower": order.start_from is not None,
    }
