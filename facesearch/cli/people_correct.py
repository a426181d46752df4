"""`facesearch people name`, `add-face`, `born`, `merge`, `split` and `reject`: corrections by the user."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.cli.completing import complete_person
from facesearch.cli.options import JsonOption, LibraryOption, TowerOption
from facesearch.cli.output import counted, say_json, shown
from facesearch.cli.people_options import FacesArgument, PersonArgument, say_change, shown_name
from facesearch.errors import UsageError

if TYPE_CHECKING:
    from facesearch.api.values import PeopleChanged

_DATE = "YYYY-MM-DD"


def name(
    who: Annotated[
        str,
        typer.Argument(
            metavar="WHO",
            help="A person by name or number, face:3 for a face by number, or a photo.",
            show_default=False,
            autocompletion=complete_person,
        ),
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name to give.", show_default=False)],
    *,
    face: Annotated[
        int | None,
        typer.Option(
            "--face",
            metavar="K",
            min=1,
            help="Number of the face on the photo, as query prints it.",
            show_default=False,
        ),
    ] = None,
    box: Annotated[
        str | None,
        typer.Option(
            "--box", metavar="X,Y,W,H", help="The face of the photo at this box, in pixels.", show_default=False
        ),
    ] = None,
    born: Annotated[
        str | None, typer.Option("--born", metavar=_DATE, help="When the person was born.", show_default=False)
    ] = None,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Name a group or a single face, or rename a person.

    A face goes to the person of that name, who may be new. A group or person cannot take a name that is in use:
    merge the two instead.
    """
    from facesearch.api.library import open_library

    if face is not None and box is not None:
        raise UsageError("give --face or --box, not both")
    at = None if box is None else parsed_box(box)
    with open_library(library) as opened:
        changed = opened.people.name(who, name, born=born, face=face, box=at)
    _report(changed, f"{shown(changed.name)} (number {changed.person_id}) now has {_faces(changed.total)}", json=json)


def add_face(
    photo: Annotated[
        Path, typer.Argument(metavar="PHOTO", help="A photo of the library.", show_default=False, readable=False)
    ],
    *,
    box: Annotated[
        str,
        typer.Option(
            "--box",
            metavar="X,Y,W,H",
            help="Where the face is, in pixels of the upright photo: left, top, width, height.",
            show_default=False,
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="NAME",
            help="Name of the person, who may be new.",
            show_default=False,
            autocompletion=complete_person,
        ),
    ] = None,
    library: LibraryOption = None,
    tower: TowerOption = None,
    json: JsonOption = False,
) -> None:
    """Add a face that index missed.

    Enlarges the box and looks for a face there. If there is one, it is compared like any other; if not, only the box
    and the name are kept.
    """
    from facesearch.api.library import open_library

    with open_library(library, tower=tower) as opened:
        added = opened.people.add_face(photo, parsed_box(box), name)
    if json:
        say_json(added)
        return
    whose = "" if added.name is None else f" of {shown(added.name)}"
    alone = "" if added.embedded else "; no face can be seen there, so it is not compared with others"
    say_change(added.change, f"added face #{added.face_id}{whose}{alone}")


def born(
    person: PersonArgument,
    date: Annotated[
        str, typer.Argument(metavar=f"{_DATE}|unknown", help="The date of birth, or unknown.", show_default=False)
    ],
    *,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Set a person's date of birth; review then lists photos taken before it."""
    from facesearch.api.library import open_library

    with open_library(library) as opened:
        changed = opened.people.set_born(person, None if date == "unknown" else date)
    who = shown_name(changed.name, changed.person_id)
    said = f"{who} has no date of birth now" if changed.born is None else f"{who} was born on {changed.born}"
    _report(changed, said, json=json)


def merge(
    first: PersonArgument,
    others: Annotated[
        list[str],
        typer.Argument(
            metavar="OTHER",
            help="The people to merge into the first, by name or number.",
            show_default=False,
            autocompletion=complete_person,
        ),
    ],
    *,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Merge several people into one. The first keeps the name, or takes the next one's if it has none.

    Faces rejected from any of them are rejected from the merged person.
    """
    from facesearch.api.library import open_library

    with open_library(library) as opened:
        changed = opened.people.merge(first, *others)
    who = shown_name(changed.name, changed.person_id)
    gained = f"{_faces(changed.faces)} of {counted(changed.people, 'person', 'people')}"
    _report(changed, f"merged {gained} into {who}, who now has {_faces(changed.total)}", json=json)


def split(
    person: PersonArgument,
    faces: FacesArgument,
    *,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="NAME",
            help="Person who gets the faces: a name, which may be new, or a number; by default a new unnamed group.",
            show_default=False,
            autocompletion=complete_person,
        ),
    ] = None,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Move some of a person's faces to a new person.

    The faces are rejected from the former person, so that nothing puts them back.
    """
    from facesearch.api.library import open_library

    with open_library(library) as opened:
        changed = opened.people.split(person, faces, to)
    who = shown_name(changed.name, changed.person_id)
    _report(changed, f"moved {_faces(changed.faces)} from {shown(person)} to {who}", json=json)


def reject(
    person: PersonArgument, faces: FacesArgument, *, library: LibraryOption = None, json: JsonOption = False
) -> None:
    """Reject faces: they leave the person, and stay rejected.

    Grouping, folder names and lists never give them back, even after a reindex. To give one back, name it yourself.
    """
    from facesearch.api.library import open_library

    with open_library(library) as opened:
        changed = opened.people.reject(person, faces)
    _report(changed, f"rejected {_faces(changed.faces)}: not {shown(person)}", json=json)


def parsed_box(text: str) -> list[float]:
    """x1 y1 x2 y2 of a box of 30 x 40 px at 10, 20, written `10,20,30,40`. Raises UsageError."""
    try:
        left, top, width, height = (float(side) for side in text.split(","))
    except ValueError:
        raise UsageError(f"{text} is not a box; write it as x,y,width,height in pixels") from None
    if not (left + top > -inf and 0 < width < inf and 0 < height < inf):
        raise UsageError(f"{text} is not a box: width and height are greater than 0")
    return [left, top, left + width, top + height]


def _faces(number: int) -> str:
    return counted(number, "face")


def _report(changed: PeopleChanged, text: str, *, json: bool) -> None:
    if json:
        say_json(changed)
    else:
        say_change(changed.change, text)
