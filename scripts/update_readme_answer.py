"""Runs scripts/demo.sh in a temporary folder and puts the beginning of its answer into README.md, between
`<!-- answer -->` and `<!-- /answer -->`, with how often it is right. To be run when the shipped tower, the synthetic
people or the way an answer is printed changed.

python scripts/update_readme_answer.py            rewrite README.md
python scripts/update_readme_answer.py --print    print what it would write
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BLOCK = re.compile(r"(<!-- answer -->\n).*?(<!-- /answer -->)", re.DOTALL)
PHOTO = "groups/0001.jpg"
FACES_SHOWN = 2


def run(folder: Path, *command: str) -> str:
    """What a command prints on stdout, with the demo's library and the shipped tower."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FACESEARCH_")}
    environment["FACESEARCH_LIBRARY"] = "demo-library"
    return subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def abridged(printed: str) -> str:
    """The demo's last command and its answer for the first faces: the paragraphs between and the last one are kept."""
    command, _, answer = printed[printed.rindex("$ facesearch query") :].partition("\n")
    title, *faces, closing = answer.strip().split("\n\n")
    return "\n\n".join([f"{command}\n{title}", *faces[:FACES_SHOWN], "...", closing])


def ranks(album: Path, answer: dict[str, Any]) -> list[int | None]:
    """Where the person stands who is drawn there, for each face found, from 1; None: not among those shown."""
    with (album / "people.csv").open(newline="", encoding="utf-8") as stream:
        drawn = [row for row in csv.DictReader(stream) if row["photo"] == PHOTO]
    found = []
    for face in answer["faces"]:
        left, top, right, bottom = face["box"]
        names = [
            row["person"]
            for row in drawn
            if left < float(row["nose_x"]) < right and top < float(row["nose_y"]) < bottom
        ]
        found.append(next((match["rank"] for match in face["people"] if match["name"] in names), None))
    return found


def fresh_block() -> str:
    """The demo's answer as a fenced block, and a line that says how much of it is right."""
    facesearch = str(Path(sys.executable).parent / "facesearch")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        printed = run(folder, "bash", str(ROOT / "scripts" / "demo.sh"), facesearch)
        answer = json.loads(run(folder, facesearch, "query", f"demo-album/{PHOTO}", "--k", "3", "--json"))
        right = ranks(folder / "demo-album", answer)
    first, within = right.count(1), len([rank for rank in right if rank is not None])
    return (
        f"```text\n{abridged(printed)}\n```\n\n"
        f"Of the {len(right)} people on that photo, {first} come first and {within} are among the first three.\n"
    )


def main() -> None:
    """Parse, run the demo, write or print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--print", action="store_true", help="change nothing; print the block")
    arguments = parser.parse_args()
    block = fresh_block()
    if arguments.print:
        print(block, end="")
        return
    readme = README.read_text(encoding="utf-8")
    README.write_text(BLOCK.sub(lambda old: old[1] + block + old[2], readme), encoding="utf-8")


if __name__ == "__main__":
    main()
