"""Pixels in, faces out: box, five landmarks and score of each, by MTCNN's three networks in OpenVINO.

The cascade of Zhang et al. 2016 as the `mtcnn` package runs it, with its weights. Refuses to read files and to decide
who a face is.
"""

from __future__ import annotations

import hashlib
import re
import threading
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np

from facesearch import mtcnn_networks
from facesearch.boxes import suppress, to_squares
from facesearch.errors import UsageError
from facesearch.pyramid import CELL_PX, Level, PatchSource, build_pyramid, pyramid_scales, shrink
from facesearch.records import DetectedFace, Floats, Pixels
from facesearch.runtime import DEFAULT_RUNTIME, CompiledNetwork, RuntimeSettings, fastest_precision

_VERSION = 1  # raise it when the code below finds other faces than before
_STRIDE_PX = 2  # of the first network
# R-Net and O-Net see this many patches at once: their activations then stay under 20 MB.
_BATCH = 64


@dataclass(frozen=True)
class DetectorSettings:
    """What counts as a face; the defaults are the mtcnn package's, except max_side_px.

    min_face_px: smallest face looked for, in px of the (shrunken) photo. min_face_share: the same as a share of the
    photo's longer side; the larger of the two holds. max_side_px: a larger photo is shrunk to this before detection.
    The thresholds are those of the three networks' face probability.
    """

    min_face_px: int = 20
    max_side_px: int = 1024
    proposal_threshold: float = 0.6
    refine_threshold: float = 0.7
    output_threshold: float = 0.8
    min_face_share: float = 0.0

    def smallest_face_px(self, width_px: int, height_px: int) -> float:
        """The side of the smallest face looked for in a (shrunken) photo of this size."""
        return max(float(self.min_face_px), self.min_face_share * max(width_px, height_px))


DEFAULT_SETTINGS = DetectorSettings()


class _Networks(NamedTuple):
    proposing: CompiledNetwork
    refining: CompiledNetwork
    deciding: CompiledNetwork


class Detector:
    """Finds faces; `runtime.lanes` threads at once. Its networks are loaded for the first photo.

    The two networks that propose run in the processor's fastest precision, the one that decides in float32. In bf16 as
    many of the mtcnn package's faces are found again as in float32, but not to the last one at the thresholds' edge.
    """

    identity: str  # name, version, and a digest of the weights and settings: equal ones find faces in one way

    def __init__(self, settings: DetectorSettings, runtime: RuntimeSettings = DEFAULT_RUNTIME) -> None:
        self.settings = settings
        self.identity = _identity(settings)
        self._runtime = runtime
        self._loading = threading.Lock()
        self._loaded: _Networks | None = None

    @property
    def _networks(self) -> _Networks:
        with self._loading:  # all lanes come for them at once
            if self._loaded is None:
                proposing = replace(self._runtime, precision=fastest_precision())
                self._loaded = _Networks(
                    mtcnn_networks.load("pnet", proposing),
                    mtcnn_networks.load("rnet", proposing),
                    mtcnn_networks.load("onet", self._runtime),
                )
        return self._loaded

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
        offsets, scores = _in_batches(self._networks.refining, source, boxes, 24)
        keep = scores > self.settings.refine_threshold
        boxes, scores = _moved(boxes, offsets)[keep], scores[keep]
        return to_squares(boxes[suppress(boxes, scores, 0.7)])

    def _finish(self, source: PatchSource, boxes: Floats) -> tuple[Floats, Floats, Floats]:
        """O-Net: (N, 4) -> boxes (M, 4), landmarks (M, 5, 2), scores (M,), best first."""
        offsets, points, scores = _in_batches(self._networks.deciding, source, boxes, 48)
        size = boxes[:, 2:] - boxes[:, :2] + 1
        landmarks = points.reshape(-1, 2, 5).transpose(0, 2, 1) * size[:, None, :] + boxes[:, None, :2] - 1
        boxes = _moved(boxes, offsets)
        keep = np.flatnonzero(scores > self.settings.output_threshold)
        keep = keep[suppress(boxes[keep], scores[keep], 0.7, "min")]
        return boxes[keep], landmarks[keep], scores[keep]


def load_detector(settings: DetectorSettings = DEFAULT_SETTINGS, *, lanes: int = 1) -> Detector:
    """A detector ready to run. Raises FacesearchError when the mtcnn package's weights are missing.

    lanes: how many threads detect at once, a core each.
    """
    return Detector(settings, RuntimeSettings(lanes=lanes))


def smallest_face(text: str) -> DetectorSettings:
    """The default settings but for the smallest face: `40` or `40px` in a photo at most 1024 px large, or `4%` of the
    photo's longer side. Raises UsageError for anything else, and below the 12 px that the first network needs."""
    parts = _SMALLEST_FACE.fullmatch(text.strip())
    settings = None
    if parts and parts["percent"]:
        settings = replace(DEFAULT_SETTINGS, min_face_px=CELL_PX, min_face_share=float(parts["percent"]) / 100)
    elif parts:
        settings = replace(DEFAULT_SETTINGS, min_face_px=int(parts["px"]))
    largest_px = DEFAULT_SETTINGS.max_side_px
    if settings is None or not CELL_PX <= settings.min_face_px <= largest_px or not 0 <= settings.min_face_share <= 1:
        raise UsageError(
            f"the smallest face is {text!r}; give {CELL_PX} to {largest_px} pixels, as in 40, or a share of the "
            "photo's longer side up to 100%, as in 4%"
        )
    return settings


def settings_of(identity: str | None) -> DetectorSettings:
    """The settings that a detector's identity tells of: its smallest face; the defaults where it tells of none."""
    told = _TOLD.search(identity or "")
    return smallest_face(told[1]) if told else DEFAULT_SETTINGS


_SMALLEST_FACE = re.compile(r"(?P<px>\d{1,5})(?:px)?|(?P<percent>\d{1,3}(?:\.\d{1,4})?)%", re.ASCII)
_TOLD = re.compile(r"-face([\d.]+(?:px|%))$", re.ASCII)


def _identity(settings: DetectorSettings) -> str:
    """The smallest face stands in it where it is not the default: a library thereby knows what to look for."""
    share, px = settings.min_face_share, settings.min_face_px
    told = ""
    if share:
        told = f"-face{100 * share:.6g}%"
    elif px != DEFAULT_SETTINGS.min_face_px:
        told = f"-face{px}px"
    values = ", ".join(
        f"{field.name}={getattr(settings, field.name)!r}"
        for field in fields(settings)
        if field.name != "min_face_share" or share  # libraries are older than this setting
    )
    parts = f"{_VERSION} {mtcnn_networks.weights_digest()} DetectorSettings({values})"
    return f"mtcnn-{_VERSION}-{hashlib.sha256(parts.encode()).hexdigest()[:12]}{told}"


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


def _in_batches(network: CompiledNetwork, source: PatchSource, boxes: Floats, size_px: int) -> list[Floats]:
    """The network's outputs for the patches of all boxes.

    A batch is filled up to a multiple of 8: each new batch size would otherwise cost some 5 ms to prepare.
    """
    outputs = []
    for start in range(0, len(boxes), _BATCH):
        batch = boxes[start : start + _BATCH]
        filled = np.zeros((-(-len(batch) // 8) * 8, size_px, size_px, 3), dtype=np.float32)
        filled[: len(batch)] = source.patches(batch, size_px)
        outputs.append([answer[: len(batch)].copy() for answer in network(filled)])
    return [np.concatenate(parts) for parts in zip(*outputs, strict=True)]
