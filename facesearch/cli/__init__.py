"""The command line: parse, call one service, print. Nothing else.

Imports nothing heavy: each command imports its services when it runs, so that `facesearch --help` answers at once.
Only here are errors printed and turned into exit codes: 0 done (no match is done too), 1 a bug, 2 usage, 3 photo,
4 library, 5 tower, 6 training data, 7 results not written, 130 interrupted.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from copy import copy
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from facesearch.cli.calibrate import calibrate
from facesearch.cli.compare import compare
from facesearch.cli.completing import COMPLETION_VARIABLE
from facesearch.cli.demo import demo
from facesearch.cli.doctor import doctor
from facesearch.cli.evaluate import evaluate
from facesearch.cli.export import export
from facesearch.cli.forget import forget
from facesearch.cli.import_names import import_names
from facesearch.cli.index import index
from facesearch.cli.output import complain, log_to_stderr
from facesearch.cli.people import people_app
from facesearch.cli.photos import photos
from facesearch.cli.prune import prune
from facesearch.cli.query import query
from facesearch.cli.reindex import reindex
from facesearch.cli.serve import serve
from facesearch.cli.status import status
from facesearch.cli.streams import end_unwritten, prepare_streams
from facesearch.cli.teach import teach
from facesearch.cli.train import train
from facesearch.cli.verify import verify
from facesearch.cli.why import why
from facesearch.errors import FacesearchError, OutputError, UsageError

log = logging.getLogger("facesearch")


class _Commands(TyperGroup):
    """Run a command. Reports Ctrl-C in one line, unless the command has answered it."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            complain("interrupted")
            raise typer.Exit(130) from None


app = typer.Typer(
    name="facesearch",
    cls=_Commands,
    rich_markup_mode=None,  # Rich's help takes 0.1 s more to print
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(short_help="Index the faces in a photo collection.")(index)
app.command(short_help="Find who is on a photo, and where else they are.")(query)
app.command(short_help="Explain a distance.")(why)
app.command(short_help="Compare the faces on two photos.")(compare)
app.add_typer(people_app)
app.command(short_help="List the photos of the library.")(photos)
app.command(short_help="Open a local page, and a REST API.")(serve)
app.command(short_help="Teach the library its own people.")(teach)
app.command(short_help="Fit the threshold to the people you named.")(calibrate)
app.command(short_help="Show what the library holds.")(status)
app.command(short_help="Drop photos that were deleted.")(prune)
app.command(short_help="Check the library, and repair it.")(verify)
app.command(short_help="Forget a person, a photo, or everything.")(forget)
app.command(short_help="Move the library to another tower.")(reindex)
app.command(short_help="Write names for other programs: XMP, JSON, CSV.")(export)
app.command("import", short_help="Read names from other programs.")(import_names)
app.command(short_help="Train a tower on labelled photos of faces.")(train)
app.command(short_help="Measure how well a tower tells people apart.")(evaluate)
app.command(short_help="Draw an album of synthetic people.")(demo)
app.command("portraits", hidden=True)(demo)  # its name of one release ago
app.command(short_help="Show what is installed, and what is missing.")(doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"facesearch {version('facesearch')}")
        raise typer.Exit


@app.callback()
def settings(
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
        _app_for(given)(given, prog_name="facesearch")
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
    """The one command that is asked for: to prepare all of them takes Typer 30 ms. All of them where none is named
    first, as for the list of commands, a wrong name, and a shell that completes one."""
    named = next((argument for argument in arguments if argument != "--debug"), None)
    commands = [
        each for each in app.registered_commands if each.callback and named == (each.name or each.callback.__name__)
    ]
    groups = [each for each in app.registered_groups if each.typer_instance and each.typer_instance.info.name == named]
    if not (commands or groups) or COMPLETION_VARIABLE in os.environ:
        return app
    narrowed = copy(app)
    narrowed.registered_commands, narrowed.registered_groups = commands, groups
    return narrowed


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
