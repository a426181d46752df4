"""`facesearch demo`: an album of synthetic people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facesearch.cli.output import counted, say, shown
from facesearch.cli.progress import Progress


def demo(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="A new or empty folder, or an earlier album.", readable=False)
    ],
    *,
    people: Annotated[int, typer.Option(metavar="N", min=1, help="Number of people.")] = 12,
    photos: Annotated[int, typer.Option(metavar="N", min=1, help="Photos of each person.")] = 8,
    groups: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Number of group photos; by default one for every three people.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Random seed.")] = 0,
) -> None:
    """Draw an album of people who do not exist.

    DIR/people has a folder for each person, DIR/groups the group photos, and DIR/people.csv lists who is where.
    """
    from facesearch.demo import write_album

    with Progress("drawing", "photos") as progress:
        album = write_album(directory, people, photos, seed, groups=groups, progress=progress.update)
    say(
        f"drew {counted(len(album.people), 'person', 'people')} in {counted(album.portraits, 'portrait')} "
        f"and {counted(album.groups, 'group photo')} into {shown(album.directory)}"
    )
