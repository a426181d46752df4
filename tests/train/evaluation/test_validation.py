"""Validation figures against a naive loop; people whole, pairs fixed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from facesearch.errors import TrainingDataError
from facesearch_train.evaluation import validation
from facesearch_train.evaluation.validation import ValidationSet

IDENTITIES = np.repeat(np.arange(6), [4, 3, 1, 5, 2, 1]).astype(np.int32)


def coded(identities: np.ndarray) -> np.ndarray:
    """Crops of one pixel that carry the person's number and the photo's."""
    crops = np.zeros((len(identities), 1, 1, 3), np.uint8)
    crops[:, 0, 0, 0], crops[:, 0, 0, 1] = identities, np.arange(len(identities))
    return crops


def scattered(crops: np.ndarray) -> np.ndarray:
    """Embeddings around a place of each person's own, known from the crop alone."""
    person, photo = crops[:, 0, 0, 0].astype(float), crops[:, 0, 0, 1].astype(float)
    return np.stack([np.sin(person) + 0.3 * np.sin(7 * photo), np.cos(person) + 0.3 * np.cos(5 * photo)], axis=1)


def test_figures_equal_a_loop() -> None:
    fixed = ValidationSet(coded(IDENTITIES), IDENTITIES, seed=1, margin=2.0)
    figures = fixed.measure(scattered)
    embeddings = scattered(fixed.crops)
    people = fixed.crops[:, 0, 0, 0]
    genuine, impostor, losses = [], [], []
    for a, b in zip(fixed.first, fixed.second, strict=True):
        distance = math.dist(embeddings[a], embeddings[b])
        same = people[a] == people[b]
        (genuine if same else impostor).append(distance)
        losses.append(distance**2 if same else max(2.0 - distance, 0.0) ** 2)
    assert figures.loss == pytest.approx(np.mean(losses))
    assert figures.genuine_distance == pytest.approx(np.mean(genuine))
    assert figures.impostor_distance == pytest.approx(np.mean(impostor))
    assert figures.gap == pytest.approx(np.mean(impostor) - np.mean(genuine))
    shares = [
        (sum(d <= t for d in genuine) + sum(d > t for d in impostor)) / len(losses) for t in [-1.0, *genuine, *impostor]
    ]
    assert figures.accuracy == pytest.approx(max(shares))
    at_threshold = sum(d <= figures.threshold for d in genuine) + sum(d > figures.threshold for d in impostor)
    assert at_threshold / len(losses) == pytest.approx(max(shares))
    assert figures.spread == pytest.approx(np.mean([np.std(embeddings[:, axis]) for axis in range(2)]))


def test_pairs_are_half_and_half_and_of_people_with_two_photos() -> None:
    fixed = ValidationSet(coded(IDENTITIES), IDENTITIES, seed=1, margin=2.0)
    assert set(fixed.crops[:, 0, 0, 0]) == {0, 1, 3, 4}
    assert (fixed.label == 0).sum() == (fixed.label == 1).sum() == validation.PAIR_DRAWS * len(fixed.crops)


def test_pairs_are_the_same_for_the_same_seed() -> None:
    one, same, other = (ValidationSet(coded(IDENTITIES), IDENTITIES, seed, 2.0) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.first, same.first)
    np.testing.assert_array_equal(one.second, same.second)
    assert not np.array_equal(one.second, other.second)


def test_many_people_are_thinned_to_whole_ones() -> None:
    identities = np.repeat(np.arange(400), 12).astype(np.int32)
    fixed = ValidationSet(np.zeros((len(identities), 1, 1, 3), np.uint8), identities, seed=1, margin=2.0)
    assert len(fixed.crops) == validation.MOST_PHOTOS


def test_embeddings_that_are_no_numbers_give_no_figures() -> None:
    fixed = ValidationSet(coded(IDENTITIES), IDENTITIES, seed=1, margin=2.0)
    figures = fixed.measure(lambda crops: np.full((len(crops), 2), np.inf))
    assert math.isnan(figures.loss)
    assert math.isnan(figures.spread)


@pytest.mark.parametrize("identities", [[0, 0, 0], [0, 1, 2, 3], [0, 0, 1]])
def test_two_people_with_two_photos_are_needed(identities: list[int]) -> None:
    with pytest.raises(TrainingDataError, match="two people with two photos"):
        ValidationSet(np.zeros((4, 1, 1, 3), np.uint8), np.array(identities, np.int32), 1, 2.0)
