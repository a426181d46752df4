"""The momentum tower: a copy of the tower that follows it slowly, and fills the memory of earlier batches.

Embeddings that a tower gave some steps ago lie elsewhere than those that it gives now, so that a fast tower learns to
tell old embeddings from new ones instead of person from person. A copy whose weights are a running mean of the tower's
moves so little that its embeddings can be kept for many batches. Source: He et al., "Momentum Contrast for Unsupervised
Visual Representation Learning", CVPR 2020; for few photos of each person Du et al., "Semi-Siamese Training for Shallow
Face Learning", ECCV 2020.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops


def remember(memory: Any, batch: Any) -> None:
    """Put a batch, without its gradients, in front of a memory of earlier ones: variable (M, ...) and (B, ...).

    The oldest rows go.
    """
    memory.assign(ops.concatenate([ops.stop_gradient(batch), memory.value], axis=0)[: memory.shape[0]])


class MomentumTower(keras.layers.Layer):
    """Embeds as a slow copy of a tower: (B, S, S, 3) -> (B, D), without gradients.

    In training its weights first become momentum * themselves + (1 - momentum) * the tower's. That is part of the
    compiled step, so that no weight has to leave the accelerator.
    """

    def __init__(self, tower: keras.Model, momentum: float) -> None:
        super().__init__(dtype="float32", name="momentum_tower")  # a running mean in bfloat16 would stand still
        self.copy = keras.models.clone_model(tower)
        self.copy.trainable = False
        self.momentum = momentum
        self._leader: Callable[[], Any] = lambda: tower  # no layer of this one: its weights are not saved twice
        self.catch_up()

    def catch_up(self) -> None:
        """Take over the tower's current weights."""
        self.copy.set_weights(self._leader().get_weights())

    def follow(self) -> None:
        """Move towards the tower's current weights, by 1 - momentum of the way."""
        pairs = zip(self.copy.variables, self._leader().variables, strict=True)
        moved = [pair for pair in pairs if "float" in keras.backend.standardize_dtype(pair[0].dtype)]
        if keras.backend.backend() == "torch":  # all in one call, instead of several for each of hundreds of weights
            import torch

            mine, its = ([variable.value.detach() for variable in side] for side in zip(*moved, strict=True))
            torch._foreach_lerp_(mine, its, 1.0 - self.momentum)
        else:
            for mine, its in moved:
                way = ops.subtract(ops.stop_gradient(ops.convert_to_tensor(its)), mine)
                mine.assign(mine + (1.0 - self.momentum) * way)

    def call(self, crops: Any, training: bool = False) -> Any:
        if training:
            self.follow()
        return ops.stop_gradient(self.copy(crops, training=False))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return tuple(self.copy.compute_output_shape(input_shape))


def momentum_tower(model: keras.Model) -> MomentumTower | None:
    """The copy that a training model holds; None in a stage without one."""
    return next((layer for layer in model.layers if isinstance(layer, MomentumTower)), None)
