"""Distances against values by hand and a naive loop."""

from __future__ import annotations

import math

import numpy as np

from facesearch.evaluation.distance import from_squared, pair_distances, row_distances


def test_rows_by_hand() -> None:
    first = np.array([[0, 0], [1, 1]], dtype=np.float32)
    second = np.array([[3, 4], [1, 1]], dtype=np.float32)
    distances = row_distances(first, second)
    assert distances.dtype == np.float32
    assert distances.tolist() == [5, 0]
    assert row_distances(first[0], second).tolist() == [5, np.float32(math.sqrt(2))]


def test_pairs_equal_a_naive_loop() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(5, 1, (7, 32)).astype(np.float32), rng.normal(5, 1, (4, 32)).astype(np.float32)
    expected = [[math.dist(a, b) for b in second.tolist()] for a in first.tolist()]
    np.testing.assert_allclose(pair_distances(first, second), expected, rtol=1e-6)


def test_a_pair_of_equal_embeddings_is_at_distance_zero() -> None:
    embeddings = np.random.default_rng(1).normal(0, 3, (5, 32)).astype(np.float32)
    assert np.diag(pair_distances(embeddings, embeddings)).max() < 1e-6


def test_squares_as_faiss_gives_them() -> None:
    assert from_squared(np.array([[4, 0, -1e-7]], dtype=np.float32)).tolist() == [[2, 0, 0]]
