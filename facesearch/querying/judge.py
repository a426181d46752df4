"""By what a distance is judged: a threshold and a calibration, the library's own where it has them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from facesearch.calibrating import kept_calibration
from facesearch.calibration import Calibration
from facesearch.errors import UsageError
from facesearch.library import Library
from facesearch.ranking import PRIOR
from facesearch.records import Embedder


@dataclass(frozen=True)
class Wish:
    """What was asked for. k: how many matches a face. threshold: a distance, None for the one that holds. prior: how
    likely it is that somebody on a photo is in the library. Raises UsageError for what cannot be meant."""

    k: int = 5
    threshold: float | None = None
    prior: float = PRIOR

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UsageError(f"k is {self.k}; ask for 1 or more")
        if self.threshold is not None and not (math.isfinite(self.threshold) and self.threshold >= 0):
            raise UsageError(f"the threshold is {self.threshold}; it is a distance, so give 0 or more")
        if not 0 < self.prior < 1:
            raise UsageError(f"the prior is {self.prior}; it is a probability, so give more than 0 and less than 1")


@dataclass(frozen=True)
class Judge:
    """What is said of a distance. calibrated_by: whose the calibration is; None without one."""

    threshold: float
    calibration: Calibration | None
    calibrated_by: str | None

    def probability(self, distance: float) -> float | None:
        """That two faces so far apart are one person, were one and two as likely beforehand."""
        return None if self.calibration is None else round(self.calibration.probability(distance), 4)


def judge_of(tower: Embedder, library: Library | None, threshold: float | None = None) -> Judge:
    """The judge in a library's space, or in the tower's own. Call it inside the snapshot that it is used in."""
    usual, by = float(tower.card.threshold), "tower"
    calibration = Calibration.from_card(tower.card.calibration)
    if library is not None and (kept := kept_calibration(library)) is not None:
        usual, calibration, by = kept.threshold, kept.calibration, "library"
    elif library is not None and library.space.calibration is not None:
        calibration, by = library.space.calibration, "head"
    return Judge(usual if threshold is None else threshold, calibration, None if calibration is None else by)
