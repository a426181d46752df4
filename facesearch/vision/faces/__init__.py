"""Photos to faces that are found and cut out, in a process of their own, which is also where the photo is decoded.

Between the many small steps of detection Python lets one thread run at a time: two threads that detect keep one and a
half cores busy, two processes two. Gives what `look` gives, to the bit; stores nothing and embeds nothing.
"""

from facesearch.vision.faces.face_worker import SeeingWorker
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
