"""`facesearch people import-csv`: names from a list."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.cli.options import JsonOption, LibraryOption
from facesearch.cli.output import complain, counted, say, say_json, shown, shown_path

if TYPE_CHECKING:
    from facesearch.api.library import FaceLibrary
    from facesearch.api.values import ListSummary

_LINES_SHOWN = 20  # the rest is in --json


def import_csv(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A CSV file whose first line names the columns.", readable=False)
    ],
    *,
    root: Annotated[
        Path | None,
        typer.Option(
            "--root",
            metavar="DIR",
            help="Where relative paths begin; by default the file's folder.",
            show_default=False,
            readable=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be named, and change nothing.")] = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Name faces from a list: who is on which photo, and where.

    Needs the columns path and person; for photos with several faces also x1, y1, x2, y2 (a box in pixels) or face
    (a face's number). Named faces keep their names, and rejected ones stay rejected. Reports each line that cannot
    be used. The whole list is one change, which undo undoes.
    """
    from facesearch.api.library import open_library

    with open_library(library) as opened:
        summary = opened.people.import_csv(file, root=root, dry_run=dry_run)
        if json:
            say_json(summary)
            return
        _report(summary, file)
        if summary.change is not None:
            offer_grouping(opened)


def offer_grouping(opened: FaceLibrary) -> None:
    """After an import of names: say how many faces still have none, and which command matches them to named people."""
    waiting = opened.people.list(covers=False).faces_without_person
    if waiting:
        has = counted(waiting, "face has", "faces have")
        say(f"{has} no person yet: facesearch people group gives people the faces that clearly show them")


def _report(summary: ListSummary, file: Path) -> None:
    for each in summary.passed_over[:_LINES_SHOWN]:
        complain(f"{shown_path(file)}: line {each.line}: {shown_path(Path(each.path))}: {shown(each.reason)}")
    more = len(summary.passed_over) - _LINES_SHOWN
    if more > 0:
        complain(f"{shown_path(file)}: {counted(more, 'more line')} could not be used; --json lists all")
    would = "would name" if summary.dry_run else "named"
    say(
        f"{would} {counted(summary.named, 'face')} ({counted(summary.people_new, 'new person', 'new people')}); "
        f"{counted(summary.same, 'face')} already had that name; "
        f"{counted(len(summary.passed_over), 'line')} skipped"
    )
    if summary.change is not None:
        say(f"to undo: facesearch people undo {summary.change}")
