"""How well `facesearch train --check` tells faults from sound data, by planting faults into labelled photos.

Wrong labels: every fiftieth photo of people with four or more goes to another such person. One person twice: forty
people with six photos or more are cut in two. Shots: photos are saved again at 60 % of their size and JPEG quality 40
and found again. What is flagged in the data as they are comes first: some of it is real.

    python scripts/bench_checking.py DIR [DIR ...] --shots 300
    python scripts/bench_checking.py PATH --teacher dlib

With a teacher (dlib, or a file as for `facesearch train --check --teacher`) it judges the labels instead of the tower,
and no photos are saved again.
"""

from __future__ import annotations

import argparse
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from facesearch.vision.alignment import align
from facesearch.vision.detector.detector import load_detector
from facesearch.vision.tower.tower import Tower
from facesearch_train.checking import directions
from facesearch_train.data.crops import prepare_crops
from facesearch_train.data.cutting import choose_face
from facesearch_train.data.datasets import list_photos
from facesearch_train.data.duplicates import SAME_SHOT, thumbnails
from facesearch_train.data.joined import JoinedCrops, merge_datasets
from facesearch_train.data.mislabelled import find_mislabelled, find_twins
from facesearch_train.data.pairs import number_identities
from facesearch_train.data.teacher import read_teacher, taught_places
from facesearch_train.model.teacher_embeddings import teacher_files


def main() -> None:
    """Print how many planted faults are found, and how much else is flagged."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+", help="labelled photos")
    parser.add_argument("--shots", type=int, default=300, help="photos saved again (default 300)")
    parser.add_argument("--teacher", type=Path, action="append", help="dlib, or a teacher's .npz; several times")
    options = parser.parse_args()
    datasets = [list_photos(path) for path in options.data]
    crop_sets = [prepare_crops(dataset) for dataset in datasets]
    crops = JoinedCrops(merge_datasets(datasets), crop_sets)
    people = number_identities(crops.identities)
    if options.teacher:
        teachers = [read_teacher(path) for path in teacher_files(options.teacher, crop_sets)]
        places = taught_places(teachers, [dataset.root for dataset in datasets], crops.paths)
        known = np.flatnonzero(np.isfinite(places[:, 0]))
        print(
            f"{len(known):,} of {len(crops):,} crops of {len(set(crops.identities)):,} people are known to the teacher"
        )
        plant_labels("the teacher", places[known], people[known], 1.0)
        plant_twins(places[known], people[known])
        return
    tower = Tower.load()
    parts = [crops[start : start + 512] for start in range(0, len(crops), 512)]
    raw = np.concatenate([tower.embed(part) for part in parts])
    print(f"{len(crops):,} crops of {len(set(crops.identities)):,} people, tower {tower.card.name}")
    for name, embeddings in (("embeddings", raw), ("their directions", directions(raw))):
        plant_labels(name, embeddings, people)
    plant_twins(directions(raw), people)
    small = np.concatenate([thumbnails(part) for part in parts])
    chosen = np.random.default_rng(0).permutation(len(crops))[: options.shots]
    save_again(crops, chosen, Known(people, small, directions(raw)), tower)


def plant_labels(name: str, embeddings: np.ndarray, people: np.ndarray, threshold: float | None = None) -> None:
    clean = len(find_mislabelled(embeddings, people, threshold))
    counts = np.bincount(people)
    rows = np.random.default_rng(0).permutation(np.flatnonzero(counts[people] >= 4))
    rows = rows[: len(rows) // 50]
    wrong = people.copy()
    wrong[rows] = people[np.roll(rows, 1)]
    planted = set(rows[wrong[rows] != people[rows]].tolist())
    found = find_mislabelled(embeddings, wrong, threshold)
    right = [suspect for suspect in found if suspect.row in planted]
    named = sum(suspect.person == people[suspect.row] for suspect in right)
    worst = sum(suspect.row in planted for suspect in found[:20])
    print(
        f"wrong labels by {name}: {clean} flagged as they are; of {len(planted)} planted {len(right)} found ({named} "
        f"with their person) among {len(found)} flagged, {worst} of the worst 20"
    )


def plant_twins(embeddings: np.ndarray, people: np.ndarray) -> None:
    clean = len(find_twins(embeddings, people))
    rng = np.random.default_rng(0)
    cut = rng.permutation(np.flatnonzero(np.bincount(people) >= 6))[:40]
    first_new = people.max() + 1
    wrong = people.copy()
    for number, person in enumerate(cut):
        rows = rng.permutation(np.flatnonzero(people == person))
        wrong[rows[: len(rows) // 2]] = first_new + number
    found = find_twins(embeddings, wrong)
    right = sum(pair.second >= first_new and cut[pair.second - first_new] == pair.first for pair in found)
    print(f"one person twice: {clean} flagged as they are; of {len(cut)} planted {right} found among {len(found)}")


@dataclass(frozen=True)
class Known:
    """Whose each crop is, its thumbnail, and its embedding's direction."""

    people: np.ndarray
    thumbnails: np.ndarray
    directions: np.ndarray


def save_again(crops: JoinedCrops, chosen: np.ndarray, known: Known, tower: Tower) -> None:
    """Thumbnails and embeddings of photos saved again, against those of other people's photos."""
    detector, kept, again = load_detector(), [], []
    for row in chosen:
        with Image.open(crops.paths[row]) as image:
            file = io.BytesIO()
            image.convert("RGB").resize((image.width * 3 // 5, image.height * 3 // 5)).save(file, "JPEG", quality=40)
        pixels = np.asarray(Image.open(file).convert("RGB"))
        face = choose_face(detector.detect(pixels), (pixels.shape[1], pixels.shape[0]))
        if face is not None:
            kept.append(int(row))
            again.append(align(pixels, face.landmarks))
    new = np.stack(again)
    likeness, strangers = thumbnails(new) @ known.thumbnails.T, known.people[kept][:, None] != known.people[None]
    distance = np.linalg.norm(directions(tower.embed(new))[:, None] - known.directions[None], axis=2)
    same = likeness[np.arange(len(kept)), kept], distance[np.arange(len(kept)), kept]
    for least in sorted({0.9, 0.93, 0.95, 0.97, 0.98, SAME_SHOT}):
        hits, alarms = (same[0] >= least).mean(), (likeness[strangers] >= least).sum()
        print(f"one shot, thumbnails from {least}: {hits:.1%} of {len(kept)} found, {alarms:,} strangers' pairs beside")
    for most in (0.05, 0.1, 0.15, 0.2):
        hits, alarms = (same[1] <= most).mean(), (distance[strangers] <= most).sum()
        print(f"one shot, embeddings up to {most}: {hits:.1%} found, {alarms:,} strangers' pairs beside")


if __name__ == "__main__":
    main()
