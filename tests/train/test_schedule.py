"""Rate and beta1 cycle against each other, and a compiled training step sees both."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from facesearch_train.schedule import CyclicalAdam, CyclicalSchedule, plot_schedule

PUBLISHED = CyclicalSchedule(max_rate=3e-4)


@pytest.mark.parametrize(
    ("epoch", "rate", "beta1"),
    [
        (0.0, 1e-4, 0.95),
        (1.0, 2e-4, 0.90),
        (2.0, 3e-4, 0.85),
        (3.0, 2e-4, 0.90),
        (4.0, 0.85e-4, 0.95),
        (6.0, 2.55e-4, 0.85),
        (8.0, 0.7225e-4, 0.95),
    ],
)
def test_published_values(epoch: float, rate: float, beta1: float) -> None:
    assert PUBLISHED.rate(epoch) == pytest.approx(rate)
    assert PUBLISHED.beta1(epoch) == pytest.approx(beta1)


def test_falling_may_take_longer_than_rising() -> None:
    schedule = CyclicalSchedule(max_rate=1.0, base_share=0.1, rise_epochs=1.0, fall_epochs=3.0, decay=0.5)
    assert [schedule.rate(epoch) for epoch in (0, 0.5, 1, 2, 2.5, 4)] == pytest.approx([0.1, 0.55, 1, 0.7, 0.55, 0.05])
    assert [schedule.beta1(epoch) for epoch in (0, 1, 2.5, 4)] == pytest.approx([0.95, 0.85, 0.9, 0.95])


def one_weight(optimizer: CyclicalAdam) -> keras.Model:
    """w·x with w = 1, whose loss is itself: the gradient is x."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    model.compile(optimizer, loss=lambda _, y: y)
    return model


def test_a_compiled_step_uses_the_rate_and_beta1_of_the_schedule() -> None:
    """Two epochs of two Adam steps against Adam written out."""
    schedule = CyclicalSchedule(max_rate=0.3, rise_epochs=1.0)
    optimizer = CyclicalAdam(epsilon=1e-7)
    optimizer.follow(schedule, steps_per_epoch=2, epochs=2)
    model = one_weight(optimizer)
    gradients = np.array([1.0, 3.0, 2.0, 5.0], "float32")
    for inputs in np.split(gradients[:, None], 2):
        model.fit(inputs, np.zeros((2, 1)), batch_size=1, shuffle=False, verbose=0)
    weight, m, v = 1.0, 0.0, 0.0
    for step, gradient in enumerate(gradients):
        rate, beta1 = schedule.rate(step / 2), schedule.beta1(step / 2)
        m, v = beta1 * m + (1 - beta1) * gradient, 0.99 * v + 0.01 * gradient**2
        weight -= rate * (m / (1 - beta1 ** (step + 1))) / (np.sqrt(v / (1 - 0.99 ** (step + 1))) + 1e-7)
    assert float(model.get_weights()[0][0, 0]) == pytest.approx(weight, rel=1e-4)


def test_the_optimizer_says_the_last_steps_rate_and_stays_at_the_schedules_end() -> None:
    optimizer = CyclicalAdam()
    optimizer.follow(PUBLISHED, steps_per_epoch=2, epochs=1.5)
    model = one_weight(optimizer)
    for steps, time in ((2, 0.5), (1, 1.0), (3, 1.0)):
        model.fit(np.ones((steps, 1)), np.zeros((steps, 1)), batch_size=1, verbose=0)
        assert float(optimizer.learning_rate) == pytest.approx(PUBLISHED.rate(time))
        assert float(optimizer.beta_1) == pytest.approx(PUBLISHED.beta1(time))


def test_plot_is_a_picture(tmp_path: Path) -> None:
    plot_schedule(PUBLISHED, 8, tmp_path / "schedule.png")
    from PIL import Image

    with Image.open(tmp_path / "schedule.png") as picture:
        assert picture.size == (800, 400)
