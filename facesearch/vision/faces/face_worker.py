"""Starts the process that decodes photos and finds their faces, and talks to it."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from facesearch.photos import MAX_SIDE_PX, DecodingWorker, WorkerLimits
from facesearch.photos.decoding.formats import is_video
from facesearch.photos.decoding.worker import DEFAULT_LIMITS
from facesearch.records import Photo, PhotoFile, Pixels, Taken
from facesearch.vision.detector.detector import Detector
from facesearch.vision.faces.faces_of_photo import KnownPhoto, SeenPhoto, see_photo, unpacked

if TYPE_CHECKING:
    from facesearch.vision.detector.keras_centerface import CenterFaceOnGpu


class SeeingWorker(DecodingWorker):
    """Sees photos in a process of its own, which is replaced when a photo brings it down.

    Use it as a context manager, from one thread at a time. detector: the process has one of the same settings. Where
    its network is on a GPU, the process asks this one for what the network says.
    """

    serving = "facesearch.vision.faces.face_worker_process"

    def __init__(self, detector: Detector, limits: WorkerLimits = DEFAULT_LIMITS) -> None:
        self._detector = detector
        self._network = _network_on_gpu(detector)
        super().__init__(limits)

    def arguments(self) -> list[str]:
        """What the process is given beside its limits."""
        return [json.dumps(asdict(self._detector.settings)), "asks" if self._network is not None else "looks"]

    def say(self, content: Pixels) -> bytes:
        """What the network on a GPU says of a picture, uint8 (H, W, 3)."""
        assert self._network is not None
        return self._network.packed(content, self._detector.least_score)

    def see(self, file: PhotoFile, max_side_px: int = MAX_SIDE_PX) -> SeenPhoto:
        """Read a file once, photo or video, and find its faces; of a KnownPhoto as `see_photo` does. Raises PhotoError,
        also where the file brings the process down."""
        if self._is_here:
            from facesearch.vision.faces.faces_of_video import see_video, with_film

            if is_video(file.path):
                return see_video(file, self._detector)
            return with_film(see_photo(file, partial(self._read, file, max_side_px), self._detector), self._detector)
        self._is_at_video = is_video(file.path)
        known = file.as_plain() if isinstance(file, KnownPhoto) else None
        try:
            current, answer, content = self._answered(file, max_side_px, draft=True, known=known)
        finally:
            self._is_at_video = False
        every = unpacked(content)
        drawn = len(every) - answer.get("drawn", 0)
        return SeenPhoto(
            current,
            answer["sha256"],
            (answer["size_px"][0], answer["size_px"][1]),
            [face for face in every[:drawn] if face is not None],
            answer["damage"],
            Taken(**answer["taken"]),
            answer.get("duration_s"),
            every[drawn:],
        )

    def _read(self, file: PhotoFile, max_side_px: int, draft: bool) -> Photo:
        return self.read_photo(file, max_side_px, draft=draft)


def _network_on_gpu(detector: Detector) -> CenterFaceOnGpu | None:
    if detector.network is None:
        return None
    from facesearch.vision.detector.keras_centerface import CenterFaceOnGpu

    return detector.network if isinstance(detector.network, CenterFaceOnGpu) else None
