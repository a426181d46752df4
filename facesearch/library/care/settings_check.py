"""The settings of a library: all there, of the kind that they should be, and those of the installed models.

What a library was built with cannot be guessed from its rows. Where that is lost it is called unknown, and a reindex
makes it known again: faces keep their people.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from facesearch.errors import LibraryError
from facesearch.library.care.checks import Problem
from facesearch.library.rows.database import COHORT_SETTING, Database, now
from facesearch.library.spaces import cohort_of
from facesearch.records import Models

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
    """Settings that are lost or are not numbers where they should be, to be made again outside of a transaction."""
    settings = database.settings()
    problems = []
    if lost := [name for name in _MADE_ANEW if name not in settings and name != "generation"]:
        outcome = "wrote new ones, which call unknown what the library was built with"
        problems.append(Problem("database", f"the settings lack {', '.join(lost)}", outcome, _making(database, lost)))
    for name, kind in _NUMBERS.items():
        try:
            kind(settings.get(name, "0"))
        except ValueError:
            problem = f"the setting {name} is {settings[name]!r}"
            problems.append(Problem("database", problem, "wrote a new one", _making(database, [name])))
    try:
        cohort_of(settings.get(COHORT_SETTING, ""))
    except LibraryError as error:
        problem = f"the cohort that local scales come from is damaged ({error.__cause__})"
        outcome = "dropped it: the next query or index records it again"
        problems.append(Problem("models", problem, outcome, lambda: database.set_settings({COHORT_SETTING: ""})))
    return problems


def models_problems(database: Database, installed: Models | str) -> list[Problem]:
    """Where the library was built with another tower or detector, or does not say what the tower's card says.

    installed: the detector and tower at hand, or why there are none.
    """
    if isinstance(installed, str):
        return [Problem("models", installed, "reinstall facesearch, or choose another --tower")]
    settings = database.settings()
    tower, detector = settings.get("tower"), settings.get("detector")
    problems = []
    if tower is not None and tower != installed.tower:
        problem = f"built with the tower {tower[:60]}, and the installed one is {installed.tower[:60]}"
        problems.append(Problem("models", problem, "run facesearch reindex, or work with the one it was built with"))
    if detector is not None and detector != installed.detector:
        # Faces of both can be compared; only `index` needs the one that the library was built with.
        problem = f"built with the detector {detector[:60]}, and the installed one is {installed.detector[:60]}"
        outcome = "questions are answered as before; run facesearch reindex before the next facesearch index"
        problems.append(Problem("models", problem, outcome, harmless=True))
    card = {"tower_name": installed.tower_name, "threshold": str(installed.threshold)}
    if tower == installed.tower and any(settings.get(key) != value for key, value in card.items()):
        problem = "the tower's name or threshold is not that of its card"
        problems.append(Problem("models", problem, "took them from the card", lambda: database.set_settings(card)))
    return problems


def _making(database: Database, names: list[str]) -> Callable[[], None]:
    return lambda: database.set_settings({name: _MADE_ANEW[name]() for name in names})
