"""The process that decodes photos and finds their faces: what `SeeingWorker` starts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from facesearch.photos.decoding import worker_process as serving
from facesearch.records import Photo
from facesearch.vision.detector.detector import Detector, DetectorSettings
from facesearch.vision.faces.faces_of_photo import cut_out, find_faces, packed

if TYPE_CHECKING:
    from facesearch.photos.decoding.decode import Picture


def serve(seconds: str, memory_bytes: str, shared: str, settings: str) -> None:
    """Answer requests from standard input until there are no more. settings: the detector's, as JSON."""
    detector = Detector(DetectorSettings(**json.loads(settings)))
    detector.prepare()  # before the limit of memory is set

    def faces_of(read: serving.Read, draft: bool) -> serving.Answer:
        photo, faces = find_faces(lambda is_enough: _photo(read(draft and is_enough)), detector)
        seen = cut_out(photo, faces)
        content = packed(seen.faces)
        return serving.Answer(photo, {"shape": [len(content)], "size_px": seen.size_px}, content)

    serving.serve(seconds, memory_bytes, shared, faces_of)


def _photo(picture: Picture) -> Photo:
    pixels = np.frombuffer(picture.content, np.uint8).reshape(picture.shape)
    return Photo(picture.file, picture.sha256, pixels, picture.original_size_px, picture.damage)
