"""What a change of the recipe gives: variants of one run at equal cost, judged on people that none of them saw.

A smaller DenseNet on small crops stands in for the tower, so that a variant takes minutes; what wins here is then worth
a run of the tower itself. Every variant sees the same number of photos of the same people.

    python scripts/compare_recipes.py --data lfw --data celeba --hold-out-fold 6 --hold-out-fold 7 --photos 100000
    python scripts/compare_recipes.py --data lfw --hold-out-fold 7 --variant pairs --variant softmax
    python scripts/compare_recipes.py --data lfw --teacher lfw-teacher.npz --hold-out-fold 7 --variant teacher
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facesearch_train.config import TrainConfig
    from facesearch_train.crop_data import CropData

EPOCHS = 8


def main() -> None:
    """Train each variant and print a table of what the last epoch's tower is worth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, action="append", required=True, help="labelled photos; several times")
    parser.add_argument("--teacher", type=Path, action="append", help="a teacher's embeddings; one file for each set")
    parser.add_argument("--hold-out-fold", type=int, action="append", help="whose people validate; several times")
    parser.add_argument("--photos", type=int, default=100_000, help="photos that each variant sees (default 100,000)")
    parser.add_argument("--variant", action="append", help="only this one; several times")
    parser.add_argument("--input-size", type=int, default=40, help="px that the convolutions see (default 40)")
    parser.add_argument("--rounds", type=int, default=1, help="seeds for each variant (default 1)")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    every = variants(options.photos, options.input_size)
    if unknown := set(options.variant or ()) - every.keys():
        parser.error(f"no variant {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    if not options.teacher:
        every = {name: config for name, config in every.items() if not config.taught}
    training, validation = read_crops(options.data, tuple(options.hold_out_fold or ()), tuple(options.teacher or ()))
    print(
        f"{'variant':<22} {'seed':>4} {'photos':>8} {'seconds':>8} {'accuracy':>9} {'AUC':>6} {'TAR@1%':>7} "
        f"{'@0.1%':>6} {'EER':>6}"
    )
    for name in options.variant or every:
        for seed in range(1, options.rounds + 1):
            print(row(name, replace(every[name], seed=seed), training, validation), flush=True)


def variants(photos: int, input_size_px: int) -> dict[str, TrainConfig]:
    """Each differs from `softmax` in what its name says, but for `pairs`, which is the published recipe."""
    from facesearch_train.config import Lessons, Stage, TrainConfig
    from facesearch_train.model.augment import Augmentation
    from facesearch_train.model.network import DenseNetShape
    from facesearch_train.presets import RIGHT_ANGLE_RADIUS, one_cycle

    plain = Augmentation(rotation_rad=0.1, scale=(0.92, 1.08), shift=0.03)
    stage = Stage(EPOCHS, input_size_px, one_cycle(EPOCHS, 2e-3), contrastive=0.05, softmax=1.0)
    softmax = TrainConfig(
        name="softmax",
        stages=(stage,),
        sampling="people",
        batch_size=128,
        photos_per_epoch=photos // EPOCHS,
        validation_share=1e-6,
        augmentation=plain,
        network=DenseNetShape(units=(3, 6, 12, 8), growth_rate=16, bn_momentum=0.95),
    )

    def losses(**weights: Any) -> TrainConfig:
        return replace(softmax, stages=(replace(stage, **weights),))

    def with_memory(config: TrainConfig, memory: int) -> TrainConfig:
        """Against what a momentum tower remembers of so many earlier photos."""
        return replace(config, memory=memory, stages=tuple(replace(each, momentum=0.99) for each in config.stages))

    def taught(truth: float, **weights: Any) -> TrainConfig:
        """By a teacher, on embeddings of one length as in preset `teach`, with the weights of its losses."""
        lessons = replace(Lessons(relations=1.0, neighbours=0.3), truth=truth, **weights)
        return losses(lessons=lessons, radius=RIGHT_ANGLE_RADIUS, contrastive=0.2, softmax=0.0)

    margin: dict[str, Any] = {"contrastive": 1.0, "softmax": 0.0}
    return {
        "pairs": replace(
            softmax,
            sampling="pairs",
            batch_size=64,
            photos_per_epoch=photos // EPOCHS // 2,  # counted in pairs
            stages=(replace(stage, **margin),),
            augmentation=Augmentation(),
        ),
        "margin, all pairs": losses(**margin),
        "margin, hard": replace(losses(**margin), hardness=4.0),
        "softmax": softmax,
        "softmax + margin": losses(contrastive=0.5),
        "softmax + margin, hard": replace(losses(contrastive=0.5), hardness=4.0),
        "teacher": taught(0.0),
        "teacher and labels": taught(0.3),
        "teacher's distances": taught(0.0, neighbours=0.0),
        "teacher's neighbours": taught(0.0, relations=0.0),
        "teacher's places": taught(0.0, relations=0.0, neighbours=0.0, regression=1.0),
        "teacher, memory": with_memory(taught(0.0), 4096),
        "teacher, same view": taught(0.0, same_view=True),
        "teacher, hints": taught(0.0, same_view=True, hints=1.0),
        "identity 0.1": losses(identity=0.1),
        "identity 0.5": losses(identity=0.5),
        "temperature 0.2": replace(softmax, temperature=0.2),
        "temperature 0.05": replace(softmax, temperature=0.05),
        "batch 64": replace(softmax, batch_size=64),
        "batch 256": replace(softmax, batch_size=256),
        "memory 1024": replace(softmax, memory=1024),
        "cold": replace(softmax, temperature=0.07),
        "memory 4096": replace(softmax, memory=4096),
        "memory 4096, cold": replace(softmax, memory=4096, temperature=0.07),
        "momentum tower": with_memory(softmax, 4096),
        "momentum tower, cold": replace(with_memory(softmax, 4096), temperature=0.07),
        "4 photos a person": replace(softmax, photos_per_person=4),
        "rate 0.001": replace(softmax, stages=(replace(stage, schedule=one_cycle(EPOCHS, 1e-3)),)),
        "rate 0.004": replace(softmax, stages=(replace(stage, schedule=one_cycle(EPOCHS, 4e-3)),)),
        "no augmentation": replace(softmax, augmentation=Augmentation(False, 0, (1, 1), 0, 0, 0, 0, 0)),
        "published changes": replace(softmax, augmentation=Augmentation()),
        "low resolution": replace(softmax, augmentation=replace(plain, low_resolution=0.2)),
        "all changes": replace(
            softmax,
            augmentation=replace(
                plain, grey=0.1, low_resolution=0.1, occlusion=0.1, blur=0.1, motion=0.05, jpeg=0.1, erase=0.1
            ),
        ),
    }


def read_crops(data: list[Path], folds: tuple[int, ...], teachers: tuple[Path, ...]) -> tuple[CropData, CropData]:
    """The crops to train on and those of the people who validate."""
    from facesearch_train.crop_data import CropData
    from facesearch_train.presets import FULL
    from facesearch_train.recipe import Listener, Order, read_people

    share = 1e-6 if folds else 0.1
    order = Order(replace(FULL, validation_share=share), Path(), tuple(data), folds, teachers=teachers)
    people = read_people(order, Listener(say=lambda line: print(line, file=sys.stderr)))
    places = None if people.places is None else people.places[people.training]
    training = CropData(people.crops.rows(people.training), people.numbers[people.training], places)
    return training, CropData(people.crops[people.validation], people.numbers[people.validation])


def row(name: str, config: TrainConfig, training: CropData, validation: CropData) -> str:
    """Train one variant; its line of the table. All pairs of the people who validate are judged."""
    import numpy as np

    from facesearch_train.card_figures import judge
    from facesearch_train.loop import Run

    began_s = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = Run(config, Path(folder), training, validation)
        accuracy = []
        run.train(on_epoch=lambda report: accuracy.append(report.validation.accuracy))
        seconds = time.perf_counter() - began_s
        figures = judge(run.embed(np.asarray(validation.crops)), validation.identities)["figures"]
    seen = config.epochs * len(run.data) * config.batch_size * (2 if config.sampling == "pairs" else 1)
    return (
        f"{name:<22} {config.seed:>4} {seen:>8,} {seconds:>8.0f} {accuracy[-1]:>9.1%} {figures['auc']:>6.3f} "
        f"{figures['tar_at_far_0.01']:>7.1%} {figures['tar_at_far_0.001']:>6.1%} {figures['equal_error_rate']:>6.1%}"
    )


if __name__ == "__main__":
    main()
