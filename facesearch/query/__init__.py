"""A photo against a library, in two steps: `probe_photo` finds and embeds its faces, `ask` says who they may be.

Stores nothing of the probe, and changes no byte of a library that is open for reading. An answer gives distances and
probabilities, also that the face is nobody in the library; it never decides who somebody is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from facesearch.first_use import imported_at_first_use

if TYPE_CHECKING:
    from facesearch.query.answers import (
        DEFAULT_OPTIONS,
        Choice,
        Comparison,
        FaceMatch,
        FaceVerdict,
        PairVerdict,
        PersonMatch,
        ProbeFace,
        QueryAnswer,
        QueryOptions,
    )
    from facesearch.query.asking import ask, compare_photos, compare_probes
    from facesearch.query.probe import FailedProbe, Probe, is_one_photo, probe_each, probe_photo, probe_prominent_face
    from facesearch.query.verdict import SET_APART, footer

__all__ = [
    "DEFAULT_OPTIONS",
    "SET_APART",
    "Choice",
    "Comparison",
    "FaceMatch",
    "FaceVerdict",
    "FailedProbe",
    "PairVerdict",
    "PersonMatch",
    "Probe",
    "ProbeFace",
    "QueryAnswer",
    "QueryOptions",
    "ask",
    "compare_photos",
    "compare_probes",
    "footer",
    "is_one_photo",
    "probe_each",
    "probe_photo",
    "probe_prominent_face",
]

# A question looks at its photo in one thread while another imports what searches.
__getattr__ = imported_at_first_use(
    __name__,
    {
        "Choice": "answers",
        "Comparison": "answers",
        "DEFAULT_OPTIONS": "answers",
        "FaceMatch": "answers",
        "FaceVerdict": "answers",
        "FailedProbe": "probe",
        "PairVerdict": "answers",
        "PersonMatch": "answers",
        "Probe": "probe",
        "ProbeFace": "answers",
        "QueryAnswer": "answers",
        "QueryOptions": "answers",
        "SET_APART": "verdict",
        "ask": "asking",
        "compare_photos": "asking",
        "compare_probes": "asking",
        "footer": "verdict",
        "is_one_photo": "probe",
        "probe_each": "probe",
        "probe_photo": "probe",
        "probe_prominent_face": "probe",
    },
)
