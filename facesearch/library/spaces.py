"""The space of a library, from the head and the cohort that its rows keep; without a head the tower's own.

Refuses a head or a cohort that cannot be used: `facesearch verify --repair` drops it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from facesearch.errors import LibraryError
from facesearch.evaluation.calibration import Calibration
from facesearch.evaluation.cohort import Cohort
from facesearch.library.rows.database import COHORT_SETTING, Database
from facesearch.library.rows.heads import Heads, StoredHead
from facesearch.library.space import Space, head_from_bytes
from facesearch.records import Chunk, Models

if TYPE_CHECKING:
    from facesearch.library.care.checks import Problem


class Spaces:
    """Reads a library's space, and keeps it for the next time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._heads = Heads(database)
        self._kept: tuple[tuple[int, str], Space] = ((0, ""), Space())

    def current(self) -> Space:
        """The space of the rows as they are now. Raises LibraryError where the head in force or the cohort cannot be
        used."""
        settings = self._database.settings()
        stored, text = self._heads.last(), settings.get(COHORT_SETTING, "")
        if stored is not None and stored.tower != settings.get("tower"):
            stored = None
        kept = (0 if stored is None else stored.head_id, text)
        if self._kept[0] != kept:
            cohort = cohort_of(text)
            self._kept = (kept, Space(cohort=cohort) if stored is None else _space_of(stored, cohort))
        return self._kept[1]


def tower_space(models: Models) -> Space:
    """A tower's own space, with its cohort."""
    return Space(cohort=cohort_of(models.cohort))


def cohort_of(text: str) -> Cohort | None:
    """The cohort that a library recorded. Raises LibraryError where it is damaged."""
    try:
        return Cohort.from_card(json.loads(text)) if text else None
    except (ValueError, AttributeError) as error:
        raise LibraryError(
            f"the library's cohort is damaged ({error}); facesearch verify --repair drops it, and the next index "
            "records it again"
        ) from error


def _space_of(stored: StoredHead, cohort: Cohort | None) -> Space:
    """The space of a head. What was taught by another cohort, or by plain distances, is served with plain ones: its
    scale and its calibration are of these."""
    try:
        head = Space(head_from_bytes(stored.weights), Calibration.from_card(stored.details["calibration"]))
        if cohort is None or stored.details.get("cohort") != cohort.identity:
            return head
        return replace(head, cohort=cohort.mapped(head.map, float(stored.details["unit"])))
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
    from facesearch.library.care.checks import Problem

    heads = Heads(database)
    tower = database.settings().get("tower")
    problems = []
    for stored in heads.all():
        wrong = None if stored.tower == tower else "belongs to another tower"
        try:
            _space_of(stored, None)
        except LibraryError as error:
            wrong = f"is damaged ({error.__cause__})"
        if wrong is not None:
            problem = f"what the library was taught on {stored.created_at[:10]} {wrong}"
            outcome = "dropped it: teach the library again"
            problems.append(Problem("models", problem, outcome, lambda head_id=stored.head_id: heads.drop(head_id)))  # type: ignore[misc]
    return problems
