"""Pictures beside rows, in terminals that can show them; elsewhere only the rows."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from facesearch.cli.output import bold_text, cells, has_colours, put, say

if TYPE_CHECKING:
    from facesearch.api.values import Protocol

    FacePictures = Callable[[Sequence[int]], Mapping[int, bytes | None]]

COLUMNS, ROWS = 8, 4  # of a picture: square, as a character is about twice as high as wide
_GAP = 2
MOST_PICTURES = 50
"""Beside one list: what is longer than that is better looked at on a page."""


class PicturesChoice(StrEnum):
    """How faces are shown in the terminal."""

    AUTO = "auto"
    NEVER = "never"
    KITTY = "kitty"
    ITERM = "iterm"
    SIXEL = "sixel"


_PROTOCOLS: Mapping[PicturesChoice, Protocol] = {
    PicturesChoice.KITTY: "kitty",
    PicturesChoice.ITERM: "iterm",
    PicturesChoice.SIXEL: "sixel",
}


class Rows:
    """The rows of a table as they are."""

    def begin(self, face_ids: Sequence[int]) -> None:
        """A table whose rows are about these faces."""

    def head(self, line: str) -> None:
        say(f"  {line}")

    def row(self, line: str, face_id: int, *, bold: bool = False) -> None:
        say(f"  {line}", bold=bold)


class RowsWithPictures(Rows):
    """The same with each face at the left, MOST_PICTURES a table."""

    def __init__(self, protocol: Protocol, pictures: FacePictures) -> None:
        self._protocol = protocol
        self._pictures = pictures
        self._faces: Mapping[int, bytes | None] = {}

    def begin(self, face_ids: Sequence[int]) -> None:
        self._faces = self._pictures(face_ids[:MOST_PICTURES])

    def head(self, line: str) -> None:
        say(" " * (COLUMNS + _GAP) + line)

    def row(self, line: str, face_id: int, *, bold: bool = False) -> None:
        """Wrap a line that is too long below itself, never below the picture."""
        pieces = _pieces(line, shutil.get_terminal_size().columns - COLUMNS - _GAP - 1)
        if face_id not in self._faces:
            say(" " * (COLUMNS + _GAP) + line, bold=bold)
            return
        pieces = [""] * max(0, (ROWS - len(pieces)) // 2) + pieces
        pieces += [""] * (ROWS - len(pieces))
        # Make room first, so that nothing scrolls while the picture is drawn; then draw it and put the cursor
        # back, because terminals leave it in different places.
        out = ["\n" * len(pieces), f"\x1b[{len(pieces)}A"]
        if content := self._faces[face_id]:
            out.append(f"\x1b7{self._shown(content)}\x1b8")
        is_bold = bold and has_colours(sys.stdout)
        for piece in pieces:
            out.append(f"\x1b[{COLUMNS + _GAP}C{bold_text(piece) if is_bold and piece else piece}\n")
        put("".join(out))

    def _shown(self, content: bytes) -> str:
        from facesearch.api.values import shown_as

        return shown_as(self._protocol, content, COLUMNS, ROWS, _cell_px())


def rows_for(choice: PicturesChoice, pictures: FacePictures) -> Rows:
    """How to print rows about faces: with pictures if the user wants them and the terminal shows them. pictures: gives
    the pictures of faces by id; called only then."""
    if choice is PicturesChoice.NEVER or not sys.stdout.isatty():
        return Rows()
    from facesearch.api.values import spoken_by

    protocol = spoken_by(os.environ) if choice is PicturesChoice.AUTO else _PROTOCOLS[choice]
    return Rows() if protocol is None else RowsWithPictures(protocol, pictures)


def _pieces(line: str, width: int) -> list[str]:
    """A line cut into pieces of at most so many terminal cells, between words where possible."""
    pieces, rest = [], line
    while cells(rest) > max(width, 1):
        end = len(rest)
        while end > 1 and cells(rest[:end]) > width:
            end -= 1
        space = rest.rfind(" ", 1, end + 1)
        end = space if space > end // 2 else end
        pieces.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return [*pieces, rest]


def _cell_px() -> tuple[int, int] | None:
    """Width and height of a character, where the terminal's driver knows them."""
    if sys.platform == "win32":
        return None
    import fcntl
    import struct
    import termios

    try:
        answer = fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, bytes(8))
        rows, columns, width, height = struct.unpack("HHHH", answer)
    except (OSError, ValueError):
        return None
    return (width // columns, height // rows) if rows and columns and width >= columns and height >= rows else None
