"""What the commands of `facesearch people` share: whom they are about, the opened library, how people are written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.cli.completing import complete_face, complete_person
from facesearch.cli.output import say, shown

if TYPE_CHECKING:
    from facesearch.library import Library

PersonArgument = Annotated[
    str,
    typer.Argument(
        metavar="PERSON",
        help="A name, '#12' for a person by number, or plain 12 where nobody is called so.",
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


@contextmanager
def opened(path: Path | None, *, writable: bool = False) -> Iterator[Library]:
    """The library of --library, FACESEARCH_LIBRARY or the user's data directory."""
    from facesearch.library import Library, default_library_path

    with Library.open(path or default_library_path(), writable=writable) as library:
        yield library


def shown_name(name: str | None, person_id: int) -> str:
    """A name, or `unnamed #12`."""
    return f"unnamed #{person_id}" if name is None else shown(name)


def say_change(line_id: int | None, text: str) -> None:
    """What was changed, and how it is taken back."""
    if line_id is None:
        say("nothing to change")
    else:
        say(text)
        say(f"facesearch people undo {line_id} takes that back")
