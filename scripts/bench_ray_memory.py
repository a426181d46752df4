"""Memory of the driver of `facesearch index --ray local`, and photos in flight, by how many photos it has taken in.

    python scripts/bench_ray_memory.py --photos 20000 --workers 2

The workers are stand-ins: processes of Ray's as in any such run, which load the networks and are asked who they are,
but read and hash each file only, and give two or three random faces at once. So they are faster than the library,
which must hold them up. Each file is a few bytes that pass for a photo. Prints a row of a table at 1,000 photos, and
wherever their number has doubled.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from facesearch.api.library import open_library
from facesearch.cluster import workers as cluster
from facesearch.cluster.node import NodeWorker
from facesearch.indexing import IndexProgress
from facesearch.indexing.reading import AHEAD_A_LANE
from facesearch.photos import fingerprint
from facesearch.records import CROP_SIZE_PX, EMBEDDING_SIZE, AlignedFace, DetectedFace, PhotoFile
from facesearch.vision.alignment import TEMPLATE_112
from facesearch.vision.faces import SeenPhoto

_FIRST = 1_000
_FACES = (2, 3, 2, 3, 2)  # of photos in turn: 2.4 on average
_SIZE_PX = (4000, 3000)
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class StandIn(NodeWorker):
    """A worker that knows its faces before it looks."""

    def see(self, file: PhotoFile) -> SeenPhoto:
        """Random faces, the same for the same content."""
        sha256 = fingerprint(file.path)
        random = np.random.default_rng(int(sha256[:16], 16))
        faces = []
        for number in range(_FACES[int(sha256[16:24], 16) % len(_FACES)]):
            box = np.array([number, 0, number + 1, 1], np.float32) * 1000
            face = DetectedFace(box, (TEMPLATE_112 * 9 + box[:2]).astype(np.float32), 0.9)
            embedding = random.normal(scale=0.3, size=EMBEDDING_SIZE).astype(np.float32)
            crop = np.empty((0, CROP_SIZE_PX, 3), np.uint8)
            faces.append(AlignedFace(face, crop, 0.5, embedding=embedding))
        return SeenPhoto(file, sha256, _SIZE_PX, faces)


class Flights:
    """Photos that are on their way: begun by a lane, and not taken in yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun = self._taken = self.most = 0

    def begin(self) -> None:
        """A lane begins with a photo."""
        with self._lock:
            self._begun += 1
            self.most = max(self.most, self._begun - self._taken)

    def take(self, taken: int) -> None:
        """The library has taken so many in."""
        with self._lock:
            self._taken = taken


def main() -> None:
    """Write the files, index them, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    flights = Flights()
    _stand_in(flights)
    marks = [_FIRST << doubled for doubled in range(20) if _FIRST << doubled < options.photos] + [options.photos]
    begun_s = time.monotonic()
    print(
        f"load {os.getloadavg()[0]:.1f}\n| photos taken in | seconds | memory of the driver | most in flight |",
        flush=True,
    )

    def tell(now: IndexProgress) -> None:
        flights.take(now.done)
        if now.done in marks:
            seconds = time.monotonic() - begun_s
            print(f"| {now.done:,} | {seconds:.0f} | {resident_mb():.0f} MB | {flights.most} |", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        write_files(photos, options.photos)
        with open_library(Path(folder) / "library", device="cpu") as library:
            summary = library.index(photos, ray="local", workers=options.workers, group=False, on_progress=tell)
            print(f"{summary.faces_new:,} faces of {summary.photos_new:,} photos; {resident_mb():.0f} MB at the end")
            assert summary.photos_new == options.photos
    bound = AHEAD_A_LANE * options.workers + 1
    print(f"at most {flights.most} photos in flight, {bound} allowed; load {os.getloadavg()[0]:.1f}")
    assert flights.most <= bound


def _stand_in(flights: Flights) -> None:
    """Let clusters have stand-ins for workers, and lanes count what they begin."""

    class Counting(cluster.RemoteSeer):
        def see(self, file: PhotoFile) -> SeenPhoto:
            flights.begin()
            return super().see(file)

    vars(cluster).update(NodeWorker=StandIn, RemoteSeer=Counting)


def write_files(folder: Path, count: int) -> None:
    """Files that pass for photos as long as nobody decodes them, 1,000 in a folder."""
    for number in range(count):
        file = folder / f"{number // 1000:03}" / f"{number:07}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"\xff\xd8\xff\xe0" + number.to_bytes(8, "big"))


def resident_mb() -> float:
    """The memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES / 1e6


if __name__ == "__main__":
    main()
