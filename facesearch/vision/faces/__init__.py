"""Finds and cuts out the faces of photos, in processes of their own, which also decode the photos.

Between the many small steps of detection Python lets one thread run at a time: two threads that detect keep one and a
half cores busy, two processes two. Gives what `look` gives, to the bit; stores nothing and embeds nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from facesearch.first_use import imported_at_first_use
from facesearch.vision.faces.faces_of_photo import (
    DrawnFace,
    KnownPhoto,
    SeenPhoto,
    cut_out,
    cut_out_drawn,
    embed_faces,
    find_faces,
    look,
    see_photo,
)

if TYPE_CHECKING:
    from facesearch.vision.faces.face_worker import SeeingWorker

__all__ = [
    "DrawnFace",
    "KnownPhoto",
    "SeeingWorker",
    "SeenPhoto",
    "cut_out",
    "cut_out_drawn",
    "embed_faces",
    "find_faces",
    "look",
    "see_photo",
]

# A question has one photo decoded, and looks at it itself.
__getattr__ = imported_at_first_use(__name__, {"SeeingWorker": "face_worker"})
