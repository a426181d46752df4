"""Runs the examples of the guide on the drawn album and puts what they print into docs/guide/*.md, between
`<!-- run: NAME -->` and `<!-- /run -->`. Run it after a change to the shipped tower, the drawn people, the grouping, or
anything that a command prints.

python scripts/update_guide.py            rewrite the pages
python scripts/update_guide.py --check    exit with 1 if a command fails, or prints other lines than the pages show
python scripts/update_guide.py --print    print the blocks

Whose faces a group holds is what a user sees on the sheet; here the album's own table answers it. All pages share one
library, in the order of `BLOCKS`.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import re
import shlex
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from facesearch import cli

GUIDE = Path(__file__).parents[1] / "docs" / "guide"
BLOCK = re.compile(r"<!-- run: ([a-z-]+) -->\n(.*?)<!-- /run -->", re.DOTALL)
LINES_SHOWN = 14


class Walk:
    """The library of the guide, and the commands of the block at hand as a terminal shows them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.library = "demo-library"
        self.first = self.second = ""
        """The person who has most faces of the largest group; the person of the purest group."""

    def run(self, *arguments: str) -> str:
        """What a command prints on stdout, with the guide's library and the shipped tower. It runs in this process."""
        for name in [name for name in os.environ if name.startswith("FACESEARCH_")]:
            del os.environ[name]
        os.environ["FACESEARCH_LIBRARY"] = self.library
        printed, told = io.StringIO(), io.StringIO()
        with chdir(self.folder), redirect_stdout(printed), redirect_stderr(told):
            try:
                cli.main(arguments)
            except SystemExit as ended:
                code = ended.code
        if code:
            raise SystemExit(f"facesearch {shlex.join(arguments)}: exit code {code}\n{told.getvalue()}")
        return printed.getvalue().replace(f"{self.folder}/", "")

    def show(self, *arguments: str, lines: int = LINES_SHOWN) -> None:
        """Run a command and keep it with what it prints; the middle of a long answer is left out."""
        printed = self.run(*arguments).rstrip("\n").split("\n")
        if len(printed) > lines + 2:
            printed = [*printed[: lines - 1], "...", printed[-1]]
        self.lines += [f"$ facesearch {shlex.join(arguments)}", *printed, ""]

    def json(self, *arguments: str) -> Any:
        """What a command prints with `--json`."""
        return json.loads(self.run(*arguments, "--json"))

    def drawn(self, person: int) -> dict[int, str]:
        """Who is drawn on the portrait of each face of a person, by face id."""
        faces = self.json("people", "show", str(person))["faces"]
        with (self.folder / "demo-album" / "people.csv").open(newline="", encoding="utf-8") as stream:
            people = {f"demo-album/{row['photo']}": row["person"] for row in csv.DictReader(stream)}
        return {face["face_id"]: people[face["photo"]] for face in faces}


def name(walk: Walk) -> None:
    """Name the largest group after whoever has most faces in it."""
    walk.first = Counter(walk.drawn(1).values()).most_common(1)[0][0]
    walk.show("people", "name", "1", walk.first)


def split(walk: Walk) -> None:
    """Move the faces of somebody else out of the largest group, or one face where it holds nobody else."""
    seen = walk.drawn(1)
    others = Counter(who for who in seen.values() if who != walk.first)
    other = others.most_common(1)[0][0] if others else "Somebody Else"
    faces = [f"face:{face}" for face, who in sorted(seen.items()) if who == other] or [f"face:{max(seen)}"]
    walk.show("people", "split", walk.first, *faces, "--to", other)


def second(walk: Walk) -> None:
    """Name the group that holds most of one person's faces and fewest of anybody else's."""
    groups = [person for person in walk.json("people", "list")["people"] if person["name"] is None]
    shares = []
    for group in groups:
        (who, count), *_ = Counter(walk.drawn(group["person_id"]).values()).most_common()
        shares.append((count / group["faces"], count, who, group["person_id"]))
    *_, walk.second, number = max(shares)
    walk.show("people", "name", str(number), walk.second)


def merge(walk: Walk) -> None:
    """Split a face off into a group of its own, and merge the two again."""
    walk.show("people", "split", walk.second, f"demo-album/people/{walk.second}/0001.jpg")
    number = max(person["person_id"] for person in walk.json("people", "list")["people"])
    walk.show("people", "merge", walk.second, str(number))


def mistake(walk: Walk) -> None:
    """Give a face to the wrong person, and look for it."""
    photo = f"demo-album/people/{walk.first}/0001.jpg"
    walk.show("people", "split", walk.first, photo, "--to", walk.second)
    walk.show("people", "review")


def mend(walk: Walk) -> None:
    """Correct that face as `review` says, and name it."""
    face = walk.json("people", "review")["suspects"][0]["face_id"]
    walk.show("people", "reject", walk.second, f"face:{face}")
    walk.show("people", "name", f"face:{face}", walk.first)
    walk.show("people", "review")


def together(walk: Walk) -> None:
    """From nothing to the photos of two people together in 2019, in a library of its own."""
    walk.library = "album-library"
    walk.show("index", "demo-album")
    walk.show("people", "sheet", "--all", "--out", "people.html")
    with (walk.folder / "demo-album" / "people.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    on_photo = {row["person"] for row in rows if row["photo"] == "groups/0001.jpg"}
    people = {f"demo-album/{row['photo']}": row["person"] for row in rows if row["photo"].startswith("people/")}
    purest = []
    for group in walk.json("people", "list")["people"]:
        faces = walk.json("people", "show", str(group["person_id"]))["faces"]
        portraits = Counter(people[face["photo"]] for face in faces if face["photo"] in people)
        is_there = any(face["photo"] == "demo-album/groups/0001.jpg" for face in faces)
        who, count = portraits.most_common(1)[0]
        if is_there and who in on_photo:
            purest.append((-count / portraits.total(), group["person_id"], who))
    (_, one, first), (_, other, second), *_ = sorted(purest)
    walk.show("people", "name", str(one), first)
    walk.show("people", "name", str(other), second)
    walk.show("photos", first, second, "--since", "2019", "--until", "2019")
    walk.library = "demo-library"


def commands(*texts: str, lines: int = LINES_SHOWN) -> Callable[[Walk], None]:
    """A block of commands that are the same whatever the groups are. {first} and {second} stand for the two names."""

    def block(walk: Walk) -> None:
        for text in texts:
            walk.show(*(word.format(first=walk.first, second=walk.second) for word in shlex.split(text)), lines=lines)

    return block


BLOCKS: dict[str, Callable[[Walk], None]] = {
    "draw": commands("demo demo-album", "index demo-album/people"),
    "again": commands("index demo-album/people"),
    "status": commands("status", "photos --without-faces"),
    "group": commands("people list"),
    "look": commands("people sheet --all --out people.html", "people show 1", lines=7),
    "name": name,
    "split": split,
    "second": second,
    "merge": merge,
    "reject": commands("people reject '{second}' 'demo-album/people/{second}/0008.jpg'"),
    "undo": commands("people log", "people undo", "people list"),
    "query": commands("query demo-album/groups/0001.jpg --k 2", lines=12),
    "query-page": commands("query demo-album/groups --html groups.html", lines=5),
    "compare": commands("compare 'demo-album/people/{first}/0001.jpg' 'demo-album/people/{first}/0002.jpg'"),
    "why": commands("why demo-album/groups/0001.jpg '{first}' --face 1 --out why.html", lines=8),
    "added": commands("index demo-album/groups"),
    "query-photos": commands("query demo-album/groups/0001.jpg --faces --k 3", lines=10),
    "photos": commands("photos --under demo-album/groups", "people together '{first}' --top 3"),
    "together": together,
    "mistake": mistake,
    "mend": mend,
    "born": commands("people born '{first}' 1984-05-17", "people review"),
    "csv": commands("people import-csv demo-album/people.csv --dry-run", "people import-csv demo-album/people.csv"),
    "export": commands("export", "export"),
    "import": commands("import demo-album"),
    "list": commands("export --format csv --out people-list.csv"),
    "teach": commands("teach"),
    "calibrate": commands("calibrate --far 0.1"),
    "evaluate": commands("evaluate --library demo-library", lines=20),
}


def fresh_blocks(folder: Path) -> dict[str, str]:
    """Run everything in an empty folder: each block's Markdown by its name."""
    walk = Walk(folder)
    blocks = {}
    for block, run in BLOCKS.items():
        walk.lines = []
        run(walk)
        blocks[block] = "```text\n" + "\n".join(walk.lines).rstrip("\n") + "\n```\n"
    return blocks


def wording(block: str) -> set[str]:
    """The lines of a block without what another processor or tower may change: numbers and what is ordered by them,
    plurals, rows with people, and whether a lesson of `teach` is kept."""
    lines = [line for line in block.split("\n") if not re.search(r"[A-Z]\w+ [A-Z]\w+|unnamed|\bkept\b", line)]
    plain = (re.sub(r"[-+<]? *[\d.,]+%?", "0", line).split() for line in lines)
    return {" ".join(sorted(word.rstrip("s") for word in words)) for words in plain}


def main() -> None:
    """Parse, run, write, check or print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if a page is outdated")
    parser.add_argument("--print", action="store_true", help="change nothing; print the blocks")
    arguments = parser.parse_args()
    pages = {page: page.read_text(encoding="utf-8") for page in sorted(GUIDE.glob("*.md"))}
    shown = {block: text for page in pages.values() for block, text in BLOCK.findall(page)}
    if not arguments.print and (missing := set(shown) ^ set(BLOCKS)):
        raise SystemExit(f"blocks in the guide and in this script differ: {', '.join(sorted(missing))}")
    with tempfile.TemporaryDirectory() as temporary:
        blocks = fresh_blocks(Path(temporary).resolve())
    if arguments.print:
        print("\n".join(f"{block}\n{text}" for block, text in blocks.items()))
    elif arguments.check:
        if outdated := [block for block in blocks if wording(blocks[block]) != wording(shown[block])]:
            for block in outdated:
                print(f"{block}: {wording(blocks[block]) ^ wording(shown[block])}", file=sys.stderr)
            raise SystemExit("the guide is outdated: run python scripts/update_guide.py")
    else:
        for page, text in pages.items():
            page.write_text(
                BLOCK.sub(lambda old: f"<!-- run: {old[1]} -->\n{blocks[old[1]]}<!-- /run -->", text), encoding="utf-8"
            )


if __name__ == "__main__":
    main()
