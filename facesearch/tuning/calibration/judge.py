"""By what a distance is judged: a threshold and a calibration, the library's own where it has them."""

from __future__ import annotations

from dataclasses import dataclass

from facesearch.evaluation.calibration import Calibration
from facesearch.library import Library
from facesearch.tuning.calibration.kept import kept_calibration


@dataclass(frozen=True)
class Judge:
    """What is said of a distance. calibrated_by: whose the calibration is, "library", "head" (of what was taught) or
    "tower"; None without one."""

    threshold: float
    calibration: Calibration | None
    calibrated_by: str | None

    def probability(self, distance: float) -> float | None:
        """That two faces so far apart are one person, were one and two as likely beforehand."""
        return None if self.calibration is None else round(self.calibration.probability(distance), 4)


def judge_in(library: Library | None, threshold: float, calibration: Calibration | None) -> Judge:
    """The judge in a library's space, or in the tower's own: what the library has of its own comes before what its
    teaching brought, and that before the tower's.

    threshold, calibration: the tower's. Call it inside the snapshot that it is used in.
    """
    if library is not None:
        if (kept := kept_calibration(library)) is not None:
            return Judge(kept.threshold, kept.calibration, "library")
        if (taught := library.space.calibration) is not None:
            return Judge(threshold, taught, "head")
    return Judge(threshold, calibration, None if calibration is None else "tower")
