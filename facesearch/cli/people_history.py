"""`facesearch people undo` and `log`: the changes to people, and how to take them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.cli.completing import complete_change
from facesearch.cli.options import JsonOption, LibraryOption
from facesearch.cli.output import counted, say, say_json, shown, table
from facesearch.cli.people_options import say_change, shown_name
from facesearch.errors import UsageError

if TYPE_CHECKING:
    from facesearch.api.values import LoggedChange, Undone

_NAMES_SHOWN = 3


def undo(
    change: Annotated[
        int | None,
        typer.Argument(
            metavar="CHANGE",
            min=1,
            help="The change's number, as log shows it; by default the last one that still holds.",
            show_default=False,
            autocompletion=complete_change,
        ),
    ] = None,
    *,
    since: Annotated[bool, typer.Option("--since", help="Also undo all later changes.")] = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Undo a change to people: the last one, or any one by its number.

    An undo is a change too: undo it to redo. If later changes concern the same faces or people, lists them and
    changes nothing.
    """
    from facesearch.api.library import open_library

    if since and change is None:
        raise UsageError("--since needs the number of a change: facesearch people log lists them")
    with open_library(library) as opened:
        people = opened.people
        all_undone = people.undo_since(change) if since and change is not None else (people.undo(change),)
    if json:
        say_json({"undone": all_undone})
        return
    for undone in all_undone:
        _report_undone(undone)


def _report_undone(undone: Undone) -> None:
    gone = f"; {counted(undone.gone, 'face')}are no longer in the library" if undone.gone else ""
    taken = undone.taken_back
    say_change(undone.change, f"undid change {taken.change}: {_what(taken)}{gone}")


def log(
    *,
    last: Annotated[int, typer.Option("--last", "-n", metavar="N", min=0, help="How many; 0 for all.")] = 20,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """List the changes to people, latest first: number, time, and what was done.

    Includes names from folders and lists, and groups.
    """
    from facesearch.api.library import open_library

    with open_library(library) as opened:
        changes = opened.people.log(last or None)
    if json:
        say_json({"changes": changes})
        return
    rows = [(str(each.change), each.at[:19].replace("T", " "), _what(each) + _state(each)) for each in changes]
    if not rows:
        say("no changes yet")
    else:
        for line in table(("change", "at (UTC)", "what"), rows, ("change",)):
            say(line)


def _what(change: LoggedChange) -> str:
    """A change in words, such as `reject Alice: 2 faces`."""
    if change.takes_back is not None and change.action == "undo":
        action = f"undo of change {change.takes_back}" + ("," if change.person_ids else "")
    else:
        action = shown(change.action)
    people = [shown_name(name, number) for number, name in zip(change.person_ids, change.names, strict=True)]
    more = f" and {len(people) - _NAMES_SHOWN:,} more" if len(people) > _NAMES_SHOWN else ""
    source = f" (by {shown(change.source)})" if change.source not in (None, "user") else ""
    faces = f": {counted(change.faces, 'face')}" if change.faces else ""
    who = f" {', '.join(people[:_NAMES_SHOWN])}{more}" if people else ""
    return f"{action}{who}{faces}{source}"


def _state(change: LoggedChange) -> str:
    return "" if change.taken_back_by is None else f" [undone by {change.taken_back_by}]"
