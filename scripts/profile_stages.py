"""Where the processor time of indexing goes: milliseconds a photo, stage by stage, on one core.

python scripts/profile_stages.py --photos ~/photos --limit 50

Every photo runs through the stages twice, and the second time counts, because the networks prepare themselves for each
new size. What is indented is part of what stands above it.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from facesearch.photos import read_photo, walk
from facesearch.records import Photo, PhotoFile
from facesearch.vision.alignment import align_faces
from facesearch.vision.detector import centerface
from facesearch.vision.detector import detector as detection
from facesearch.vision.faces.faces_of_photo import find_faces, packed, unpacked
from facesearch.vision.runtime import CompiledNetwork
from facesearch.vision.tower.tower import Tower, usable_precision

spent: defaultdict[str, float] = defaultdict(float)


def read(file: PhotoFile, draft: bool) -> Photo:
    """The photo, as `find_faces` asks for it."""
    photo: Photo = measured("decode", read_photo)(file, draft=draft)
    return photo


def measured(stage: str, action: Callable[..., Any]) -> Callable[..., Any]:
    """The same, with its processor time added to a stage's."""

    def run(*arguments: Any, **named: Any) -> Any:
        started = time.process_time()
        try:
            return action(*arguments, **named)
        finally:
            spent[stage] += time.process_time() - started

    return run


def measured_detector() -> detection.Detector:
    """The detector with its parts measured: what each adds stands in `spent`."""
    detector = detection.load_detector()
    for module, stage, name in (
        (detection, "  shrinking", "fitted"),
        (detection, "  views", "whole_view"),
        (centerface, "  suppression", "suppress"),
    ):
        setattr(module, name, measured(stage, getattr(module, name)))
    detector._network = cast(CompiledNetwork, measured("  network", detector._network))
    detector.detect = measured("detect", detector.detect)  # type: ignore[method-assign]
    return detector


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos")
    parser.add_argument("--limit", type=int, default=50, help="at most so many (50)")
    arguments = parser.parse_args()
    files = [file for file in walk([arguments.photos]) if isinstance(file, PhotoFile)][: arguments.limit]
    detector, tower = measured_detector(), Tower.load(precision=usable_precision(None))
    align = measured("align", align_faces)
    embed = measured("embed", tower.embed)
    hand_over = measured("hand over crops", lambda faces: unpacked(np.frombuffer(packed(faces), np.uint8)))
    faces = 0
    for turn in range(2):
        spent.clear()
        faces = 0
        for file in files:
            photo, found = find_faces(partial(read, file), detector)
            aligned = hand_over(align(photo.pixels, found))
            faces += len(aligned)
            if aligned and turn:
                embed(np.repeat(np.stack([face.crop for face in aligned]), 16, axis=0))  # in full batches
    spent["embed"] /= 16
    print(f"{len(files)} photos, {faces} faces, processor ms a photo")
    for stage in sorted(spent, key=lambda stage: (stage.startswith("  "), -spent[stage])):
        print(f"{stage:20}{1000 * spent[stage] / len(files):8.1f}")


if __name__ == "__main__":
    main()
