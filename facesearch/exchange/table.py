"""A table in a CSV file as people and spreadsheets write it: its text, what separates its cells, its lines.

Reads UTF-8 and, where a byte-order mark says so, UTF-16; commas, semicolons, tabs, and whatever Excel's `sep=` line
names. Columns are known by name, in upper or lower case. Refuses to guess any other encoding. Source: RFC 4180.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from facesearch.errors import UsageError

_SEPARATOR = re.compile(r"\"?sep=(.)\"?\r?\n", re.IGNORECASE)

Cells = Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """A table in a file. Going through its lines raises UsageError where the file is not CSV."""

    columns: tuple[str, ...]  # their names, in lower case
    # the number of each line in the file, and its cells by column, "" for a missing one
    lines: Iterator[tuple[int, Cells]]


def read_table(content: bytes, name: object) -> Table:
    """The table in a file's bytes. name: of the file, for errors. Raises UsageError."""
    try:
        text = _text(content)
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-16, although its first bytes say so: save it as CSV UTF-8") from error
    named = _SEPARATOR.match(text)  # Excel's line that says what separates the cells
    body = text[named.end() :] if named else text
    head = body.partition("\n")[0]
    delimiter = named[1] if named else max(",;\t", key=head.count)
    reader = csv.DictReader(io.StringIO(body, newline=""), delimiter=delimiter, strict=True)
    skipped = 1 if named else 0
    try:
        columns = tuple(column.strip().casefold() for column in reader.fieldnames or ())
    except csv.Error as error:
        raise UsageError(f"{name} is not a CSV file: {error}") from error
    reader.fieldnames = list(columns)
    return Table(columns, _lines(reader, skipped, name))


def _lines(reader: csv.DictReader[str], skipped: int, name: object) -> Iterator[tuple[int, Cells]]:
    try:
        for cells in reader:
            yield reader.line_num + skipped, {name: cells[name] or "" for name in reader.fieldnames or ()}
    except csv.Error as error:
        raise UsageError(f"{name} is not a CSV file: after line {reader.line_num + skipped}: {error}") from error


def box_sides(texts: list[str]) -> list[float]:
    """Four numbers, with a point or, as some spreadsheets write 812.5, a comma. Raises ValueError."""
    return [float(text.replace(",", ".")) for text in texts]


def refuse_other_encodings(name: str) -> None:
    """Raise UsageError for the name of a person that is not in UTF-8. Paths may be: they are bytes."""
    if any("\ud800" <= letter <= "\udfff" for letter in name):
        raise UsageError(f"{name} is not in UTF-8: save the list as that, in Excel as CSV UTF-8")


def _text(content: bytes) -> str:
    """From UTF-8, or from UTF-16 where a byte order mark says so, as in what spreadsheets call Unicode text. Bytes that
    are no UTF-8 stay as file names keep them. Raises UnicodeDecodeError."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    return content.decode("utf-8-sig", "surrogateescape")
