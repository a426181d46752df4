"""`facesearch train --check`: what is wrong with training data, as a report or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facesearch.cli.output import complain, counted, say, say_json, shown, shown_path
from facesearch.cli.progress import Progress

if TYPE_CHECKING:
    from facesearch_train.checking import Copies, DataReport, DoubtfulLabel, OnePersonTwice
    from facesearch_train.data.packs import TrainingPhoto

# How many of each kind the report shows, the worst first; JSON has all.
SHOWN = 10


def check_photos(paths: Sequence[Path], teachers: Sequence[Path], as_json: bool) -> None:
    """Check labelled photos and print the findings. teachers: judge the labels; without any, the tower does."""
    from facesearch.api.standalone import load_tower
    from facesearch_train.checking import check_data

    tower = None if teachers else load_tower()
    judge = tower.embed if tower else teachers
    with Progress("cutting crops", "photos") as cutting, Progress("comparing faces", "photos") as comparing:
        report = check_data(paths, judge, cutting.update, comparing.update)
    if as_json:
        say_json(report)
        return
    for warning in report.warnings:
        complain(f"warning: {warning}")
    for line in report_lines(report, f"tower {shown(tower.card.name)}" if tower else "the teacher"):
        say(line)


def report_lines(report: DataReport, judge: str) -> list[str]:
    """The report, kind by kind: how many findings, what to do about them, and the worst cases."""
    lines = [
        f"{counted(report.photos, 'photo')} of {counted(report.people, 'person', 'people')}, "
        f"{counted(report.crops, 'crop')}, {report.judged:,} of them compared by {judge}",
    ]
    kinds = [
        ("unreadable files", "copy them again, or delete them", [_unread(*entry) for entry in report.unreadable]),
        ("photos without a face", _faceless_advice(report), [shown_path(photo.path) for photo in report.no_face]),
        (
            "files filed under several people",
            "keep the one whose label is right",
            [_copies(copies) for copies in report.equal_across_people],
        ),
        (
            "shots filed under several people",
            "one picture in two versions: keep the one whose label is right",
            [_copies(copies) for copies in report.same_shot_across_people],
        ),
        (
            "doubtful labels",
            "look at them: far from the person's other photos",
            [_doubtful(doubt) for doubt in report.mislabelled],
        ),
        (
            "people who may be one",
            "look at them: if they are, move the photos into one folder",
            [_twice(pair) for pair in report.one_person_twice],
        ),
        ("people with one photo", "used as strangers only", [shown(name) for name in report.single]),
    ]
    for what, advice, cases in kinds:
        lines += _section(what, advice, cases)
    if report.copies_of_one:
        lines.append(f"surplus copies within one person: {report.copies_of_one:,}")
    return lines


def _section(what: str, advice: str, cases: Sequence[str]) -> list[str]:
    if not cases:
        return [f"{what}: none"]
    more = [f"  and {len(cases) - SHOWN:,} more; --json lists all"] if len(cases) > SHOWN else []
    return [f"{what}: {len(cases):,} ({advice})", *(f"  {case}" for case in cases[:SHOWN]), *more]


def _faceless_advice(report: DataReport) -> str:
    if report.cut_anyway:
        return f"{report.cut_anyway:,} are cut where faces of this layout usually are; the others are left out"
    return "they are left out"


def _unread(photo: TrainingPhoto, reason: str) -> str:
    return f"{shown_path(photo.path)}: {shown(reason)}"


def _copies(copies: Copies) -> str:
    return " = ".join(f"{shown_path(photo.path)} ({shown(photo.identity)})" for photo in copies.photos)


def _doubtful(doubt: DoubtfulLabel) -> str:
    near = f"; {doubt.likely_distance:.2f} from {shown(doubt.likely_person)}" if doubt.likely_person else ""
    return f"{shown_path(doubt.photo.path)}: {doubt.distance:.2f} from {shown(doubt.photo.identity)}{near}"


def _twice(pair: OnePersonTwice) -> str:
    return (
        f"{shown(pair.people[0])} and {shown(pair.people[1])}: {pair.distance:.2f} apart, {pair.within:.2f} within "
        f"({shown_path(pair.photos[0])}, {shown_path(pair.photos[1])})"
    )
