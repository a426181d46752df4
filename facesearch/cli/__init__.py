"""The command line: parse, call one service, print. Nothing else.

Imports nothing heavy: a command is imported when it is asked for, and its services when it runs.
Only here are errors printed and turned into exit codes: 0 done (no match is done too), 1 a bug, 2 usage, 3 photo,
4 library, 5 tower, 6 training data, 7 results not written, 130 interrupted.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from facesearch.cli.output import complain, log_to_stderr
from facesearch.cli.plain_question import plain_question
from facesearch.cli.streams import end_unwritten, prepare_streams
from facesearch.errors import FacesearchError, OutputError, PhotoError, UsageError

log = logging.getLogger("facesearch")


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
        from facesearch.cli.app import app_for  # with Typer, which takes 30 ms to import

        app_for(given)(given, prog_name="facesearch")
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
    from facesearch.cli.question import answer_question

    sys.exit(0 if answer_question(**question) else PhotoError.exit_code)


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


def _refuse_empty(arguments: Sequence[str]) -> None:
    """Refuse an empty path: it would mean the working directory, and mostly comes from an unset shell variable."""
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
