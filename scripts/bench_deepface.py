"""Index a folder and look one photo up in it: deepface as its documentation says, beside facesearch; times only.

pip install deepface tf-keras; python scripts/bench_deepface.py --photos ~/photos

deepface's `DeepFace.find` with the mtcnn detector and its network Facenet (InceptionResNetV1, 128 numbers). Its weights
would be downloaded: random ones take their place, which cost the same time and answer nothing, so that what the two
find is not compared. The first `find` builds deepface's datastore and answers; one more, in a fresh process, reads
it. Each figure is that of a process of its own from its start, with its processor time, that of all threads and
processes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from PIL import Image

from facesearch.photos import read_photo, walk
from facesearch.records import PhotoFile

SIDE_PX = 1024
FACESEARCH = [sys.executable, "-c", "from facesearch.cli import main; main()"]
Spent = tuple[float, float]  # seconds, processor seconds


def prepare(source: Path, album: Path, count: int) -> Path:
    """`count` photos of at most SIDE_PX as JPEG, those of `source` over and over; and a probe, the first of them."""
    album.mkdir()
    files = [file for file in walk([source]) if isinstance(file, PhotoFile)]
    if not files:
        raise SystemExit(f"{source} holds no photos")
    for number in range(count):
        image = Image.fromarray(read_photo(files[number % len(files)], SIDE_PX).pixels)
        image.thumbnail((SIDE_PX, SIDE_PX))
        image.save(album / f"{number:05}.jpg", quality=90, comment=f"{number}".encode())
    probe = album.with_name("probe.jpg")
    probe.write_bytes((album / "00000.jpg").read_bytes())
    return probe


def find(probe: str, album: str) -> None:
    """`DeepFace.find`, in this process, with random weights."""
    os.environ["DEEPFACE_BACKEND"] = "tensorflow"
    from deepface import DeepFace
    from deepface.commons import weight_utils

    def untouched(model: Any, weight_file: str) -> Any:
        return model

    weight_utils.download_weights_if_necessary = lambda *_, **__: ""
    weight_utils.load_model_weights = untouched
    DeepFace.find(probe, album, model_name="Facenet", detector_backend="mtcnn", enforce_detection=False, silent=True)


def spent(command: list[str], work: Path) -> Spent:
    started, before = time.perf_counter(), os.times()
    environment = {**os.environ, "DEEPFACE_HOME": str(work), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{command} ended with {done.returncode}:\n{done.stderr}")
    after = os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - started, processor


def row(name: str, deepface: Spent, ours: Spent) -> str:
    cells = [f"{seconds:.2f} s ({processor:.2f} s)" for seconds, processor in (deepface, ours)]
    ratios = [f"{theirs / mine:.1f}" for theirs, mine in zip(deepface, ours, strict=True)]
    return f"| {' | '.join([name, *cells, *ratios])} |"


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos with faces")
    parser.add_argument("--count", type=int, default=40, help="photos to index (40)")
    parser.add_argument("--find", nargs=2, help=argparse.SUPPRESS)
    if "--find" in sys.argv:
        find(*sys.argv[sys.argv.index("--find") + 1 :][:2])
        return
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        album, library = work / "album", ["--library", str(work / "library")]
        probe = prepare(options.photos, album, options.count)
        first = [*FACESEARCH, "query", str(probe), "--library", str(work / "first")]
        spent([*FACESEARCH, "index", str(probe), "--library", str(work / "first")], work)  # compiles what is new
        spent(first, work)
        theirs = [sys.executable, __file__, "--find", str(probe), str(album)]
        index = row(
            f"{options.count} photos into a library (deepface: and the first answer)",
            spent(theirs, work),
            spent([*FACESEARCH, "index", str(album), *library], work),
        )
        answer = row(
            "an answer, in a fresh process",
            spent(theirs, work),
            spent([*FACESEARCH, "query", str(probe), *library], work),
        )
    print(f"deepface {version('deepface')}, facesearch {version('facesearch')}, load {os.getloadavg()[0]:.1f}\n")
    print("| | deepface (processor time) | facesearch (processor time) | times as fast | by processor time |")
    print(f"| --- | --- | --- | --- | --- |\n{index}\n{answer}")


if __name__ == "__main__":
    main()
