"""How the command line writes: results on stdout, the rest on stderr, and never a control character of a file name.

Colours only on a terminal. JSON is ASCII: file names that are not UTF-8 keep their bytes as lone surrogates
(\\udc80 to \\udcff, as Python's os.fsdecode gives them) and so come back losslessly.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from facesearch import text

if TYPE_CHECKING:
    from facesearch.api.values import AbsentFolder

shown, counted = text.shown, text.counted
_NO_CELL = "\u200c\u200d\ufe0e\ufe0f"  # joiners, and what says how an emoji is drawn


def shown_path(path: PurePath) -> str:
    """A path as it is shown: relative if it lies below the working directory."""
    try:
        here = Path.cwd()
    except OSError:  # it was deleted
        return shown(path)
    return shown(path.relative_to(here) if path.is_relative_to(here) else path)


def say(text: str = "", *, bold: bool = False) -> None:
    """A line of the result, on stdout; bold only on a terminal."""
    put(f"{bold_text(text) if bold and has_colours(sys.stdout) else text}\n")


def complain(text: str) -> None:
    """One line on stderr: an error or a warning."""
    sys.stderr.write(f"facesearch: {shown(text)}\n")
    sys.stderr.flush()


def say_json(value: Any) -> None:
    """A result as JSON on stdout."""
    put(f"{json.dumps(value, indent=2, default=text.plain)}\n")


def bold_text(text: str) -> str:
    """For a terminal that has colours."""
    return f"\x1b[1m{text}\x1b[0m"


def put(text: str) -> None:
    """Text as it stands, on stdout."""
    sys.stdout.write(text)
    sys.stdout.flush()


def has_colours(stream: TextIO) -> bool:
    """Whether colours are welcome: on a terminal that has them, unless NO_COLOR is set (no-color.org)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def is_terminal(stream: TextIO) -> bool:
    """Whether a stream is a terminal that can do more than print one line after another."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> list[str]:
    """Lines with columns padded to their widest cell; nothing is ever cut. right: heads of columns set flush right."""
    lines = [heads, *rows]
    widths = [max(cells(line[column]) for line in lines) for column in range(len(heads))]
    flush_right = [head in right for head in heads]
    return [
        "  ".join(_padded(*cell) for cell in zip(line, widths, flush_right, strict=True)).rstrip() for line in lines
    ]


def _padded(text: str, width: int, flush_right: bool) -> str:
    padding = " " * (width - cells(text))
    return padding + text if flush_right else text + padding


def cells(text: str) -> int:
    """Terminal cells: two for wide letters (UAX #11), none for combining marks and joiners."""
    return sum(_cells_of(letter) for letter in text)


def _cells_of(letter: str) -> int:
    if unicodedata.combining(letter) or letter in _NO_CELL:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def end_interrupted() -> NoReturn:
    """Say that finished work is kept after Ctrl-C, and exit with its code."""
    import typer

    complain("interrupted; finished work is kept, and the next run continues")
    raise typer.Exit(130)


def report_absent(folders: Iterable[AbsentFolder], outcome: str) -> None:
    """Warn on stderr about each folder that is missing today. outcome: what happened to its files."""
    for folder in folders:
        files = counted(folder.files, "known file")
        complain(f"{shown_path(folder.path)} is missing or empty: {files} {outcome}")


def report_nodes(nodes: Mapping[str, int]) -> None:
    """A line with the photos that each machine of a cluster has read; none without a cluster."""
    if nodes:
        say(f"nodes    {', '.join(f'{shown(node)} {photos:,}' for node, photos in nodes.items())}")


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = f"facesearch: {shown(record.getMessage())}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def log_to_stderr(level: int) -> None:
    """Print the log of the library on stderr, one line a record, from this level up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine())
    logger = logging.getLogger("facesearch")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(level)
