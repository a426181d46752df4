"""One library: a private folder with the rows in SQLite, the vectors in FAISS, and the lock of its one writer.

Says with which detector and tower a library was built and refuses to mix it with others, refuses a folder that holds
anything else, and rebuilds the vectors from the rows whenever their file does not fit, with no more than a log line.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
_HOMES = {
    "ForgetSummary": "forgetting",
    "forget": "forgetting",
    "AREAS": "verifying",
    "Finding": "verifying",
    "VerifyReport": "verifying",
    "verify": "verifying",
}


def __getattr__(name: str) -> Any:
    """Import what is seldom needed at its first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
