"""The process that decodes photos and finds their faces: what `SeeingWorker` starts."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from facesearch.photos.decoding import worker_process as serving
from facesearch.photos.decoding.formats import is_video
from facesearch.photos.decoding.motion import film_in
from facesearch.photos.files import open_file
from facesearch.records import Floats, Photo, Pixels
from facesearch.vision.detector.detector import Detector, DetectorSettings
from facesearch.vision.faces.faces_of_photo import KnownPhoto, SeenPhoto, packed, see_photo

if TYPE_CHECKING:
    from facesearch.photos.decoding.decode import Picture


class _AskedNetwork:
    """The network of the process that started this one."""

    def __init__(self) -> None:
        self.request: serving.Request | None = None  # the one at hand

    def __call__(self, pictures: Pixels) -> list[Floats]:
        from facesearch.vision.detector.keras_centerface import unpacked  # which not every process needs

        assert self.request is not None
        return unpacked(self.request.ask(pictures.shape[1:], pictures.tobytes()), pictures)


def serve(seconds: str, memory_bytes: str, shared: str, settings: str, network: str) -> None:
    """Answer requests from standard input until there are no more. settings: the detector's, as JSON. network: "looks"
    for one here, "asks" for that of the process that started this one."""
    asked = _AskedNetwork() if network == "asks" else None
    detector = Detector(DetectorSettings(**json.loads(settings)), network=asked)
    detector.prepare()  # before the limit of memory is set

    def faces_of(request: serving.Request) -> serving.Answer:
        if asked is not None:
            asked.request = request
        if is_video(request.file.path):
            return _seen_video(request, detector)
        file = request.file if request.known is None else KnownPhoto.of(request.file, request.known)
        seen = see_photo(file, lambda is_enough: _photo(request.read(request.draft and is_enough)), detector)
        seen = _with_film(seen, request, detector)
        content = packed([*seen.faces, *seen.drawn])
        facts = {"shape": [len(content)], "size_px": seen.size_px, "drawn": len(seen.drawn)}
        return serving.Answer(seen, facts, content)

    serving.serve(seconds, memory_bytes, shared, faces_of)


def _with_film(seen: SeenPhoto, request: serving.Request, detector: Detector) -> SeenPhoto:
    """A photo with the faces in its film. Videos are imported only for a photo that has one."""
    with open_file(request.file.path) as photo:
        if film_in(photo) is None:
            return seen
    from facesearch.vision.faces.faces_of_video import with_film

    return with_film(seen, detector, request.alive)


def _seen_video(request: serving.Request, detector: Detector) -> serving.Answer:
    from facesearch.vision.faces.faces_of_video import see_video

    seen = see_video(request.file, detector, request.alive)
    content = packed(seen.faces)
    facts: dict[str, Any] = {"shape": [len(content)], "size_px": seen.size_px, "duration_s": seen.duration_s}
    if seen.taken is not None:
        facts["taken"] = asdict(seen.taken)
    return serving.Answer(seen, facts, content)


def _photo(picture: Picture) -> Photo:
    pixels = np.frombuffer(picture.content, np.uint8).reshape(picture.shape)
    return Photo(picture.file, picture.sha256, pixels, picture.original_size_px, picture.damage)
