"""Every setting of a training run, each with its reason. Holds no code that trains; the values are in `presets`."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from facesearch.errors import UsageError
from facesearch.records import CROP_SIZE_PX, EMBEDDING_SIZE
from facesearch_train.model.augment import Augmentation
from facesearch_train.model.network import DENSENET_121, DenseNetShape
from facesearch_train.schedule import CyclicalSchedule


@dataclass(frozen=True)
class Lessons:
    """What a stage takes from a teacher (see `teaching`), beside the contrastive loss, whose labels are then soft."""

    regression: float = 0.0  # the weight of the distance to the teacher's place, learnt fastest
    length: float = 1.0  # that of the difference in length, without which uncertain faces meet in the middle
    neighbours: float = 0.0  # of the softmax over the batch and the memory, which depends on the nearest of them
    relations: float = 0.0  # of the distances in the batch, near_weight times for near pairs, which are few
    near_weight: float = 7.0
    # over which squared distance the teacher's softmax falls by the factor e (0.111 is 0.02 in dlib's distances)
    width: float = 0.111
    # over which distance its odds do (a genuine pair's label is then below 0.1 where dlib's distance is below 0.5)
    softness: float = 0.1
    truth: float = 0.0  # the share of labels, and of each photo's place, that known names decide
    # dlib's network sees each crop as the tower does, augmented, at every step, instead of once as it is (Beyer et al.,
    # "Knowledge distillation: A good teacher is patient and consistent", CVPR 2022); not with regression
    same_view: bool = False
    hints: float = 0.0  # the weight of predicting the teacher's maps (see `hints`); needs same_view

    def __post_init__(self) -> None:
        if self.same_view and self.regression:
            raise ValueError("a teacher that sees the tower's views gives distances, not places to take over")
        if self.hints and not self.same_view:
            raise ValueError("hints need a teacher that sees the tower's views")


@dataclass(frozen=True)
class Stage:
    """A part of a run with one input size and one mix of losses. The next stage takes over its weights."""

    epochs: int
    input_size_px: int = CROP_SIZE_PX
    schedule: CyclicalSchedule = field(default_factory=CyclicalSchedule)
    # contrastive, softmax, identity: the weights of the margin loss, of the softmax over all pairs that warms up, and
    # of telling all people of the data apart (both with sampling "people" only)
    contrastive: float = 1.0
    softmax: float = 0.0
    identity: float = 0.0
    # the length that all embeddings are scaled to, so that a face that is hard to read cannot lie far from everything;
    # None leaves them free
    radius: float | None = None
    # augmentation, batch_size, memory, temperature: this stage's own; None: the run's
    augmentation: Augmentation | None = None
    batch_size: int | None = None
    memory: int | None = None
    temperature: float | None = None
    weight_decay: float = 0.0  # the share of every kernel that a step removes, times the rate
    # a copy of the tower that keeps this share of its weights a step fills the memory, from crops that are not
    # augmented (see `momentum`); None: the tower does
    momentum: float | None = None
    dropout: float = 0.0  # the share of features before the last layer that a step drops
    lessons: Lessons | None = None  # what the stage takes from a teacher; None: nothing
    # how many blocks are frozen, counted from the first (which sees most pixels: freezing it saves a third)
    frozen: int = 0
    # train on the maps of the frozen blocks for so many fixed views of each photo, computed once (see `frozen_maps`);
    # 0: compute them at each step, from a new view each time
    views: int = 0
    # keep a running mean of the weights, which retains this share of itself each step; None: keep the last weights
    average: float | None = None


@dataclass(frozen=True)
class TrainConfig:
    """One run."""

    name: str
    stages: tuple[Stage, ...]
    # "pairs" draws the published random pairs, "people" batches of people with all pairs in the batch
    sampling: Literal["pairs", "people"] = "pairs"
    batch_size: int = 64  # pairs, or photos
    embedding_size: int = EMBEDDING_SIZE
    margin: float = 2.0
    temperature: float = 0.1
    # how much more near impostors weigh than those farther out inside the margin (see
    # losses.all_pairs_contrastive_loss)
    hardness: float = 0.0
    memory: int = 0  # how many embeddings of earlier batches are added to the gallery
    photos_per_person: int = 2  # how many photos of one person stand together in a batch of people
    singles_share: float = 0.25  # photos in such a batch of people who have only one photo
    # lookalikes, lookalike_group: with a teacher a batch is groups of so many photos, one drawn at random and the
    # others of its so many nearest neighbours: the same person or look-alikes, for random batches hold almost nothing
    # but far impostors
    lookalikes: int = 24
    lookalike_group: int = 6
    photos_per_epoch: int | None = None  # photos until an epoch ends and is validated (None: all of them)
    validation_share: float = 0.1  # the share of people who only validate
    augmentation: Augmentation = field(default_factory=Augmentation)
    network: DenseNetShape = DENSENET_121
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # auto: bfloat16 if the processor or GPU has it
    accumulate: int = 1  # batches whose mean gradient makes one step
    # at the end all distances are multiplied by one number that makes the best threshold on validation people, each
    # with equal weight, 1
    unit_threshold: bool = True
    start_share: float = 0.0  # of the starting tower's weights in the exported ones: their weighted mean
    # the "best" tower of the last stage by its validation loss, or the "last" one, where the rate falls to nothing
    keep: Literal["best", "last"] = "best"
    mirrored: bool = False  # the exported tower gives the mean of the embeddings of a crop and of its mirror image
    seed: int = 1

    @property
    def epochs(self) -> int:
        return sum(stage.epochs for stage in self.stages)

    @property
    def classifies(self) -> bool:
        """Whether any stage has the identity loss: each stage then takes over the prototypes of the one before."""
        return self.sampling == "people" and any(stage.identity for stage in self.stages)

    @property
    def taught(self) -> bool:
        """Whether any stage learns from a teacher."""
        return any(stage.lessons for stage in self.stages)

    def of_stage(self, stage: Stage) -> TrainConfig:
        """These settings, with a stage's own in place of the run's."""
        own = {name: getattr(stage, name) for name in ("augmentation", "batch_size", "memory", "temperature")}
        return replace(self, **{name: value for name, value in own.items() if value is not None})

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """The size of each stage's batches."""
        return tuple(self.of_stage(stage).batch_size for stage in self.stages)

    def stage_at(self, epoch: int) -> tuple[int, Stage, int]:
        """The stage that an epoch belongs to: its number, itself, and the epoch in which it began."""
        first = 0
        for number, stage in enumerate(self.stages):
            if epoch < first + stage.epochs:
                return number, stage, first
            first += stage.epochs
        raise UsageError(f"epoch {epoch} lies behind the end of the run ({self.epochs} epochs)")

    def to_json(self) -> dict[str, Any]:
        """What `config.json` holds: lists and dictionaries, as they are read back."""
        values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TrainConfig:
        """The config that `to_json` wrote. Raises UsageError for a setting that this version does not know."""
        known = {setting.name for setting in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            raise UsageError(f"config.json has settings that this version does not know: {', '.join(unknown)}")
        stages = tuple(_stage_from_json(stage) for stage in values["stages"])
        network = {**values["network"], "units": tuple(values["network"]["units"])}
        return cls(
            **{
                **values,
                "stages": stages,
                "augmentation": _augmentation_from_json(values["augmentation"]),
                "network": DenseNetShape(**network),
            }
        )


def _stage_from_json(values: dict[str, Any]) -> Stage:
    own = values.get("augmentation")
    return Stage(
        **{
            **values,
            "schedule": CyclicalSchedule(**values["schedule"]),
            "augmentation": None if own is None else _augmentation_from_json(own),
            "lessons": None if values.get("lessons") is None else Lessons(**values["lessons"]),
        }
    )


def _augmentation_from_json(values: dict[str, Any]) -> Augmentation:
    return Augmentation(**{**values, "scale": tuple(values["scale"])})
