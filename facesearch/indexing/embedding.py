"""Crops through the tower, checked: nothing but finite numbers enters a library."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facesearch.errors import TowerError
from facesearch.records import EMBEDDING_SIZE, Embedder, Floats, Pixels


def embedded(tower: Embedder, crops: Sequence[Pixels]) -> Floats:
    """Embeddings of crops, float32 (N, 32). Raises TowerError where the tower gives anything else."""
    if not crops:
        return np.empty((0, EMBEDDING_SIZE), np.float32)
    embeddings = tower.embed(np.stack(crops))
    if embeddings.shape != (len(crops), EMBEDDING_SIZE) or not np.isfinite(embeddings).all():
        raise TowerError(f"the tower {tower.card.name} gave no {EMBEDDING_SIZE} finite numbers a face; install it anew")
    return embeddings
