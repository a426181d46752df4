"""What stands on the tower while it is trained, and never ships: augmentation before it, the loss behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from facesearch.records import CROP_SIZE_PX
from facesearch_train.config import Stage, TrainConfig
from facesearch_train.data.taught import THRESHOLD_PLACE
from facesearch_train.data.teacher import DLIB_THRESHOLD
from facesearch_train.model.augment import Augment
from facesearch_train.model.dlib_teacher import dlib_weights_path, teacher_network
from facesearch_train.model.dlib_weights import read_dlib_network
from facesearch_train.model.hints import Hints, hinted_tower, map_strides
from facesearch_train.model.losses import (
    ContrastiveLoss,
    all_pairs_contrastive_loss,
    all_pairs_softmax_loss,
    batch_distances,
    identity_loss,
    pair_distance,
)
from facesearch_train.model.momentum import MomentumTower, remember
from facesearch_train.model.network import build_siamese, resize_layer
from facesearch_train.model.taught_head import TaughtHead
from facesearch_train.schedule import CyclicalAdam

# Weights whose size is no sign of photos learnt by heart: what batch normalisation scales by, shifts, prototypes.
NOT_DECAYED = ("gamma", "beta", "bias", "people")


@keras.saving.register_keras_serializable("facesearch")
class PeopleHead(keras.layers.Layer):
    """The loss of a batch of people against itself and a memory of the batches before it.

    (B, D) embeddings, (B,) person numbers, and (B, D) embeddings of the same photos by the momentum tower where there
    is one -> (B, 3): the loss of each anchor, and the batch's mean genuine and mean impostor distance in every row. The
    batch size must be fixed. The memory holds the latest `memory` embeddings (the momentum tower's, where there is
    one), without gradients; empty places carry the person number -1. config: with the stage's own settings (see
    TrainConfig.of_stage). people: how many person numbers there are, each of which has a prototype where the stage
    weighs the identity loss.
    """

    def __init__(self, config: TrainConfig, stage: Stage, people: int, **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        self.config = config
        self.stage = stage
        self.memory, self.temperature = config.memory, config.temperature
        self.prototypes = self.add_weight(
            shape=(people if config.classifies else 0, config.embedding_size),
            initializer="random_normal",
            trainable=stage.identity > 0,
            name="people",
        )
        self.remembered = self.add_weight(
            shape=(self.memory, config.embedding_size), initializer="zeros", trainable=False, name="remembered"
        )
        self.remembered_ids = self.add_weight(
            shape=(self.memory,),
            initializer=keras.initializers.Constant(-1),
            trainable=False,
            dtype="float32",
            name="ids",
        )

    def call(self, inputs: Sequence[Any], training: bool = False) -> Any:
        embeddings, ids, *slow = inputs
        ids = ops.cast(ids, "float32")
        batch = [embeddings, *map(ops.stop_gradient, slow)]
        views = len(batch)
        gallery = ops.concatenate([*batch, ops.stop_gradient(self.remembered.value)], axis=0)
        gallery_ids = ops.concatenate([*[ids] * views, self.remembered_ids.value], axis=0)
        loss = ops.zeros_like(ids)
        if self.stage.contrastive:
            loss = loss + self.stage.contrastive * all_pairs_contrastive_loss(
                embeddings,
                ids,
                gallery,
                gallery_ids,
                margin=self.config.margin,
                hardness=self.config.hardness,
                views=views,
            )
        if self.stage.softmax:
            loss = loss + self.stage.softmax * all_pairs_softmax_loss(
                embeddings, ids, gallery, gallery_ids, self.temperature, views=views
            )
        if self.stage.identity:
            loss = loss + self.stage.identity * identity_loss(embeddings, ids, self.prototypes)
        genuine, impostor = batch_distances(embeddings, ids)
        if training and self.memory:
            remember(self.remembered, batch[-1])  # the momentum tower's, if there is one
            remember(self.remembered_ids, ids)
        ones = ops.ones_like(loss)
        return ops.stack([loss, genuine * ones, impostor * ones], axis=1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        return (input_shape[0][0], 3)


def _loss_column(_target: Any, output: Any) -> Any:
    return output[:, 0]


def genuine_distance(_target: Any, output: Any) -> Any:
    return output[:, 1]


def impostor_distance(_target: Any, output: Any) -> Any:
    return output[:, 2]


def _mean_distances() -> list[Any]:
    """Both distances as metrics that have their variables already: Keras would make those of a plain function within
    the first step, and TensorFlow traces a step twice that makes variables."""
    return [keras.metrics.MeanMetricWrapper(each, name=each.__name__) for each in (genuine_distance, impostor_distance)]


@keras.saving.register_keras_serializable("facesearch")
class MeanPairDistance(keras.metrics.Mean):
    """Mean distance of the pairs that carry one label (0 = genuine, 1 = impostor) among stacked pairs (B, 2, D)."""

    def __init__(self, label: int, **options: Any) -> None:
        super().__init__(**options)
        self.label = label

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        wanted = ops.cast(ops.equal(ops.reshape(y_true, (-1,)), self.label), "float32")
        super().update_state(pair_distance(y_pred[:, 0], y_pred[:, 1]), sample_weight=wanted)


def _teacher(stage: Stage, *, maps: bool = False) -> keras.Model:
    """dlib's network for views of the stage's size. Raises TrainingDataError where its weights are not installed."""
    return teacher_network(read_dlib_network(dlib_weights_path()), stage.input_size_px, maps=maps, fused=True)


def _taught_by_views(tower: keras.Model, views: Any, config: TrainConfig, stage: Stage) -> tuple[Any, Any, Any]:
    """Views -> the tower's embeddings, the teacher's places of them, and what its hints cost (None without hints)."""
    if stage.lessons is None or not stage.lessons.hints:
        return tower(views), _places(_teacher(stage)(views)), None
    embeddings, *maps = hinted_tower(tower, config.network)(views)
    seen = _teacher(stage, maps=True)(views)
    hints = Hints(map_strides(config.network), stage.input_size_px, name="hints")([*maps, *seen])
    return embeddings, _places(seen[0]), hints


def _places(seen: Any) -> Any:
    """The teacher's embeddings in the scale of `taught`."""
    return ops.cast(ops.stop_gradient(seen), "float32") * (THRESHOLD_PLACE / DLIB_THRESHOLD)


def build_training_model(
    tower: keras.Model, config: TrainConfig, stage: Stage, seed: int, people: int = 0, *, place_size: int = 0
) -> keras.Model:
    """Resizing, augmentation, tower and loss as one compiled model, for the batches that `pairs` makes.

    tower: takes crops of the stage's input size; in a stage with views, the part of it behind the frozen blocks.
    people: one more than the highest person number of the data.
    place_size: how many numbers a teacher's places have, for a stage that it teaches.
    """
    config = config.of_stage(stage)
    crop_shape = (CROP_SIZE_PX, CROP_SIZE_PX, 3)
    resize = resize_layer(CROP_SIZE_PX, stage.input_size_px)
    augment = Augment(config.augmentation, seed=seed, name="augment")

    def sized(crops: Any) -> Any:
        crops = ops.cast(crops, "float32")
        return resize(crops) if resize else crops

    if stage.lessons:
        crops = keras.Input(crop_shape, batch_size=config.batch_size, dtype="uint8", name="crops")
        ids = keras.Input((), batch_size=config.batch_size, dtype="int32", name="people")
        taught = keras.Input((place_size,), batch_size=config.batch_size, name="places")
        if stage.views and stage.lessons.same_view:
            raise ValueError("views that are computed once cannot be shown to the teacher")
        places, hints, slow = taught, None, None
        if stage.views:
            crops = keras.Input(tower.input_shape[1:], batch_size=config.batch_size, dtype="float16", name="maps")
            embeddings = tower(ops.cast(crops, "float32"))
        else:
            views = augment(sized(crops))
            if stage.lessons.same_view:
                embeddings, places, hints = _taught_by_views(tower, views, config, stage)
            else:
                embeddings = tower(views)
            slow = None if stage.momentum is None else MomentumTower(tower, stage.momentum)(views)
        head = TaughtHead(config, stage, places.shape[-1], name="head")
        model = keras.Model([crops, ids, taught], head([embeddings, ids, places], hints=hints, slow=slow))
        loss: Any = _loss_column
        metrics = _mean_distances()
    elif config.sampling == "people":
        crops = keras.Input(crop_shape, batch_size=config.batch_size, dtype="uint8", name="crops")
        ids = keras.Input((), batch_size=config.batch_size, dtype="int32", name="people")
        unchanged = sized(crops)
        inputs = [tower(augment(unchanged)), ids]
        if stage.momentum is not None:
            inputs.append(MomentumTower(tower, stage.momentum)(unchanged))
        model = keras.Model([crops, ids], PeopleHead(config, stage, people, name="head")(inputs))
        loss = _loss_column
        metrics = _mean_distances()
    else:
        sides = [keras.Input(crop_shape, dtype="uint8", name=name) for name in ("first", "second")]
        model = keras.Model(sides, build_siamese(tower)([augment(sized(side)) for side in sides]))
        loss = ContrastiveLoss(config.margin)
        metrics = [
            MeanPairDistance(label, name=f"{kind}_distance") for label, kind in enumerate(("genuine", "impostor"))
        ]
    accumulate = config.accumulate if config.accumulate > 1 else None
    optimizer = CyclicalAdam(
        stage.schedule.rate(0),
        weight_decay=stage.weight_decay or None,
        gradient_accumulation_steps=accumulate,
        use_ema=stage.average is not None,
        ema_momentum=stage.average or 0.99,
    )
    if stage.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=list(NOT_DECAYED))
    # Not compiled, a step under JAX runs operation by operation; TensorFlow makes a graph of it in any case.
    compiled = keras.backend.backend() == "jax"
    model.compile(optimizer=optimizer, loss=loss, metrics=metrics, jit_compile=compiled)
    return model
