"""Index one photo each of some people, look them up by another; print how often the right person is first, and in the
first five. The whole way that a user's photos go: files, detector, tower, library, query.

python scripts/bench_identification.py --data ../shared/data/lfw --people 200
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from facesearch import FaceLibrary, open_library
from facesearch.errors import NoFaceError
from facesearch.people import most_prominent
from facesearch.photos import photo_file, read_photo
from facesearch_train.data.datasets import read_dataset
from facesearch_train.evaluation.protocols import Search, choose_searches

RANKS = (1, 5)


def rank_of(search: Search, library: FaceLibrary) -> int | None:
    """Where the right person stands among those nearest to the probe's most prominent face, from 1; None: not there."""
    photo = read_photo(photo_file(search.probe.path))
    try:
        answer = library.query(search.probe.path, k=max(RANKS))
    except NoFaceError:
        return None
    boxes = np.array([face.box for face in answer.faces], dtype=np.float32)
    face = answer.faces[most_prominent(boxes, (photo.width_px, photo.height_px))]
    return next((match.rank for match in face.people if match.name == search.gallery.path.parent.name), None)


def measure(searches: list[Search], folder: Path, tower: Path | None) -> dict[str, float]:
    """Index all gallery photos into a new library in `folder`, then look up every probe."""
    with open_library(folder, tower=tower) as library:
        start = time.perf_counter()
        summary = library.index(*(search.gallery.path for search in searches), people_from_folders=True)
        indexed = time.perf_counter()
        ranks = [rank_of(search, library) for search in searches]
        done = time.perf_counter()
    return {
        "people": len(searches),
        **{f"rank_{k}": sum(rank is not None and rank <= k for rank in ranks) / len(ranks) for k in RANKS},
        "people_without_a_face_in_the_gallery": len(searches) - summary.faces_named,
        "index_ms_a_photo": 1000 * (indexed - start) / len(searches),
        "query_ms_a_photo": 1000 * (done - indexed) / len(searches),
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="labelled photos: LFW, CelebA, or one folder per person"
    )
    parser.add_argument("--people", type=int, default=200, help="people with two or more photos")
    parser.add_argument("--seed", type=int, default=1, help="chooses the people and their photos")
    parser.add_argument("--tower", type=Path, help="folder of a tower (the shipped one)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    searches = choose_searches(read_dataset(options.data).photos, options.people, options.seed)
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(searches, Path(folder) / "library", options.tower)
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(
            f"{name.replace('_', ' ')}: {value:.1%}"
            if name.startswith("rank")
            else f"{name.replace('_', ' ')}: {value:.4g}"
        )


if __name__ == "__main__":
    main()
