"""`facesearch doctor`: what is installed, what runs where, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from facesearch.cli.options import JsonOption, LibraryOption, TowerOption
from facesearch.cli.output import counted, say, say_json

if TYPE_CHECKING:
    from facesearch.api.doctor import Finding


def doctor(*, library: LibraryOption = None, tower: TowerOption = None, json: JsonOption = False) -> None:
    """Show what is installed, what runs where, what is missing and how to get it.

    Holds no path, no name and no photo of yours: paste it into a bug report. Exits with an error only if index and
    query cannot work.
    """
    from facesearch.api.doctor import examine, exit_code_of

    findings = examine(library, tower)
    code = exit_code_of(findings)
    if json:
        say_json({"exit_code": code, "findings": findings})
    else:
        _report(findings)
    if code:
        raise typer.Exit(code)


def _report(findings: list[Finding]) -> None:
    width = max(len(finding.name) for finding in findings)
    area = None
    for finding in findings:
        if finding.area != area:
            area = finding.area
            say(area.capitalize(), bold=True)
        mark = "" if finding.state == "ok" else f"{finding.state}: "
        say(f"  {finding.name:<{width}}  {mark}{finding.value}", bold=finding.state == "broken")
        if finding.advice:
            say(f"  {'':<{width}}  -> {finding.advice}")
    broken = sum(finding.state == "broken" for finding in findings)
    notes = sum(finding.state == "note" for finding in findings)
    say()
    say(
        f"{counted(broken, 'thing')} broken, {counted(notes, 'note')}"
        if broken
        else f"all works, {counted(notes, 'note')}"
    )
