"""Photos with labelled faces, and how a detector does on them: for bench_detection.py and bench_looks.py."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facesearch.photos import photo_file, read_photo
from facesearch.records import Floats, Pixels
from facesearch.vision.boxes import overlap, pair_up
from facesearch.vision.detector.photo_parts import shrink

IOU = 0.4
HEIGHTS_PX = ((8, 16), (16, 32), (32, 64), (64, 10_000))


class Found(NamedTuple):
    """boxes: (N, 4). scores: (N,)."""

    boxes: Floats
    scores: Floats


Detect = Callable[[Pixels], Found]


class Labelled(NamedTuple):
    """A photo's true boxes (N, 4), and those that count neither way (M, 4)."""

    pixels: Pixels
    boxes: Floats
    ignored: Floats


def labelled_photos(folder: Path, max_side_px: int) -> list[Labelled]:
    """The photos of a folder with boxes, shrunk with them."""
    rows: dict[str, list[dict[str, str]]] = {}
    with (folder / "boxes.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rows.setdefault(row["photo"], []).append(row)
    photos = []
    for name, labels in sorted(rows.items()):
        full = read_photo(photo_file(folder / "images" / name)).pixels
        pixels = shrink(full, max_side_px)
        places = np.array([[float(row[side]) for side in "xywh"] for row in labels], np.float32)
        places *= pixels.shape[1] / full.shape[1]
        places[:, 2:] += places[:, :2]
        is_valid = np.array([row["invalid"] == "0" for row in labels])
        photos.append(Labelled(pixels, places[is_valid], places[~is_valid]))
    return photos


@dataclass
class Judged:
    """All detections of a detector: score, whether it is a labelled face, and that face's height (NaN: none)."""

    scores: Floats
    heights: Floats  # of the labelled face that a detection found; NaN where it is a false face
    labelled: Floats  # (F,) heights of all labelled faces
    photos: int

    @property
    def is_false(self) -> NDArray[np.bool_]:
        return np.isnan(self.heights)

    def false_faces(self, threshold: float) -> float:
        """A photo."""
        return float(np.count_nonzero(self.is_false & (self.scores >= threshold)) / self.photos)

    def recall(self, low: float, high: float, threshold: float) -> float:
        """Of the labelled faces of these heights."""
        found = (self.heights >= low) & (self.heights < high) & (self.scores >= threshold)
        there = (self.labelled >= low) & (self.labelled < high)
        return float(np.count_nonzero(found) / max(int(np.count_nonzero(there)), 1))

    def threshold_at(self, false_faces: float) -> float:
        """The lowest score with at most so many false faces a photo."""
        false_scores = np.sort(self.scores[self.is_false])[::-1]
        allowed = int(false_faces * self.photos)
        return 0.0 if len(false_scores) <= allowed else float(np.nextafter(false_scores[allowed], np.float32(2)))

    def average_precision(self) -> float:
        """Area under precision over recall, of faces of the least height on; precision made to fall only, as by VOC."""
        least = HEIGHTS_PX[0][0]
        counts = self.is_false | (self.heights >= least)
        order = np.argsort(-self.scores[counts], kind="stable")
        right = ~self.is_false[counts][order]
        precision = np.cumsum(right) / np.arange(1, len(right) + 1)
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        return float(precision[right].sum() / max(np.count_nonzero(self.labelled >= least), 1))


def judged(detect: Detect, photos: Sequence[Labelled]) -> Judged:
    """Hold a detector against the labels."""
    scores, heights, labelled = [], [], []
    for photo in photos:
        found = detect(photo.pixels)
        sizes = photo.boxes[:, 3] - photo.boxes[:, 1]
        labelled += list(sizes)
        partner = np.full(len(found.boxes), np.nan, np.float32)
        for label, detection in pair_up(list(photo.boxes), list(found.boxes), IOU):
            partner[detection] = sizes[label]
        counts = ~np.isnan(partner)
        if len(photo.ignored):
            counts |= overlap(found.boxes, photo.ignored).max(axis=1, initial=0) < IOU
        else:
            counts[:] = True
        scores += list(found.scores[counts])
        heights += list(partner[counts])
    at_scores, at_heights, there = (np.array(values, np.float32) for values in (scores, heights, labelled))
    return Judged(at_scores, at_heights, there, len(photos))
