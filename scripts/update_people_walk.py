"""Walks through a library from nothing to named people on the demo album, and puts the commands with what they print
into docs/guide/people.md, between `<!-- walk -->` and `<!-- /walk -->`. To be run when the shipped tower, the synthetic
people, the grouping or the way something is printed changed.

python scripts/update_people_walk.py            rewrite docs/guide/people.md
python scripts/update_people_walk.py --print    print what it would write

Which group is whose, and which faces of a group are somebody else's, is what a user sees on the sheet: the album's own
table says it here.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "guide" / "people.md"
BLOCK = re.compile(r"(<!-- walk -->\n).*?(<!-- /walk -->)", re.DOTALL)
ALBUM = ["portraits", "demo-album", "--people", "12", "--photos", "8"]
LINES_SHOWN = 9


class Walk:
    """The commands so far, as a terminal shows them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.lines: list[str] = []

    def run(self, *arguments: str) -> str:
        """What a command prints on stdout, with the demo's library and the shipped tower."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FACESEARCH_")}
        environment["FACESEARCH_LIBRARY"] = "demo-library"
        facesearch = str(Path(sys.executable).parent / "facesearch")
        command = [facesearch, *arguments]
        done = subprocess.run(command, cwd=self._folder, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout

    def show(self, *arguments: str) -> None:
        """Run a command, and keep it with what it prints; the middle of a long answer is left out."""
        printed = self.run(*arguments).rstrip("\n").split("\n")
        if len(printed) > LINES_SHOWN + 2:
            printed = [*printed[: LINES_SHOWN - 1], "...", printed[-1]]
        self.lines += [f"$ facesearch {shlex.join(arguments)}", *printed, ""]


def people_of(album: Path, faces: list[dict[str, Any]]) -> dict[int, str]:
    """Who is drawn where a face was found, by face id. faces: with face_id, photo, and box x1 y1 x2 y2 px."""
    drawn: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    with (album / "people.csv").open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            drawn[row["photo"]].append(row)
    names = {}
    for face in faces:
        left, top, right, bottom = face["box"]
        for row in drawn[str(Path(face["photo"]).relative_to(album))]:
            if left < float(row["nose_x"]) < right and top < float(row["nose_y"]) < bottom:
                names[int(face["face_id"])] = row["person"]
    return names


def walk(folder: Path) -> list[str]:
    """Ten commands, and what they print."""
    steps = Walk(folder)
    steps.run(*ALBUM)
    steps.show("index", "demo-album")
    steps.show("people", "group")
    steps.show("people", "sheet", "--all", "--out", "people.html")
    steps.show("people", "show", "1")
    seen = people_of(folder / "demo-album", json.loads(steps.run("people", "show", "1", "--json"))["faces"])
    (whose, _), *others = Counter(seen.values()).most_common()
    steps.show("people", "name", "1", whose)
    if others:
        strangers = [f"face:{face_id}" for face_id, name in sorted(seen.items()) if name == others[0][0]]
        steps.show("people", "split", whose, *strangers, "--to", others[0][0])
    else:
        seen = people_of(folder / "demo-album", json.loads(steps.run("people", "show", "2", "--json"))["faces"])
        steps.show("people", "name", "2", Counter(seen.values()).most_common(1)[0][0])
    steps.show("people", "review")
    steps.show("query", "demo-album/groups/0001.jpg", "--k", "2")
    steps.show("people", "log")
    steps.show("export")
    return steps.lines


def main() -> None:
    """Parse, walk, write or print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--print", action="store_true", help="change nothing; print the block")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        text = "\n".join(walk(folder)).replace(f"{folder}/", "").rstrip("\n")
    block = f"```text\n{text}\n```\n"
    if arguments.print:
        print(block, end="")
        return
    page = PAGE.read_text(encoding="utf-8")
    if not BLOCK.search(page):
        raise SystemExit(f"{PAGE} has no place for it: <!-- walk --> and <!-- /walk --> are missing")
    PAGE.write_text(BLOCK.sub(lambda old: old[1] + block + old[2], page), encoding="utf-8")


if __name__ == "__main__":
    main()
