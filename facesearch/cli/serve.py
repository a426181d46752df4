"""`facesearch serve`: the local page and the REST API."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from facesearch.cli.options import DeviceOption, LibraryOption, TowerOption
from facesearch.cli.output import complain, is_terminal, say, shown_path
from facesearch.errors import UsageError


def serve(
    *,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="Port to listen on; 0: one that is free.")
    ] = 8765,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 lets other machines connect.")
    ] = "127.0.0.1",
    name: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="NAME", help="Another host name of this server. Repeatable."),
    ] = None,
    root: Annotated[
        list[Path] | None,
        typer.Option(
            "--root",
            metavar="DIR",
            help="Let the page index this folder and all folders in it, as well as those indexed before. Repeatable.",
            readable=False,
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN",
            envvar="FACESEARCH_TOKEN",
            help="The token that opens the page, at least 16 characters; by default a new one each time.",
            show_default=False,
        ),
    ] = None,
    open_browser: Annotated[
        bool | None,
        typer.Option(
            "--open/--no-open",
            help="Open the page in a browser; by default if started in a terminal.",
            show_default=False,
        ),
    ] = None,
    library: LibraryOption = None,
    tower: TowerOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Open a local page that shows your people, and a REST API, until Ctrl-C.

    Needs the extra `web`. Listens on this machine only, and refuses requests without the token. The address that it
    prints contains the token.
    """
    from facesearch.api.library import open_library

    if token is not None and len(token) < _SHORTEST_TOKEN:
        raise UsageError(f"the token has {len(token)} characters; use at least {_SHORTEST_TOKEN}, or leave it out")
    try:
        from facesearch.web.library_threads import Place
        from facesearch.web.server import serve as run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "facesearch":
            raise
        from facesearch.import_path import how_to_add

        raise UsageError(f"the page needs more packages: {how_to_add('web')}") from error
    where = open_library(library).path
    if not where.is_dir():
        complain(f"there is no library in {where} yet: index a folder from the page, or with facesearch index")
    if host not in ("127.0.0.1", "::1", "localhost"):
        complain(
            f"listening on {host}: anyone who reaches this machine and has the token sees the library, and everything "
            "is sent unencrypted; put a TLS proxy in front of it"
        )
    for folder in root or ():
        if not folder.is_dir():
            complain(f"--root {shown_path(folder)} is not a folder now: check the name, or the drive that it is on")
    place = Place(where, tower, device, tuple(folder.absolute() for folder in root or ()))
    opens = is_terminal(sys.stdout) if open_browser is None else open_browser
    run(place, host=host, port=port, names=name or (), token=token, opens_browser=opens, on_ready=_say_ready)


_SHORTEST_TOKEN = 16


def _say_ready(address: str) -> None:
    say(address, bold=True)
    sys.stdout.flush()
    complain("open that address, which holds the token; press Ctrl-C to stop")
