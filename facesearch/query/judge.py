"""What was asked for, and by what the answer's distances are judged."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from facesearch.errors import UsageError
from facesearch.evaluation.calibration import Calibration
from facesearch.library import Library
from facesearch.query.ranking import PRIOR
from facesearch.records import Embedder
from facesearch.tuning.calibration import Judge, judge_in


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


def judge_of(tower: Embedder, library: Library | None, threshold: float | None = None) -> Judge:
    """The judge by a tower's card and a library, at another threshold where one is given. Inside a snapshot."""
    judge = judge_in(library, float(tower.card.threshold), Calibration.from_card(tower.card.calibration))
    return judge if threshold is None else replace(judge, threshold=threshold)
