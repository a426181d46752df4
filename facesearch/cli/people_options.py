"""What the commands of `facesearch people` share: their arguments, and how people are written."""

from __future__ import annotations

from typing import Annotated

import typer

from facesearch.cli.completing import complete_face, complete_person
from facesearch.cli.output import say, shown
from facesearch.text import called

PersonArgument = Annotated[
    str,
    typer.Argument(
        metavar="PERSON",
        help="A name, '#12' for a person by number, or plain 12 if nobody has that name.",
        show_default=False,
        autocompletion=complete_person,
    ),
]
FacesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="FACE",
        help="face:3 or 3 for a face by number, or a photo with the person.",
        show_default=False,
        autocompletion=complete_face,
    ),
]


def shown_name(name: str | None, person_id: int) -> str:
    """A name, or `unnamed #12`."""
    return shown(called(name, person_id))


def say_change(line_id: int | None, text: str) -> None:
    """What was changed, and how to undo it."""
    if line_id is None:
        say("nothing to change")
    else:
        say(text)
        say(f"to undo: facesearch people undo {line_id}")
