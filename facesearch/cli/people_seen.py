"""`facesearch people together`, `hide`, `unhide` and `cover`: people on photos together, hidden people, and covers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.cli.completing import complete_face, complete_person
from facesearch.cli.options import JsonOption, LibraryOption
from facesearch.cli.output import say, say_json, table
from facesearch.cli.people_options import PersonArgument, say_change, shown_name

if TYPE_CHECKING:
    from facesearch.api.values import PeopleHidden

PeopleArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="PERSON",
        help="Names, or '#12' for a person by number.",
        show_default=False,
        autocompletion=complete_person,
    ),
]


def together(
    person: Annotated[
        str | None,
        typer.Argument(
            metavar="PERSON",
            help="Only pairs with this person: a name, or '#12' by number.",
            show_default=False,
            autocompletion=complete_person,
        ),
    ] = None,
    *,
    top: Annotated[int, typer.Option("--top", "-n", metavar="N", min=0, help="How many pairs; 0 for all.")] = 20,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """List pairs of people who are on photos together, most photos first.

    Counts copies of a photo once. Includes unnamed groups, and leaves out hidden people.
    """
    from facesearch.api.library import open_library

    with open_library(library) as opened:
        pairs = opened.people.together(person, top=top or None)
    if json:
        say_json({"pairs": pairs})
        return
    rows = [
        (
            f"{pair.photos:,}",
            shown_name(pair.name, pair.person_id),
            shown_name(pair.other_name, pair.other_person_id),
        )
        for pair in pairs
    ]
    if not rows:
        say("nobody is on a photo with somebody else")
    else:
        for line in table(("photos", "person", "with"), rows, ("photos",)):
            say(line)


def hide(people: PeopleArgument, *, library: LibraryOption = None, json: JsonOption = False) -> None:
    """Hide people, such as strangers and posters, from lists, sheets and query.

    Hidden people keep their faces, so that nobody else gets them, and review still checks them. To list them: people
    list --hidden.
    """
    from facesearch.api.library import open_library

    with open_library(library) as opened:
        done = opened.people.hide(*people)
    _say(done, json=json)


def unhide(people: PeopleArgument, *, library: LibraryOption = None, json: JsonOption = False) -> None:
    """Show hidden people again."""
    from facesearch.api.library import open_library

    with open_library(library) as opened:
        done = opened.people.unhide(*people)
    _say(done, json=json)


def cover(
    person: PersonArgument,
    face: Annotated[
        str | None,
        typer.Argument(
            metavar="FACE",
            help="face:3 or 3 for a face by number, or a photo with the person. Without it, facesearch chooses again.",
            show_default=False,
            autocompletion=complete_face,
        ),
    ] = None,
    *,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Choose the face that stands for a person. By default it is the best of the typical ones."""
    from facesearch.api.library import open_library

    with open_library(library) as opened:
        done = opened.people.set_cover(person, face)
    if json:
        say_json(done)
        return
    who = shown_name(done.name, done.person_id)
    chosen = "the best of the typical faces" if done.cover_face_id is None else f"face:{done.cover_face_id}"
    say_change(done.change, f"{chosen} stands for {who} now")


def _say(done: PeopleHidden, *, json: bool) -> None:
    if json:
        say_json(done)
        return
    names = ", ".join(shown_name(*each) for each in zip(done.names, done.person_ids, strict=True))
    say_change(done.change, f"{names}: {'hidden' if done.hidden else 'shown again'}")
