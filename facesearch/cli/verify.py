"""`facesearch verify`: check everything in the library, and repair what can be repaired."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.cli.options import JsonOption, LibraryOption, TowerOption
from facesearch.cli.output import counted, say, say_json, shown
from facesearch.errors import LibraryError

if TYPE_CHECKING:
    from facesearch.api.values import VerifyReport


def verify(
    *,
    repair: Annotated[bool, typer.Option("--repair", help="Repair what can be repaired.")] = False,
    library: LibraryOption = None,
    tower: TowerOption = None,
    json: JsonOption = False,
) -> None:
    """Check everything in the library: database, faces, vectors, tower, detector, files.

    Exits with 4 while anything is wrong. Changes nothing without --repair.
    """
    from facesearch.api.library import open_library

    with open_library(library, tower=tower, device="cpu") as opened:
        report = opened.verify(repair=repair)
    if json:
        say_json(report)
    else:
        _report(report)
    if not report.sound:
        raise typer.Exit(LibraryError.exit_code)


def _report(report: VerifyReport) -> None:
    from facesearch.api.values import AREAS

    say(f"library    {shown(report.path)}: {counted(report.photos, 'photo')}, {counted(report.faces, 'face')}")
    for area in AREAS:
        found = [finding for finding in report.findings if finding.area == area]
        if not found:
            say(f"{area:<10} {'not checked' if area in report.unchecked else 'sound'}")
        for finding in found:
            is_wrong = not finding.mended and not finding.harmless
            state = "wrong" if is_wrong else "mended" if finding.mended else "note"
            say(f"{area:<10} {state}: {shown(finding.problem)}; {shown(finding.outcome)}", bold=is_wrong)
