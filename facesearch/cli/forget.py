"""`facesearch forget`: a person, a photo or everything leaves the library without a trace."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.cli.completing import complete_person
from facesearch.cli.options import JsonOption, LibraryOption
from facesearch.cli.output import complain, counted, say, say_json, shown
from facesearch.errors import UsageError

if TYPE_CHECKING:
    from facesearch.api.values import ForgetSummary


def forget(
    who: Annotated[
        str | None,
        typer.Argument(
            metavar="PERSON|PHOTO",
            help="A person's name, '#12' or plain 12 for a person by number, or a photo's path.",
            autocompletion=complete_person,
        ),
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Forget every face, name and photo.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Delete a person's faces, a photo with its faces, or everything, for good.

    Deletes rows, names, journal lines, vectors, what was taught, log lines and older copies, then searches every
    file of the library to make sure. The photos themselves stay. If a photo stays in an indexed folder, the next
    index finds its faces again, but not the faces of a forgotten person.
    """
    from facesearch.api.library import open_library

    if everything == (who is not None):
        raise UsageError("say what to forget: a person's name, a photo's path, or --all")
    with open_library(library) as opened:
        if everything and not yes and sys.stdin.isatty():
            typer.confirm(f"Forget everything in {opened.path}?", abort=True)
        summary = opened.forget(who)
    if json:
        say_json(summary)
    else:
        _report(summary, "everything" if who is None else shown(who))


def _report(summary: ForgetSummary, who: str) -> None:
    for copy in summary.copies:
        complain(f"deleted the former copy {copy}")
    if summary.heads:
        complain("also deleted what the library was taught; run facesearch teach to learn from the remaining people")
    if summary.calibration:
        complain("also deleted the library's calibration; run facesearch calibrate to fit a new one")
    for place in summary.published:
        complain(
            f"some of it is still in {place}: run facesearch publish there, to delete what the library no longer has"
        )
    if summary.in_paths:
        complain(
            f"the name is still in the paths of {counted(summary.in_paths, 'file')}: rename the files or their folders"
        )
    say(
        f"forgot {who}: {counted(summary.faces, 'face')}, {counted(summary.people, 'person', 'people')}, "
        f"{counted(summary.photos, 'photo')}, {counted(summary.journal, 'line')} of the journal"
    )
    say(f"searched all files of the library, {summary.searched_bytes:,} bytes: nothing is left")
