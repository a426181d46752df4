"""People, faces, file names and counts in words, for a terminal and for a page."""

from __future__ import annotations

import dataclasses
import unicodedata
from pathlib import PurePath
from typing import Any, Protocol

from facesearch.paths import address

_JOINERS = "\u200c\u200d"  # between letters of Persian and Indic scripts, and inside emoji


class Timed(Protocol):
    """What is seen from one time to another: `records.Span`."""

    @property
    def start_s(self) -> float: ...

    @property
    def end_s(self) -> float: ...


def called(name: str | None, person_id: int | None, face_id: int | None = None) -> str:
    """A name, `unnamed #12` for a group without one, `face #3` for a face in no group."""
    if name is not None:
        return name
    return f"face #{face_id}" if person_id is None else f"unnamed #{person_id}"


def addressed(name: str | None, person_id: int | None) -> str:
    """How a command addresses a person: by the name, or as `#12`."""
    return f"#{person_id}" if name is None else name


def shown(value: object) -> str:
    """A text on one line, for any UTF-8 terminal: line breaks, control characters, what turns the direction of writing,
    and bytes of file names that are no UTF-8 are escaped (`a\\nb.jpg`, `\\xff.jpg`). Every other letter and space is
    shown as it is, and an object in a bucket as its URL."""
    text = address(value) if isinstance(value, PurePath) else str(value)
    return "".join(letter if _is_harmless(letter) else _escaped(letter) for letter in text)


def _is_harmless(letter: str) -> bool:
    if letter.isprintable() or letter in _JOINERS:
        return True
    kind = unicodedata.category(letter)
    # Letters without a kind are emoji, mostly, of a newer Unicode than this Python's.
    return kind == "Zs" or (kind == "Cn" and 0x10000 <= ord(letter) < 0x40000 and ord(letter) & 0xFFFE != 0xFFFE)


def _escaped(letter: str) -> str:
    if "\udc80" <= letter <= "\udcff":  # a byte that is not UTF-8, as os.fsdecode keeps it (PEP 383)
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode("ascii")


def percent(share: float, decimals: int = 0) -> str:
    """A share from 0 to 1 as `97 %`, or `97.2 %`; what is not quite nothing as `< 1 %`, or `< 0.1 %`."""
    least = 10.0**-decimals
    return f"< {least:.{decimals}f} %" if 0 < 100 * share < least / 2 else f"{100 * share:.{decimals}f} %"


def clock(seconds: float) -> str:
    """A time in a video, `00:12:31`: the whole seconds that have passed."""
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"


def time_span(span: Timed | None) -> str:
    """When a face is seen in a video, `00:12:31-00:12:58`; one time where that is the same. Empty for a photo's."""
    if span is None:
        return ""
    start, end = clock(span.start_s), clock(span.end_s)
    return start if start == end else f"{start}-{end}"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 photo`, `2 photos`, `12,345 photos`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def plain(value: Any) -> Any:
    """What json.dumps writes for a value that it does not know (`default=plain`): dataclasses become objects, paths
    strings (URLs of what is in a bucket), arrays lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, PurePath):
        return address(value)
    if hasattr(value, "tolist"):  # NumPy's arrays and scalars, without importing NumPy
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not for JSON")
