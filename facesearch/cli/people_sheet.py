"""`facesearch people sheet`: the faces of a person, or of everybody, to look at."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from facesearch.cli.completing import complete_person
from facesearch.cli.options import ForceOption, JsonOption, LibraryOption
from facesearch.cli.output import counted, say, say_json, shown_path
from facesearch.cli.people_options import shown_name
from facesearch.cli.progress import Progress
from facesearch.errors import UsageError


class OrderChoice(StrEnum):
    """In which order a person's faces come."""

    DOUBTFUL = "doubtful"
    TYPICAL = "typical"
    DATE = "date"


def sheet(
    person: Annotated[
        str | None,
        typer.Argument(
            metavar="PERSON",
            help="A name, '#12' for a person by number, or plain 12 if nobody has that name.",
            show_default=False,
            autocompletion=complete_person,
        ),
    ] = None,
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Write the page here.", readable=False)],
    everybody: Annotated[bool, typer.Option("--all", help="Show everybody, with one face each.")] = False,
    order: Annotated[
        OrderChoice,
        typer.Option(
            help="doubtful: farthest from the person's centre first; typical: best typical first; date: oldest first."
        ),
    ] = OrderChoice.DOUBTFUL,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=5000, help="Most pictures that the page shows.")] = 500,
    force: ForceOption = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Write a page with all faces of a person, or one face of everybody.

    Each face shows its number; tick faces to get the reject and split commands to copy. The page shows faces, and only
    you can read it.
    """
    from facesearch.api.library import open_library
    from facesearch.api.values import check_page_file, write_page

    if everybody == (person is not None):
        raise UsageError("name a person, or give --all for everybody")
    check_page_file(out, "--out", force=force)
    with open_library(library) as opened, Progress("cutting faces", "photos") as progress:
        if person is None:
            people, page = opened.pages.everybody(limit, progress.update)
            result: object = people
            done = f"{counted(len(people.people), 'person', 'people')} of {people.total:,}"
        else:
            found, page = opened.pages.person(person, order.value, limit, progress.update)
            result = found
            name = shown_name(found.name, found.person_id)
            done = f"{name}: {len(found.faces):,} of {counted(found.total, 'face')}"
    write_page(out, page, "--out")
    if json:
        say_json(result)
    else:
        say(f"{done}\npage: {shown_path(out)}")
