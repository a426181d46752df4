"""One library: a private folder with the rows in SQLite, the vectors in FAISS, and the lock of its one writer.

Records the detector and the tower that a library was built with, and refuses others. Refuses a folder that holds other
files. Rebuilds the vectors from the rows, with a line in the log, whenever their file does not fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from facesearch.first_use import imported_at_first_use

if TYPE_CHECKING:
    from facesearch.library.built_with import recorded_detector, recorded_precision
    from facesearch.library.care.forgetting import ForgetSummary, forget
    from facesearch.library.care.verifying import AREAS, Finding, VerifyReport, verify
    from facesearch.library.folder import LOCK_NAME
    from facesearch.library.index.vectors import load_search
    from facesearch.library.known_people import find_person, known_person, nobody
    from facesearch.library.opened import Library
    from facesearch.library.place import DATABASE_NAME, default_library_path, is_library
    from facesearch.library.rows.added_faces import AddedFace, KeptFace
    from facesearch.library.space import Space
    from facesearch.library.spaces import tower_space
    from facesearch.library.status import LibraryStatus

__all__ = [
    "AREAS",
    "DATABASE_NAME",
    "LOCK_NAME",
    "AddedFace",
    "Finding",
    "ForgetSummary",
    "KeptFace",
    "Library",
    "LibraryStatus",
    "Space",
    "VerifyReport",
    "default_library_path",
    "find_person",
    "forget",
    "is_library",
    "known_person",
    "load_search",
    "nobody",
    "recorded_detector",
    "recorded_precision",
    "tower_space",
    "verify",
]

# Completion in a shell reads the rows alone, and a question needs no check: neither loads the rest.
__getattr__ = imported_at_first_use(
    __name__,
    {
        "AREAS": "care.verifying",
        "AddedFace": "rows.added_faces",
        "KeptFace": "rows.added_faces",
        "DATABASE_NAME": "place",
        "LOCK_NAME": "folder",
        "Finding": "care.verifying",
        "ForgetSummary": "care.forgetting",
        "Library": "opened",
        "LibraryStatus": "status",
        "VerifyReport": "care.verifying",
        "default_library_path": "place",
        "find_person": "known_people",
        "known_person": "known_people",
        "nobody": "known_people",
        "forget": "care.forgetting",
        "is_library": "place",
        "load_search": "index.vectors",
        "recorded_detector": "built_with",
        "recorded_precision": "built_with",
        "Space": "space",
        "tower_space": "spaces",
        "verify": "care.verifying",
    },
)
