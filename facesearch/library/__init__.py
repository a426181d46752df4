"""One library: a private folder with the rows in SQLite, the vectors in FAISS, and the lock of its one writer.

Says with which detector and tower a library was built and refuses to mix it with others, refuses a folder that holds
anything else, and rebuilds the vectors from the rows whenever their file does not fit, with no more than a log line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from facesearch.first_use import imported_at_first_use
from facesearch.library.folder import DATABASE_NAME, LOCK_NAME, default_library_path, is_library
from facesearch.library.opened import Library
from facesearch.library.recorded import recorded_detector, recorded_precision
from facesearch.library.status import LibraryStatus
from facesearch.library.whom import find_person
from facesearch.store.vectors import load_search

if TYPE_CHECKING:
    from facesearch.library.forgetting import ForgetSummary, forget
    from facesearch.library.verifying import AREAS, Finding, VerifyReport, verify

__all__ = [
    "AREAS",
    "DATABASE_NAME",
    "LOCK_NAME",
    "Finding",
    "ForgetSummary",
    "Library",
    "LibraryStatus",
    "VerifyReport",
    "default_library_path",
    "find_person",
    "forget",
    "is_library",
    "load_search",
    "recorded_detector",
    "recorded_precision",
    "verify",
]

# What a question does not need, and what imports much.
__getattr__ = imported_at_first_use(
    __name__,
    {
        "ForgetSummary": "forgetting",
        "forget": "forgetting",
        "AREAS": "verifying",
        "Finding": "verifying",
        "VerifyReport": "verifying",
        "verify": "verifying",
    },
)
