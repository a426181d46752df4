"""The cyclical schedule: learning rate and Adam's beta1 move against each other. Source: Smith, "A disciplined approach
to neural network hyper-parameters", 2018."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras


@dataclass(frozen=True)
class CyclicalSchedule:
    """Rate and beta1 as functions of the time in epochs.

    max_rate: the highest learning rate of the first cycle. base_share: the base rate as a share of it. rise_epochs:
    from the base up to the maximum. fall_epochs: back to the base, by default as long. decay: what the base (and with
    it the maximum) keeps of itself each cycle. beta1 falls from `beta1_high` to `beta1_low` while the rate rises.
    """

    max_rate: float = 3e-4
    base_share: float = 1 / 3
    rise_epochs: float = 2.0
    fall_epochs: float | None = None
    decay: float = 0.85
    beta1_low: float = 0.85
    beta1_high: float = 0.95

    @property
    def cycle_epochs(self) -> float:
        """From one start at the base to the next."""
        return self.rise_epochs + (self.rise_epochs if self.fall_epochs is None else self.fall_epochs)

    def height(self, epoch: float) -> float:
        """Where in its cycle a time lies: 0 at the base, 1 at the maximum."""
        time = epoch % self.cycle_epochs
        if time <= self.rise_epochs:
            return time / self.rise_epochs
        return (self.cycle_epochs - time) / (self.cycle_epochs - self.rise_epochs)

    def rate(self, epoch: float) -> float:
        """The learning rate at a time, in epochs from the start."""
        cycle = int(epoch / self.cycle_epochs)
        share = self.base_share + (1.0 - self.base_share) * self.height(epoch)
        return self.max_rate * share * self.decay**cycle

    def beta1(self, epoch: float) -> float:
        """Adam's beta1 at a time, in epochs from the start."""
        return self.beta1_high - (self.beta1_high - self.beta1_low) * self.height(epoch)


@keras.saving.register_keras_serializable("facesearch")
class CyclicalAdam(keras.optimizers.Adam):
    """Adam whose beta1 is a variable, so that a compiled step sees it change (beta2 0.99, as published)."""

    def __init__(self, learning_rate: float = 1e-4, beta_1: float = 0.95, beta_2: float = 0.99, **options: Any) -> None:
        super().__init__(learning_rate=learning_rate, beta_1=beta_1, beta_2=beta_2, **options)
        self._initial_beta_1 = beta_1

    def build(self, variables: Sequence[Any]) -> None:
        if self.built:
            return
        initial = keras.initializers.Constant(self._initial_beta_1)
        self.beta_1 = self.add_variable((), initial, "float32", name="beta_1")
        super().build(variables)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "beta_1": self._initial_beta_1}


class ScheduleCallback(keras.callbacks.Callback):
    """Sets the rate and beta1 before every step, and writes what the last step had into the epoch's logs.

    first_epoch: the epoch of the run in which the schedule begins.
    """

    def __init__(self, schedule: CyclicalSchedule, steps_per_epoch: int, first_epoch: int = 0) -> None:
        super().__init__()
        self.schedule = schedule
        self.steps_per_epoch = steps_per_epoch
        self.first_epoch = first_epoch
        self._epoch = 0
        self._now = (0.0, 0.0)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.model.optimizer.build(self.model.trainable_variables)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch - self.first_epoch

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        time = self._epoch + batch / self.steps_per_epoch
        self._now = (self.schedule.rate(time), self.schedule.beta1(time))
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        self.model.optimizer.learning_rate.assign(self._now[0])
        self.model.optimizer.beta_1.assign(self._now[1])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs["rate"], logs["beta1"] = self._now


def plot_schedule(schedule: CyclicalSchedule, epochs: float, path: Path) -> None:
    """Draw rate and beta1 over a run's epochs into a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    times = [epochs * step / 500 for step in range(501)]
    figure = Figure(figsize=(8, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left = figure.subplots()
    left.plot(times, [schedule.rate(time) for time in times], color="tab:blue")
    left.set(xlabel="epoch", ylabel="learning rate", title="Cyclical learning rate and beta1")
    right = left.twinx()
    right.plot(times, [schedule.beta1(time) for time in times], color="tab:orange")
    right.set_ylabel("beta1")
    figure.savefig(path, dpi=100)
