"""The momentum tower: a copy of the tower that follows it slowly, and fills the memory of a batch of people.

Embeddings that a tower gave some steps ago lie elsewhere than those that it gives now, so that a fast tower learns to
tell old ones from new ones instead of people from people. A copy whose weights are a running mean of the tower's moves
so little that its embeddings can be kept for many batches. Source: He et al., "Momentum Contrast for Unsupervised
Visual Representation Learning", CVPR 2020; for few photos of each person Du et al., "Semi-Siamese Training for Shallow
Face Learning", ECCV 2020.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

_NAME = "momentum_tower"


def momentum_copy(tower: keras.Model) -> keras.Model:
    """A copy of a tower with its weights, which no gradient changes and which embeds as a tower in use does."""
    copy = keras.models.clone_model(tower)
    copy.name = _NAME
    copy.set_weights(tower.get_weights())
    copy.trainable = False
    return copy


def momentum_tower(model: keras.Model) -> keras.Model | None:
    """The copy that a training model holds; None in a stage without one."""
    return next((layer for layer in model.layers if layer.name == _NAME), None)


class FollowTower(keras.callbacks.Callback):
    """After every step the copy's weights become momentum * themselves + (1 - momentum) * the tower's."""

    def __init__(self, tower: keras.Model, copy: keras.Model, momentum: float) -> None:
        super().__init__()
        self.pairs = list(zip(copy.variables, tower.variables, strict=True))
        self.momentum = momentum

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        for mine, its in self.pairs:
            if "float" in keras.backend.standardize_dtype(mine.dtype):
                mine.assign(mine + (1.0 - self.momentum) * ops.subtract(its, mine))
