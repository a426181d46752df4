"""Measure the quality of faces: of labelled ones and of false detections, and what it is worth to grouping.

python scripts/bench_quality.py --boxes ../shared/data/wider
python scripts/bench_quality.py --data ../shared/data/lfw --strangers ../shared/data/wider/images ../shared/data/album

With --boxes, a folder with images/ and boxes.csv (photo,x,y,w,h,blur,occlusion,pose,invalid), every detection is a
labelled face (IoU 0.4), a false one, or left out: on a box marked invalid, or on part of a face.

With --data, the people of a fold of LFW's View 2 make libraries together with strangers: the faces of other photos,
each of which counts as a person of its own. Of the fold's photos a half, redrawn for each library, is shrunk and
blurred, to faces of 10 to 110 px. Each library is grouped with all faces, and without those below each of --least; by
judged distances, as `index` groups, where the tower has a cohort.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from facesearch.evaluation.calibration import Calibration
from facesearch.evaluation.cluster_scores import score_clusters
from facesearch.people.clusters import Bounds, KnownFaces, group_faces
from facesearch.people.grouping import LEAST_QUALITY
from facesearch.photos import photo_file, read_photo, walk
from facesearch.records import DetectedFace, Floats, PhotoFile, Pixels
from facesearch.vision.alignment import align
from facesearch.vision.boxes import overlap
from facesearch.vision.detector.detector import Detector, load_detector
from facesearch.vision.quality import quality_of
from facesearch.vision.tower.tower import Tower
from facesearch_train.data.lfw import people_in_folds, read_folds

IOU, ON_PART = 0.4, 0.6
HEIGHTS_PX = (0, 16, 32, 64)
FACE_PX = 100  # height of a face in LFW's photos of 250 px
ROOM_PX = 160  # what a shrunken photo is padded to, so that its face is a small one of a larger photo
COLUMNS = ("precision", "recall", "grouped_precision", "pair_precision", "pair_recall")


@dataclass(frozen=True, eq=False)
class Faces:
    """Faces with their embeddings (N, 32) and qualities (N,), and a number of the photo of each (N,)."""

    embeddings: Floats
    qualities: NDArray[np.float64]
    photos: NDArray[np.int64]


def labelled(folder: Path, detector: Detector) -> Iterator[tuple[str, float, DetectedFace, float]]:
    """Every detection: "face" with the blur that its label says (0 none, 2 heavy), or "false"; and its quality."""
    boxes: defaultdict[str, list[list[float]]] = defaultdict(list)
    with (folder / "boxes.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            boxes[row["photo"]].append([float(row[key]) for key in ("x", "y", "w", "h", "blur", "invalid")])
    for name, rows in sorted(boxes.items()):
        pixels = read_photo(photo_file(folder / "images" / name)).pixels
        labels = np.array(rows, np.float32)
        corners = np.concatenate([labels[:, :2], labels[:, :2] + labels[:, 2:4]], axis=1)
        for face in detector.detect(pixels):
            shared = overlap(face.box[None], corners)[0]
            nearest = int(shared.argmax())
            quality = quality_of(face, align(pixels, face.landmarks))
            if shared[nearest] >= IOU and not labels[nearest, 5]:
                yield "face", float(labels[nearest, 4]), face, quality
            elif shared[nearest] < IOU and overlap(face.box[None], corners, "min").max() < ON_PART:
                yield "false", -1, face, quality


def print_labelled(folder: Path, detector: Detector) -> None:
    found = list(labelled(folder, detector))
    kinds: dict[str, list[float]] = {}
    for low, high in zip(HEIGHTS_PX, (*HEIGHTS_PX[1:], 10**6), strict=True):
        name = f"labelled faces, {low} to {high} px high" if high < 10**6 else f"labelled faces, {low} px and more"
        kinds[name] = [q for kind, _, face, q in found if kind == "face" and low <= face.box[3] - face.box[1] < high]
    for blur, word in enumerate(("sharp", "blurred", "heavily blurred")):
        kinds[f"labelled as {word}, 32 px and more"] = [
            q for kind, label, face, q in found if kind == "face" and label == blur and face.box[3] - face.box[1] >= 32
        ]
    kinds["false detections"] = [q for kind, _, _, q in found if kind == "false"]
    print(
        f"{detector.identity}\n\n| | detections | quality: 10 %, median, 90 % | below {LEAST_QUALITY} |\n| --- "
        + "| --- " * 3
        + "|"
    )
    for name, qualities in kinds.items():
        if qualities:
            low, middle, high = np.percentile(qualities, [10, 50, 90])
            poor = np.mean(np.array(qualities) < LEAST_QUALITY)
            print(f"| {name} | {len(qualities)} | {low:.2f}, {middle:.2f}, {high:.2f} | {100 * poor:.0f} % |")


def faces_of(pictures: Sequence[Pixels], detector: Detector, tower: Tower, *, middle_only: bool) -> Faces:
    """The faces of some pictures, or the one in the middle of each."""
    crops, qualities, photos = [], [], []
    for number, pixels in enumerate(pictures):
        faces = detector.detect(pixels)
        if middle_only:
            height, width = pixels.shape[:2]
            faces = [
                face
                for face in faces
                if face.box[0] < width / 2 < face.box[2] and face.box[1] < height / 2 < face.box[3]
            ][:1]
        for face in faces:
            crops.append(align(pixels, face.landmarks))
            qualities.append(quality_of(face, crops[-1]))
            photos.append(number)
    rows = [tower.embed(np.stack(crops[start : start + 64])) for start in range(0, len(crops), 64)]
    return Faces(np.concatenate(rows), np.array(qualities), np.array(photos, np.int64))


def shrunken(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """A small and perhaps blurred copy, in the middle of a larger photo."""
    share = float(np.exp(random.uniform(np.log(10), np.log(110)))) / FACE_PX
    size = max(8, round(pixels.shape[0] * share))
    image = Image.fromarray(pixels).resize((size, size), Image.Resampling.LANCZOS)
    image = image.filter(
        ImageFilter.GaussianBlur(float(random.choice([0, 0, 1, 2, 3])) * share * random.uniform(0.5, 1.5))
    )
    rim = max(0, (ROOM_PX - size) // 2)
    return np.pad(np.asarray(image), ((rim, rim), (rim, rim), (0, 0)), mode="edge")


def print_grouping(options: argparse.Namespace, detector: Detector) -> None:
    tower = Tower.load()
    cohort = tower.cohort
    bounds = Bounds.of(Calibration.from_card(tower.card.calibration), tower.card.threshold)
    if cohort is not None:
        bounds = Bounds.of(cohort.calibration, cohort.threshold)
    wanted = people_in_folds(read_folds(options.data / "pairs.txt", [options.fold]))
    folders = sorted(folder for folder in options.data.glob("*/*") if folder.name in wanted)
    paths = [path for folder in folders for path in sorted(folder.glob("*.jpg"))[: options.photos_a_person]]
    pictures = [read_photo(photo_file(path)).pixels for path in paths]
    random = np.random.default_rng(0)
    good = faces_of(pictures, detector, tower, middle_only=True)
    poor = faces_of([shrunken(pixels, random) for pixels in pictures], detector, tower, middle_only=True)
    people = np.unique([path.parent.name for path in paths], return_inverse=True)[1]
    others = [file.path for file in walk(options.strangers) if isinstance(file, PhotoFile)]
    strangers = faces_of([read_photo(photo_file(path)).pixels for path in others], detector, tower, middle_only=False)
    print(
        f"{detector.identity}, tower {tower.identity[:12]}, fold {options.fold}: {len(paths)} photos of {len(wanted)} ",
        end="",
    )
    print(f"people, {len(strangers.photos)} strangers, mean of {options.draws} draws\n")
    print("| least quality | " + " | ".join(COLUMNS) + " | faces in groups | strangers in groups | faces too poor |")
    print("| --- " * (len(COLUMNS) + 4) + "|")
    for least in options.least:
        rows = []
        for draw in range(options.draws):
            is_poor = np.random.default_rng((1, draw)).random(len(paths)) < 0.5
            parts = [part_of(good, ~is_poor), part_of(poor, is_poor)]
            photos = np.concatenate([part.photos for part in parts])
            owners = np.concatenate([people[photos], people.max() + 1 + np.arange(len(strangers.photos))])
            photos = np.concatenate([photos, len(paths) + strangers.photos])
            embeddings = np.concatenate([part.embeddings for part in (*parts, strangers)])
            taken = np.concatenate([part.qualities for part in (*parts, strangers)]) >= least
            groups = np.full(len(owners), -1)
            known = KnownFaces(np.full(int(taken.sum()), -1), photos[taken])
            scales = None if cohort is None else cohort.local_scale(embeddings[taken])
            groups[taken] = group_faces(embeddings[taken], known, bounds, scales=scales)
            scores = asdict(score_clusters(groups, owners))
            wrong = int((groups[-len(strangers.photos) :] >= 0).sum())
            rows.append([*(scores[name] for name in COLUMNS), scores["grouped"], wrong, int((~taken).sum())])
        *shares, grouped, wrong, left_out = np.mean(rows, axis=0)
        cells = [f"{share:.3f}" for share in shares] + [f"{count:.0f}" for count in (grouped, wrong, left_out)]
        print(f"| {least:g} | " + " | ".join(cells) + " |", flush=True)


def part_of(faces: Faces, photos: NDArray[np.bool_]) -> Faces:
    """The faces of some of the photos."""
    rows = photos[faces.photos]
    return Faces(faces.embeddings[rows], faces.qualities[rows], faces.photos[rows])


def main() -> None:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--boxes", type=Path, help="photos with labelled boxes")
    what.add_argument("--data", type=Path, help="LFW, with its pairs.txt")
    parser.add_argument("--strangers", type=Path, nargs="+", default=[], help="folders of photos of other people")
    parser.add_argument("--fold", type=int, default=7, help="fold of LFW's View 2 whose people are grouped (7)")
    parser.add_argument("--photos-a-person", type=int, default=8, help="at most so many of each person (8)")
    parser.add_argument("--draws", type=int, default=8, help="libraries drawn (8)")
    parser.add_argument("--least", type=float, nargs="+", default=[0, LEAST_QUALITY], help="least qualities to try")
    options = parser.parse_args()
    detector = load_detector()
    if options.boxes:
        print_labelled(options.boxes, detector)
    else:
        print_grouping(options, detector)


if __name__ == "__main__":
    main()
