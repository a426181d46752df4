"""The training loop: crops in, a folder with the best tower's weights out. Knows nothing of photos, layouts or the
command line.

A run's folder holds `config.json`, `history.csv`, `schedule-1.png` (one a stage), `tensorboard/`, `best.weights.h5`
(the tower of the last stage's lowest validation loss, or of its last epoch, as the config says) and `last.json`, which
names the whole state (weights, optimizer, memory) to resume from. What is drawn at random depends on the seed and the
epoch's number alone, so it needs no state.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from facesearch.errors import TowerError, TrainingCollapsedError, UsageError
from facesearch.records import CROP_SIZE_PX, Floats, Pixels
from facesearch_train.allocator import keep_freed_memory
from facesearch_train.config import Stage, TrainConfig
from facesearch_train.crop_data import CropData, check_crop_data, epoch_data, learned_places
from facesearch_train.distribution import data_parallel
from facesearch_train.evaluation.validation import ValidationFigures, ValidationSet
from facesearch_train.model.augment import begin_epoch
from facesearch_train.model.frozen_maps import frozen_maps
from facesearch_train.model.momentum import momentum_tower
from facesearch_train.model.network import DROPOUT_NAME, build_tower, freeze_blocks, resize_layer, split_tower
from facesearch_train.model.precision import training_precision
from facesearch_train.model.training_heads import build_training_model
from facesearch_train.runlog import RunLog, replace_file, write_json
from facesearch_train.schedule import plot_schedule

# Below this standard deviation all embeddings are one point, and training cannot separate them any more.
COLLAPSED_SPREAD = 1e-3
VALIDATION_BATCH = 64


@dataclass(frozen=True)
class EpochReport:
    """The figures of one epoch. epoch counts from 1."""

    epoch: int
    epochs: int
    stage: Stage
    logs: dict[str, float]  # means over the steps
    validation: ValidationFigures
    best: bool  # the best so far in its stage

    def figures(self) -> dict[str, float]:
        """All figures under their names in history.csv."""
        validation = {f"val_{name}": value for name, value in dataclasses.asdict(self.validation).items()}
        return {"input_size_px": self.stage.input_size_px, **self.logs, **validation, "val_gap": self.validation.gap}


class StopAtNaN(keras.callbacks.TerminateOnNaN):
    """Ends an epoch whose loss is no longer a number, without making Keras wait for the loss of each step."""

    async_safe = True


class KeepFreedMemory(keras.callbacks.Callback):
    """`keep_freed_memory` while `fit` runs: TensorFlow sets a threshold of its own when the first batch is fetched."""

    async_safe = True  # Keras then need not wait for a step's figures before it begins the next

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        keep_freed_memory()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if batch == 0:
            keep_freed_memory()


class Run:
    """A training run in a folder. `train` takes it to its end, from the beginning or from its last checkpoint."""

    def __init__(self, config: TrainConfig, folder: Path, training: CropData, validation: CropData) -> None:
        check_crop_data(training, config)
        self.config = config
        self.folder = folder
        self.training = training
        self.taught = learned_places(training, config)
        self.validation = ValidationSet(validation.crops, validation.identities, config.seed, config.margin)
        self.epochs_done = 0
        self.best: EpochReport | None = None
        self.best_loss = float("inf")

    def train(
        self,
        resume: bool = False,
        initial_weights: Sequence[Any] | None = None,
        on_epoch: Callable[[EpochReport], None] | None = None,
    ) -> None:
        """Train to the end. The tower to keep is then in `best.weights.h5`.

        resume: continue from the folder's last checkpoint, to the same numbers; leaves a finished run as it is.
        initial_weights: those of a tower to fine-tune. on_epoch is called after each epoch, once its state is on disk.
        Raises TrainingCollapsedError when all embeddings become alike, TowerError for initial weights of another
        network, UsageError if there is nothing to resume.
        """
        checkpoint = self._read_checkpoint() if resume else None
        self.folder.mkdir(parents=True, exist_ok=True)
        if not resume:
            write_json(self.folder / "config.json", self.config.to_json())
        with (
            training_precision(self.config.precision),
            data_parallel(math.gcd(*self.config.batch_sizes)),
            RunLog(self.folder, self.epochs_done) as log,
        ):
            if checkpoint:
                self._load_checkpoint(checkpoint)
            else:
                self._build_stage(0)
                if initial_weights is not None:
                    self._begin_with(initial_weights)
                self._read_views()
            for epoch in range(self.epochs_done, self.config.epochs):
                if epoch != self.epochs_done and self.config.stage_at(epoch)[2] == epoch:
                    self._next_stage(epoch)
                report = self._epoch(epoch)
                log.write(report.epoch, report.figures())
                check_alive(report)
                self._keep(report)
                if on_epoch:
                    on_epoch(report)

    def _build_stage(self, epoch: int) -> None:
        """Build tower, training model and data of an epoch's stage, freshly initialised."""
        number, stage, _ = self.config.stage_at(epoch)
        config, self.number = self.config, number
        keras.utils.set_random_seed(config.seed + number)
        self.stage = stage
        self.tower = build_tower(
            stage.input_size_px,
            config.embedding_size,
            config.network,
            radius=stage.radius,
            dropout=stage.dropout,
            fused=True,
        )
        freeze_blocks(self.tower, stage.frozen)
        trained = split_tower(self.tower, stage.frozen)[1] if stage.views else self.tower
        people = int(self.training.identities.max()) + 1
        place_size = self.taught.places.shape[1] if self.taught else 0
        self.model = build_training_model(trained, config, stage, config.seed + number, people, place_size=place_size)
        self.data = epoch_data(self.training, config, stage, self.taught)
        self.model.optimizer.follow(stage.schedule, len(self.data), stage.epochs)
        self.model.optimizer.build(self.model.trainable_variables)
        plot_schedule(stage.schedule, stage.epochs, self.folder / f"schedule-{number + 1}.png")

    def _begin_with(self, weights: Sequence[Any]) -> None:
        try:
            self._set_weights(weights)
        except ValueError as error:
            raise TowerError(
                f"the tower to begin with is another network than preset {self.config.name}'s ({error}). Choose the "
                "preset that it was trained with, or begin without it."
            ) from error

    def _set_weights(self, weights: Sequence[Any]) -> None:
        self.tower.set_weights(weights)
        if slow := momentum_tower(self.model):
            slow.catch_up()

    def _next_stage(self, epoch: int) -> None:
        """Build the next stage, with the tower's weights and the people's prototypes of the one before."""
        weights, prototypes = self.tower.get_weights(), self._prototypes()
        self._build_stage(epoch)
        self._set_weights(weights)
        if prototypes is not None:
            self.model.get_layer("head").prototypes.assign(prototypes)
        self.best_loss = float("inf")
        self._read_views()

    def _read_views(self) -> None:
        """In a stage with views, save the frozen blocks and read batches from their maps."""
        if self.stage.views:
            if not self._still.exists():
                replace_file(self._still, self.tower.save_weights)
            self.data.crops = frozen_maps(self.folder, self.tower, self.training.crops, self.config, self.stage)

    @property
    def _still(self) -> Path:
        """The tower as it was when a stage with views began: checkpoints hold only what is trained."""
        return self.folder / f"frozen-{self.number + 1}.weights.h5"

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Give the tower the running means of its weights within the context, if the stage keeps them."""
        pairs = self.model.optimizer.averages
        own = [keras.ops.copy(variable.value) for variable, _ in pairs]
        for variable, mean in pairs:
            variable.assign(mean)
        try:
            yield
        finally:
            for (variable, _), value in zip(pairs, own, strict=True):
                variable.assign(value)

    def _prototypes(self) -> NDArray[np.float32] | None:
        """The prototype of each person in the identity loss; None if no stage has that loss."""
        if not self.config.classifies:
            return None
        return np.asarray(keras.ops.convert_to_numpy(self.model.get_layer("head").prototypes))

    def _epoch(self, epoch: int) -> EpochReport:
        self.data.draw(epoch)
        if not self.stage.views:
            self.model.get_layer("augment").begin_epoch(epoch)
        if self.stage.dropout:
            begin_epoch(self.tower.get_layer(DROPOUT_NAME).seed_generator, self.config.seed, epoch)
        # Shuffled already by `draw`; Keras' own shuffling would follow a global state that no checkpoint holds.
        fitted = self.model.fit(
            self.data,
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,
            verbose=0,
            callbacks=[StopAtNaN(), KeepFreedMemory()],
        )
        logs = {name: float(values[-1]) for name, values in fitted.history.items()}
        optimizer = self.model.optimizer
        logs |= {"rate": float(optimizer.learning_rate), "beta1": float(optimizer.beta_1)}
        with self._averaged():
            figures = self.validation.measure(self.embed)
        is_best = figures.loss < self.best_loss
        return EpochReport(epoch + 1, self.config.epochs, self.stage, logs, figures, is_best)

    def _keep(self, report: EpochReport) -> None:
        """Write the checkpoint, and the tower if it is the one to keep."""
        if report.best:
            self.best, self.best_loss = report, report.validation.loss
        if report.best or self.config.keep == "last":
            with self._averaged():
                replace_file(self.folder / "best.weights.h5", self.tower.save_weights)
        self._write_checkpoint(report.epoch)

    def embed(self, crops: Pixels) -> Floats:
        """Embeddings of whole crops, as the exported tower will give them: uint8 (N, 112, 112, 3) -> float32 (N, D)."""
        resize = resize_layer(CROP_SIZE_PX, self.stage.input_size_px)
        embeddings = []
        for start in range(0, len(crops), VALIDATION_BATCH):
            batch = keras.ops.cast(np.asarray(crops[start : start + VALIDATION_BATCH]), "float32")
            embeddings.append(self.tower.predict_on_batch(resize(batch) if resize else batch))
        return np.concatenate(embeddings).astype(np.float32)

    def _write_checkpoint(self, epochs_done: int) -> None:
        """Write the whole state beside the old one, let `last.json` name the new file, and delete the old one."""
        name = f"last-{epochs_done:04d}.weights.h5"
        replace_file(self.folder / name, self.model.save_weights)
        write_json(
            self.folder / "last.json", {"epochs_done": epochs_done, "best_loss": self.best_loss, "weights": name}
        )
        for old in self.folder.glob("last-*.weights.h5"):
            if old.name != name:
                old.unlink()

    def _read_checkpoint(self) -> Path:
        try:
            state = json.loads((self.folder / "last.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UsageError(f"{self.folder} has no checkpoint to resume from. Start it without --resume.") from None
        self.epochs_done, self.best_loss = state["epochs_done"], state["best_loss"]
        return self.folder / str(state["weights"])

    def _load_checkpoint(self, checkpoint: Path) -> None:
        self._build_stage(self.epochs_done - 1)
        if self.stage.views:
            self.tower.load_weights(self._still)
        self.model.load_weights(checkpoint)
        self._read_views()
        if self.epochs_done < self.config.epochs and self.config.stage_at(self.epochs_done)[2] == self.epochs_done:
            self._next_stage(self.epochs_done)


def check_alive(report: EpochReport) -> None:
    """Raise TrainingCollapsedError, with advice, if the embeddings became one point or are not finite."""
    figures = report.validation
    if np.isfinite(figures.loss) and figures.spread > COLLAPSED_SPREAD:
        return
    what = "are no longer numbers"
    if np.isfinite(figures.loss):
        what = f"of different people are all alike (standard deviation {figures.spread:.2g})"
    raise TrainingCollapsedError(
        f"Training collapsed in epoch {report.epoch}: the embeddings {what}. Lower the learning rate (--rate), start "
        "with preset full, which warms up, or check that the folders really hold different people."
    )
