"""The cyclical schedule: learning rate and Adam's beta1 move against each other. Source: Smith, "A disciplined approach
to neural network hyper-parameters", 2018."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray


@dataclass(frozen=True)
class CyclicalSchedule:
    """Rate and beta1 as functions of the time in epochs."""

    max_rate: float = 3e-4  # the highest learning rate of the first cycle
    base_share: float = 1 / 3  # the base rate as a share of it
    rise_epochs: float = 2.0  # from the base up to the maximum
    fall_epochs: float | None = None  # back to the base, by default as long
    decay: float = 0.85  # the factor of the base rate (and so of the maximum) from one cycle to the next
    beta1_low: float = 0.85  # while the rate rises, beta1 falls to this
    beta1_high: float = 0.95  # from this

    @property
    def cycle_epochs(self) -> float:
        """The length of a cycle."""
        return self.rise_epochs + (self.rise_epochs if self.fall_epochs is None else self.fall_epochs)

    def height(self, epoch: float) -> float:
        """The position of a time in its cycle: 0 at the base, 1 at the maximum."""
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
    """Adam whose beta1 is a variable, like its rate (beta2 0.99, as published); both may follow a schedule.

    They follow it within the compiled step, so that no step has to wait for Python to set them.
    """

    def __init__(self, learning_rate: float = 1e-4, beta_1: float = 0.95, beta_2: float = 0.99, **options: Any) -> None:
        super().__init__(learning_rate=learning_rate, beta_1=beta_1, beta_2=beta_2, **options)
        self._initial_beta_1 = beta_1
        self._by_step: NDArray[np.float32] | None = None

    def follow(self, schedule: CyclicalSchedule, steps_per_epoch: int, epochs: float) -> None:
        """Take each step's rate and beta1 from a schedule, from the optimizer's own first step on.

        Call it before the first step is compiled. Steps beyond the last epoch keep the last values.
        """
        times = np.arange(max(1, round(steps_per_epoch * epochs))) / steps_per_epoch
        self._by_step = np.array([(schedule.rate(time), schedule.beta1(time)) for time in times], "float32")

    def build(self, variables: Sequence[Any]) -> None:
        if self.built:
            return
        initial = keras.initializers.Constant(self._initial_beta_1)
        self.beta_1 = self.add_variable((), initial, "float32", name="beta_1")
        super().build(variables)

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> Any:
        if trainable_variables is not None:
            self.build(trainable_variables)
        if self._by_step is not None:
            last = len(self._by_step) - 1
            step = ops.minimum(ops.cast(self._iterations, "int32"), last)
            rate, beta1 = ops.unstack(ops.take(ops.convert_to_tensor(self._by_step), step, axis=0))
            self._learning_rate.assign(rate)
            self.beta_1.assign(beta1)
        return super().apply(grads, trainable_variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One variable's step; under Torch in place, where Keras' own makes a dozen new arrays for each variable."""
        if keras.backend.backend() != "torch" or self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        mean, square = self._momentums[index].value, self._velocities[index].value
        step = ops.cast(self.iterations + 1, "float32")
        beta1, beta2 = ops.cast(self.beta_1, "float32"), self.beta_2
        rate = ops.cast(learning_rate, "float32") * ops.sqrt(1 - beta2**step) / (1 - beta1**step)
        mean.lerp_(gradient, 1 - beta1)
        square.lerp_(gradient.square(), 1 - beta2)
        variable.value.sub_(mean.mul(rate).div_(square.sqrt().add_(self.epsilon)))

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        """Do nothing: `fit` ends after each epoch, and training goes on from the weights, not from their means."""

    @property
    def averages(self) -> list[tuple[Any, Any]]:
        """Each trained variable with the running mean of its values; none unless `use_ema` was asked for."""
        if not self.use_ema:
            return []
        return list(zip(self._trainable_variables, self._model_variables_moving_average, strict=True))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "beta_1": self._initial_beta_1}


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
