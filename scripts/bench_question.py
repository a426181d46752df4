"""How long `facesearch query` takes about one face, in a fresh process: medians by the clock and by the processor.

python scripts/bench_question.py
chrt -r 20 python scripts/bench_question.py --beside ../other/.venv/bin/python    (as root, where other programs run)

The face is that of a drawn portrait, and the library one of 96 portraits and 4 groups, as `facesearch demo` draws them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from facesearch.demo import write_album

PROGRAM = "from facesearch.__main__ import main; main()"


def asked(python: str, arguments: list[str]) -> tuple[float, float]:
    """Seconds and processor seconds of one command."""
    started, before = time.perf_counter(), os.times()
    subprocess.run([python, "-P", "-c", PROGRAM, *arguments], check=True, stdout=subprocess.DEVNULL)
    seconds, after = time.perf_counter() - started, os.times()
    return seconds, sum(after[2:4]) - sum(before[2:4])


def main() -> None:
    """Draw, index, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--beside", help="the Python of another installation, to be measured by turns")
    arguments = parser.parse_args()
    pythons = [sys.executable, *([arguments.beside] if arguments.beside else [])]
    with tempfile.TemporaryDirectory() as folder:
        album = write_album(Path(folder) / "album", 12, 8, seed=0).directory
        photo, library = str(min((album / "people").rglob("*.jpg"))), str(Path(folder) / "library")
        asked(sys.executable, ["index", str(album), "--library", library])
        question = ["query", photo, "--library", library]
        for python in pythons:  # compiles the networks
            asked(python, question)
        spent = [[asked(python, question) for python in pythons] for _ in range(arguments.rounds)]
        for python, times in zip(pythons, zip(*spent, strict=True), strict=True):
            seconds, processor = (statistics.median(each) for each in zip(*times, strict=True))
            print(f"{python}: {seconds:.3f} s, {processor:.3f} s of the processor")


if __name__ == "__main__":
    main()
