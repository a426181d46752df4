"""The losses against values worked out by hand, against naive loops, and at the points where gradients break."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from facesearch_train.model.losses import (
    EPSILON,
    ContrastiveLoss,
    all_pairs_contrastive_loss,
    all_pairs_softmax_loss,
    batch_distances,
    contrastive_loss,
    identity_loss,
    squared_distances,
)


def gradient(first: np.ndarray, second: np.ndarray, label: np.ndarray, epsilon: float) -> np.ndarray:
    """The gradient of the summed loss by the first side, under whichever backend is set."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        variable = tf.Variable(first)
        with tf.GradientTape() as tape:
            loss = ops.sum(contrastive_loss(variable, second, label, epsilon=epsilon))
        return np.asarray(tape.gradient(loss, variable))
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(lambda x: ops.sum(contrastive_loss(x, second, label, epsilon=epsilon)))(first))
    import torch

    tensor = torch.tensor(first, requires_grad=True)
    ops.sum(contrastive_loss(tensor, torch.tensor(second), torch.tensor(label), epsilon=epsilon)).backward()
    return tensor.grad.numpy()


def test_values_worked_out_by_hand() -> None:
    first = np.array([[0, 0], [0, 0], [0, 0], [1, 1]], "float32")
    second = np.array([[3, 4], [0, 1], [3, 4], [1, 1]], "float32")
    label = np.array([0, 1, 1, 1], "float32")
    loss = np.asarray(contrastive_loss(first, second, label, margin=2.0))
    # One person 5 apart costs 25; two people 1 apart lack 1 of the margin; 5 apart nothing; at one place all of it.
    np.testing.assert_allclose(loss, [25.0, 1.0, 0.0, (2 - math.sqrt(EPSILON)) ** 2], rtol=1e-5)


def test_the_mean_over_the_batch_is_taken() -> None:
    pairs = np.array([[[0, 0], [3, 4]], [[0, 0], [0, 1]]], "float32")
    assert float(ContrastiveLoss(2.0)(np.array([0.0, 1.0]), pairs)) == pytest.approx(13.0, rel=1e-5)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_gradients_of_identical_inputs_are_finite_only_with_epsilon_in_the_root(label: float) -> None:
    same = np.ones((2, 4), "float32")
    labels = np.full(2, label, "float32")
    assert np.isfinite(gradient(same, same, labels, EPSILON)).all()
    if label:
        assert not np.isfinite(gradient(same, same, labels, 0.0)).all()


def test_gradient_pulls_one_person_together_and_pushes_two_apart() -> None:
    first, second = np.array([[1.0, 0.0]], "float32"), np.array([[0.0, 0.0]], "float32")
    np.testing.assert_allclose(gradient(first, second, np.array([0], "float32"), EPSILON), [[2, 0]], rtol=1e-4)
    np.testing.assert_allclose(gradient(first, second, np.array([1], "float32"), EPSILON), [[-2, 0]], rtol=1e-4)


def batch(seed: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    gallery = rng.normal(0, 0.8, (11, 3)).astype("float32")
    ids = np.array([0, 0, 1, 2, 1, 0, 3, 1, 2, -1, -1], "float32")
    return gallery[:6], ids[:6], gallery, ids


def test_squared_distances_equal_a_loop() -> None:
    anchors, _, gallery, _ = batch(1)
    expected = [[float(((a - g) ** 2).sum()) for g in gallery] for a in anchors]
    np.testing.assert_allclose(np.asarray(squared_distances(anchors, gallery)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("hardness", [0.0, 2.0])
@pytest.mark.parametrize("seed", range(4))
def test_all_pairs_contrastive_equals_a_loop(seed: int, hardness: float) -> None:
    anchors, ids, gallery, gallery_ids = batch(seed)
    expected = []
    for i, anchor in enumerate(anchors):
        genuine, impostor, weight = [], [], []
        for j, other in enumerate(gallery):
            distance = math.sqrt(float(((anchor - other) ** 2).sum()))
            if gallery_ids[j] < 0 or i == j:
                continue
            if ids[i] == gallery_ids[j]:
                genuine.append(distance**2)
            elif distance < 2.0:
                weight.append(math.exp(hardness * (2.0 - distance)))
                impostor.append(weight[-1] * (2.0 - distance) ** 2)
        expected.append(0.5 * (sum(genuine) / max(len(genuine), 1) + sum(impostor) / max(sum(weight), 1)))
    loss = np.asarray(all_pairs_contrastive_loss(anchors, ids, gallery, gallery_ids, margin=2.0, hardness=hardness))
    np.testing.assert_allclose(loss, expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("seed", range(4))
def test_all_pairs_softmax_equals_a_loop(seed: int) -> None:
    anchors, ids, gallery, gallery_ids = batch(seed)
    unit = gallery / np.linalg.norm(gallery, axis=1, keepdims=True)
    expected = []
    for i in range(len(anchors)):
        others = [j for j in range(len(gallery)) if j != i and gallery_ids[j] >= 0]
        total = sum(math.exp(float(unit[i] @ unit[j]) / 0.1) for j in others)
        genuine = [j for j in others if gallery_ids[j] == ids[i]]
        costs = [-math.log(math.exp(float(unit[i] @ unit[j]) / 0.1) / total) for j in genuine]
        expected.append(sum(costs) / max(len(costs), 1))
    loss = np.asarray(all_pairs_softmax_loss(anchors, ids, gallery, gallery_ids, 0.1))
    np.testing.assert_allclose(loss, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("loss", [all_pairs_contrastive_loss, all_pairs_softmax_loss])
def test_another_view_of_a_photo_is_a_pair_only_for_someone_who_has_no_other(loss: Any) -> None:
    """Anchors of people 0, 0 and 1, once more as a second view: the same as a gallery that never held own views."""
    rng = np.random.default_rng(5)
    first, second = rng.normal(0, 0.8, (2, 3, 4)).astype("float32")
    ids = np.array([0, 0, 1], "float32")
    gallery, gallery_ids = np.concatenate([first, second]), np.concatenate([ids, ids])
    together = np.asarray(loss(first, ids, gallery, gallery_ids, views=2))
    for anchor, left_out in ((0, 3), (1, 4), (2, None)):
        kept = [anchor, *(row for row in range(6) if row not in (anchor, left_out))]
        alone = loss(first[anchor : anchor + 1], ids[anchor : anchor + 1], gallery[kept], gallery_ids[kept])
        assert together[anchor] == pytest.approx(float(np.asarray(alone)[0]), rel=1e-4)


def test_of_two_impostors_the_nearer_one_counts_more_the_harder_the_loss() -> None:
    """Shortfalls of 1.5 and 0.5 cost 2.25 and 0.25: 1.25 on average, and the nearer one's alone in the end."""
    points, ids = np.array([[0, 0], [0.5, 0], [0, 1.5]], "float32"), np.array([0, 1, 2], "float32")
    costs = [
        2 * float(np.asarray(all_pairs_contrastive_loss(points[:1], ids[:1], points, ids, hardness=hardness))[0])
        for hardness in (0.0, 1.0, 20.0)
    ]
    assert costs[0] == pytest.approx(1.25, rel=1e-4)
    assert costs[1] == pytest.approx((math.e * 2.25 + 0.25) / (math.e + 1), rel=1e-4)
    assert costs[2] == pytest.approx(2.25, rel=1e-4)


def test_the_identity_loss_is_the_negative_log_probability_of_the_right_person() -> None:
    """Embedding along the first axis; people along it, against it and across: cosines 1, -1 and 0."""
    embeddings = np.array([[3.0, 0.0]], "float32")
    prototypes = np.array([[0.5, 0.0], [-2.0, 0.0], [0.0, 1.0]], "float32")
    for person, cosine in enumerate((1.0, -1.0, 0.0)):
        cosines = [1.0, -1.0, 0.0]
        cosines[person] -= 0.2
        total = sum(math.exp(4.0 * other) for other in cosines)
        expected = -math.log(math.exp(4.0 * (cosine - 0.2)) / total)
        loss = np.asarray(identity_loss(embeddings, np.array([person]), prototypes, scale=4.0, margin=0.2))
        np.testing.assert_allclose(loss, [expected], rtol=1e-4)


def test_an_anchor_alone_costs_nothing_in_the_softmax() -> None:
    ids = np.array([0.0, 1.0], "float32")
    points = np.eye(2, dtype="float32")
    np.testing.assert_array_equal(np.asarray(all_pairs_softmax_loss(points, ids, points, ids)), [0, 0])


def test_batch_distances_are_means_over_both_kinds_of_pairs() -> None:
    points = np.array([[0, 0], [3, 4], [0, 1]], "float32")
    genuine, impostor = batch_distances(points, np.array([0, 0, 1], "float32"))
    assert float(genuine) == pytest.approx(5.0, rel=1e-4)
    assert float(impostor) == pytest.approx((1 + math.sqrt(18)) / 2, rel=1e-3)
