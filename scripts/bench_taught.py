"""How well towers follow the teacher that taught them, on people they were taught on and on others.

    python scripts/bench_taught.py lfw --teacher lfw-teacher.npz --fold 6 --fold 7 --tower DIR [--tower DIR]

lfw: LFW's photos. --fold: whose people validate; all others of LFW were taught. Of each of the two parts, --people
people with two photos or more, up to six photos of each, drawn by a fixed seed, are compared in all pairs, by the
teacher's embeddings and by each tower's. "follows" is the correlation of the tower's distances with the teacher's over
all pairs, and over those that the teacher takes for one person or nearly so. A tower that follows its teacher better
on the taught than on the others has learnt their photos by heart and needs more photos; one that follows both alike,
and not well, needs more steps.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facesearch.evaluation.all_pairs import NamedFaces, report_all_pairs
from facesearch.records import Floats, Ints
from facesearch.vision.tower.tower import Tower
from facesearch_train.data.crops import CropSet, prepare_crops
from facesearch_train.data.datasets import list_photos
from facesearch_train.data.lfw import people_in_folds, read_folds
from facesearch_train.data.teacher import read_teacher, taught_places
from facesearch_train.evaluation.protocols import embed_rows

MOST_PHOTOS = 6  # of a person
NEAR = 1.25  # the teacher's threshold is at 1
FARS = (0.01, 0.001)


@dataclass(frozen=True, eq=False)
class Part:
    """Some photos of one kind of people."""

    name: str
    rows: Ints  # of their crops
    people: list[str]  # of each row
    taught: Floats  # the teacher's embeddings, a row each


def parts(crops: CropSet, places: Floats, held_out: frozenset[str], people: int) -> list[Part]:
    """So many people of those who were taught, and of the others."""
    of_person: dict[bool, dict[str, list[int]]] = {True: {}, False: {}}
    for row, photo in enumerate(crops.dataset.photos):
        if np.isfinite(places[row, 0]):
            of_person[photo.identity in held_out].setdefault(photo.identity, []).append(row)
    drawn = []
    for held, name in ((False, "taught"), (True, "others")):
        rng = np.random.default_rng(1)
        several = sorted(person for person, rows in of_person[held].items() if len(rows) > 1)
        chosen = [several[place] for place in rng.permutation(len(several))[:people]]
        rows = [row for person in chosen for row in rng.permutation(of_person[held][person])[:MOST_PHOTOS].tolist()]
        drawn.append(Part(name, np.array(rows), [crops.dataset.photos[row].identity for row in rows], places[rows]))
    return drawn


def distances(embeddings: Floats) -> Floats:
    """Of all pairs: (P,)."""
    squares = (embeddings**2).sum(axis=1)
    every = np.sqrt(np.maximum(squares[:, None] + squares - 2 * embeddings @ embeddings.T, 0))
    pairs: Floats = every[np.triu_indices(len(every), 1)]
    return pairs


def line(name: str, part: Part, embeddings: Floats) -> str:
    """A row of the table."""
    report, _ = report_all_pairs(NamedFaces("all pairs", "lfw", embeddings.astype(np.float64), part.people), 1.0)
    tars = {accepted.far: accepted.tar for accepted in report.true_accepts}
    assert report.identification is not None
    own, teachers = distances(embeddings), distances(part.taught)
    near = teachers < NEAR
    follows = [np.corrcoef(own[kept], teachers[kept])[0, 1] for kept in (np.ones_like(near), near)]
    found = ", ".join(f"{100 * tars[far]:.1f}" for far in FARS)
    return (
        f"| {name} | {part.name} | {found} % | {100 * report.identification.rank_1:.1f} % of "
        f"{report.identification.people} | {follows[0]:.3f}, {follows[1]:.3f} |"
    )


def main() -> None:
    """See the script's first lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", type=Path)
    parser.add_argument("--teacher", type=Path, required=True, help="the teacher's embeddings of LFW's photos")
    parser.add_argument("--fold", type=int, action="append", required=True, help="whose people validate")
    parser.add_argument(
        "--tower", type=Path, action="append", help="folder of a tower (the shipped one); several times"
    )
    parser.add_argument("--people", type=int, default=350, help="of each kind (default 350)")
    given = parser.parse_args()
    dataset = list_photos(given.lfw)
    crops = prepare_crops(dataset)
    photos = crops.dataset.photos
    places = taught_places([read_teacher(given.teacher)], [dataset.root], [photo.path for photo in photos])
    held_out = people_in_folds(read_folds(given.lfw / "pairs.txt", given.fold))
    print("| | people | TAR at FAR 1, 0.1 % | rank 1 | follows: all, near pairs |\n| --- | --- | --- | --- | --- |")
    both = parts(crops, places, held_out, given.people)
    for part in both:
        print(line("teacher", part, part.taught), flush=True)
    for folder in given.tower or [None]:
        tower = Tower.load(folder, device="auto")
        for part in both:
            embeddings = embed_rows(crops, part.rows, tower.embed).astype(np.float32)
            print(line(tower.card.sha256[:12], part, embeddings), flush=True)


if __name__ == "__main__":
    main()
