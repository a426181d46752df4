"""Teach a library its own people: a head over the tower's space, learned from names and corrections.

Nothing of the tower is changed, and no photo is read. What was learned is put in force only where faces that it has not
seen show that it helps, in one transaction, and can be taken back. Refuses to learn from too few, and to keep what
might be chance.
"""

from facesearch.tuning.teaching.deciding import RULE, Gain, Verdict
from facesearch.tuning.teaching.summing_up import Figures, Measured
from facesearch.tuning.teaching.teach import (
    LEAST_FACES,
    LEAST_PEOPLE,
    TeachSummary,
    UntaughtSummary,
    missing_names,
    teach,
    unteach,
)

__all__ = [
    "LEAST_FACES",
    "LEAST_PEOPLE",
    "RULE",
    "Figures",
    "Gain",
    "Measured",
    "TeachSummary",
    "UntaughtSummary",
    "Verdict",
    "missing_names",
    "teach",
    "unteach",
]
