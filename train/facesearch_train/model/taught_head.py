"""What stands on the tower while a teacher teaches it, and never ships: the losses of `teaching` in one layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from facesearch_train.config import Stage, TrainConfig
from facesearch_train.data.taught import THRESHOLD_PLACE
from facesearch_train.model.losses import batch_distances
from facesearch_train.model.momentum import remember
from facesearch_train.model.teaching import (
    mixed_labels,
    neighbour_loss,
    regression_loss,
    relational_loss,
    soft_contrastive_loss,
    soft_labels,
)


@keras.saving.register_keras_serializable("facesearch")
class TaughtHead(keras.layers.Layer):
    """The loss of a batch against the teacher's places of its photos, and of those that it remembers.

    (B, D) embeddings, (B,) person numbers, (B, K) places, (B,) the cost of the teacher's hints if it gives any, and
    (B, D) embeddings of the same views by the momentum tower if there is one -> (B, 3): the loss of each anchor, and
    the batch's mean genuine and mean impostor distance in every row. The memory holds the latest `memory` embeddings
    (the momentum tower's, if there is one) with their places, for the softmax over neighbours.
    config: with the stage's own settings (see TrainConfig.of_stage).
    """

    def __init__(self, config: TrainConfig, stage: Stage, place_size: int, **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        if stage.lessons is None:
            raise ValueError("the stage learns nothing from a teacher")
        self.margin, self.temperature, self.memory = config.margin, config.temperature, config.memory
        self.contrastive, self.lessons = stage.contrastive, stage.lessons
        if self.memory:
            self.remembered, self.remembered_places = (
                self.add_weight(shape=(self.memory, size), initializer="zeros", trainable=False, name=name)
                for size, name in ((config.embedding_size, "remembered"), (place_size, "remembered_places"))
            )
            # A place of the memory that nothing has filled yet.
            self.empty = self.add_weight(shape=(self.memory,), initializer="ones", trainable=False, name="empty")

    def call(self, inputs: Sequence[Any], hints: Any = None, slow: Any = None, training: bool = False) -> Any:
        embeddings, ids, places = inputs
        lessons = self.lessons
        labels = mixed_labels(soft_labels(places, THRESHOLD_PLACE, lessons.softness), ids, lessons.truth)
        loss = ops.zeros((ops.shape(embeddings)[0],), "float32")
        if self.contrastive:
            loss = loss + self.contrastive * soft_contrastive_loss(embeddings, labels, self.margin)
        if lessons.regression:
            loss = loss + lessons.regression * regression_loss(embeddings, places, lessons.length)
        if lessons.neighbours:
            memory = (self.remembered.value, self.remembered_places.value, self.empty.value) if self.memory else None
            loss = loss + lessons.neighbours * neighbour_loss(
                embeddings, places, self.temperature, lessons.width, memory
            )
        if lessons.relations:
            loss = loss + lessons.relations * relational_loss(embeddings, places, lessons.near_weight)
        if hints is not None:
            loss = loss + lessons.hints * hints
        if training and self.memory:
            remember(self.remembered, embeddings if slow is None else slow)
            remember(self.remembered_places, places)
            remember(self.empty, ops.zeros_like(embeddings[:, 0]))
        genuine, impostor = batch_distances(embeddings, ids)
        ones = ops.ones_like(loss)
        return ops.stack([loss, genuine * ones, impostor * ones], axis=1)

    def compute_output_shape(self, input_shape: Any, *_others: Any, **_named: Any) -> tuple[int | None, int]:
        return (input_shape[0][0], 3)
