"""`facesearch photos`: list the photos of the library."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.cli.options import JsonOption, LibraryOption
from facesearch.cli.output import counted, say, say_json, shown_path
from facesearch.errors import UsageError

if TYPE_CHECKING:
    from facesearch.api.values import PhotoList


def photos(
    *,
    without_faces: Annotated[
        bool, typer.Option("--without-faces", help="Only photos in which no face was found.")
    ] = False,
    damaged: Annotated[
        bool, typer.Option("--damaged", help="Only photos of which a part is missing, and what is missing.")
    ] = False,
    under: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Only photos in this folder, at any depth.", readable=False),
    ] = None,
    null: Annotated[
        bool, typer.Option("--null", "-0", help="Print paths only, each ended by a NUL byte, as xargs -0 reads them.")
    ] = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """List the photos of the library, by path.

    Files with the same content count as one photo. Leaves out photos that were gone when their folder was last
    indexed.
    """
    from facesearch.api.library import open_library

    if null and json:
        raise UsageError("--null and --json are two formats: give one of them")
    with open_library(library) as opened:
        found = opened.photos(under=under, without_faces=without_faces, damaged=damaged)
    if json:
        say_json(found)
    elif null:
        for entry in found.photos:
            typer.echo(os.fsencode(entry.photo) + b"\0", nl=False)
    else:
        _report(found, without_faces=without_faces, damaged=damaged)


def _report(found: PhotoList, *, without_faces: bool, damaged: bool) -> None:
    for entry in found.photos:
        say(shown_path(entry.photo) + (f": {entry.damage}" if damaged else ""))
    if found.photos:
        say()
    what = ("without a face, " if without_faces else "") + ("damaged, " if damaged else "")
    say(f"{counted(len(found.photos), 'photo')} {what}of {found.total:,} in the library")
