"""Plant mistakes among named people, and say how many of them `facesearch people suspects` names first; or time it.

python scripts/bench_review.py --data ../shared/data/lfw --fold 7            planted among LFW's people of a fold
python scripts/bench_review.py --faces 1000000 --people 50000                how long it takes, on random people

Planted are: faces given to another person (stray), a person's faces made two people (alike), and on one photo two
people of one name (twice: the photo is put together of two faces). LFW's people of folds 6 and 7 were never trained on;
the constants of suspects were chosen on fold 6.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facesearch.library import Library
from facesearch.people import Suspect, find_suspects
from facesearch.records import DetectedFace, EmbeddedFace, Floats, Models, NewPhoto, PhotoFile, cohort_text
from facesearch.vision.alignment import TEMPLATE_112
from facesearch.vision.tower.tower import Tower
from facesearch_train.data.crops import prepare_crops
from facesearch_train.data.datasets import read_dataset
from facesearch_train.data.lfw import people_in_folds, read_folds

BOX = np.array([0, 0, 112, 112], np.float32)


@dataclass
class Planted:
    """What is wrong. strays: face id to the right name; alike: pairs of names; twice: face ids."""

    strays: dict[int, str] = field(default_factory=dict)
    alike: list[frozenset[str]] = field(default_factory=list)
    twice: set[int] = field(default_factory=set)

    def has(self, suspect: Suspect) -> bool:
        """Whether a suspect is one of the planted mistakes, of whatever kind it was taken for."""
        if suspect.kind == "alike":
            return frozenset({str(suspect.name), str(suspect.other_name)}) in self.alike
        return suspect.face_id in self.strays or suspect.face_id in self.twice


def plant(library: Library, embeddings: Floats, names: list[str], counts: dict[str, int], seed: int) -> Planted:
    """Fill a library with labelled faces and mistakes among them; returns what they are."""
    random = np.random.default_rng(seed)
    planted, given = Planted(), list(names)
    sizes = Counter(names)
    rows_of = {name: [row for row, each in enumerate(names) if each == name] for name in sizes}
    homes = sorted(name for name, size in sizes.items() if size >= 2)
    several = [str(name) for name in random.permutation(sorted(name for name, size in sizes.items() if size >= 3))]
    wrong = several[: counts["stray"]]
    for name in wrong:
        row = int(random.choice(rows_of[name]))
        given[row] = str(random.choice([home for home in homes if home != name]))
        planted.strays[row + 1] = name
    large = [name for name in several[counts["stray"] :] if sizes[name] >= 4]
    for name in large[: counts["alike"]]:
        for row in random.permutation(rows_of[name])[: sizes[name] // 2].tolist():
            given[row] = f"{name} (again)"
        planted.alike.append(frozenset({name, f"{name} (again)"}))
    pairs: dict[int, int] = {}  # a row to the row on whose photo it is
    free = [name for name in several if name not in wrong and name not in large[: counts["alike"]]]
    for one, other in zip(free[: 2 * counts["twice"] : 2], free[1 : 2 * counts["twice"] : 2], strict=True):
        row, onto = rows_of[other][0], rows_of[one][0]
        given[row], pairs[row] = one, onto
        planted.twice.add(row + 1)
    with library.changing():
        _add_rows(library, embeddings, pairs)
        for name in sorted(set(given)):
            face_ids = [row + 1 for row, each in enumerate(given) if each == name]
            library.people.label(library.people.add(name), face_ids, "user")
    return planted


def _add_rows(library: Library, embeddings: Floats, pairs: dict[int, int]) -> None:
    """A photo a face, but for those that are on another's photo. The id of a face is its row and one."""
    for row, embedding in enumerate(embeddings):
        face = EmbeddedFace(DetectedFace(BOX, TEMPLATE_112.astype(np.float32), 1.0), embedding)
        photo_id = library.catalog.add_photo(NewPhoto(f"{row:064x}", 112, 112, [face]))
        library.files.put(PhotoFile(Path(f"/photos/{row}.jpg"), 1, 1), photo_id)
    library._database.execute_many(  # no public way puts a face on another photo
        "UPDATE faces SET photo_id = ? WHERE id = ?", [(onto + 1, row + 1) for row, onto in pairs.items()]
    )


def measure_planted(options: argparse.Namespace) -> dict[str, object]:
    """Plant mistakes among the people of some folds, in several draws; count what is named first."""
    dataset = read_dataset(options.data)
    people = people_in_folds(read_folds(options.data / "pairs.txt", options.fold))
    crops = prepare_crops(dataset)
    rows = [row for row, name in enumerate(crops.identities) if name in people]
    tower = Tower.load(options.tower)
    pieces = [rows[start : start + 64] for start in range(0, len(rows), 64)]
    embeddings = np.concatenate([tower.embed(np.asarray(crops.crops[piece])) for piece in pieces])
    names = [crops.identities[row] for row in rows]
    card = tower.card
    models = Models("crops", tower.identity, card.name, float(card.threshold), tower.precision, cohort_text(card))
    counts = {"stray": options.strays, "alike": options.alike, "twice": options.twice}
    hits: Counter[str] = Counter()
    for seed in range(options.draws):
        with tempfile.TemporaryDirectory() as folder, Library.create(Path(folder) / "library", models) as library:
            planted = plant(library, embeddings, names, counts, seed)
            found = find_suspects(library, top=None)
        total = len(planted.strays) + len(planted.alike) + len(planted.twice)
        hits["planted"] += total
        for first in (20, total, 2 * total):
            hits[f"in the first {'N' if first == total else '2N' if first == 2 * total else first}"] += sum(
                planted.has(suspect) for suspect in found.suspects[:first]
            )
        for kind, there in (("stray", planted.strays), ("alike", planted.alike), ("twice", planted.twice)):
            of_kind = [suspect for suspect in found.suspects if suspect.kind == kind]
            hits[f"{kind} planted"] += len(there)
            hits[f"{kind} in the first n of this kind"] += sum(planted.has(each) for each in of_kind[: len(there)])
            hits[f"{kind} in the first 2n of this kind"] += sum(planted.has(each) for each in of_kind[: 2 * len(there)])
            hits[f"{kind} named"] += len(of_kind)
        hits["strays with the right person"] += sum(
            planted.strays.get(each.face_id or 0) == each.other_name and each.other_name is not None
            for each in found.suspects
        )
    return {"faces": len(names), "people": len(set(names)), "draws": options.draws, **hits}


def measure_time(options: argparse.Namespace) -> dict[str, object]:
    """Seconds and memory for random people: faces around their person as LFW's are."""
    random = np.random.default_rng(0)
    centres = random.normal(scale=0.2, size=(options.people, 32)).astype(np.float32)
    owners: NDArray[np.int64] = random.integers(options.people, size=options.faces)
    scatter = random.normal(scale=0.1, size=(options.faces, 32)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        library = Library.create(Path(folder) / "library", Models("random", "0" * 64, "random", 0.62))
        with library:
            with library.changing():
                _add_rows(library, centres[owners] + scatter, {})
                library._database.execute_many(
                    "INSERT INTO people (id, name, created_at) VALUES (?, ?, '')",
                    [(person + 1, f"person {person + 1}") for person in range(options.people)],
                )
                library._database.execute_many(
                    "UPDATE faces SET person_id = ?, person_source = 'user' WHERE id = ?",
                    [(person + 1, row + 1) for row, person in enumerate(owners.tolist())],
                )
            before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            start, start_cpu = time.perf_counter(), time.process_time()
            found = find_suspects(library)
            seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
    return {
        "faces": options.faces,
        "people": options.people,
        "named": sum(found.found.values()),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "peak_before_mb": round(before_mb),
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="LFW's folder, with pairs.txt")
    parser.add_argument(
        "--fold", type=int, action="append", help="fold of pairs.txt, from 1; several times (default: 7)"
    )
    parser.add_argument("--tower", type=Path, help="a tower's folder (default: the one that comes with facesearch)")
    parser.add_argument("--strays", type=int, default=30, help="faces given to another person (default: 30)")
    parser.add_argument("--alike", type=int, default=20, help="people made two (default: 20)")
    parser.add_argument("--twice", type=int, default=10, help="photos with two people of one name (default: 10)")
    parser.add_argument("--draws", type=int, default=5, help="libraries, each with other mistakes (default: 5)")
    parser.add_argument("--faces", type=int, help="time it on so many random faces instead")
    parser.add_argument("--people", type=int, default=50_000, help="of so many random people (default: 50000)")
    options = parser.parse_args()
    options.fold = options.fold or [7]
    if (options.data is None) == (options.faces is None):
        parser.error("give either --data or --faces")
    result = measure_planted(options) if options.faces is None else measure_time(options)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
