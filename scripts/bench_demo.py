"""Draw synthetic people; print the share the detector finds, its landmark error and what a portrait costs.

python scripts/bench_demo.py --faces 500
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from facesearch.demo import DrawnFace, DrawnPhoto, draw_group, draw_portrait, random_people
from facesearch.records import DetectedFace, Floats
from facesearch.vision.detector.detector import load_detector

SMALL_FACE_PX = 40


def photos(faces: int, seeds: int) -> Iterator[DrawnPhoto]:
    """Portraits of 112 to 640 px and, every eighth, a group of six."""
    drawn, seed = 0, 0
    while drawn < faces:
        people, rng = random_people(12, seed), np.random.default_rng(seed)
        for turn in range(max(faces // seeds // 12, 1)):
            for index, person in enumerate(people):
                if (index + turn) % 8 == 7:
                    photo = draw_group([people[i] for i in rng.permutation(12)[:6]], rng, int(rng.integers(45, 120)))
                else:
                    photo = draw_portrait(person, rng, int(np.exp(rng.uniform(np.log(112), np.log(640)))))
                yield photo
                drawn += len(photo.faces)
        seed += 1


def nearest(face: DrawnFace, found: list[DetectedFace]) -> tuple[DetectedFace | None, Floats]:
    """The detected face whose landmarks lie nearest, within half an eye distance, and its errors (5,)."""
    eyes = float(np.linalg.norm(face.landmarks[1] - face.landmarks[0]))
    best, least = None, np.full(5, np.inf, np.float32)
    for other in found:
        errors = np.linalg.norm(other.landmarks - face.landmarks, axis=1) / eyes
        if errors.mean() < min(least.mean(), 0.5):
            best, least = other, errors
    return best, least


def ms_a_portrait(size_px: int, people: int = 30, rounds: int = 3) -> float:
    """Milliseconds of one portrait: the median over people of the least of some rounds."""
    least = []
    for number, person in enumerate(random_people(people, 0)):
        spent = []
        for _ in range(rounds):
            rng, start = np.random.default_rng(number), time.perf_counter()
            draw_portrait(person, rng, size_px)
            spent.append(time.perf_counter() - start)
        least.append(min(spent))
    return 1000 * float(np.median(least))


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=500, help="how many to draw")
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds to spread them over")
    parser.add_argument("--missed", type=str, help="write photos with a missed face into this folder")
    arguments = parser.parse_args()
    detector = load_detector()
    all_faces, all_found, false_faces = 0, 0, 0
    errors: list[Floats] = []
    offsets: list[Floats] = []
    for number, photo in enumerate(photos(arguments.faces, arguments.seeds)):
        found = detector.detect(photo.pixels)
        large = [face for face in photo.faces if face.box[3] - face.box[1] >= SMALL_FACE_PX]
        matches = [nearest(face, found) for face in large]
        all_faces += len(large)
        all_found += sum(match is not None for match, _ in matches)
        false_faces += len(found) - sum(match is not None for match, _ in matches)
        for (match, error), face in zip(matches, large, strict=True):
            if match is not None:
                errors.append(error)
                offsets.append(
                    (match.landmarks - face.landmarks) / np.linalg.norm(face.landmarks[1] - face.landmarks[0])
                )
            elif arguments.missed:
                save(photo, arguments.missed, number)
    share = 100 * all_found / all_faces
    print(
        f"found {all_found} of {all_faces} faces over {SMALL_FACE_PX} px: {share:.1f} % ({false_faces} boxes elsewhere)"
    )
    names = ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner")
    print(f"median landmark error: {100 * float(np.median(errors)):.1f} % of the distance between the eyes")
    for name, error, offset in zip(names, np.median(errors, axis=0), np.median(offsets, axis=0), strict=True):
        print(f"  {name}: {100 * error:.1f} % (median offset {100 * offset[0]:+.1f}, {100 * offset[1]:+.1f})")
    for size_px in (160, 320, 640):
        print(f"portrait of {size_px} px: {ms_a_portrait(size_px):.1f} ms")


def save(photo: DrawnPhoto, folder: str, number: int) -> None:
    """Keep a photo for a look."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    Image.fromarray(photo.pixels).save(Path(folder) / f"{number:04}.png")


if __name__ == "__main__":
    main()
