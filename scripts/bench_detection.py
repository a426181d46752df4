"""Detect faces with the mtcnn package and with facesearch in turn; print how far they agree and how fast each is.

python scripts/bench_detection.py --photos ~/photos --limit 200

Both see the same pixels: the photo, shrunk to --max-side where it is larger. The package looks for faces from 20 px on.
The first pass over the photos is not timed, because both prepare themselves for each new photo size.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from facesearch.photos import read_photo, walk
from facesearch.records import Floats, PhotoFile, Pixels
from facesearch.vision.boxes import overlap
from facesearch.vision.detector.detector import DetectorSettings, load_detector, smallest_face
from facesearch.vision.detector.pyramid import shrink

Found = tuple[Floats, Floats]  # boxes (N, 4), landmarks (N, 5, 2)
SAME_FACE = 0.5  # overlap of two boxes, as a share of their union


@dataclass
class Agreement:
    """Counts over all photos. landmark_errors: a face's mean landmark distance, as a share of its eye distance."""

    package_faces: int = 0
    our_faces: int = 0
    found_again: int = 0
    differing: list[str] = field(default_factory=list)
    landmark_errors: list[float] = field(default_factory=list)

    def add(self, name: str, package: Found, ours: Found) -> None:
        shared = overlap(package[0], ours[0])
        again = np.flatnonzero(shared.max(axis=1, initial=0) > SAME_FACE)
        partners = shared[again].argmax(axis=1) if len(again) else again
        self.package_faces += len(package[0])
        self.our_faces += len(ours[0])
        self.found_again += len(again)
        if not len(again) == len(package[0]) == len(ours[0]):
            self.differing.append(f"{name}: package {len(package[0])}, facesearch {len(ours[0])}, both {len(again)}")
        right = package[1][again]
        off = np.linalg.norm(right - ours[1][partners], axis=2).mean(axis=1)
        self.landmark_errors += list(off / np.linalg.norm(right[:, 0] - right[:, 1], axis=1))


def package_detector() -> Callable[[Pixels], Found]:
    """The mtcnn package, which imports TensorFlow."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from mtcnn import MTCNN

    detector = MTCNN()

    def detect(pixels: Pixels) -> Found:
        rows = np.asarray(detector.detect_faces(pixels, output_type="numpy", box_format="xyxy"), np.float32)
        rows = rows.reshape(-1, 16)
        return rows[:, 1:5], rows[:, 6:].reshape(-1, 2, 5).transpose(0, 2, 1)

    return detect


def our_detector(settings: DetectorSettings) -> Callable[[Pixels], Found]:
    """facesearch's detector."""
    detector = load_detector(settings)

    def detect(pixels: Pixels) -> Found:
        faces = detector.detect(pixels)
        boxes = np.array([face.box for face in faces], np.float32).reshape(-1, 4)
        return boxes, np.array([face.landmarks for face in faces], np.float32).reshape(-1, 5, 2)

    return detect


def timed(detect: Callable[[Pixels], Found], pixels: Pixels) -> float:
    start = time.perf_counter()
    detect(pixels)
    return time.perf_counter() - start


def chosen(folder: Path, limit: int | None) -> list[PhotoFile]:
    """The folder's photos, or `limit` of them spread evenly over it."""
    files = [file for file in walk([folder]) if isinstance(file, PhotoFile)]
    if limit is None or limit >= len(files):
        return files
    return [files[index * len(files) // limit] for index in range(limit)]


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos")
    parser.add_argument("--limit", type=int, help="at most this many photos, spread evenly over the folder")
    default_side = DetectorSettings().max_side_px
    parser.add_argument("--max-side", type=int, default=default_side, help=f"px, by default {default_side}")
    parser.add_argument(
        "--smallest-face", default="20", help="facesearch's, as `facesearch index` takes it; by default 20"
    )
    arguments = parser.parse_args()
    package = package_detector()
    ours = our_detector(replace(smallest_face(arguments.smallest_face), max_side_px=arguments.max_side))
    files = chosen(arguments.photos, arguments.limit)
    agreement, package_s, our_s = Agreement(), [], []
    for file in files:
        pixels = shrink(read_photo(file).pixels, arguments.max_side)
        agreement.add(file.path.name, package(pixels), ours(pixels))
        package_s.append(timed(package, pixels))
        our_s.append(timed(ours, pixels))
    print_report(agreement, package_s, our_s)


def print_report(agreement: Agreement, package_s: list[float], our_s: list[float]) -> None:
    errors = np.array(agreement.landmark_errors or [np.nan])
    print("\n".join(agreement.differing))
    package_ms, our_ms = (1000 * float(np.median(spent)) for spent in (package_s, our_s))
    print(f"photos                      {len(our_s)}")
    print(f"mtcnn package               {agreement.package_faces} faces, median {package_ms:.0f} ms a photo")
    print(f"facesearch                  {agreement.our_faces} faces, median {our_ms:.0f} ms a photo")
    print(f"as fast, all photos         {sum(package_s) / sum(our_s):.1f} times")
    share = agreement.found_again / max(agreement.package_faces, 1)
    print(f"the package's found again   {agreement.found_again} ({100 * share:.1f} %)")
    print(f"faces only facesearch has   {agreement.our_faces - agreement.found_again}")
    percentile = np.percentile(errors, 95)
    print(f"landmarks off, eye distance mean {100 * errors.mean():.1f} %, 95 of 100 under {100 * percentile:.1f} %")


if __name__ == "__main__":
    main()
