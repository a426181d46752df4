"""What stands on the tower while a teacher teaches it, and never ships: the losses of `teaching` in one layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from facesearch_train.config import Stage, TrainConfig
from facesearch_train.data.taught import THRESHOLD_PLACE
from facesearch_train.data.teacher import DLIB_THRESHOLD
from facesearch_train.model.losses import batch_distances
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
    """The loss of a batch against the teacher's places of its photos.

    (B, D) embeddings, (B,) person numbers, (B, K) places, and (B, L) embeddings of the same views by the teacher where
    it sees them -> (B, 3): the loss of each anchor, and the batch's mean genuine and mean impostor distance in every
    row. config: with the stage's own settings (see TrainConfig.of_stage).
    """

    def __init__(self, config: TrainConfig, stage: Stage, **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        if stage.lessons is None:
            raise ValueError("the stage learns nothing from a teacher")
        self.margin, self.temperature = config.margin, config.temperature
        self.contrastive, self.lessons = stage.contrastive, stage.lessons

    def call(self, inputs: Sequence[Any]) -> Any:
        embeddings, ids, places, *views = inputs
        lessons = self.lessons
        if views:
            places = ops.stop_gradient(views[0]) * (THRESHOLD_PLACE / DLIB_THRESHOLD)
        labels = mixed_labels(soft_labels(places, THRESHOLD_PLACE, lessons.softness), ids, lessons.truth)
        loss = ops.zeros((ops.shape(embeddings)[0],), "float32")
        if self.contrastive:
            loss = loss + self.contrastive * soft_contrastive_loss(embeddings, labels, self.margin)
        if lessons.regression:
            loss = loss + lessons.regression * regression_loss(embeddings, places, lessons.length)
        if lessons.neighbours:
            loss = loss + lessons.neighbours * neighbour_loss(embeddings, places, self.temperature, lessons.width)
        if lessons.relations:
            loss = loss + lessons.relations * relational_loss(embeddings, places, lessons.near_weight)
        genuine, impostor = batch_distances(embeddings, ids)
        ones = ops.ones_like(loss)
        return ops.stack([loss, genuine * ones, impostor * ones], axis=1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        return (input_shape[0][0], 3)
