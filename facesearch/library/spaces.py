"""The space of a library, from the head that its rows keep; the identity where nothing was taught.

Refuses a head that cannot be used: `facesearch verify --repair` drops it.
"""

from __future__ import annotations

from collections.abc import Iterator

from facesearch.errors import LibraryError
from facesearch.evaluation.calibration import Calibration
from facesearch.library.care.checks import Problem
from facesearch.library.rows.database import Database
from facesearch.library.rows.heads import Heads, StoredHead
from facesearch.library.space import Space, head_from_bytes
from facesearch.records import Chunk


class Spaces:
    """Reads a library's space, and keeps it for the next time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._heads = Heads(database)
        self._kept: tuple[int, Space] = (0, Space())

    def current(self) -> Space:
        """The space of the rows as they are now. Raises LibraryError where the head in force cannot be used."""
        stored = self._heads.last()
        if stored is None or stored.tower != self._database.settings().get("tower"):
            return Space()
        if self._kept[0] != stored.head_id:
            self._kept = (stored.head_id, _space_of(stored))
        return self._kept[1]


def _space_of(stored: StoredHead) -> Space:
    try:
        return Space(head_from_bytes(stored.weights), Calibration.from_card(stored.details["calibration"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LibraryError(
            f"what the library was taught on {stored.created_at[:10]} is damaged ({error}); facesearch verify --repair "
            "drops it"
        ) from error


def mapped(space: Space, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Pieces of embeddings, each where it lies in a space."""
    return ((ids, space.map(embeddings)) for ids, embeddings in chunks)


def head_problems(database: Database) -> list[Problem]:
    """Heads that cannot be used, or that belong to another tower."""
    heads = Heads(database)
    tower = database.settings().get("tower")
    problems = []
    for stored in heads.all():
        wrong = None if stored.tower == tower else "belongs to another tower"
        try:
            _space_of(stored)
        except LibraryError as error:
            wrong = f"is damaged ({error.__cause__})"
        if wrong is not None:
            problem = f"what the library was taught on {stored.created_at[:10]} {wrong}"
            outcome = "dropped it: teach the library again"
            problems.append(Problem("models", problem, outcome, lambda head_id=stored.head_id: heads.drop(head_id)))  # type: ignore[misc]
    return problems
