"""What a library was built with: its detector and its tower. Refuses others.

The functions `recorded_...` read it before the library is opened, so that tower and detector can be loaded to match.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from facesearch.errors import LibraryError, TowerError
from facesearch.library.place import DATABASE_NAME, is_library
from facesearch.library.rows import schema
from facesearch.library.rows.database import COHORT_SETTING, Database
from facesearch.records import Models

if TYPE_CHECKING:
    from facesearch.library.space import Space

log = logging.getLogger(__name__)

_REINDEX = "facesearch reindex moves it to this one"


def models_in(settings: Mapping[str, str]) -> Models:
    """The detector and the tower that a library's settings name. Raises KeyError or ValueError where damaged."""
    return Models(
        settings["detector"],
        settings["tower"],
        settings["tower_name"],
        float(settings["threshold"]),
        settings.get("precision", "f32"),
        settings.get(COHORT_SETTING, ""),
    )


def origin_of(path: Path, database: Database) -> tuple[str, str]:
    """The id of a library, and when it was created. Raises LibraryError where its settings are damaged."""
    try:
        settings = database.settings()
        _ = models_in(settings), database.generation()
        return settings["library_id"], settings["created_at"]
    except (KeyError, ValueError) as error:
        remedy = "facesearch verify --repair writes new ones"
        raise LibraryError(f"the settings in {path / DATABASE_NAME} are damaged ({error}); {remedy}") from error


def refuse_other_models(path: Path, built: Models, given: Models) -> None:
    """Raise TowerError or LibraryError when the library in a folder was built with another tower or detector."""
    refuse_other_tower(path, built, given.tower, given.tower_name)
    if built.detector != given.detector:
        raise LibraryError(
            f"the library in {path} was built with the detector {built.detector}, not with {given.detector}; "
            f"{_REINDEX}; or choose another --library"
        )


def refuse_other_tower(path: Path, built: Models, tower: str, name: str) -> None:
    """Raise TowerError when the library in a folder was built with another tower. tower: SHA-256 of its weights."""
    if built.tower != tower:
        raise TowerError(
            f"the library in {path} was built with the tower {built.tower_name} ({built.tower[:12]}), not with {name} "
            f"({tower[:12]}), and their distances cannot be compared; "
            f"{_REINDEX}; or name the tower that it was built with (--tower), or another --library"
        )


def lacks_cohort(built: Models, tower: str, cohort: str) -> bool:
    """Whether a tower is the library's and has a cohort that the library has not recorded yet. cohort: as in Models."""
    return tower == built.tower and cohort not in ("", built.cohort)


def warn_of_precision(path: Path, built: Models, given: Models) -> None:
    """Log a warning if the tower computes in another precision than that of the library's embeddings."""
    if given.precision != built.precision:
        log.warning(
            "faces are embedded in %s here, and those in %s were in %s: distances can be 1 %% off",
            given.precision,
            path,
            built.precision,
        )


def warn_of_cohort(path: Path, space: Space, *, was_taught: bool, was_calibrated: bool) -> None:
    """Log a warning if the cohort is newer than what the library was taught or calibrated. space: the present one."""
    if was_taught and space.cohort is None:
        log.warning(
            "the library in %s was taught with plain distances and still uses them: run facesearch teach again", path
        )
    elif was_calibrated:
        log.warning("distances in %s are judged by a cohort of strangers now: run facesearch calibrate again", path)


def recorded_precision(path: Path) -> str | None:
    """ "f32" or "bf16"; None where there is no library yet. A library that cannot be read says so when it is opened."""
    if not is_library(path):
        return None
    return _settings(path).get("precision", "f32")


def recorded_detector(path: Path) -> str | None:
    """The identity of the detector; None where there is no library yet, or one that cannot be read."""
    return _settings(path).get("detector") if is_library(path) else None


def _settings(path: Path) -> dict[str, str]:
    try:
        with closing(Database(schema.connect(path / DATABASE_NAME, writable=False))) as database:
            return database.settings()
    except LibraryError:
        return {}
