"""`facesearch evaluate`: how well a tower tells people apart."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.cli.options import DeviceChoice, DeviceOption, JsonOption, TowerOption
from facesearch.cli.output import complain, say, say_json
from facesearch.cli.progress import Progress

if TYPE_CHECKING:
    from facesearch_train.evaluate import Report


class ProtocolChoice(StrEnum):
    """The protocols of facesearch_train.protocols."""

    LFW = "lfw"
    FOLDERS = "folders"


def evaluate(
    *,
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="Labelled photos, in any layout that train reads.", readable=False)
    ],
    protocol: Annotated[
        ProtocolChoice, typer.Option(help="lfw: the pairs of a list, fold by fold; folders: all pairs of the photos.")
    ] = ProtocolChoice.FOLDERS,
    pairs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="LFW's list of pairs; by default pairs.txt in --data.",
            show_default=False,
            readable=False,
        ),
    ] = None,
    fold: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Only the photos of this fold of the list; several times.", show_default=False),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Judge this distance; by default the tower's.", show_default=False)
    ] = None,
    tower: TowerOption = None,
    device: DeviceOption = DeviceChoice.AUTO,
    json: JsonOption = False,
) -> None:
    """Say how well a tower tells people apart, on labelled photos that it was not trained on.

    Each fold is judged at the threshold that is best on the other folds. A face that is not found counts against the
    tower. Photos of a pair that are missing are an error.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from facesearch.tower import Tower
    from facesearch_train.protocols import Examination, examine

    examination = Examination(protocol.value, data, pairs, tuple(fold or ()))
    loaded = Tower.load(tower, device=device.value)
    with Progress("cutting crops", "photos") as progress:
        report = examine(examination, loaded, threshold, complain, progress.update)
    if json:
        say_json(report.to_json())
        return
    for line in _lines(report):
        say(line)


def _lines(report: Report) -> list[str]:
    lines = [
        f"{report.genuine_pairs:,} genuine and {report.impostor_pairs:,} impostor pairs of {report.photos:,} photos"
    ]
    if report.pairs_not_found:
        lines.append(
            f"{report.photos_not_found:,} photos without a face: {report.pairs_not_found:,} pairs count as wrong"
        )
    if report.accuracy:
        folded = report.accuracy
        lines.append(
            f"accuracy          {folded.mean:.2%} ± {folded.standard_error:.2%} over {len(folded.accuracies)} folds"
        )
    lines += [
        f"best threshold    {report.best.distance:.3f}: {report.best.accuracy:.2%} judged rightly",
        f"threshold         {report.threshold:.3f}: {report.accuracy_at_threshold:.2%} judged rightly",
        f"mean distance     genuine {report.genuine_distance:.3f}, impostor {report.impostor_distance:.3f}",
        f"AUC               {report.auc:.4f}",
        f"equal error rate  {report.equal_error_rate:.2%}",
    ]
    for found in report.true_accepts:
        interval = f"{found.low:.2%} to {found.high:.2%}"
        lines.append(f"TAR at FAR {found.far:<7g}{found.tar:.2%} ({interval}), at distance {found.threshold:.3f}")
    return lines
