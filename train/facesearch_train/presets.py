"""The training presets: the purpose of each, its settings and their reasons. Holds no code that trains."""

from __future__ import annotations

import math
from dataclasses import replace

from facesearch.records import CROP_SIZE_PX
from facesearch_train.config import Lessons, Stage, TrainConfig
from facesearch_train.model.augment import Augmentation
from facesearch_train.model.network import DenseNetShape
from facesearch_train.schedule import CyclicalSchedule


def one_cycle(epochs: int, max_rate: float) -> CyclicalSchedule:
    """A single cycle over a whole stage that ends near zero, for runs too short for many cycles."""
    return CyclicalSchedule(max_rate=max_rate, base_share=0.04, rise_epochs=epochs / 2)


# A minute on two cores: a small DenseNet on small crops shows that everything works, not how well it could work.
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
# Enough that no photo looks the same twice, or it is learnt by heart; too little once each was seen forty times.
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
# fourth time at 96 px, with stronger changes and kernels that decay. Up to here, only the impostors of one batch count:
# while the tower still moves fast, a memory of its earlier embeddings teaches it to tell old embeddings from new ones
# instead of person from person. Then a momentum tower fills the memory, and every photo meets 4,000 others; at last, at
# 112 px, 16,000, for thirty more passes with all the changes there are: with fewer changes it learns photos by heart.
# Figures, cost and what was tried: train/README.md.
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

# What each weight does, and what else was tried: train/README.md.
TAUGHT = Lessons(relations=1.0, neighbours=0.3, truth=0.3)


def _taught_stage(epochs: int, high: float, low: float, frozen: int) -> Stage:
    return Stage(
        epochs,
        schedule=falling(epochs, high, low),
        contrastive=0.2,
        radius=RIGHT_ANGLE_RADIUS,
        augmentation=STRONGER,
        temperature=0.07,
        weight_decay=0.05,
        lessons=TAUGHT,
        frozen=frozen,
        average=0.99,
    )


# From a trained tower on, by a teacher: first with the layers that see most pixels standing still, which takes a third
# less time a photo; then all of them, the rate falling in one line. The tower to keep is the mean of the last hundred
# steps' weights, so that a run may be stopped and served at any time.
TEACH = TrainConfig(
    name="teach",
    stages=(_taught_stage(40, 4e-4, 3e-4, 1), _taught_stage(200, 4e-4, 4e-6, 0)),
    sampling="people",
    batch_size=96,
    photos_per_epoch=2880,
    network=DenseNetShape(bn_momentum=0.95),
    keep="last",
    mirrored=True,
)


def with_teacher(config: TrainConfig, *, same_view: bool = False) -> TrainConfig:
    """A preset for training with a teacher: one without lessons learns from it in every stage. same_view: the teacher
    sees each view that the tower sees, and its maps and thousands of earlier photos teach too (train/README.md)."""
    if not config.taught:
        stages = (replace(stage, lessons=TAUGHT, softmax=0.0, identity=0.0, momentum=None) for stage in config.stages)
        config = replace(config, stages=tuple(stages), sampling="people", memory=0)
    if not same_view:
        return config
    return replace(config, stages=tuple(_same_view(stage) for stage in config.stages))


def _same_view(stage: Stage) -> Stage:
    if stage.lessons is None:
        return stage
    lessons = replace(stage.lessons, same_view=True, hints=1.0)
    return replace(stage, lessons=lessons, views=0, momentum=0.99, memory=8192)


PRESETS = {config.name: config for config in (SMOKE, SEED, FULL, TEACH)}
