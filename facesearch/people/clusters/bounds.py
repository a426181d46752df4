"""How far apart two groups may be that are taken for one person, from what a tower's card says of its distances.

A pair's log-odds say how much likelier its distance is between two photos of one person than of two people. A group is
believed where the log-odds at the distance that it was last merged at are at least

    CHANCE + AMONG * ln(faces in all) - GAIN * ln(faces in the group / 2)

counting no more than CROWD faces in a group. The more faces there are, the more strangers lie near one another by
chance; the more faces lie close together, the less is that chance. The form and the numbers were chosen on labelled
photos (docs/research/grouping.md). Refuses to know distances by themselves: another tower's have another scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from facesearch.evaluation.calibration import Calibration
from facesearch.records import Values

CHANCE = 2.0
AMONG = 0.6
GAIN = 1.0
CROWD = 50
# Where a card has no calibration: the log-odds at these shares of its threshold, those of the tower that ships.
_UNCALIBRATED = ((0.5, 6.0), (2.0, -4.0))
_KNOTS_OF_THE_SLOPE = 5


@dataclass(frozen=True)
class Bounds:
    """A calibration, read from log-odds to distances."""

    distances: tuple[float, ...]  # rising
    log_odds: tuple[float, ...]  # never rising; two knots or more
    chance: float = CHANCE  # of the rule above

    @classmethod
    def of(cls, calibration: Calibration | None, threshold: float) -> Bounds:
        """By a calibration; where there is none, or one of a single knot, by the threshold of a tower alone."""
        if calibration is not None and len(calibration.distances) > 1:
            return cls(calibration.distances, calibration.log_odds)
        distances, log_odds = zip(*((share * threshold, odds) for share, odds in _UNCALIBRATED), strict=True)
        return cls(distances, log_odds)

    def heights(self, sizes: ArrayLike, faces: int) -> Values:
        """Up to which distance groups of these sizes, int (N,), are believed among so many faces; 0 where never."""
        counted = np.clip(np.asarray(sizes, dtype=np.float64), 2, CROWD)
        wanted = self.chance + AMONG * math.log(max(faces, 2)) - GAIN * np.log(counted / 2)
        distances, odds = np.array(self.distances), np.array(self.log_odds)
        rising = np.r_[True, np.diff(odds) < 0]  # of equal log-odds the nearest knot, to be careful
        inside = np.interp(-wanted, -odds[rising], distances[rising])
        # Nearer than the first knot pairs of strangers were too rare to count: there the log-odds go on rising along
        # the line through the first few.
        slope = np.polyfit(distances[:_KNOTS_OF_THE_SLOPE], odds[:_KNOTS_OF_THE_SLOPE], 1)[0]
        beyond = distances[0] + (wanted - odds[0]) / min(float(slope), -1e-9)
        return np.asarray(np.where(wanted > odds[0], np.maximum(beyond, 0), inside), dtype=np.float64)

    def reach(self, faces: int) -> float:
        """The distance beyond which no two groups are merged among so many faces, however large they are."""
        return float(self.heights([CROWD], faces)[0])
