"""`facesearch people review`: likely mistakes, and the commands that correct them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.cli.options import JsonOption, LibraryOption
from facesearch.cli.output import counted, say, say_json, shown, shown_path
from facesearch.text import time_span

if TYPE_CHECKING:
    from facesearch.api.values import SuspectList

_KINDS = {
    "unborn": "taken before birth",
    "twice": "twice on a photo",
    "stray": "wrong person",
    "alike": "two people alike",
}


def review(
    *,
    top: Annotated[int, typer.Option("--top", "-n", metavar="N", min=0, help="How many to show; 0 for all.")] = 20,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """List likely mistakes, most likely first, each with the command that corrects it. Changes nothing.

    Finds: one person twice on a photo; a face far from its person and near another; two people who look like one;
    and photos taken before a person was born, if a date of birth is set. Says how many photos have no date.
    """
    from facesearch.api.library import open_library

    with open_library(library) as opened:
        found = opened.people.review(top or None)
    if json:
        say_json(found)
    else:
        _report(found)


def _report(found: SuspectList) -> None:
    for number, suspect in enumerate(found.suspects, start=1):
        where = "" if suspect.photo is None else f" face:{suspect.face_id} on {shown_path(suspect.photo)}"
        say(f"{number:>3}  {_KINDS[suspect.kind]}:{where} {time_span(suspect.span)}".rstrip(), bold=True)
        say(f"     {shown(suspect.reason)}")
        say(f"     {shown(suspect.command)}")
    if found.suspects:
        say()
    total = sum(found.found.values())
    kinds = ", ".join(f"{number:,} {_KINDS[kind]}" for kind, number in found.found.items() if number)
    more = f" ({kinds})" if kinds else ""
    looked = f"{counted(found.faces, 'face')} of {counted(found.people, 'person', 'people')}"
    say(f"{counted(total, 'likely mistake')}{more} among {looked}")
    if found.photos_dated or found.photos_undated:
        say(f"dates: {counted(found.photos_dated, 'photo')} with a date, {found.photos_undated:,} without")
