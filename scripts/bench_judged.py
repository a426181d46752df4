"""Whether FAISS's nearest faces by plain distance hold the nearest by judged distance, and what judging costs a query.

python scripts/bench_judged.py EMBEDDINGS.npz [--probes 300]

A library is made of embeddings that scripts/bench_groups.py keeps (all its arrays of 32 numbers a row), with the cohort
of the shipped tower. Faces of it are asked about: the share of the k nearest by judged distance, over all faces, that a
query finds, and milliseconds for the search and its candidates, with judged distances and with plain ones.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from facesearch.library import Library
from facesearch.query.candidates import by_face, nearest_groups
from facesearch.records import DetectedFace, EmbeddedFace, Floats, Models, NewPhoto, PhotoFile, cohort_text
from facesearch.vision.tower.tower import Tower

WANTED = (1, 5, 10, 20)


def gathered(file: Path) -> Floats:
    """Every embedding in a file of arrays."""
    with np.load(file) as arrays:
        found = [arrays[name] for name in arrays.files if arrays[name].ndim == 2 and arrays[name].shape[1] == 32]
    return np.concatenate(found).astype(np.float32)


def filled(folder: Path, models: Models, embeddings: Floats) -> Library:
    """A library with a photo for each face."""
    face = DetectedFace(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 1.0)
    library = Library.create(folder, models)
    with library.changing():
        for number, embedding in enumerate(embeddings):
            photo = NewPhoto(f"{number:064}", 9, 9, [EmbeddedFace(face, embedding)])
            library.files.put(PhotoFile(folder / f"{number}.jpg", 1, 1), library.catalog.add_photo(photo))
    library.save_vectors()
    return library


def measure(library: Library, probes: Floats) -> None:
    """Print recall and time."""
    ids, everybody = library.places.all()
    for wanted in WANTED:
        found, spent_s = [], 0.0
        for probe in probes:
            start = time.process_time()
            with library.snapshot():
                place = library.space.place(probe)
                near = nearest_groups(library, place, wanted, by_face).candidates[:wanted]
            spent_s += time.process_time() - start
            right = ids[np.argsort(everybody.distances_beside(place), kind="stable")[:wanted]]
            found.append(np.isin(right, [each.face.face_id for each in near]).mean())
        kind = library.space.distances
        print(f"{kind:<6} the {wanted:>2} nearest: {np.mean(found):.2%} found, {1000 * spent_s / len(probes):.2f} ms")


def main() -> None:
    """Measure both kinds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("embeddings", type=Path, nargs="+")
    parser.add_argument("--probes", type=int, default=300)
    given = parser.parse_args()
    tower = Tower.load(device="cpu", prepared=False)
    card = tower.card
    models = Models("none", tower.identity, card.name, card.threshold, "f32", cohort_text(card))
    embeddings = np.concatenate([gathered(file) for file in given.embeddings])
    probes = embeddings[np.random.default_rng(0).permutation(len(embeddings))[: given.probes]]
    for each in (models, replace(models, cohort="")):
        with tempfile.TemporaryDirectory() as folder, filled(Path(folder) / "library", each, embeddings) as library:
            print(f"{len(embeddings):,} faces")
            measure(library, probes)


if __name__ == "__main__":
    main()
