"""Embeddings with people in them, a centre for each and its faces around it, and embeddings without any."""

from __future__ import annotations

import numpy as np

from facesearch.records import Floats


def people(faces: int, seed: int = 0, faces_each: int = 20) -> Floats:
    """float32 (faces, 32): as many people as it takes, their faces in random order."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(-(-faces // faces_each), 32))
    near = centres[rng.integers(0, len(centres), faces)] + 0.35 * rng.normal(size=(faces, 32))
    return near.astype(np.float32)


def scattered(count: int, seed: int = 0) -> Floats:
    """float32 (count, 32): every face of another person."""
    return np.random.default_rng(seed).normal(size=(count, 32)).astype(np.float32)


def nearest(embeddings: Floats, probe: Floats, k: int) -> list[int]:
    """Rows of the k embeddings nearest to a probe, by a naive search."""
    squared = ((embeddings.astype(np.float64) - probe) ** 2).sum(axis=1)
    return np.argsort(squared, kind="stable")[:k].tolist()
