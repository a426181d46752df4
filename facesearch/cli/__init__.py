"""The command line: parse, call one service, print. Nothing else.

Imports nothing heavy: a command is imported when it is asked for, and its services when it runs.
Only here are errors printed and turned into exit codes: 0 done (no match is done too), 1 a bug, 2 usage, 3 photo,
4 library, 5 tower, 6 training data, 7 results not written, 130 interrupted.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from facesearch.cli.completing import COMPLETION_VARIABLE
from facesearch.cli.output import complain, log_to_stderr
from facesearch.cli.plain_question import plain_question
from facesearch.cli.streams import end_unwritten, prepare_streams
from facesearch.errors import FacesearchError, OutputError, UsageError

log = logging.getLogger("facesearch")

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
    "query": ("query", "Find who is on a photo, and where else they are."),
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
    "portraits": ("demo", ""),  # its name of one release ago, which is in no list
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

    Index a folder of photos once; then ask with any photo who is on it and where else they are.
    """
    log_to_stderr(logging.DEBUG if debug else logging.WARNING)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit. arguments: without the program's name; None takes the process's own."""
    prepare_streams()
    log_to_stderr(logging.WARNING)
    try:
        given = sys.argv[1:] if arguments is None else arguments
        _refuse_empty(given)
        given = [_at_home(argument, before) for before, argument in pairwise(["", *given])]
        question = plain_question(given)
        if question is not None:
            _answer(question)
        _app_for(given)(given, prog_name="facesearch")
    except KeyboardInterrupt:  # before the command was there
        complain("interrupted")
        sys.exit(130)
    except OutputError as error:
        if not isinstance(error.__cause__, BrokenPipeError):
            complain(str(error))
        end_unwritten(error)
    except FacesearchError as error:
        log.debug("%s", type(error).__name__, exc_info=True)
        complain(str(error))
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        log.debug("%s", type(error).__name__, exc_info=True)
        from facesearch.import_path import how_to_find

        complain(how_to_find(error))
        sys.exit(1)
    except FileNotFoundError as error:
        if error.filename is not None or _has_working_directory():
            _report_bug(error)
        log.debug("%s", type(error).__name__, exc_info=True)
        complain("the working directory was deleted: change to another one, or give whole paths")
        sys.exit(UsageError.exit_code)
    except Exception as error:  # noqa: BLE001 - reported
        _report_bug(error)


def _answer(question: dict[str, Any]) -> NoReturn:
    """Run `query` without Typer, and exit as Typer does."""
    from facesearch.cli.query import query

    try:
        query(**question)
    except typer.Exit as leaving:
        sys.exit(leaving.exit_code)
    sys.exit(0)


def _report_bug(error: Exception) -> NoReturn:
    log.debug("%s", type(error).__name__, exc_info=True)
    complain(f"a bug: {type(error).__name__}: {error}; please report it with what `facesearch --debug ...` prints here")
    sys.exit(1)


def _has_working_directory() -> bool:
    try:
        Path.cwd()
    except OSError:
        return False
    return True


def _app_for(arguments: Sequence[str]) -> typer.Typer:
    """The one command that is asked for, or the list of commands. All of them for a wrong name, and where a shell
    completes one."""
    named = next((argument for argument in arguments if argument != "--debug"), None)
    if COMPLETION_VARIABLE in os.environ:
        return build_app()
    if named in _COMMANDS:
        return build_app([named])
    return build_app(list_only=named in _LISTING)


def build_app(names: Iterable[str] = tuple(_COMMANDS), *, list_only: bool = False) -> typer.Typer:
    """The program with some of its commands: to import and prepare all of them takes 60 ms.

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
            app.command(name, short_help=help_ or None, hidden=not help_)(getattr(found, module))
    return app


def _listed() -> None:
    """Stands for a command in the list of commands."""


def _refuse_empty(arguments: Sequence[str]) -> None:
    """An empty path would be the working directory, and is mostly a variable that the shell does not know."""
    for number, argument in enumerate(arguments, start=1):
        if not argument or (argument.startswith("--") and argument.endswith("=")):
            raise UsageError(f"argument {number} is empty: name a file or a folder, or . for this one")


def _at_home(argument: str, before: str) -> str:
    """An option's value that begins with ~: the shell leaves that to the program in `--library=~/faces`, and where
    another program starts this one. Anything else is as it was given."""
    option, equals, value = argument.partition("=")
    if not (equals and option.startswith("--")):
        option, equals, value = before, "", argument
    if option == "--" or not option.startswith("--") or not value.startswith("~") or not ("/" in value or value == "~"):
        return argument
    whole = os.path.expanduser(value)  # noqa: PTH111 - pathlib raises RuntimeError
    if whole == value:
        raise UsageError(f"{option}: there is no home folder {value.partition('/')[0]}: give the whole path")
    return f"{option}={whole}" if equals else whole
