"""Detect faces with facesearch and with the mtcnn package in turn: recall on labelled boxes, and speed.

    python scripts/bench_detection.py --boxes DIR          precision and recall by face height
    python scripts/bench_detection.py --photos DIR         speed, and how far the two agree
    python scripts/bench_detection.py --filling DIR        faces cut out of photos until they fill the picture
    python scripts/bench_detection.py --turned LFW         pairs of LFW, the first photo turned

DIR of --boxes holds `boxes.csv` (photo, x, y, w, h in px, invalid) and the photos in `images/`. Both see the same
pixels: the photo, shrunk to --max-side where it is larger. The package (`pip install -e ".[bench]"`) looks for faces
from 20 px on, which is its default. A face is found where its box and a detected one share at least IOU of their
union. Boxes that are labelled invalid count neither way. --filling cuts the largest face of each photo out, so far
inside its box, and counts how many are found again. --turned prints how many pairs the shipped tower judges rightly at
its threshold, the first photo of each turned by so many degrees, and how far a photo lies from itself turned.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from labelled_boxes import HEIGHTS_PX, IOU, Detect, Found, judged, labelled_photos

from facesearch.photos import photo_file, read_photo, walk
from facesearch.records import Floats, PhotoFile, Pixels
from facesearch.vision.alignment import align
from facesearch.vision.boxes import pair_up
from facesearch.vision.detector import centerface
from facesearch.vision.detector.detector import DetectorSettings, load_detector, smallest_face
from facesearch.vision.detector.photo_parts import Region, resized, shrink, view
from facesearch.vision.runtime import RuntimeSettings, fastest_precision
from facesearch.vision.tower.tower import Tower

FALSE_FACES_A_PHOTO = 0.1
LEAST_FILLING_PX = 150


def package_detector(smallest_px: int, threshold: float | None = None) -> Detect:
    """The mtcnn package, which imports TensorFlow. threshold: of its last network."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from mtcnn import MTCNN

    detector = MTCNN()
    options = {} if threshold is None else {"threshold_onet": threshold}

    def detect(pixels: Pixels) -> Found:
        answer = detector.detect_faces(
            pixels, output_type="numpy", box_format="xyxy", min_face_size=smallest_px, **options
        )
        rows = np.asarray(answer, np.float32).reshape(-1, 16)
        return Found(rows[:, 1:5], rows[:, 5])

    return detect


def our_detector(settings: DetectorSettings) -> Detect:
    """facesearch's detector."""
    detector = load_detector(settings)

    def detect(pixels: Pixels) -> Found:
        faces = detector.detect(pixels)
        boxes = np.array([face.box for face in faces], np.float32).reshape(-1, 4)
        return Found(boxes, np.array([face.score for face in faces], np.float32))

    return detect


def network_alone(side_px: int, threshold: float) -> Detect:
    """CenterFace by itself: one look at the whole photo, at most side_px large, stretched as facesearch does it."""
    network = centerface.load(RuntimeSettings(precision=fastest_precision()))

    def detect(pixels: Pixels) -> Found:
        height, width = pixels.shape[:2]
        whole = Region(0, 0, width, height)
        look = view(pixels, whole, min(side_px, max(width, height)), centerface.STEP_PX, stretched=True)
        faces = centerface.decode(network(look.pixels[None]), threshold)
        boxes = look.in_photo(faces.boxes.reshape(-1, 2, 2)).reshape(-1, 4)
        return Found(np.clip(boxes, 0, [width, height, width, height]).astype(np.float32), faces.scores.copy())

    return detect


def report_boxes(folder: Path, max_side_px: int, settings: DetectorSettings) -> None:
    """Print a row a detector and threshold. A detector decides by its own threshold how often it looks, so that
    facesearch as it is and its average precision come from two passes."""
    photos = labelled_photos(folder, max_side_px)
    low, usual = 0.05, settings.score_threshold
    alone = judged(network_alone(1024, low), photos)
    detectors = [
        ("facesearch", judged(our_detector(settings), photos), usual),
        ("facesearch, every score", judged(our_detector(replace(settings, score_threshold=low)), photos), usual),
        ("its network alone, one look at 1024 px", alone, usual),
        ("mtcnn package", judged(package_detector(20, low), photos), 0.8),
    ]
    columns = [f"{low}-{high} px" if high < 10_000 else f"{low} px and more" for low, high in HEIGHTS_PX]
    print(f"{len(photos)} photos, {sum(len(photo.boxes) for photo in photos)} labelled faces, IoU {IOU}")
    print(f"| | average precision | false faces a photo | recall, {' | '.join(columns)} |")
    for name, outcome, threshold in detectors:
        strict = outcome.threshold_at(FALSE_FACES_A_PHOTO)
        for where, at in (("as it is", threshold), (f"{FALSE_FACES_A_PHOTO} false faces a photo", strict)):
            recalls = [f"{100 * outcome.recall(low_px, high_px, at):.0f} %" for low_px, high_px in HEIGHTS_PX]
            precision, false_faces = 100 * outcome.average_precision(), outcome.false_faces(at)
            label = f"{name}: {where} (score {at:.2f})"
            print(f"| {label} | {precision:.1f} % | {false_faces:.2f} | {' | '.join(recalls)} |", flush=True)


def report_speed(folder: Path, limit: int | None, settings: DetectorSettings) -> None:
    """Print how fast both are, and how far they agree. The first pass over the photos is not timed."""
    package, ours = package_detector(20), our_detector(settings)
    package_s, our_s, package_faces, our_faces, again = [], [], 0, 0, 0
    for file in chosen(folder, limit):
        pixels = shrink(read_photo(file).pixels, settings.max_side_px)
        theirs, mine = package(pixels), ours(pixels)
        package_faces += len(theirs.boxes)
        our_faces += len(mine.boxes)
        again += len(pair_up(list(theirs.boxes), list(mine.boxes), IOU))
        package_s.append(timed(package, pixels))
        our_s.append(timed(ours, pixels))
    package_ms, our_ms = (1000 * float(np.median(spent)) for spent in (package_s, our_s))
    print(f"photos                      {len(our_s)}")
    print(f"mtcnn package               {package_faces} faces, median {package_ms:.0f} ms a photo")
    print(f"facesearch                  {our_faces} faces, median {our_ms:.0f} ms a photo")
    print(f"as fast, all photos         {sum(package_s) / sum(our_s):.1f} times")
    print(f"the package's found again   {again} ({100 * again / max(package_faces, 1):.1f} %)")
    print(f"faces only facesearch has   {our_faces - again}")


def report_filling(folder: Path) -> None:
    """Print how many faces are found that fill the picture, a row a cut and side."""
    detect = our_detector(DetectorSettings())
    faces = []
    for file in walk([folder]):
        if isinstance(file, PhotoFile):
            pixels = read_photo(file).pixels
            boxes = detect(pixels).boxes
            heights = boxes[:, 3] - boxes[:, 1]
            if len(boxes) and heights.max() >= LEAST_FILLING_PX:
                faces.append((pixels, boxes[heights.argmax()]))
    print(f"{len(faces)} faces of at least {LEAST_FILLING_PX} px")
    for inside in (0.08, 0.15):
        for side_px in (300, 1600):
            found = junk = 0
            for pixels, (x1, y1, x2, y2) in faces:
                across, down = inside * (x2 - x1), inside * (y2 - y1)
                left, top, right, bottom = (
                    round(float(side)) for side in (x1 + across, y1 + down, x2 - across, y2 - down)
                )
                cut = resized(np.ascontiguousarray(pixels[top:bottom, left:right]), side_px)
                seen = detect(cut).boxes
                large = (seen[:, 3] - seen[:, 1]) > 0.5 * cut.shape[0]
                found += bool(large.any())
                junk += int(np.count_nonzero(~large))
            print(f"cut {100 * inside:.0f} % inside, {side_px} px: {found} of {len(faces)} found, {junk} other boxes")


def report_turned(folder: Path, pairs: int) -> None:
    """Print accuracy with the first photo of each pair turned."""
    tower, detector = Tower.load(), load_detector()
    chosen_pairs = lfw_pairs(folder, pairs)

    def embedded(path: Path, turns: int) -> Floats:
        pixels = np.ascontiguousarray(np.rot90(read_photo(photo_file(path)).pixels, turns))
        faces = detector.detect(pixels)
        boxes_found.append(len(faces))
        centre = np.array(pixels.shape[1::-1]) / 2
        if not faces:
            return np.full(32, np.nan, np.float32)
        face = min(faces, key=lambda face: float(np.linalg.norm(face.box.reshape(2, 2).mean(axis=0) - centre)))
        embedding: Floats = tower.embed(align(pixels, face.landmarks)[None])[0]
        return embedding

    boxes_found: list[int] = []
    second = np.stack([embedded(other, 0) for _, other, _ in chosen_pairs])
    is_same = np.array([same for _, _, same in chosen_pairs])
    upright = None
    for turns in range(4):
        boxes_found.clear()
        first = np.stack([embedded(one, turns) for one, _, _ in chosen_pairs])
        upright = first if upright is None else upright
        missed = np.isnan(first).any(axis=1)
        right = (np.linalg.norm(first - second, axis=1) <= tower.card.threshold) == is_same
        moved = np.linalg.norm(first - upright, axis=1)[~missed]
        print(
            f"turned {90 * turns} degrees: {100 * right[~missed].mean():.1f} % of {len(right)} pairs right, "
            f"{missed.sum()} photos without a face, {sum(boxes_found)} faces; distance to itself upright: median "
            f"{np.median(moved):.3f}, 95 of 100 under {np.percentile(moved, 95):.3f}",
            flush=True,
        )


def lfw_pairs(folder: Path, count: int) -> list[tuple[Path, Path, bool]]:
    """Pairs of LFW's View 2, spread evenly over the list: photo, photo, whether they show one person."""
    photos = {path.name: path for path in folder.rglob("*.jpg")}
    rows = [line.split() for line in (folder / "pairs.txt").read_text(encoding="utf-8").splitlines()[1:]]
    pairs = []
    for row in rows:
        one, two = (row[0], row[0]) if len(row) == 3 else (row[0], row[2])
        numbers = (row[1], row[2]) if len(row) == 3 else (row[1], row[3])
        names = [f"{name}_{int(number):04}.jpg" for name, number in zip((one, two), numbers, strict=True)]
        pairs.append((photos[names[0]], photos[names[1]], len(row) == 3))
    return [pairs[index * len(pairs) // count] for index in range(min(count, len(pairs)))]


def timed(detect: Detect, pixels: Pixels) -> float:
    """Processor seconds of one call."""
    start = time.process_time()
    detect(pixels)
    return time.process_time() - start


def chosen(folder: Path, limit: int | None) -> list[PhotoFile]:
    """The folder's photos, or `limit` of them spread evenly over it."""
    files = [file for file in walk([folder]) if isinstance(file, PhotoFile)]
    if limit is None or limit >= len(files):
        return files
    return [files[index * len(files) // limit] for index in range(limit)]


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--boxes", type=Path, help="folder of labelled photos")
    what.add_argument("--photos", type=Path, help="folder of photos")
    what.add_argument("--filling", type=Path, help="folder of photos with large faces")
    what.add_argument("--turned", type=Path, help="LFW's folder, with pairs.txt")
    parser.add_argument("--limit", type=int, help="at most this many photos or pairs, spread evenly")
    default_side = DetectorSettings().max_side_px
    parser.add_argument("--max-side", type=int, default=default_side, help=f"px, by default {default_side}")
    parser.add_argument("--smallest-face", help="facesearch's, as `facesearch index` takes it")
    arguments = parser.parse_args()
    settings = DetectorSettings() if arguments.smallest_face is None else smallest_face(arguments.smallest_face)
    if arguments.filling:
        report_filling(arguments.filling)
    elif arguments.turned:
        report_turned(arguments.turned, arguments.limit or 600)
    elif arguments.photos:
        report_speed(arguments.photos, arguments.limit, replace(settings, max_side_px=arguments.max_side))
    else:
        report_boxes(arguments.boxes, arguments.max_side, settings)


if __name__ == "__main__":
    main()
