"""Several photos, and folders of photos, as probes: each with its answer or with why it has none.

Networks and library are loaded once for all. Refuses to stop at a bad photo where there are others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from facesearch.errors import PhotoError
from facesearch.photos import walk
from facesearch.query import QueryAnswer
from facesearch.records import SkippedFile


@dataclass(frozen=True)
class Unanswered:
    """A probe without an answer, and why. is_named: it was asked for itself, not found in a folder."""

    photo: Path
    reason: str
    is_named: bool


def is_one_photo(paths: Sequence[Path]) -> bool:
    """Whether there is one probe, whose failure is an error; a folder is many, whatever it holds."""
    return len(paths) == 1 and not paths[0].is_dir()


def answers_to(paths: Iterable[Path], ask: Callable[[Path], QueryAnswer]) -> Iterator[QueryAnswer | Unanswered]:
    """The answer to each photo, those in folders too, at any depth, in order. ask: raises PhotoError, and others that
    end it all."""
    for path in paths:
        if not path.is_dir():
            yield _answer(path, ask, is_named=True)
            continue
        for found in walk([path]):
            if isinstance(found, SkippedFile):
                yield Unanswered(found.path, found.reason, is_named=False)
            else:
                yield _answer(found.path, ask, is_named=False)


def _answer(path: Path, ask: Callable[[Path], QueryAnswer], *, is_named: bool) -> QueryAnswer | Unanswered:
    try:
        return ask(path)
    except PhotoError as error:
        return Unanswered(path, error.reason, is_named)
