"""`facesearch index --ray local` beside `facesearch index`, on this machine, and the memory of the driver.

    python scripts/bench_ray.py --photos 1000 --workers 2

Draws photos of one person each, and indexes them by each way in turn, as a user runs it, into a new library. Prints the
least seconds of the whole command and of the run alone, without the start of the program and of Ray, and the memory of
the driver, which commits: the most in each quarter of the longest run. Both ways must find the same faces.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from facesearch.demo import draw_portrait, random_people

_EVERY_S = 0.1
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Ran:
    """One run of the command."""

    whole_s: float
    run_s: float
    faces: int
    memory_mb: list[float] = field(default_factory=list)
    """Of the driver, every tenth of a second."""

    @property
    def quarters_mb(self) -> str:
        """The most in each quarter of the time."""
        quarters = np.array_split(np.array(self.memory_mb), 4)
        return ", ".join(f"{quarter.max():.0f}" for quarter in quarters if len(quarter))


def main() -> None:
    """Draw, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--size-px", type=int, default=240)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        draw(photos, options.photos, options.size_px)
        ways = {"--workers": [], "--ray local --workers": ["--ray", "local"]}
        found: dict[str, list[Ran]] = {way: [] for way in ways}
        for number in range(options.rounds):
            for way, arguments in ways.items():
                library = Path(folder) / f"library-{number}-{len(arguments)}"
                found[way].append(run(photos, library, [*arguments, "--workers", str(options.workers)]))
    assert len({ran.faces for runs in found.values() for ran in runs}) == 1, found
    print(f"{options.photos:,} photos of {options.size_px} px, {found['--workers'][0].faces:,} faces")
    print(
        "| index | whole command | the run alone | memory of the driver, MB, by quarters |\n| --- | --- | --- | --- |"
    )
    for way, runs in found.items():
        whole_s, run_s = min(ran.whole_s for ran in runs), min(ran.run_s for ran in runs)
        longest = max(runs, key=lambda ran: ran.whole_s)
        print(f"| {way} {options.workers} | {whole_s:.1f} s | {run_s:.1f} s | {longest.quarters_mb} |")
    plain, ray = (min(ran.run_s for ran in runs) for runs in found.values())
    print(f"the run by Ray takes {100 * (ray / plain - 1):+.0f} %; load {os.getloadavg()[0]:.1f}")


def draw(folder: Path, count: int, size_px: int) -> None:
    """Photos of drawn people."""
    folder.mkdir()
    people = random_people(50, seed=0)
    for number in range(count):
        pixels = draw_portrait(people[number % len(people)], np.random.default_rng(number), size_px).pixels
        Image.fromarray(pixels).save(folder / f"{number:06}.jpg", quality=90)


def run(photos: Path, library: Path, arguments: list[str]) -> Ran:
    """Index the photos once."""
    command = [sys.executable, "-m", "facesearch", "index", str(photos), "--library", str(library)]
    begun = time.perf_counter()
    with subprocess.Popen([*command, "--no-group", "--json", *arguments], stdout=subprocess.PIPE) as driver:
        ran = Ran(0, 0, 0)
        sampler = threading.Thread(target=sample, args=(driver, ran.memory_mb))
        sampler.start()
        said, _ = driver.communicate()
    ran.whole_s = time.perf_counter() - begun
    sampler.join()
    assert driver.returncode == 0, driver.returncode
    summary = json.loads(said)
    ran.run_s, ran.faces = summary["elapsed_s"], summary["faces_new"]
    return ran


def sample(driver: subprocess.Popen[bytes], memory_mb: list[float]) -> None:
    """The resident memory of a process until it ends."""
    while driver.poll() is None:
        try:
            pages = int(Path(f"/proc/{driver.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return
        memory_mb.append(pages * _PAGE_BYTES / 1e6)
        time.sleep(_EVERY_S)


if __name__ == "__main__":
    main()
