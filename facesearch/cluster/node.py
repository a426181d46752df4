"""What a worker on a node does: read photos, find their faces, embed them. Runs in a process of Ray's, on any machine.

Keeps nothing. What is wrong with a photo is an answer, not an error: Ray would take an error for its own.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from facesearch.errors import PhotoError
from facesearch.records import CROP_SIZE_PX, AlignedFace, Device, PhotoFile
from facesearch.vision.detector.detector import Detector, DetectorSettings, load_detector
from facesearch.vision.faces import SeeingWorker, SeenPhoto
from facesearch.vision.runtime import Precision
from facesearch.vision.tower.tower import Tower

_NO_CROP = np.empty((0, CROP_SIZE_PX, 3), np.uint8)  # embedded crops stay on the node


@dataclass(frozen=True)
class Refused:
    """Why there are no faces of a photo: a PhotoError in parts, since its cause does not travel."""

    message: str
    reason: str
    errno: int | None  # of the disk's or the network's fault, which the next run tries again

    def error(self) -> PhotoError:
        """As it was raised on the node."""
        error = PhotoError(self.message, self.reason)
        if self.errno is not None:
            error.__cause__ = OSError(self.errno, self.reason)
        return error


def identity_of(detector: Detector, tower: Tower) -> dict[str, str]:
    """What must be equal on all nodes: the version of the program, and what finds and embeds faces."""
    return {
        "facesearch": version("facesearch"),
        "detector": detector.identity,
        "tower": tower.identity,
        "precision": tower.precision,
    }


class NodeWorker:
    """One worker, for one photo at a time. tower: its folder, by default the shipped one; precision and device as in
    `Tower.load`. Raises TowerError where this node has none."""

    def __init__(self, settings: DetectorSettings, tower: Path | None, device: Device, precision: Precision) -> None:
        self._tower = Tower.load(tower, device, precision, prepared=False)
        self._detector = load_detector(settings)
        self._worker = SeeingWorker(self._detector)

    def identity(self) -> dict[str, str]:
        """See identity_of."""
        return identity_of(self._detector, self._tower)

    def node(self) -> str:
        """The name of the machine."""
        return platform.node()

    def see(self, file: PhotoFile) -> SeenPhoto | Refused:
        """A photo's faces, each with its embedding and without its crop; or why there are none. file: a KnownPhoto for
        one that is looked at again."""
        try:
            seen = self._worker.see(file)
        except PhotoError as error:
            cause = error.__cause__
            return Refused(str(error), error.reason, cause.errno if isinstance(cause, OSError) else None)
        crops = [face.crop for face in [*seen.faces, *seen.drawn] if face is not None]
        if not crops:
            return seen
        embeddings = iter(self._tower.embed(np.stack(crops)))

        def embedded(face: AlignedFace) -> AlignedFace:
            return replace(face, crop=_NO_CROP, embedding=next(embeddings))

        faces = [embedded(face) for face in seen.faces]
        return replace(seen, faces=faces, drawn=[face and embedded(face) for face in seen.drawn])
