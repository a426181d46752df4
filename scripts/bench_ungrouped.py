"""Is the right person first? Before anybody is grouped, after grouping, where every face has its right person, and
where one face of each person has.

python scripts/bench_ungrouped.py --data ../shared/data/lfw

The people of some folds of LFW's View 2, never trained on, make a library without a name: of everybody with several
photos all but one, at most 30. The photo left out asks who that is, of the rows, vectors and rules of the program.
"First" is the person of the face that stands for the first answer; a face of somebody else in a group does not count.
"By name" is how often the first answer is the right person by name, and not a face without a name.
The mean probability is that of the first right answer, and of the first answer of strangers, who are
not in the library: the people with a single photo.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facesearch import load_tower
from facesearch.evaluation.calibration import Calibration
from facesearch.library import Library
from facesearch.people import group_people
from facesearch.query.answers import QueryOptions
from facesearch.query.identities import identify
from facesearch.records import DetectedFace, EmbeddedFace, Floats, Models, NewPhoto
from facesearch.tuning.calibration import judge_in
from facesearch.vision.detector.detector import load_detector
from facesearch_train.data.crops import prepare_crops
from facesearch_train.data.datasets import read_dataset
from facesearch_train.data.lfw import people_in_folds, read_folds
from facesearch_train.evaluation.protocols import named_faces

MOST = 30  # photos of a person in the library
FACE = DetectedFace(np.array([0, 0, 100, 100], np.float32), np.zeros((5, 2), np.float32), 0.9)
RIGHT = "right"  # who says whose a face is, in the library that is right


@dataclass(frozen=True, eq=False)
class Split:
    """Faces of the library, float32 (N, 32), with whose each is, (N,), and one of each person that is asked about."""

    stored: Floats
    people: list[int]
    probes: dict[int, Floats]  # by person
    strangers: Floats

    @classmethod
    def of(cls, embeddings: Floats, numbers: np.ndarray, seed: int) -> Split:
        rng = np.random.default_rng(seed)
        rows = [rng.permutation(np.flatnonzero(numbers == person)) for person in range(numbers.max() + 1)]
        several = {person: own for person, own in enumerate(rows) if len(own) > 1}
        kept = [(person, row) for person, own in several.items() for row in own[1 : 1 + MOST].tolist()]
        return cls(
            embeddings[[row for _, row in kept]],
            [person for person, _ in kept],
            {person: embeddings[own[0]] for person, own in several.items()},
            np.stack([embeddings[own[0]] for own in rows if len(own) == 1]),
        )


def fill(library: Library, split: Split) -> None:
    """Each face on a photo of its own: the face of row r has the number r + 1."""
    with library.changing():
        for row, embedding in enumerate(split.stored):
            photo_id = library.catalog.add_photo(NewPhoto(f"{row:064x}", 100, 100, [EmbeddedFace(FACE, embedding)]))
            library._database.execute(
                "INSERT INTO files (path, size_bytes, mtime_ns, photo_id) VALUES (?, 1, 1, ?)",
                (f"/photos/{row:05}.jpg".encode(), photo_id),
            )


def states(library: Library, split: Split, calibration: Calibration | None) -> Iterator[str]:
    """The library as it is left by each of three ways."""
    yield "nothing grouped (`--no-group`)"
    summary = group_people(library, calibration)
    yield f"grouped: {len(summary.people)} groups, {summary.waiting} faces without one"
    with library.changing(), library.people.change("group") as change:
        of = {person: change.create(f"Person {person}") for person in split.probes}
        for row, person in enumerate(split.people, start=1):
            change.move([row], of[person], RIGHT)
    yield "every face with its right person"


def name_one_face_each(library: Library, split: Split) -> str:
    """Name one face of each person, and leave the others alone."""
    with library.changing(), library.people.change("name") as change:
        for person in split.probes:
            change.move([split.people.index(person) + 1], change.create(f"Person {person}"), RIGHT)
    return "one face of each person named, the others loose"


def asked(library: Library, split: Split, models: Models, calibration: Calibration | None) -> str:
    """The cells of a row: who is first, among the first five, and with which probability."""
    first, five, by_name = list[bool](), list[bool](), list[bool]()
    right, wrong, strange = list[float](), list[float](), list[float]()
    with library.snapshot():
        judge = judge_in(library, library.space, models.threshold, calibration)
        for person, embedding in split.probes.items():
            (face,) = identify(library, [EmbeddedFace(FACE, embedding)], judge, QueryOptions(k=5))
            whose = [split.people[match.face_id - 1] for match in face.people]
            first.append(whose[0] == person)
            five.append(person in whose)
            by_name.append(face.people[0].name == f"Person {person}")
            (right if first[-1] else wrong).append(face.people[0].posterior or 0.0)
        for embedding in split.strangers:
            (face,) = identify(library, [EmbeddedFace(FACE, embedding)], judge, QueryOptions(k=1))
            strange.append(face.people[0].posterior or 0.0)
    shares = [np.mean(first), np.mean(five), np.mean(by_name), np.mean(right), np.mean(wrong), np.mean(strange)]
    return " | ".join(f"{100 * share:.1f} %" for share in shares)


def main() -> None:
    """Cut out and embed, fill, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="LFW, with its pairs.txt")
    parser.add_argument("--folds", type=int, nargs="+", default=[6, 7], help="of View 2 (6 7)")
    parser.add_argument("--tower", type=Path, help="folder of a tower (the shipped one)")
    parser.add_argument("--seed", type=int, default=0, help="which photo of each person is left out")
    options = parser.parse_args()
    tower, dataset = load_tower(options.tower), read_dataset(options.data)
    wanted = people_in_folds(read_folds(options.data / "pairs.txt", options.folds))
    some = replace(dataset, name="lfw-folds", photos=[each for each in dataset.photos if each.identity in wanted])
    faces, _ = named_faces(prepare_crops(some, workers=1), tower.embed)
    split = Split.of(faces.embeddings.astype(np.float32), faces.numbers, options.seed)
    models, calibration = Models.of(load_detector(), tower), Calibration.from_card(tower.card.calibration)
    counts = f"{len(split.probes)} people, {len(split.people):,} faces, {len(split.strangers)} strangers"
    print(f"{counts}, tower {tower.identity[:12]}\n")
    print("| library | first | among five | by name | mean probability: right first | wrong first | strangers | s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")

    def report(library: Library, state: str) -> None:
        started = time.process_time()
        cells = asked(library, split, models, calibration)
        print(f"| {state} | {cells} | {time.process_time() - started:.1f} |", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        with Library.create(Path(folder, "library"), models) as library:
            fill(library, split)
            for state in states(library, split, calibration):
                report(library, state)
        with Library.create(Path(folder, "named"), models) as library:
            fill(library, split)
            report(library, name_one_face_each(library, split))


if __name__ == "__main__":
    main()
