"""Recall on labelled boxes where several looks at each photo are joined: what more looks could find.

    python scripts/bench_looks.py --boxes DIR [--errors FILE.png]

DIR as for `bench_detection.py --boxes`. The looks are the network's alone: at 1024 px, the same mirrored, 1.5 times
enlarged, and at 640 px. A face's score is the best of the looks, or their mean, with 0 where a look does not show it.
The last rows suppress what one look shows twice in other ways. Each row is at the score that gives the false faces a
photo it names. --errors: draws the false faces and the missed ones of 32 to 64 px of the look at 1024 px, to be judged
by eye.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
from bench_detection import network_alone
from labelled_boxes import HEIGHTS_PX, IOU, Detect, Found, Labelled, judged, labelled_photos
from PIL import Image, ImageDraw

from facesearch.records import Floats, Pixels
from facesearch.vision.boxes import SUPPRESSED, overlap, pair_up, suppress
from facesearch.vision.detector import centerface
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
FAINT = (0.3, 0.5)  # a score that makes the mirrored photo worth a look
SUPPRESSIONS = (0.2, 0.4, 0.5)
ERRORS = 40  # drawn at most, of each kind
CELL_PX = 128


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


def unsuppressed(detect: Detect, pixels: Pixels) -> Found:
    """All that a look proposes, each face several times, best first."""
    with mock.patch.object(centerface, "suppress", lambda boxes, scores, threshold: np.argsort(-scores, kind="stable")):
        return detect(pixels)


def join(looks: Sequence[Found], average: bool) -> Found:
    """Each face once."""
    boxes, scores = (np.concatenate(parts) for parts in zip(*looks, strict=True))
    keep = suppress(boxes.astype(np.float32), scores, SUPPRESSED)
    boxes, scores = boxes[keep], scores[keep]
    return Found(boxes, np.mean([seen_in(look, boxes) for look in looks], axis=0) if average else scores)


def join_where_faint(looks: Sequence[Found]) -> Found:
    """The first look alone, or the mean of all where it shows a face that is faint."""
    is_faint = ((looks[0].scores > FAINT[0]) & (looks[0].scores < FAINT[1])).any()
    return join(looks, average=True) if is_faint else looks[0]


def seen_in(look: Found, boxes: Floats) -> Floats:
    """The best score that a look gives each box, (N,)."""
    shared = overlap(boxes, look.boxes) > IOU
    return np.asarray(np.where(shared, look.scores[None], 0).max(axis=1, initial=0))


def suppressed(proposed: Found, threshold: float) -> Found:
    """Proposals that no better one overlaps by more than a threshold."""
    keep = suppress(proposed.boxes, proposed.scores, threshold)
    return Found(proposed.boxes[keep], proposed.scores[keep])


def averaged(proposed: Found) -> Found:
    """Each face once, its box the mean of what is proposed for it, weighted by score (box voting)."""
    best = suppressed(proposed, SUPPRESSED)
    if not len(best.scores):
        return best
    weights = np.where(overlap(best.boxes, proposed.boxes) > 0.5, proposed.scores[None], 0)
    boxes = weights @ proposed.boxes / weights.sum(axis=1, keepdims=True)
    return Found(boxes.astype(np.float32), best.scores)


Seen = dict[str, dict[int, Found]]


def ways(seen: Seen) -> Iterator[tuple[str, Callable[[Pixels], Found]]]:
    """Each row's name, and the faces that it finds on a photo that was looked at."""
    for names in JOINED:
        for average in (False, True)[: len(names)]:
            label = f"{', '.join(names)}: {'mean' if average else 'best'}"
            yield (
                label,
                lambda photo, names=names, average=average: join(  # type: ignore[misc]
                    [seen[name][id(photo)] for name in names], average
                ),
            )
    yield (
        f"1024, mirrored where a score lies between {FAINT[0]} and {FAINT[1]}: mean",
        lambda photo: join_where_faint([seen[name][id(photo)] for name in ("1024", "mirrored")]),
    )
    for threshold in SUPPRESSIONS:
        yield (
            f"1024, suppressed from an overlap of {threshold} on, not {SUPPRESSED}",
            lambda photo, threshold=threshold: suppressed(seen["proposed"][id(photo)], threshold),  # type: ignore[misc]
        )
    yield "1024, boxes averaged", lambda photo: averaged(seen["proposed"][id(photo)])


def draw_errors(file: Path, photos: Sequence[Labelled], seen: dict[int, Found], threshold: float) -> None:
    """The false faces, best first, and below a white line those of 32 to 64 px that were missed."""
    false, missed = [], []
    for photo in photos:
        found = seen[id(photo.pixels)]
        at = found.scores >= threshold
        boxes, scores = found.boxes[at], found.scores[at]
        pairs = pair_up(list(photo.boxes), list(boxes), IOU)
        labels, detections = ({pair[side] for pair in pairs} for side in (0, 1))
        false += [(-scores[place], box, photo.pixels) for place, box in enumerate(boxes) if place not in detections]
        missed += [
            (0.0, box, photo.pixels)
            for place, box in enumerate(photo.boxes)
            if place not in labels and 32 <= box[3] - box[1] < 64
        ]
    false.sort(key=lambda each: each[0])
    print(f"{len(false)} false faces, {len(missed)} missed of 32 to 64 px")
    rows = [sheet(each[:ERRORS]) for each in (false, missed)]
    line = np.full((8, rows[0].shape[1], 3), 255, np.uint8)
    Image.fromarray(np.concatenate([rows[0], line, rows[1]])).save(file)


def sheet(faces: Sequence[tuple[float, Floats, Pixels]]) -> Pixels:
    """Faces with their surroundings and their boxes, eight in a row."""
    page = Image.new("RGB", (8 * CELL_PX, -(-len(faces) // 8) * CELL_PX))
    for place, (_, box, pixels) in enumerate(faces):
        centre, reach = (box[:2] + box[2:]) / 2, 1.2 * float(max(box[2:] - box[:2]))
        corners = np.concatenate([centre - reach, centre + reach]).round().astype(int).tolist()
        cell = Image.fromarray(pixels).crop(corners).resize((CELL_PX, CELL_PX))
        outline = (box.reshape(2, 2) - (centre - reach)) * (CELL_PX / (2 * reach))
        ImageDraw.Draw(cell).rectangle(outline.ravel().tolist(), outline="red")
        page.paste(cell, (place % 8 * CELL_PX, place // 8 * CELL_PX))
    return np.asarray(page)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boxes", type=Path, required=True)
    parser.add_argument(
        "--errors", type=Path, metavar="FILE.png", help="draw what is wrong, at 0.19 false faces a photo"
    )
    arguments = parser.parse_args()
    photos = labelled_photos(arguments.boxes, 1024)
    usual = network_alone(1024, LOW)
    looks: dict[str, Callable[[Pixels], Found]] = {
        "640": network_alone(640, LOW),
        "1024": usual,
        "proposed": partial(unsuppressed, usual),
        "mirrored": partial(mirrored, usual),
        "1.5": partial(enlarged, network_alone(1536, LOW)),
    }
    seen = {name: {id(photo.pixels): look(photo.pixels) for photo in photos} for name, look in looks.items()}
    columns = [f"{low}-{high} px" if high < 10_000 else f"{low} px and more" for low, high in HEIGHTS_PX]
    print(f"| looks | false faces a photo | recall, {' | '.join(columns)} |")
    for label, detect in ways(seen):
        outcome = judged(detect, photos)
        for allowed in FALSE_FACES:
            at = outcome.threshold_at(allowed)
            recalls = [f"{100 * outcome.recall(low, high, at):.0f} %" for low, high in HEIGHTS_PX]
            print(f"| {label} | {outcome.false_faces(at):.2f} | {' | '.join(recalls)} |", flush=True)
    if arguments.errors:
        alone = judged(lambda pixels: seen["1024"][id(pixels)], photos)
        draw_errors(arguments.errors, photos, seen["1024"], alone.threshold_at(FALSE_FACES[-1]))


if __name__ == "__main__":
    main()
