"""What to ask of a probe."""

from __future__ import annotations

import math
from dataclasses import dataclass

from facesearch.errors import UsageError
from facesearch.query.ranking import PRIOR


@dataclass(frozen=True)
class QueryOptions:
    """What to ask of a probe. Raises UsageError for a value out of range."""

    k: int = 5  # people for each face of the probe
    threshold: float | None = None  # nobody farther than this is a match; None for the library's own, or the tower's
    prior: float = PRIOR  # the probability, before looking, that somebody on the photo is in the library
    faces: bool = False  # list the k nearest faces, whoever they are, instead of people

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UsageError(f"k is {self.k}; ask for 1 or more")
        if self.threshold is not None and not (math.isfinite(self.threshold) and self.threshold >= 0):
            raise UsageError(f"the threshold is {self.threshold}; it is a distance, so give 0 or more")
        if not 0 < self.prior < 1:
            raise UsageError(f"the prior is {self.prior}; it is a probability, so give more than 0 and less than 1")


DEFAULT_OPTIONS = QueryOptions()
