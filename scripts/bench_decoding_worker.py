"""Measure what it costs to decode photos in a process of their own, as `facesearch index` does.

python scripts/bench_decoding_worker.py

Here and there are taken in turns, and the shortest times count, because other programs may be running.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from facesearch.photos import DecodingWorker, photo_file, read_photo

SIZES = {"12 megapixels": (4032, 3024), "2 megapixels": (1600, 1200)}


def main() -> None:
    """Draw a photo of each size, read it here and there, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=40, help="how often each photo is read (40)")
    options = parser.parse_args()
    noise = np.random.default_rng(0).integers(0, 256, (95, 127, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder, DecodingWorker() as worker:
        for name, size in SIZES.items():
            path = Path(folder) / f"{name}.jpg"
            Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(path, quality=90)
            file = photo_file(path)
            here_ms, there_ms = [], []
            for _ in range(options.times):
                times = [time.perf_counter()]
                here = read_photo(file)
                times.append(time.perf_counter())
                there = worker.read_photo(file)
                times.append(time.perf_counter())
                here_ms.append(1000 * (times[1] - times[0]))
                there_ms.append(1000 * (times[2] - times[1]))
                assert (here.pixels == there.pixels).all()
            print(f"{name}: {min(here_ms):.1f} ms here, {min(there_ms):.1f} ms there")


if __name__ == "__main__":
    main()
