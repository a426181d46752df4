"""Pictures in a terminal: which protocol it speaks, by its environment alone, and the bytes that show one.

kitty's graphics protocol (sw.kovidgoyal.net/kitty/graphics-protocol), iTerm2's inline images (iterm2.com/documentation-
images.html), and sixel (DEC's VT3xx graphics manual, chapter 14). Refuses to ask the terminal anything: an answer that
comes late would be typed into the user's shell. Where it is not certain, there are no pictures.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Protocol = Literal["kitty", "iterm", "sixel"]

_CHUNK = 4096  # kitty's most, in base64
_SIDE_PX = 144  # of a picture where the terminal scales it
_COLOURS = 64
_SIXEL_TERMS = ("foot", "mlterm", "contour", "yaft")
_ITERM_PROGRAMS = ("iTerm.app", "WezTerm", "mintty")
# Set by terminals that show no such pictures, for programs that they start inside one that does.
_OTHER_TERMINALS = ("XTERM_VERSION", "VTE_VERSION", "KONSOLE_VERSION", "WT_SESSION")


def spoken_by(environment: Mapping[str, str]) -> Protocol | None:
    """The protocol of the terminal that this environment is of; None where it speaks none, or may not.

    Inside tmux and screen pictures would be lost or misplaced: None.
    """
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if term in ("", "dumb") or term.startswith(("tmux", "screen")) or environment.get("TMUX") or environment.get("STY"):
        return None
    if term in ("xterm-kitty", "xterm-ghostty") or program in ("kitty", "ghostty"):
        return "kitty"
    if program in _ITERM_PROGRAMS:
        return "iterm"
    if program or any(environment.get(name) for name in _OTHER_TERMINALS):
        return None
    if environment.get("KITTY_WINDOW_ID"):
        return "kitty"
    return "sixel" if term.startswith(_SIXEL_TERMS) else None


def shown_as(
    protocol: Protocol, content: bytes, columns: int, rows: int, cell_px: tuple[int, int] | None = None
) -> str:
    """What shows a picture over some columns and rows, from the cursor on. Where the cursor is left, terminals differ.

    content: a JPEG. cell_px: width and height of a character, of which only sixel makes use; by default a VT340's.
    """
    image = Image.open(io.BytesIO(content)).convert("RGB")
    if protocol == "sixel":
        width, height = cell_px or (10, 20)
        return _sixel(image.resize(_fitting(image.size, (columns * width, rows * height))))
    image.thumbnail((_SIDE_PX, _SIDE_PX))
    if protocol == "iterm":
        return _iterm(image, columns, rows)
    return _kitty(image, columns, rows)


def _kitty(image: Image.Image, columns: int, rows: int) -> str:
    """C=1: the cursor stays. q=2: no answer."""
    code = _encoded(image, "PNG")
    pieces = [code[start : start + _CHUNK] for start in range(0, len(code), _CHUNK)]
    out = []
    for place, piece in enumerate(pieces):
        first = f"a=T,f=100,c={columns},r={rows},C=1,q=2," if place == 0 else ""
        out.append(f"\x1b_G{first}m={int(place < len(pieces) - 1)};{piece}\x1b\\")
    return "".join(out)


def _iterm(image: Image.Image, columns: int, rows: int) -> str:
    code = _encoded(image, "JPEG")
    size = len(base64.b64decode(code))
    return f"\x1b]1337;File=inline=1;size={size};width={columns};height={rows};preserveAspectRatio=1:{code}\x07"


def _encoded(image: Image.Image, kind: str) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _fitting(size: tuple[int, int], room: tuple[int, int]) -> tuple[int, int]:
    factor = min(room[0] / size[0], room[1] / size[1])
    return max(1, int(size[0] * factor)), max(1, int(size[1] * factor))


def _sixel(image: Image.Image) -> str:
    """Six rows of pixels at a time, colour after colour. Colours are in percent; pixels not set stay as they are."""
    reduced = image.quantize(_COLOURS)
    palette = np.array(reduced.getpalette(), np.float64).reshape(-1, 3)
    pixels = np.asarray(reduced)
    height, width = pixels.shape
    out = [f'\x1bP0;1;0q"1;1;{width};{height}']
    for colour in np.unique(pixels).tolist():
        red, green, blue = (round(part * 100 / 255) for part in palette[colour].tolist())
        out.append(f"#{colour};2;{red};{green};{blue}")
    for top in range(0, height, 6):
        band = pixels[top : top + 6]
        weights = 1 << np.arange(len(band))
        lines = [
            f"#{colour}{_run_lengths(((band == colour) * weights[:, None]).sum(axis=0))}"
            for colour in np.unique(band).tolist()
        ]
        out.append("$".join(lines) + "-")
    return "".join(out) + "\x1b\\"


def _run_lengths(bits: NDArray[np.int64]) -> str:
    """Sixels of a row: `!5~` for five equal ones."""
    starts = np.flatnonzero(np.diff(bits, prepend=-1))
    lengths = np.diff(np.append(starts, len(bits)))
    return "".join(
        f"!{length}{chr(63 + bit)}" if length > 3 else chr(63 + bit) * length
        for bit, length in zip(bits[starts].tolist(), lengths.tolist(), strict=True)
    )
