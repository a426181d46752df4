"""The distance space: what a head makes of embeddings, held against a product of matrices."""

from __future__ import annotations

import numpy as np
import pytest

from facesearch.evaluation.distance import pair_distances
from facesearch.library.space import Space, head_bytes, head_from_bytes
from facesearch.records import Floats


@pytest.fixture
def embeddings() -> Floats:
    return np.random.default_rng(3).normal(size=(5000, 32)).astype(np.float32)


@pytest.fixture
def head() -> Floats:
    return np.random.default_rng(4).normal(size=(32, 32)).astype(np.float32)


def test_the_towers_own_space_changes_nothing(embeddings: Floats) -> None:
    space = Space()
    assert not space.is_taught
    assert space.digest == ""
    assert space.map(embeddings) is embeddings


def test_a_head_is_a_linear_map(embeddings: Floats, head: Floats) -> None:
    mapped = Space(head).map(embeddings)
    assert mapped.dtype == np.float32
    np.testing.assert_allclose(mapped, embeddings.astype(np.float64) @ head.astype(np.float64).T, rtol=2e-6, atol=1e-6)
    assert Space(head).map(embeddings[0]).shape == (32,)
    assert Space(head).map(embeddings[:0]).shape == (0, 32)


def test_a_row_is_mapped_to_the_same_bits_in_any_company(embeddings: Floats, head: Floats) -> None:
    space = Space(head)
    together = space.map(embeddings)
    for count in (1, 2, 7, 33, 2047, 2049):
        np.testing.assert_array_equal(space.map(embeddings[:count]), together[:count])
    np.testing.assert_array_equal(space.map(np.asfortranarray(embeddings)), together)
    np.testing.assert_array_equal(space.map(embeddings[4321]), together[4321])


def test_a_rotation_leaves_all_distances(embeddings: Floats, head: Floats) -> None:
    rotation = np.linalg.qr(head)[0]
    few = embeddings[:50]
    np.testing.assert_allclose(
        pair_distances(Space(rotation).map(few), Space(rotation).map(few)).max(),
        pair_distances(few, few).max(),
        rtol=1e-5,
    )


def test_heads_are_told_apart_by_their_digest(head: Floats) -> None:
    other = head.copy()
    other[3, 4] = np.nextafter(other[3, 4], np.float32(9))
    assert len({Space().digest, Space(head).digest, Space(other).digest}) == 3
    assert Space(head_from_bytes(head_bytes(head))).digest == Space(head).digest


@pytest.mark.parametrize("spoiled", [np.zeros((31, 32), np.float32), np.full((32, 32), np.nan, np.float32)])
def test_a_head_that_cannot_be_used_is_refused(spoiled: Floats) -> None:
    with pytest.raises(ValueError, match="32 x 32 finite numbers"):
        Space(spoiled)


def test_bytes_that_are_no_head_are_refused(head: Floats) -> None:
    with pytest.raises(ValueError, match="32 x 32 finite numbers"):
        head_from_bytes(head_bytes(head)[:-4])
