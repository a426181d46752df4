"""The settings of a library: all there, and of the kind that they should be.

What a library was built with cannot be guessed from its rows. Where that is lost it is called unknown, and a reindex
makes it known again: faces keep their people.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from facesearch.errors import LibraryError
from facesearch.library.care.checks import Problem
from facesearch.library.rows.database import Database, now
from facesearch.library.spaces import COHORT_SETTING, cohort_of

UNKNOWN = "unknown"
_MADE_ANEW: dict[str, Callable[[], str]] = {
    "library_id": lambda: uuid.uuid4().hex,
    "created_at": now,
    "detector": lambda: UNKNOWN,
    "tower": lambda: UNKNOWN,
    "tower_name": lambda: UNKNOWN,
    "threshold": lambda: "0.0",
    "generation": lambda: "0",
}
_NUMBERS: dict[str, Callable[[str], object]] = {"threshold": float, "generation": int}


def settings_problems(database: Database) -> list[Problem]:
    """Settings that are lost or are not numbers where they should be, to be made anew outside of a transaction."""
    settings = database.settings()
    problems = []
    if lost := [name for name in _MADE_ANEW if name not in settings and name != "generation"]:
        outcome = "made them anew, and called unknown what the library was built with"
        problems.append(Problem("database", f"the settings lack {', '.join(lost)}", outcome, _making(database, lost)))
    for name, kind in _NUMBERS.items():
        try:
            kind(settings.get(name, "0"))
        except ValueError:
            problem = f"the setting {name} is {settings[name]!r}"
            problems.append(Problem("database", problem, "made it anew", _making(database, [name])))
    try:
        cohort_of(settings.get(COHORT_SETTING, ""))
    except LibraryError as error:
        problem = f"the cohort that local scales come from is damaged ({error.__cause__})"
        outcome = "dropped it: the next query or index records it again"
        problems.append(Problem("models", problem, outcome, lambda: database.set_settings({COHORT_SETTING: ""})))
    return problems


def _making(database: Database, names: list[str]) -> Callable[[], None]:
    return lambda: database.set_settings({name: _MADE_ANEW[name]() for name in names})
