"""The losses that a teacher's places give, against values worked out by hand, and where gradients break."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from facesearch_train.config import Stage
from facesearch_train.data.taught import THRESHOLD_PLACE
from facesearch_train.data.teacher import DLIB_THRESHOLD
from facesearch_train.model import training_heads
from facesearch_train.model.augment import Augmentation
from facesearch_train.model.taught_head import TaughtHead
from facesearch_train.model.teaching import (
    FARTHEST,
    NEAR,
    NEAR_SOFTNESS,
    mixed_labels,
    neighbour_loss,
    regression_loss,
    relational_loss,
    soft_contrastive_loss,
    soft_labels,
)
from facesearch_train.presets import TEACH, with_teacher

LINE = np.array([[0, 0], [1, 0], [3, 0]], "float32")  # distances 1, 3 and 2


def gradient(loss: Callable[[Any], Any], embeddings: np.ndarray) -> np.ndarray:
    """The gradient of a summed loss by the embeddings, under whichever backend is set."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        variable = tf.Variable(embeddings)
        with tf.GradientTape() as tape:
            total = ops.sum(loss(variable))
        return np.asarray(tape.gradient(total, variable))
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(lambda rows: ops.sum(loss(rows)))(embeddings))
    import torch

    tensor = torch.tensor(embeddings, requires_grad=True)
    ops.sum(loss(tensor)).backward()
    return tensor.grad.numpy()


def numbers(value: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(value))


def test_a_soft_label_is_one_half_at_the_threshold_and_nears_0_and_1() -> None:
    places = np.array([[0.0], [THRESHOLD_PLACE], [2 * THRESHOLD_PLACE]], "float32")
    labels = numbers(soft_labels(places, THRESHOLD_PLACE, 0.5))
    assert labels[0, 1] == pytest.approx(0.5, abs=1e-5)
    assert labels[0, 2] == pytest.approx(1 / (1 + math.exp(-THRESHOLD_PLACE / 0.5)), rel=1e-4)
    assert labels[0, 0] == pytest.approx(1 / (1 + math.exp(THRESHOLD_PLACE / 0.5)), rel=1e-2)


def test_labels_are_mixed_with_the_truth_where_it_is_known() -> None:
    taught = np.full((3, 3), 0.4, "float32")
    mixed = numbers(mixed_labels(taught, np.array([5, 5, -1], "float32"), 0.25))
    assert mixed[0, 1] == pytest.approx(0.75 * 0.4)  # one person: the truth is 0
    assert mixed[0, 2] == pytest.approx(0.4)  # nobody knows
    other = numbers(mixed_labels(taught, np.array([5, 6, -1], "float32"), 0.25))
    assert other[0, 1] == pytest.approx(0.75 * 0.4 + 0.25)


def test_the_contrastive_loss_with_soft_labels_by_hand() -> None:
    labels = np.array([[0, 0.25, 1], [0.25, 0, 0.5], [1, 0.5, 0]], "float32")
    loss = numbers(soft_contrastive_loss(LINE, labels, margin=2.0))
    # The first: genuine (1 - 0.25) * 1² over max(0.75, 1); impostor 0.25 * (2 - 1)² over max(0.25, 1), 3 lies outside.
    assert loss[0] == pytest.approx(0.5 * (0.75 + 0.25), abs=1e-4)
    # The second: 0.75 * 1 + 0.5 * 4 over 1.25; inside the margin only the first: 0.25 (2 lies at it).
    assert loss[1] == pytest.approx(0.5 * (2.75 / 1.25 + 0.25), abs=1e-4)
    # The third: 0 * 9 + 0.5 * 4 over max(0.5, 1); nothing inside.
    assert loss[2] == pytest.approx(0.5 * 2.0, abs=1e-4)


def test_hard_labels_give_the_contrastive_loss_itself() -> None:
    pair = np.array([[0, 0], [0.5, 0]], "float32")
    same = numbers(soft_contrastive_loss(pair, np.zeros((2, 2), "float32")))
    different = numbers(soft_contrastive_loss(pair, np.ones((2, 2), "float32")))
    np.testing.assert_allclose(same, 0.5 * 0.25, atol=1e-4)
    np.testing.assert_allclose(different, 0.5 * 1.5**2, atol=1e-3)


def test_distances_are_matched_and_near_pairs_weigh_more() -> None:
    places = np.array([[0.0], [0.5], [4.0]], "float32")
    loss = numbers(relational_loss(LINE, places, near_weight=7.0))

    def weight(distance: float) -> float:
        return 1 + 6 / (1 + math.exp(-(NEAR - distance) / NEAR_SOFTNESS))

    # To the second 1 instead of 0.5; to the third 3, beyond FARTHEST as the teacher's 4 is: nothing to match.
    assert loss[0] == pytest.approx(weight(0.5) * 0.25 / (weight(0.5) + weight(4.0)), rel=1e-3)
    assert numbers(relational_loss(LINE, LINE[:, :1] * 1.0, 7.0)) == pytest.approx(np.zeros(3), abs=1e-6)
    near = numbers(relational_loss(np.array([[0.0], [1.0]], "float32"), places[1:], 1.0))
    np.testing.assert_allclose(near, (FARTHEST - 1.0) ** 2, rtol=1e-4)


def test_regression_counts_distance_and_length() -> None:
    embeddings, places = np.array([[3.0, 0.0]], "float32"), np.array([[0.0, 4.0, 9.0]], "float32")
    assert numbers(regression_loss(embeddings, places, 0.0)) == pytest.approx([25.0])
    assert numbers(regression_loss(embeddings, places, 2.0)) == pytest.approx([25.0 + 2.0], rel=1e-5)


def test_the_softmax_over_neighbours_by_hand() -> None:
    places = np.array([[0.0], [0.1], [0.2]], "float32")
    embeddings = np.array([[1, 0], [0, 1], [1, 0]], "float32")
    loss = numbers(neighbour_loss(embeddings, places, temperature=0.5, width=0.01))
    # From the first the teacher sees squared distances of 0.01 and 0.04: odds e^-1 to e^-4. The tower: cosines 0 and 1.
    wanted = np.exp([-1.0, -4.0]) / np.exp([-1.0, -4.0]).sum()
    logits = np.array([0.0, 2.0])
    assert loss[0] == pytest.approx(np.log(np.exp(logits).sum()) - wanted @ logits, rel=1e-4)


def test_the_softmax_over_neighbours_also_looks_at_what_is_remembered() -> None:
    places, embeddings = np.array([[0.0], [0.1]], "float32"), np.array([[1, 0], [0, 1]], "float32")
    remembered = np.array([[2, 0], [9, 9]], "float32"), np.array([[0.2], [0.0]], "float32"), np.array([0, 1], "float32")
    loss = numbers(neighbour_loss(embeddings, places, temperature=0.5, width=0.01, memory=remembered))
    # As above, with the third of them in the memory, beside a place where nothing is yet.
    wanted = np.exp([-1.0, -4.0]) / np.exp([-1.0, -4.0]).sum()
    logits = np.array([0.0, 2.0])
    assert loss[0] == pytest.approx(np.log(np.exp(logits).sum()) - wanted @ logits, rel=1e-4)
    nothing = (*remembered[:2], np.ones(2, "float32"))
    without = numbers(neighbour_loss(embeddings, places, temperature=0.5, width=0.01))
    assert numbers(neighbour_loss(embeddings, places, 0.5, 0.01, nothing)) == pytest.approx(without, abs=1e-5)


def test_a_taught_head_remembers_the_latest_photos() -> None:
    stage = replace(TEACH.stages[0], memory=3)
    config = replace(TEACH, stages=(stage,), batch_size=2, embedding_size=2)
    head = TaughtHead(config.of_stage(stage), stage, 4)
    batches = [
        (ops.full((2, 2), float(number)), ops.zeros(2, "int32"), ops.full((2, 4), 10.0 + number)) for number in (1, 2)
    ]
    head(list(batches[0]))
    assert numbers(head.empty).sum() == 3  # nothing is remembered where nothing is trained
    head(list(batches[0]), training=True)
    head(list(batches[1]), slow=ops.full((2, 2), 7.0), training=True)
    assert numbers(head.remembered).tolist() == [[7, 7], [7, 7], [1, 1]]
    assert numbers(head.remembered_places)[:, 0].tolist() == [12, 12, 11]
    assert numbers(head.empty).tolist() == [0, 0, 0]


LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "contrastive": lambda rows, places: soft_contrastive_loss(rows, soft_labels(places, THRESHOLD_PLACE, 0.1)),
    "relational": lambda rows, places: relational_loss(rows, places, 7.0),
    "regression": regression_loss,
    "neighbours": lambda rows, places: neighbour_loss(rows, places, 0.07, 0.111),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("row", [[0.0, 0.0], [1.0, 1.0]], ids=["at nothing", "at one place"])
def test_identical_embeddings_and_places_have_finite_gradients(name: str, row: list[float]) -> None:
    rows = np.array([row] * 4, "float32")
    for places in (rows.copy(), np.arange(8, dtype="float32").reshape(4, 2)):
        found = gradient(lambda variable, places=places: LOSSES[name](variable, places), rows)  # type: ignore[misc]
        assert np.isfinite(found).all()


@pytest.mark.parametrize("name", LOSSES)
def test_a_step_down_the_gradient_lowers_the_loss(name: str) -> None:
    rng = np.random.default_rng(0)
    rows, places = rng.normal(size=(6, 3)).astype("float32"), rng.normal(size=(6, 5)).astype("float32")
    found = gradient(lambda variable: LOSSES[name](variable, places), rows)
    before, after = (float(numbers(ops.sum(LOSSES[name](at, places)))) for at in (rows, rows - 1e-3 * found))
    assert np.abs(found).max() > 0
    assert after < before


def test_a_teacher_that_sees_the_same_views_teaches_by_what_it_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its distances come from the augmented crops, in its own scale, and not from the places of the file."""
    scaled = [keras.Input((28, 28, 3)), keras.layers.Rescaling(1 / 255)]
    pooled = keras.Sequential([*scaled, keras.layers.GlobalAveragePooling2D()])
    monkeypatch.setattr(training_heads, "_teacher", lambda stage, **_: pooled)
    stage = replace(same_view(TEACH.stages[0]), input_size_px=28, augmentation=Augmentation(flip=False))
    config = replace(TEACH, stages=(stage,), batch_size=6)
    tower = keras.Sequential([*scaled, keras.layers.AveragePooling2D(14), keras.layers.Flatten()])
    model = training_heads.build_training_model(tower, config, stage, seed=1, people=3, place_size=5)
    rng = np.random.default_rng(0)
    crops = np.broadcast_to(rng.integers(0, 256, (6, 1, 1, 3), dtype=np.uint8), (6, 112, 112, 3)).copy()
    ids = np.array([0, 0, 1, 1, 2, 2], np.int32)
    answers = [model.predict_on_batch([crops, ids, rng.normal(size=(6, 5)).astype("float32")]) for _ in range(2)]
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-5)  # whatever the file says
    sized = crops.reshape(6, 28, 4, 28, 4, 3).mean(axis=(2, 4), dtype=np.float32)
    places = sized.mean(axis=(1, 2)) / 255 * (THRESHOLD_PLACE / DLIB_THRESHOLD)
    expected = TaughtHead(config.of_stage(stage), stage, 3)([numbers(tower(sized)), ids, places])
    np.testing.assert_allclose(answers[0], numbers(expected), rtol=1e-3)
    with pytest.raises(ValueError, match="computed once"):
        training_heads.build_training_model(
            tower, config, replace(stage, views=1, frozen=1), seed=1, people=3, place_size=5
        )
    assert stage.lessons is not None
    with pytest.raises(ValueError, match="not places to take over"):
        replace(stage.lessons, regression=1.0)


def same_view(stage: Stage) -> Stage:
    config = with_teacher(replace(TEACH, stages=(stage,)), same_view=True)
    lessons = config.stages[0].lessons
    assert lessons is not None
    assert lessons.same_view
    return replace(config.stages[0], lessons=replace(lessons, hints=0.0), momentum=None, memory=0)
