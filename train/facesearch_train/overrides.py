"""A preset with a few settings changed, as by `facesearch train --preset full --epochs 5`. Trains nothing."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from facesearch.errors import UsageError
from facesearch_train.config import Stage, TrainConfig


@dataclass(frozen=True)
class Overrides:
    """Settings that replace the preset's; None keeps the preset's."""

    # epochs, max_rate: of the last stage
    epochs: int | None = None
    max_rate: float | None = None
    batch_size: int | None = None  # pairs or photos, whichever the preset counts, in every stage
    seed: int | None = None
    stages: int | None = None  # only this many of the preset's last stages, for example to fine-tune a tower
    start_share: float | None = None  # from 0 to 1

    def applied_to(self, config: TrainConfig) -> TrainConfig:
        """The config with these settings. Raises UsageError for an impossible value."""
        for name, value in dataclasses.asdict(self).items():
            if value is not None and value <= 0 and name not in {"seed", "start_share"}:
                raise UsageError(f"{name} is {value}; give more than 0")
        changed = {"batch_size": self.batch_size, "seed": self.seed, "start_share": self.start_share}
        kept = len(config.stages) if self.stages is None else self.stages
        if kept > len(config.stages):
            raise UsageError(f"preset {config.name} has {len(config.stages)} stages, not {kept}; give fewer")
        stages = (*config.stages[-kept:-1], self._stage(config.stages[-1]))
        if self.batch_size is not None:
            stages = tuple(dataclasses.replace(stage, batch_size=None) for stage in stages)
        return dataclasses.replace(
            config,
            stages=stages,
            **{name: value for name, value in changed.items() if value is not None},  # type: ignore[arg-type]
        )

    def _stage(self, stage: Stage) -> Stage:
        epochs = self.epochs or stage.epochs
        schedule = dataclasses.replace(stage.schedule, max_rate=self.max_rate or stage.schedule.max_rate)
        if schedule.cycle_epochs == stage.epochs:  # one cycle over the whole stage stays one
            stretched = epochs / stage.epochs
            rise, fall = schedule.rise_epochs, schedule.cycle_epochs - schedule.rise_epochs
            schedule = dataclasses.replace(schedule, rise_epochs=rise * stretched, fall_epochs=fall * stretched)
        return dataclasses.replace(stage, epochs=epochs, schedule=schedule)
