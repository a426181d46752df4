"""Every setting of a training run, each with its value and its reason, and the presets. Holds no code that trains."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from facesearch.errors import UsageError
from facesearch.records import CROP_SIZE_PX, EMBEDDING_SIZE
from facesearch_train.augment import Augmentation
from facesearch_train.network import DENSENET_121, DenseNetShape
from facesearch_train.schedule import CyclicalSchedule


@dataclass(frozen=True)
class Stage:
    """A stretch of a run with one input size and one mix of losses; weights are carried on to the next.

    contrastive, softmax, identity: the weights of the margin loss, of the softmax over all pairs that warms up, and of
    telling all people of the data apart (both with sampling "people" only). radius: the length that all embeddings are
    brought to, so that a face that is hard to read cannot lie far from everything; None leaves them free.
    augmentation, batch_size, memory, temperature: this stage's own; None: the run's. weight_decay: the share of every
    kernel that a step takes away, times the rate. momentum: a copy of the tower that keeps this share of its weights a
    step fills the memory, from crops that are not augmented (see `momentum`); None: the tower does. dropout: the share
    of the features before the last layer that a step leaves out.
    """

    epochs: int
    input_size_px: int = CROP_SIZE_PX
    schedule: CyclicalSchedule = field(default_factory=CyclicalSchedule)
    contrastive: float = 1.0
    softmax: float = 0.0
    identity: float = 0.0
    radius: float | None = None
    augmentation: Augmentation | None = None
    batch_size: int | None = None
    memory: int | None = None
    temperature: float | None = None
    weight_decay: float = 0.0
    momentum: float | None = None
    dropout: float = 0.0


@dataclass(frozen=True)
class TrainConfig:
    """One run.

    sampling: "pairs" draws the published random pairs, "people" batches of people with all pairs in the batch.
    batch_size: pairs, or photos. hardness: how much impostors that lie near weigh above those that lie farther inside
    the margin (see losses.all_pairs_contrastive_loss). memory: how many embeddings of earlier batches join the
    gallery. photos_per_person: how many photos of one person stand together in a batch of people. singles_share:
    photos in such a batch of people who have one photo only. photos_per_epoch: where an epoch ends and is validated
    (None: when all photos were seen). validation_share: people who only validate. precision "auto" is bfloat16 where
    the processor or GPU has it. accumulate: batches whose gradients make one step. unit_threshold: in the end all
    distances are multiplied by one number, so that the threshold that is best on the people who validate, each weighing
    alike, is 1. keep: the "best" tower of the last stage by its validation loss, or the "last" one, where the rate
    falls to nothing. mirrored: the tower that is served takes the mean of a crop's embedding and of its mirror image's.
    """

    name: str
    stages: tuple[Stage, ...]
    sampling: Literal["pairs", "people"] = "pairs"
    batch_size: int = 64
    embedding_size: int = EMBEDDING_SIZE
    margin: float = 2.0
    temperature: float = 0.1
    hardness: float = 0.0
    memory: int = 0
    photos_per_person: int = 2
    singles_share: float = 0.25
    photos_per_epoch: int | None = None
    validation_share: float = 0.1
    augmentation: Augmentation = field(default_factory=Augmentation)
    network: DenseNetShape = DENSENET_121
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    accumulate: int = 1
    unit_threshold: bool = True
    keep: Literal["best", "last"] = "best"
    mirrored: bool = False
    seed: int = 1

    @property
    def epochs(self) -> int:
        return sum(stage.epochs for stage in self.stages)

    @property
    def classifies(self) -> bool:
        """Whether any stage tells all people apart: their prototypes are then carried from stage to stage."""
        return self.sampling == "people" and any(stage.identity for stage in self.stages)

    def of_stage(self, stage: Stage) -> TrainConfig:
        """These settings with those that a stage has of its own in their place."""
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
        }
    )


def _augmentation_from_json(values: dict[str, Any]) -> Augmentation:
    return Augmentation(**{**values, "scale": tuple(values["scale"])})


def one_cycle(epochs: int, max_rate: float) -> CyclicalSchedule:
    """A single cycle over a whole stage that ends near zero, for runs too short for many cycles."""
    return CyclicalSchedule(max_rate=max_rate, base_share=0.04, rise_epochs=epochs / 2)


# A minute on two cores: a small DenseNet on small crops shows that everything works, not how well it can.
SMOKE = TrainConfig(
    name="smoke",
    stages=(Stage(epochs=8, input_size_px=28, schedule=one_cycle(8, 2e-3), contrastive=0.5, softmax=1.0),),
    sampling="people",
    batch_size=32,
    memory=256,
    photos_per_epoch=1280,
    network=DenseNetShape(units=(2, 4, 4), growth_rate=16, initial_pool=False, bn_momentum=0.9),
    precision="float32",
)

# As published: 128x128 crops (the cached ones enlarged), batches of 64 random pairs, rate and beta1 cycling over two
# epochs up and two down, beta2 0.99.
SEED = TrainConfig(
    name="seed",
    stages=(Stage(epochs=24, input_size_px=128, schedule=CyclicalSchedule(max_rate=3e-4)),),
    unit_threshold=False,
)

# With impostors at a right angle on this radius, a pair is exactly the margin of 2 apart.
RIGHT_ANGLE_RADIUS = math.sqrt(2)


def falling(epochs: int, high: float, low: float, rise_epochs: float = 0.5) -> CyclicalSchedule:
    """The part of one cycle that a stage sees while the rate falls in a straight line from `high` to `low`, after a
    short rise from near zero."""
    base_share = 0.02
    fall_epochs = round((epochs - rise_epochs) * high * (1 - base_share) / (high - low), 2)
    return CyclicalSchedule(max_rate=high, base_share=base_share, rise_epochs=rise_epochs, fall_epochs=fall_epochs)


USUAL = Augmentation(rotation_rad=0.1, scale=(0.92, 1.08), shift=0.03, grey=0.05)
STRONG = replace(USUAL, erase=0.25)
STRONGER = replace(USUAL, scale=(0.9, 1.1), shift=0.04, grey=0.1, erase=0.5, low_resolution=0.15)
STRONGEST = replace(
    STRONGER,
    rotation_rad=0.2,
    scale=(0.85, 1.15),
    shift=0.06,
    brightness=0.35,
    contrast=0.35,
    saturation=0.4,
    grey=0.2,
    low_resolution=0.3,
    erase=0.7,
    occlusion=0.25,
    blur=0.15,
    jpeg=0.2,
)
# Enough that no photo is seen twice alike, which is learnt soonest; too little where each was seen forty times.
GENTLE = Augmentation(
    brightness=0.15,
    contrast=0.15,
    saturation=0.2,
    hue_rad=0.05,
    rotation_rad=0.05,
    scale=(0.95, 1.05),
    shift=0.02,
    grey=0.05,
)


def _early(epochs: int, schedule: CyclicalSchedule, contrastive: float, radius: float | None, size: int = 56) -> Stage:
    return Stage(epochs, size, schedule, contrastive=contrastive, softmax=1.0, radius=radius)


def _late(
    epochs: int, schedule: CyclicalSchedule, contrastive: float, augmentation: Augmentation, size: int = 64
) -> Stage:
    stage = _early(epochs, schedule, contrastive, RIGHT_ANGLE_RADIUS, size)
    return replace(stage, augmentation=augmentation)


# What the shipped tower is trained with: a softmax over all pairs of a batch learns from all impostors at once, on
# small crops and at a constant rate; then the rate falls on larger ones, while the margin loss shapes the distances,
# and all embeddings are brought to one length. Then all of it once more from a high rate that falls in one line, on
# embeddings of one length from the start; and a third time at 64 px, the first size at which no map loses a row (56 px
# halves to 28, 14, 7, 3 and 1), with gentle changes and then, when the photos were learnt by heart, strong ones. And a
# fourth time at 96 px, with stronger changes and kernels that decay. All that against the impostors of one batch: in a
# memory of the tower's own former embeddings old ones are told from new ones instead of people from people, while it
# still moves fast. Then a momentum tower fills the memory, and every photo stands against 4,000 others; at last, at
# 112 px, against 16,000, with all changes there are, which thirty more passes need: with fewer they learn photos by
# heart. Figures, cost and what was tried: train/README.md.
FULL = TrainConfig(
    name="full",
    stages=(
        _early(18, CyclicalSchedule(max_rate=1e-3, base_share=1.0), 0.05, None, 48),
        _early(10, falling(10, 7e-4, 2.1726e-4), 0.3, None),
        _early(5, falling(5, 2.5e-4, 5e-6, 0.25), 0.3, RIGHT_ANGLE_RADIUS),
        _early(20, falling(20, 9e-4, 5.681e-4), 0.1, RIGHT_ANGLE_RADIUS),
        _early(12, falling(12, 5.6e-4, 2e-4), 0.3, RIGHT_ANGLE_RADIUS),
        _early(6, falling(6, 2e-4, 4e-6, 0.25), 0.3, RIGHT_ANGLE_RADIUS),
        _late(16, falling(16, 9e-4, 5.5e-4), 0.1, GENTLE),
        _late(9, falling(9, 5.5e-4, 2.9e-4), 0.3, GENTLE),
        _late(5, falling(5, 3.3e-4, 2.1e-4), 0.3, STRONG),
        _late(5, falling(5, 2.1e-4, 4.2e-6, 0.25), 0.3, STRONG),
        replace(_late(20, falling(20, 6e-4, 1.2e-5), 0.2, STRONGER, 96), weight_decay=0.05),
        replace(
            _late(15, falling(15, 5.8e-4, 1.16e-5), 0.2, STRONGER, 96),
            weight_decay=0.05,
            momentum=0.99,
            memory=4096,
            temperature=0.07,
        ),
        replace(
            _late(75, falling(75, 8e-4, 1.6e-5, 1.25), 0.2, STRONGEST, CROP_SIZE_PX),
            batch_size=256,
            weight_decay=0.05,
            momentum=0.995,
            memory=16384,
            temperature=0.07,
            dropout=0.2,
        ),
    ),
    sampling="people",
    batch_size=128,
    photos_per_epoch=9600,
    augmentation=USUAL,
    network=DenseNetShape(bn_momentum=0.95),
    keep="last",
    mirrored=True,
)

PRESETS = {config.name: config for config in (SMOKE, SEED, FULL)}
