"""`.facesearchignore`: what of a folder is passed over, in gitignore's syntax and by gitignore's rules.

A file of that name holds for its folder and all folders below, and one further down has the last word there. Unlike
git, nothing above the folder that was given is looked for, and what was itself given is always taken.

What it names is private, so in doubt more is left out: the whole folder of a file that cannot be read, and whatever a
pattern may mean. Editors of other systems write UTF-16, byte-order marks, accents as one letter or two, and backslashes
between folders.
"""

from __future__ import annotations

import codecs
import os
import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from facesearch.errors import PhotoError
from facesearch.photos.files import read_file
from facesearch.records import SkippedFile

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_NAME = ".facesearchignore"
_LEFT_OUT = "its folder is left out until then"
_MARKS = {  # UTF-32's little-endian mark begins with UTF-16's
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


class UnreadableRulesError(Exception):
    """The rules of a folder cannot be read. file: which, and why."""

    def __init__(self, file: SkippedFile) -> None:
        super().__init__(file.reason)
        self.file = file


@dataclass(frozen=True)
class IgnoreRules:
    """The files that hold in a folder: each file's folder and its patterns, the nearest first."""

    files: tuple[tuple[Path, GitIgnoreSpec], ...] = ()

    def ignores(self, path: Path, *, is_folder: bool) -> bool:
        """Whether a path in that folder is to be passed over."""
        for folder, patterns in self.files:
            relative = _composed(path.relative_to(folder).as_posix()) + "/" * is_folder
            decided = patterns.check_file(relative).include
            if decided is not None:
                return decided
        return False


NO_RULES = IgnoreRules()


def misnamed_rules(name: str) -> bool:
    """Whether a file's name is nearly `.facesearchignore`, so that its rules are not obeyed."""
    return name != IGNORE_NAME and name.lower() in {IGNORE_NAME, f"{IGNORE_NAME}.txt"}


def rules_in(folder: Path, outer: IgnoreRules, name: str = IGNORE_NAME) -> tuple[IgnoreRules, list[SkippedFile]]:
    """The rules in a folder with an ignore file of its own, and the lines of that file that cannot be obeyed.

    Raises UnreadableRulesError if the file cannot be read, or its name is nearly but not quite right.
    """
    from pathspec import GitIgnoreSpec

    path = folder / name
    if misnamed_rules(name):
        raise UnreadableRulesError(SkippedFile(path, f"is not obeyed: rename it to {IGNORE_NAME}; {_LEFT_OUT}"))
    try:
        _, content = read_file(path)
    except PhotoError as error:
        what = error.reason.partition(":")[0]
        reason = f"{what}: make it a text file that you can read; {_LEFT_OUT}"
        raise UnreadableRulesError(SkippedFile(path, reason)) from error
    try:
        text = _decoded(content)
    except ValueError as error:
        reason = f"is not text ({error}): save it as UTF-8; {_LEFT_OUT}"
        raise UnreadableRulesError(SkippedFile(path, reason)) from error
    lines = re.split(r"\r\n|\r|\n", text)
    ways = [_ways(line) for line in lines]
    wrong = {number: said for number, line in enumerate(lines) if not ways[number] and (said := _what_is_wrong(line))}
    complaints = [
        SkippedFile(path, f"line {number + 1} is not a pattern ({said}): correct it; the other lines apply")
        for number, said in wrong.items()
    ]
    patterns = GitIgnoreSpec.from_lines(way for line in ways for way in line)
    return IgnoreRules(((folder, patterns), *outer.files)), complaints


def _decoded(content: bytes) -> str:
    """A text file's text. Bytes that are no UTF-8 stay what they are in names of files. Raises ValueError."""
    for mark, encoding in _MARKS.items():
        if content.startswith(mark) and encoding != "utf-8":
            return content[len(mark) :].decode(encoding)
    content = content.removeprefix(codecs.BOM_UTF8)
    if b"\0" in content:  # UTF-16 without a mark: most letters of a pattern have one zero byte, on the same side
        encoding = "utf-16-le" if content[1::2].count(0) > content[::2].count(0) else "utf-16-be"
        content = content.decode(encoding).encode("utf-8")
        if b"\0" in content:
            raise ValueError("it contains NUL bytes")
    return os.fsdecode(content)


def _ways(line: str) -> list[str]:
    """A pattern as it stands, and as it may be meant: in Windows' Western code page, with backslashes for slashes."""
    ways = [_composed(line)]
    if not line.startswith("!"):
        if any("\udc80" <= letter <= "\udcff" for letter in line):
            with suppress(UnicodeError):
                ways.append(_composed(os.fsencode(line).decode("cp1252")))
        ways.append(re.sub(r"\\(?=\w|$)", "/", ways[-1].rstrip()))
    return [way for number, way in enumerate(ways) if way not in ways[:number] and not _what_is_wrong(way)]


def _composed(name: str) -> str:
    """An accented letter as one character, whichever way it is written: macOS writes two in the names of files."""
    return unicodedata.normalize("NFC", name)


def _what_is_wrong(line: str) -> str | None:
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([line])
    except (ValueError, re.error) as error:
        return str(error)
    return None
