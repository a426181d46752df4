"""`facesearch train`: a tower from labelled photos."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.cli.options import JsonOption
from facesearch.cli.output import complain, say, shown_path
from facesearch.cli.progress import Progress, duration
from facesearch.errors import UsageError

if TYPE_CHECKING:
    from facesearch.api.values import TowerCard
    from facesearch_train.loop import EpochReport
    from facesearch_train.recipe import Order


class PresetChoice(StrEnum):
    """The presets of facesearch_train.config."""

    SMOKE = "smoke"
    SEED = "seed"
    FULL = "full"
    TEACH = "teach"


DataOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--data",
        metavar="PATH",
        help="Labelled photos: a folder (CelebA's layout, LFW's or one folder per person), a .tar or .tar.gz of one, "
        "or InsightFace's RecordIO. Repeatable. Without it LFW is downloaded.",
        show_default=False,
        readable=False,
    ),
]
PresetOption = Annotated[
    PresetChoice,
    typer.Option(
        "--preset",
        help="smoke: a minute on a CPU; seed: the published recipe; full: from scratch; teach: from a "
        "tower, by --teacher.",
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="The run's folder; by default a new one in runs/.",
        show_default=False,
        readable=False,
    ),
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Continue the run in --out, with the same result.")]
EpochsOption = Annotated[
    int | None,
    typer.Option("--epochs", metavar="N", min=1, help="Epochs of the preset's last stage.", show_default=False),
]
RateOption = Annotated[
    float | None,
    typer.Option("--rate", metavar="RATE", help="Highest learning rate of the last stage.", show_default=False),
]
BatchOption = Annotated[
    int | None, typer.Option("--batch", metavar="N", min=1, help="Pairs or photos in a batch.", show_default=False)
]
SeedOption = Annotated[int | None, typer.Option("--seed", metavar="N", min=0, help="Random seed.", show_default=False)]
StagesOption = Annotated[
    int | None,
    typer.Option(
        "--stages",
        metavar="N",
        min=1,
        help="Run only the preset's last N stages, for example to fine-tune with --start-from.",
        show_default=False,
    ),
]
HoldOutOption = Annotated[
    list[int] | None,
    typer.Option(
        "--hold-out-fold",
        metavar="N",
        min=1,
        help="Validate on the people of this fold of the data's pairs.txt only. Repeatable.",
        show_default=False,
    ),
]
StartFromOption = Annotated[
    Path | None,
    typer.Option("--start-from", metavar="DIR", help="Fine-tune this tower.", show_default=False, readable=False),
]
StartShareOption = Annotated[
    float | None,
    typer.Option(
        "--start-share",
        metavar="SHARE",
        min=0.0,
        max=1.0,
        help="Export a weighted mean of the trained weights and those of --start-from; SHARE is the latter's weight.",
        show_default=False,
    ),
]
TeacherOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--teacher",
        metavar="dlib|FILE",
        help="Learn from a teacher, or with --check let it judge the labels. dlib: the network behind face_recognition "
        "(extra `teacher`). FILE: another network's embeddings of these photos, an .npz of paths and embeddings. "
        "Repeatable, once for each set.",
        show_default=False,
        readable=False,
    ),
]
SameViewOption = Annotated[
    bool,
    typer.Option(
        "--same-view",
        help="With --teacher dlib, or a file made by it: dlib's network sees each crop as the tower does, augmented, "
        "at every step. It teaches better, and a step takes longer.",
    ),
]
CohortOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--cohort",
        metavar="PATH",
        help="Labelled photos of strangers from all groups of people, in the forms of --data: the exported tower "
        "judges distances by them. Repeatable.",
        show_default=False,
        readable=False,
    ),
]
CohortGroupsOption = Annotated[
    Path | None,
    typer.Option(
        "--cohort-groups",
        metavar="FILE",
        help="CSV file with a header, then a line for each photo of the cohort: its path and its group of people. Each "
        "group then counts the same, however few people it has.",
        show_default=False,
        readable=False,
    ),
]
CheckOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--check",
        metavar="PATH",
        help="Do not train: check these labelled photos and list what looks wrong. Repeatable.",
        show_default=False,
        readable=False,
    ),
]


def train(
    *,
    data: DataOption = None,
    preset: PresetOption = PresetChoice.SMOKE,
    out: OutOption = None,
    resume: ResumeOption = False,
    epochs: EpochsOption = None,
    rate: RateOption = None,
    batch: BatchOption = None,
    seed: SeedOption = None,
    stages: StagesOption = None,
    hold_out_fold: HoldOutOption = None,
    start_from: StartFromOption = None,
    start_share: StartShareOption = None,
    cohort: CohortOption = None,
    cohort_groups: CohortGroupsOption = None,
    teacher: TeacherOption = None,
    same_view: SameViewOption = False,
    check: CheckOption = None,
    json: JsonOption = False,
) -> None:
    """Train a tower on labelled photos of faces.

    Detects and prints the layout of each folder. Cuts crops once and keeps them; splits people, not photos, into
    training and validation. DIR/tower holds the tower with the lowest validation loss, ready for --tower of the
    other commands. Set KERAS_BACKEND=jax or torch to train with these instead of TensorFlow.

    --check finds unreadable files, photos without a face, duplicates under several people, doubtful labels and
    people with two names. It changes nothing, and its doubts are suggestions.
    """
    from facesearch_train.quiet import import_keras_quietly

    settings = (epochs, rate, batch, seed, stages, start_share)
    ordered = (
        data or hold_out_fold or start_from or cohort or cohort_groups or any(value is not None for value in settings)
    )
    if check and (ordered or same_view or out or resume or preset is not PresetChoice.SMOKE):
        raise UsageError("--check takes only data sets, --teacher and --json: leave the other options out")
    if json and not check:
        raise UsageError("--json needs --check: a run's figures are in its folder (history.csv, tower/)")
    if start_share is not None and start_from is None:
        raise UsageError("--start-share needs --start-from: name the tower whose weights take that share")
    if cohort_groups is not None and not cohort:
        raise UsageError("--cohort-groups needs --cohort: name the photos whose groups it lists")
    if same_view and not teacher:
        raise UsageError("--same-view needs --teacher: it is the teacher that sees the views")
    import_keras_quietly()
    if check:
        from facesearch.cli.train_check import check_photos

        check_photos(check, teacher or (), json)
        return
    from facesearch_train.overrides import Overrides
    from facesearch_train.presets import PRESETS, with_teacher
    from facesearch_train.recipe import Order

    folder = out or Path("runs") / f"{preset.value}-{time.strftime('%Y%m%d-%H%M%S')}"
    if resume:
        if out is None or ordered or teacher:
            raise UsageError("--resume continues the run in --out with its own settings: give --out, and nothing else")
        order = Order.load(folder)
    else:
        if (folder / "config.json").exists():
            raise UsageError(f"{folder} already holds a run; continue it with --resume, or choose another --out")
        config = Overrides(*settings).applied_to(PRESETS[preset.value])
        order = Order(
            config=with_teacher(config, same_view=same_view) if teacher else config,
            folder=folder,
            data=tuple(data or ()),
            hold_out_folds=tuple(hold_out_fold or ()),
            start_from=start_from,
            cohort=tuple(cohort or ()),
            cohort_groups=cohort_groups,
            teachers=tuple(teacher or ()),
        )
    _report(order, _train(order, resume))


def _train(order: Order, resume: bool) -> TowerCard:
    from facesearch_train.recipe import Listener, train_tower

    epochs = _EpochLines()
    try:
        with Progress("cutting crops", "photos") as progress:
            return train_tower(order, resume, Listener(complain, progress.update, epochs.report))
    except KeyboardInterrupt:
        if (order.folder / "config.json").exists():
            complain(f"interrupted; continue with facesearch train --resume --out {shown_path(order.folder)}")
        raise


class _EpochLines:
    """Prints one line per epoch on stderr."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None  # an epoch's number, and when it ended

    def report(self, report: EpochReport) -> None:
        figures = report.validation
        best = ", best so far" if report.best else ""
        complain(
            f"epoch {report.epoch} of {report.epochs}: loss {report.logs['loss']:.4f}, validation {figures.loss:.4f}, "
            f"genuine {figures.genuine_distance:.3f}, impostor {figures.impostor_distance:.3f}, accuracy "
            f"{figures.accuracy:.1%} at {figures.threshold:.3f}{best}{self._left(report)}"
        )

    def _left(self, report: EpochReport) -> str:
        """The estimated time for the remaining epochs, from all epochs but the first, which compiles."""
        now_s = time.monotonic()
        if self._first is None:
            self._first = (report.epoch, now_s)
        epoch, began_s = self._first
        if report.epoch in {epoch, report.epochs}:
            return ""
        epoch_s = (now_s - began_s) / (report.epoch - epoch)
        return f"; {duration(epoch_s * (report.epochs - report.epoch))} left"


def _report(order: Order, card: TowerCard) -> None:
    lines = {
        "tower": f"{shown_path(order.folder / 'tower')}, {card.name} ({card.sha256[:12]})",
        "threshold": f"{card.threshold:.3f}, passed by {card.threshold_far:.1%} of pairs of different people",
        **{name: f"{value:,.4f}" if isinstance(value, float) else f"{value:,}" for name, value in card.figures.items()},
    }
    width = max(map(len, lines))
    for name, value in lines.items():
        say(f"{name:<{width}}  {value}")
