"""The calibration that a library keeps: read, put in force, dropped, and judged by.

Refuses one of another tower or space.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from facesearch.evaluation.calibration import Calibration
from facesearch.library import Library, Space


@dataclass(frozen=True)
class KeptCalibration:
    """A threshold and a calibration of a library's own."""

    threshold: float
    far: float  # the share of pairs of different people that passes the threshold
    calibration: Calibration
    fitted_at: str  # ISO 8601, UTC
    # what was measured when it was fitted, by name, ready for JSON (see fitting.Fit)
    figures: Mapping[str, Any] = field(default_factory=dict)


def kept_calibration(library: Library) -> KeptCalibration | None:
    """The library's own calibration; None where it has none that holds for its tower and its space as they are now."""
    values = library.own_calibration.read(library.models.tower, library.space.measure)
    if values is None:
        return None
    try:
        calibration = Calibration.from_card(values["calibration"])
        threshold, far = float(values["threshold"]), float(values["far"])
        fitted_at, figures = str(values["fitted_at"]), dict(values["figures"])
    except (KeyError, TypeError, ValueError):
        return None
    return None if calibration is None else KeptCalibration(threshold, far, calibration, fitted_at, figures)


def keep_calibration(library: Library, kept: KeptCalibration) -> None:
    """Put it in force, in the place of any before. Raises LibraryError where the library was opened for reading."""
    values = {**asdict(kept), "calibration": kept.calibration.to_card()}
    with library.changing():
        library.own_calibration.write(values, library.models.tower, library.space.measure)


def reset_calibration(library: Library) -> bool:
    """Drop it: the tower's, or that of what was taught, is in force again. Whether there was one."""
    with library.changing():
        return library.own_calibration.drop()


@dataclass(frozen=True)
class Judge:
    """By what a distance is judged."""

    threshold: float
    calibration: Calibration | None
    calibrated_by: str | None  # "library", "head" (of what was taught) or "tower"; None without a calibration

    def probability(self, distance: float) -> float | None:
        """The probability that two faces so far apart are the same person, assuming even odds beforehand."""
        return None if self.calibration is None else round(self.calibration.probability(distance), 4)


def judge_in(library: Library | None, space: Space, threshold: float, calibration: Calibration | None) -> Judge:
    """The judge in a space, the library's or the tower's own: what the library has of its own comes before what its
    teaching brought, and that before the cohort's, and that before the tower's.

    threshold, calibration: the tower's, of plain distances. Call it inside the snapshot that it is used in.
    """
    if library is not None and (kept := kept_calibration(library)) is not None:
        return Judge(kept.threshold, kept.calibration, "library")
    limit = threshold if space.cohort is None else space.cohort.threshold
    found = space.calibration_or(calibration)
    by = "tower" if space.calibration is None else "head"
    return Judge(limit, found, None if found is None else by)
