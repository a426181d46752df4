"""The program's commands, as Typer reads them: each is imported when it is called."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from facesearch.cli.command_help import Command
from facesearch.cli.output import complain, log_to_stderr
from facesearch.cli.plain_question import COMPLETION_VARIABLE

_PEOPLE = "people"  # a group of commands


class _Commands(TyperGroup):
    """Run a command. Reports Ctrl-C in one line, unless the command has answered it."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            complain("interrupted")
            raise typer.Exit(130) from None


# In the order of the list: name -> the module, with a function of its name, and what it does. A module is imported
# when it is asked for.
_COMMANDS = {
    "index": ("index", "Index the faces in a photo collection."),
    "query": ("query", "Tell who is on a photo, and where else they appear."),
    "why": ("why", "Explain a distance."),
    "compare": ("compare", "Compare the faces on two photos."),
    "photos": ("photos", "List the photos of the library."),
    "serve": ("serve", "Open a local page, and a REST API."),
    "teach": ("teach", "Teach the library its own people."),
    "calibrate": ("calibrate", "Fit the threshold to the people you named."),
    "status": ("status", "Show what the library holds."),
    "prune": ("prune", "Drop photos that were deleted."),
    "verify": ("verify", "Check the library, and repair it."),
    "forget": ("forget", "Forget a person, a photo, or everything."),
    "reindex": ("reindex", "Move the library to another tower."),
    "publish": ("publish", "Copy the faces to a Milvus server."),
    "export": ("export", "Write names for other programs: XMP, JSON, CSV."),
    "import": ("import_names", "Read names from other programs."),
    "train": ("train", "Train a tower on labelled photos of faces."),
    "evaluate": ("evaluate", "Measure how well a tower tells people apart."),
    "demo": ("demo", "Draw an album of synthetic people."),
    "portraits": ("demo", ""),  # its name before 1.0, hidden in lists
    "doctor": ("doctor", "Show what is installed, and what is missing."),
    _PEOPLE: ("people", "Name and correct people."),  # Typer lists groups last
}
_LISTING = (None, "--help", "-h", "--version")  # what needs no more than the list


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"facesearch {version('facesearch')}")
        raise typer.Exit


def _settings(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="FACESEARCH_DEBUG", help="Show more messages, and tracebacks.")
    ] = False,
) -> None:
    """Find people in a photo collection, on your own machine.

    Index a folder of photos once. Then give it any photo, and it tells you who is on it and where else they appear.
    """
    log_to_stderr(logging.DEBUG if debug else logging.WARNING)


def app_for(arguments: Sequence[str]) -> typer.Typer:
    """The command that was called, or the list of commands. All of them for a wrong name, and where a shell
    completes one."""
    named = next((argument for argument in arguments if argument != "--debug"), None)
    if COMPLETION_VARIABLE in os.environ:
        return build_app()
    if named in _COMMANDS:
        return build_app([named])
    return build_app(list_only=named in _LISTING)


def build_app(names: Iterable[str] = tuple(_COMMANDS), *, list_only: bool = False) -> typer.Typer:
    """The program with some of its commands: importing and preparing all of them takes 60 ms.

    list_only: the commands are listed, but cannot be run, and none is imported.
    """
    app = typer.Typer(
        name="facesearch",
        cls=_Commands,
        rich_markup_mode=None,  # Rich's help takes 0.1 s more to print
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_settings)
    for name in names:
        module, help_ = _COMMANDS[name]
        if list_only:
            app.command(name, short_help=help_ or None, hidden=not help_)(_listed)
            continue
        found = import_module(f"facesearch.cli.{module}")
        if name == _PEOPLE:
            app.add_typer(found.people_app)
        else:
            app.command(name, cls=Command, short_help=help_ or None, hidden=not help_)(getattr(found, module))
    return app


def _listed() -> None:
    """Stands for a command in the list of commands."""
