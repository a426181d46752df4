"""Why a face is near to a person: the nearest faces, the runner-up, the pairs around the distance, and a heat map.

Refuses to decide anything, and to give reasons where there is only a number: it shows what the number depends on.
"""

from facesearch.query.why.explanation import Explanation, WhyOptions, explain
from facesearch.query.why.occlusion import Patches
from facesearch.query.why.words import SAME_PHOTO, asked_about, called, hanging, rivalry, standing, verdict

__all__ = [
    "SAME_PHOTO",
    "Explanation",
    "Patches",
    "WhyOptions",
    "asked_about",
    "called",
    "explain",
    "hanging",
    "rivalry",
    "standing",
    "verdict",
]
