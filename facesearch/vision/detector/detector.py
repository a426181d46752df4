"""Pixels in, faces out: box, five landmarks and score of each, by MTCNN's three networks.

The cascade of Zhang et al. 2016 as the `mtcnn` package runs it, with its weights. Refuses to read files and to decide
who a face is.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from facesearch.records import DetectedFace, Floats, Pixels
from facesearch.vision.boxes import suppress, to_squares
from facesearch.vision.detector import mtcnn_openvino as mtcnn_networks
from facesearch.vision.detector.pyramid import CELL_PX, Level, PatchSource, build_pyramid, pyramid_scales, shrink
from facesearch.vision.detector.settings import DEFAULT_SETTINGS, DetectorSettings, settings_of, smallest_face
from facesearch.vision.runtime import (
    DEFAULT_RUNTIME,
    CompiledNetwork,
    Device,
    RuntimeSettings,
    fastest_precision,
    tensorflow_sees_gpu,
)

if TYPE_CHECKING:
    from facesearch.vision.detector.mtcnn_tensorflow import Network

__all__ = ["DEFAULT_SETTINGS", "Detector", "DetectorSettings", "load_detector", "settings_of", "smallest_face"]

_VERSION = 1  # raise it when the code below finds other faces than before
_STRIDE_PX = 2  # of the first network
# R-Net and O-Net see this many patches at once: on a CPU their activations then stay under 20 MB.
_BATCH = 64
_GPU_BATCH = 1024


class _Networks(NamedTuple):
    proposing: CompiledNetwork | Network
    refining: CompiledNetwork | Network
    deciding: CompiledNetwork | Network


class Detector:
    """Finds faces; `runtime.lanes` threads at once. Its networks are loaded for the first photo.

    gpu: the TensorFlow device that they run on, such as "GPU:0"; None for OpenVINO on the CPU. There the two networks
    that propose run in the processor's fastest precision, the one that decides in float32. In bf16 as many of the mtcnn
    package's faces are found again as in float32, but not to the last one at the thresholds' edge.
    """

    identity: str  # name, version, and a digest of the weights and settings: equal ones find faces in one way

    def __init__(
        self, settings: DetectorSettings, runtime: RuntimeSettings = DEFAULT_RUNTIME, gpu: str | None = None
    ) -> None:
        self.settings = settings
        self.device = "cpu (OpenVINO)" if gpu is None else "gpu (TensorFlow)"
        self.identity = _identity(settings)
        self._runtime = runtime
        self._gpu = gpu
        self._batch = _BATCH if gpu is None else _GPU_BATCH
        self._loading = threading.Lock()
        self._loaded: _Networks | None = None

    @property
    def runs_apart(self) -> bool:
        """Whether another process can have one like it, from its settings alone: one on a GPU stays where it is."""
        return self._gpu is None

    @property
    def _networks(self) -> _Networks:
        with self._loading:  # all lanes come for them at once
            if self._loaded is None:
                self._loaded = self._load()
        return self._loaded

    def _load(self) -> _Networks:
        if self._gpu is not None:
            from facesearch.vision.detector import mtcnn_tensorflow

            return _Networks(*(mtcnn_tensorflow.load(name, self._gpu) for name in mtcnn_networks.NETWORKS))
        proposing = replace(self._runtime, precision=fastest_precision())
        return _Networks(
            mtcnn_networks.load("pnet", proposing),
            mtcnn_networks.load("rnet", proposing),
            mtcnn_networks.load("onet", self._runtime),
        )

    def prepare(self) -> None:
        """Load the networks before the first photo, also in another thread than the one that detects."""
        _ = self._networks

    def detect(self, pixels: Pixels) -> list[DetectedFace]:
        """Every face, best score first. pixels: uint8 (H, W, 3) RGB, upright. No face: an empty list.

        Boxes are clipped to the photo, landmarks are not; both are in px of `pixels`, whatever max_side_px.
        """
        height, width = pixels.shape[:2]
        if min(height, width) < CELL_PX:
            return []
        small = shrink(pixels, self.settings.max_side_px)
        scale = np.array([width / small.shape[1], height / small.shape[0]], dtype=np.float32)
        boxes = self._propose(small)
        if not len(boxes):
            return []
        source = PatchSource(small)
        boxes = self._refine(source, boxes)
        if not len(boxes):
            return []
        boxes, landmarks, scores = self._finish(source, boxes)
        limits = np.array([width, height, width, height], dtype=np.float32)
        boxes = np.clip(boxes * np.tile(scale, 2), 0, limits).astype(np.float32)
        landmarks = (landmarks * scale).astype(np.float32)
        return [
            DetectedFace(box, points, float(score))
            for box, points, score in zip(boxes, landmarks, scores, strict=True)
            if box[2] > box[0] and box[3] > box[1]
        ]

    def _propose(self, pixels: Pixels) -> Floats:
        """P-Net over the whole pyramid: square boxes (N, 4)."""
        height, width = pixels.shape[:2]
        scales = pyramid_scales(width, height, self.settings.smallest_face_px(width, height))
        if not scales:
            return np.empty((0, 4), dtype=np.float32)
        canvas, levels = build_pyramid(pixels, scales)
        offsets, probability = self._networks.proposing(canvas[None])
        found = [_proposals(level, offsets[0], probability[0], self.settings.proposal_threshold) for level in levels]
        boxes = np.concatenate([boxes for boxes, _ in found])
        scores = np.concatenate([scores for _, scores in found])
        return to_squares(boxes[suppress(boxes, scores, 0.7)])

    def _refine(self, source: PatchSource, boxes: Floats) -> Floats:
        """R-Net: throws most boxes away, moves the others. (N, 4) -> square (M, 4)."""
        offsets, scores = self._in_batches(self._networks.refining, source, boxes, 24)
        keep = scores > self.settings.refine_threshold
        boxes, scores = _moved(boxes, offsets)[keep], scores[keep]
        return to_squares(boxes[suppress(boxes, scores, 0.7)])

    def _finish(self, source: PatchSource, boxes: Floats) -> tuple[Floats, Floats, Floats]:
        """O-Net: (N, 4) -> boxes (M, 4), landmarks (M, 5, 2), scores (M,), best first."""
        offsets, points, scores = self._in_batches(self._networks.deciding, source, boxes, 48)
        size = boxes[:, 2:] - boxes[:, :2] + 1
        landmarks = points.reshape(-1, 2, 5).transpose(0, 2, 1) * size[:, None, :] + boxes[:, None, :2] - 1
        boxes = _moved(boxes, offsets)
        keep = np.flatnonzero(scores > self.settings.output_threshold)
        keep = keep[suppress(boxes[keep], scores[keep], 0.7, "min")]
        return boxes[keep], landmarks[keep], scores[keep]

    def _in_batches(
        self, network: CompiledNetwork | Network, source: PatchSource, boxes: Floats, size_px: int
    ) -> list[Floats]:
        """The network's outputs for the patches of all boxes.

        A batch is filled up to a multiple of 8: each new batch size would otherwise cost some 5 ms to prepare.
        """
        outputs = []
        for start in range(0, len(boxes), self._batch):
            batch = boxes[start : start + self._batch]
            filled = np.zeros((-(-len(batch) // 8) * 8, size_px, size_px, 3), dtype=np.float32)
            filled[: len(batch)] = source.patches(batch, size_px)
            outputs.append([answer[: len(batch)].copy() for answer in network(filled)])
        return [np.concatenate(parts) for parts in zip(*outputs, strict=True)]


def load_detector(settings: DetectorSettings = DEFAULT_SETTINGS, *, lanes: int = 1, device: Device = "cpu") -> Detector:
    """A detector ready to run. Raises FacesearchError when the mtcnn package's weights are missing.

    lanes: how many threads detect at once, a core each. device: "cpu", or "auto" and "gpu" for a GPU where TensorFlow
    can use one; that there is none is said by the tower.
    """
    gpu = "GPU:0" if device != "cpu" and tensorflow_sees_gpu() else None
    return Detector(settings, RuntimeSettings(lanes=lanes), gpu)


def _identity(settings: DetectorSettings) -> str:
    parts = f"{_VERSION} {mtcnn_networks.weights_digest()} {settings.told()}"
    return f"mtcnn-{_VERSION}-{hashlib.sha256(parts.encode()).hexdigest()[:12]}{settings.told_smallest_face()}"


def _proposals(level: Level, offsets: Floats, probability: Floats, threshold: float) -> tuple[Floats, Floats]:
    """A level's boxes (N, 4) in photo px and scores (N,), suppressed within the level. offsets: (4, H', W')."""
    rows = -(-(level.height - 2) // 2) - 4
    columns = -(-(level.width - 2) // 2) - 4
    top, left = level.top // _STRIDE_PX, level.left // _STRIDE_PX
    window = (slice(top, top + rows), slice(left, left + columns))
    scores = probability[window]
    y, x = np.nonzero(scores > threshold)
    scores = scores[y, x]
    first = np.stack([x, y], axis=1).astype(np.float32) * _STRIDE_PX + 1  # the package's cells start at pixel 1
    boxes = np.concatenate([first, first + CELL_PX - 1], axis=1)
    boxes = (boxes + offsets[:, *window][:, y, x].T * (CELL_PX - 1)) / level.scale
    keep = suppress(boxes, scores, 0.5)
    return boxes[keep], scores[keep]


def _moved(boxes: Floats, offsets: Floats) -> Floats:
    """Boxes shifted by the network's offsets, which are shares of the box's sides."""
    size = boxes[:, 2:] - boxes[:, :2] + 1
    return np.asarray(boxes + offsets * np.tile(size, 2))
