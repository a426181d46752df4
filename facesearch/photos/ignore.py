"""`.facesearchignore`: what of a folder is passed over, in gitignore's syntax and by gitignore's rules.

A file of that name holds for its folder and all folders below, and one further down has the last word there. Unlike
git, nothing above the folder that was given is looked for, and what was itself given is always taken.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from facesearch.errors import PhotoError
from facesearch.photos.files import read_file
from facesearch.records import SkippedFile

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_NAME = ".facesearchignore"


@dataclass(frozen=True)
class IgnoreRules:
    """The files that hold in a folder: each file's folder and its patterns, the nearest first."""

    files: tuple[tuple[Path, GitIgnoreSpec], ...] = ()

    def ignores(self, path: Path, *, is_folder: bool) -> bool:
        """Whether a path in that folder is to be passed over."""
        for folder, patterns in self.files:
            relative = path.relative_to(folder).as_posix() + "/" * is_folder
            decided = patterns.check_file(relative).include
            if decided is not None:
                return decided
        return False


NO_RULES = IgnoreRules()


def rules_in(folder: Path, outer: IgnoreRules) -> tuple[IgnoreRules, list[SkippedFile]]:
    """The rules that hold in a folder with a file of its own, and what of that file cannot be obeyed."""
    from pathspec import GitIgnoreSpec

    path = folder / IGNORE_NAME
    try:
        _, content = read_file(path)
    except PhotoError as error:
        return outer, [SkippedFile(path, error.reason)]
    lines = os.fsdecode(content).splitlines()
    wrong = {number: said for number, line in enumerate(lines) if (said := _what_is_wrong(line))}
    patterns = GitIgnoreSpec.from_lines(line for number, line in enumerate(lines) if number not in wrong)
    complaints = [
        SkippedFile(path, f"line {number + 1} is no pattern ({said}): correct it; the other lines are obeyed")
        for number, said in wrong.items()
    ]
    return IgnoreRules(((folder, patterns), *outer.files)), complaints


def _what_is_wrong(line: str) -> str | None:
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([line])
    except (ValueError, re.error) as error:
        return str(error)
    return None
