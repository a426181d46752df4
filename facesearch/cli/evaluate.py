"""`facesearch evaluate`: how well a tower tells people apart."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.cli.options import DeviceOption, JsonOption, TowerOption
from facesearch.cli.output import complain, say, say_json, shown_path
from facesearch.cli.progress import Progress
from facesearch.errors import UsageError

if TYPE_CHECKING:
    from facesearch.api.values import Evidence, Report, Tower
    from facesearch.records import Device
    from facesearch_train.evaluation.examination import Examination


class ProtocolChoice(StrEnum):
    """The protocols of facesearch_train.evaluation.examination."""

    LFW = "lfw"
    FOLDERS = "folders"


def evaluate(
    *,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Labelled photos, in any form that train reads.", show_default=False, readable=False
        ),
    ] = None,
    library: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Use the named people of this library instead; needs no photos.",
            show_default=False,
            readable=False,
        ),
    ] = None,
    protocol: Annotated[
        ProtocolChoice, typer.Option(help="lfw: the listed pairs, fold by fold; folders: all pairs of photos.")
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
        typer.Option(metavar="N", min=1, help="Only this fold of the list. Repeatable.", show_default=False),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Show false matches within each group of people: a CSV file with a line for each "
            "photo of --data, with its path and its group.",
            show_default=False,
            readable=False,
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="DISTANCE", min=0.0, help="Use this threshold; by default the tower's.", show_default=False
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write report.html there, with curves and mistakes.",
            show_default=False,
            readable=False,
        ),
    ] = None,
    tower: TowerOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Measure how well a tower tells people apart, on labelled photos that it was not trained on.

    Judges each fold at the threshold that is best on the other folds. A face that is not found counts as a mistake;
    a missing photo of a pair is an error. The report shows faces from the photos: keep it private.
    """
    if (data is None) == (library is None):
        raise UsageError("give either --data, a folder of labelled photos, or --library, a library with named people")
    if library is not None and (pairs or fold or protocol is ProtocolChoice.LFW):
        raise UsageError("--protocol lfw, --pairs and --fold choose among the photos of --data; leave them out")
    if groups is not None and (data is None or pairs or protocol is ProtocolChoice.LFW):
        raise UsageError(
            "--groups takes photos from --data, and all their pairs: leave out --library, --protocol, --pairs"
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if report is not None:
        from facesearch_train.evaluation.report_page import make_report_folder

        make_report_folder(report)
    if groups is not None:
        from facesearch.api.standalone import load_tower

        assert data is not None
        from facesearch_train.evaluation.examination import Examination

        by_groups = Examination("folders", data, folds=tuple(fold or ()), groups=groups)
        _by_groups(by_groups, load_tower(tower, device=device), threshold, report, json=json)
        return
    if library is not None:
        figures = _of_library(library, tower, device, threshold, report)
    else:
        from facesearch_train.evaluation.examination import Examination

        assert data is not None
        examination = Examination(protocol.value, data, pairs, tuple(fold or ()))
        figures = _of_photos(examination, tower, device, threshold, report)
    if json:
        say_json(figures.to_json())
        return
    from facesearch.api.values import report_lines

    for line in report_lines(figures):
        say(line)
    if report is not None:
        say(f"report            {shown_path(report / 'report.html')}")


def _by_groups(
    examination: Examination, tower: Tower, threshold: float | None, report: Path | None, *, json: bool
) -> None:
    from facesearch.api.values import group_lines
    from facesearch_train.evaluation.group_list import examine_groups

    with Progress("cutting crops", "photos") as progress:
        found = examine_groups(examination, tower, threshold, complain, progress.update)
    if report is not None:
        from facesearch_train.evaluation.report_page import write_groups_report

        write_groups_report(
            report, found.judged, found.plain, f"{tower.card.name} by groups of {examination.data.name}"
        )
    if json:
        judged = None if found.judged is None else found.judged.to_json()
        say_json({"judged": judged, "plain": found.plain.to_json()})
        return
    for line in group_lines(found.plain) if found.judged is None else group_lines(found.judged, found.plain):
        say(line)
    if found.judged is None:
        say("The tower has no cohort, so these are plain distances; facesearch train --cohort gives a tower one")
    if report is not None:
        say(f"report            {shown_path(report / 'report.html')}")


def _of_photos(
    examination: Examination, folder: Path | None, device: Device, threshold: float | None, report: Path | None
) -> Report:
    from facesearch.api.standalone import load_tower
    from facesearch_train.evaluation.examination import examine

    tower = load_tower(folder, device=device)
    with Progress("cutting crops", "photos") as progress:
        examined = examine(examination, tower, threshold, complain, progress.update)
    if report is not None:
        _write(report, examined.evidence(), tower)
    return examined.report


def _of_library(
    path: Path, folder: Path | None, device: Device, threshold: float | None, report: Path | None
) -> Report:
    from facesearch.api.library import open_library

    with open_library(path, tower=folder, device=device) as library:
        judged = library.tuning.evaluate(threshold)
        if report is not None:
            _write(report, library.tuning.evidence(judged), library.tower)
    return judged.report


def _write(folder: Path, evidence: Evidence, tower: Tower) -> None:
    from facesearch_train.evaluation.report_page import write_report

    write_report(folder, evidence, f"{tower.card.name} on {evidence.report.dataset}", tower.embed)
