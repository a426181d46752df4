"""One library: a private folder with the rows in SQLite, the vectors in FAISS, and the lock of its one writer.

Says with which detector and tower a library was built and refuses to mix it with others, refuses a folder that holds
anything else, and rebuilds the vectors from the rows whenever their file does not fit, with no more than a log line.
"""

from facesearch.library.folder import DATABASE_NAME, LOCK_NAME, default_library_path, is_library
from facesearch.library.forgetting import ForgetSummary, forget
from facesearch.library.opened import Library
from facesearch.library.recorded import recorded_detector, recorded_precision
from facesearch.library.status import LibraryStatus
from facesearch.library.verifying import AREAS, Finding, VerifyReport, verify
from facesearch.store.vectors import load_search

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
    "forget",
    "is_library",
    "load_search",
    "recorded_detector",
    "recorded_precision",
    "verify",
]
