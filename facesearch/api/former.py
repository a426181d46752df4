"""The names that FaceLibrary's methods had before 1.0. They go with 1.1."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facesearch.api.library import FaceLibrary

# FaceLibrary's own method: the part that has it now, and its name there.
FORMER = {
    "calibrate": ("tuning", "calibrate"),
    "change_log": ("people", "log"),
    "evaluate": ("tuning", "evaluate"),
    "evidence": ("tuning", "evidence"),
    "group_people": ("people", "group"),
    "merge_people": ("people", "merge"),
    "name_by_list": ("people", "import_csv"),
    "name_faces": ("people", "name_faces"),
    "name_person": ("people", "name"),
    "own_calibration": ("tuning", "own_calibration"),
    "reject_faces": ("people", "reject"),
    "reset_calibration": ("tuning", "reset_calibration"),
    "set_born": ("people", "set_born"),
    "show_person": ("people", "show"),
    "split_faces": ("people", "split"),
    "suspects": ("people", "review"),
    "teach": ("tuning", "teach"),
    "undo_change": ("people", "undo"),
    "undo_since": ("people", "undo_since"),
    "unteach": ("tuning", "unteach"),
}


def former_method(library: FaceLibrary, name: str) -> Any:
    """What `library.name` was, with a DeprecationWarning. Raises AttributeError where it never was anything."""
    if name not in FORMER:
        raise AttributeError(f"{type(library).__name__!r} object has no attribute {name!r}")
    part, method = FORMER[name]
    warnings.warn(f"library.{name} is now library.{part}.{method}", DeprecationWarning, stacklevel=3)
    return getattr(getattr(library, part), method)
