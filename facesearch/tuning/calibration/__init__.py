"""A library's own threshold and probabilities, fitted to its named people.

Kept in the library, for one tower and one space: in another its distances mean nothing. Refuses to fit to too few.
"""

from facesearch.tuning.calibration.kept import (
    Judge,
    KeptCalibration,
    judge_in,
    keep_calibration,
    kept_calibration,
    reset_calibration,
)

__all__ = ["Judge", "KeptCalibration", "judge_in", "keep_calibration", "kept_calibration", "reset_calibration"]
