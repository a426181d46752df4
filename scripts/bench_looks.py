"""Recall on labelled boxes where several looks at each photo are joined: what more looks could find.

    python scripts/bench_looks.py --boxes DIR

DIR as for `bench_detection.py --boxes`. The looks are the network's alone: at 1024 px, the same mirrored, 1.5 times
enlarged, and at 640 px. A face's score is the best of the looks, or their mean, with 0 where a look does not show it.
Each row is at the score that gives the false faces a photo it names.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from bench_detection import network_alone
from labelled_boxes import HEIGHTS_PX, IOU, Detect, Found, judged, labelled_photos

from facesearch.records import Floats, Pixels
from facesearch.vision.boxes import SUPPRESSED, overlap, suppress
from facesearch.vision.detector.photo_parts import resized

LOW = 0.05
FALSE_FACES = (0.1, 0.19)
JOINED = (
    ("1024",),
    ("1.5",),
    ("1024", "mirrored"),
    ("1024", "1.5"),
    ("1024", "1.5", "mirrored"),
    ("640", "1024", "1.5"),
)


def mirrored(detect: Detect, pixels: Pixels) -> Found:
    """Faces of the mirrored photo, where they lie in the photo."""
    found, width = detect(np.ascontiguousarray(pixels[:, ::-1])), pixels.shape[1]
    boxes = found.boxes.copy()
    boxes[:, [0, 2]] = width - found.boxes[:, [2, 0]]
    return Found(boxes, found.scores)


def enlarged(detect: Detect, pixels: Pixels) -> Found:
    """Faces of the photo 1.5 times as large."""
    found = detect(resized(pixels, round(1.5 * max(pixels.shape[:2]))))
    return Found(found.boxes / np.float32(1.5), found.scores)


def join(looks: Sequence[Found], average: bool) -> Found:
    """Each face once."""
    boxes, scores = (np.concatenate(parts) for parts in zip(*looks, strict=True))
    keep = suppress(boxes.astype(np.float32), scores, SUPPRESSED)
    boxes, scores = boxes[keep], scores[keep]
    return Found(boxes, np.mean([seen_in(look, boxes) for look in looks], axis=0) if average else scores)


def seen_in(look: Found, boxes: Floats) -> Floats:
    """The best score that a look gives each box, (N,)."""
    shared = overlap(boxes, look.boxes) > IOU
    return np.asarray(np.where(shared, look.scores[None], 0).max(axis=1, initial=0))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boxes", type=Path, required=True)
    photos = labelled_photos(parser.parse_args().boxes, 1024)
    usual = network_alone(1024, LOW)
    looks: dict[str, Callable[[Pixels], Found]] = {
        "640": network_alone(640, LOW),
        "1024": usual,
        "mirrored": partial(mirrored, usual),
        "1.5": partial(enlarged, network_alone(1536, LOW)),
    }
    seen = {name: {id(photo.pixels): look(photo.pixels) for photo in photos} for name, look in looks.items()}
    columns = [f"{low}-{high} px" if high < 10_000 else f"{low} px and more" for low, high in HEIGHTS_PX]
    print(f"| looks | false faces a photo | recall, {' | '.join(columns)} |")
    for names in JOINED:
        for average in (False, True)[: len(names)]:

            def detect(pixels: Pixels, names: Sequence[str] = names, average: bool = average) -> Found:
                return join([seen[name][id(pixels)] for name in names], average)

            outcome = judged(detect, photos)
            for allowed in FALSE_FACES:
                at = outcome.threshold_at(allowed)
                recalls = [f"{100 * outcome.recall(low, high, at):.0f} %" for low, high in HEIGHTS_PX]
                label = f"{', '.join(names)}: {'mean' if average else 'best'}"
                print(f"| {label} | {outcome.false_faces(at):.2f} | {' | '.join(recalls)} |", flush=True)


if __name__ == "__main__":
    main()
