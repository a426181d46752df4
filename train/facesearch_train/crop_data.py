"""What a run trains on: crops, their people, and the batches that its settings draw from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facesearch.errors import TrainingDataError
from facesearch.records import Floats, Pixels
from facesearch_train.config import Stage, TrainConfig
from facesearch_train.data.pairs import EpochData, PairData, PeopleData, TaughtData, photos_by_person
from facesearch_train.data.taught import Taught, teach


class CropArray(Protocol):
    """uint8 (N, 112, 112, 3) in memory or on disk. Indexing reads rows as a NumPy array."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Pixels: ...


@dataclass(frozen=True, eq=False)
class CropData:
    """Crops and the people in them."""

    crops: CropArray
    identities: NDArray[np.int32]  # (N,) person numbers
    places: Floats | None = None  # float32 (N, K), a teacher's (see `teacher.taught_places`)


def check_crop_data(data: CropData, config: TrainConfig) -> None:
    """Raise TrainingDataError, saying what is missing, for data from which pairs cannot be drawn. A teacher knows pairs
    without a name."""
    if data.places is None:
        _check_people(data)
    largest = max(config.batch_sizes)
    if config.sampling == "people" and len(data.identities) < largest:
        raise TrainingDataError(
            f"{len(data.identities)} photos are fewer than one batch of {largest}. Add photos, or lower --batch."
        )


def _check_people(data: CropData) -> None:
    sizes = [len(photos) for photos in photos_by_person(data.identities)]
    if len(sizes) < 2:
        raise TrainingDataError(f"Training needs photos of at least two people, and has {len(sizes)}. Add people.")
    if max(sizes) < 2:
        raise TrainingDataError(
            "No person has two photos, so there are no genuine pairs to learn from. Add photos of the same people."
        )


def learned_places(data: CropData, config: TrainConfig) -> Taught | None:
    """The teacher's places of the data, if the config learns from a teacher."""
    lessons = next((stage.lessons for stage in config.stages if stage.lessons), None)
    if lessons is None:
        return None
    if data.places is None:
        raise TrainingDataError("A stage learns from a teacher, and there are no teacher's embeddings of the photos.")
    return teach(data.places, data.identities, lessons.truth, config.lookalikes)


def epoch_data(data: CropData, config: TrainConfig, stage: Stage, taught: Taught | None = None) -> EpochData:
    """The batches that a stage draws; batches of look-alikes if a teacher teaches it."""
    config = config.of_stage(stage)
    steps = None if config.photos_per_epoch is None else max(1, config.photos_per_epoch // config.batch_size)
    if taught and stage.lessons:
        options = (data.crops, data.identities, config.batch_size, config.seed, steps)
        return TaughtData(*options, taught=taught, group=config.lookalike_group, views=max(1, stage.views))
    if config.sampling == "pairs":
        return PairData(data.crops, data.identities, config.batch_size, config.seed, steps)
    return PeopleData(
        data.crops,
        data.identities,
        config.batch_size,
        config.seed,
        steps,
        photos_per_person=config.photos_per_person,
        singles_share=config.singles_share,
    )
