"""Runs scripts/demo.sh in a temporary folder and puts the beginning of its answer into README.md, between
`<!-- answer -->` and `<!-- /answer -->`, with how often it is right; draws the whole answer as docs/pictures/query.png,
whose description is the picture's alternative text between `<!-- picture -->` and `<!-- /picture -->`. Run it after a
change to the shipped tower, the drawn people, or the way an answer is printed.

python scripts/update_readme_answer.py            rewrite README.md and the picture
python scripts/update_readme_answer.py --print    print what it would write into README.md
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
from collections import Counter
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from facesearch import open_library

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BLOCK = re.compile(r"(<!-- answer -->\n).*?(<!-- /answer -->)", re.DOTALL)
PICTURE = "docs/pictures/query.png"
PICTURE_BLOCK = re.compile(r"(<!-- picture -->\n).*?(<!-- /picture -->)", re.DOTALL)
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


def drawn_groups(folder: Path) -> dict[int, str]:
    """Who is drawn on most portraits of each group, by its number."""
    with open_library(folder / "demo-library") as library:
        groups = [person.person_id for person in library.people.list(covers=False).people]
        faces = {number: library.people.show(number).faces for number in groups}
    return {
        number: Counter(face.photo.parent.name for face in own if face.photo is not None).most_common(1)[0][0]
        for number, own in faces.items()
    }


def ranks(album: Path, answer: dict[str, Any], groups: dict[int, str]) -> list[int | None]:
    """Where the group stands of the person who is drawn there, for each face found, from 1; None: not among those
    shown."""
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
        found.append(next((match["rank"] for match in face["people"] if groups.get(match["person_id"]) in names), None))
    return found


def face_picture(photo: Path, box: list[float], side: int) -> Image.Image:
    """The face at a box and a little around it, side x side px."""
    left, top, right, bottom = box
    half = 0.65 * max(right - left, bottom - top)
    x, y = (left + right) / 2, (top + bottom) / 2
    with Image.open(photo) as opened:
        around = (round(x - half), round(y - half), round(x + half), round(y + half))
        return opened.convert("RGB").crop(around).resize((side, side), Image.Resampling.LANCZOS)


def draw(folder: Path, answer: dict[str, Any], nearest: dict[str, Any]) -> tuple[Image.Image, str]:
    """The answer as a picture, and in words: the photo with its faces framed; below, each face beside the nearest face
    of whoever comes first, and its verdict. nearest: the same question with `--faces`."""
    small, large, gap, side = ImageFont.load_default(15), ImageFont.load_default(17), 16, 92
    with Image.open(folder / answer["photo"]) as opened:
        photo = opened.convert("RGB")
    lines = [re.split(r"(?<=\)), ", face["verdict"]["text"]) for face in answer["faces"]]
    cell = 2 * side + 340
    rows = -(-len(lines) // 2)
    sheet = Image.new("RGB", (2 * cell + gap, photo.height + 3 * gap + 24 + rows * (side + gap)), "white")
    pen = ImageDraw.Draw(sheet)
    left = (sheet.width - photo.width) // 2
    sheet.paste(photo, (left, gap))
    top = photo.height + 2 * gap
    pen.text((gap, top), "Each face of the photo, the nearest face in the library, and the answer:", "#444", large)
    for number, (face, near, text) in enumerate(zip(answer["faces"], nearest["faces"], lines, strict=True)):
        x1, y1, x2, y2 = face["box"]
        pen.rectangle((left + x1, gap + y1, left + x2, gap + y2), outline="#ffffff", width=4)
        pen.rectangle((left + x1, gap + y1, left + x2, gap + y2), outline="#0b57d0", width=2)
        pen.rectangle((left + x1, gap + y1 - 20, left + x1 + 20, gap + y1), fill="#0b57d0")
        pen.text((left + x1 + 6, gap + y1 - 20), str(number + 1), "white", small)
        x, y = gap + number % 2 * cell, top + 24 + gap + number // 2 * (side + gap)
        first = (face["verdict"]["first"] or {}).get("face_id")
        best = next((each for each in near["photos"] if each["face_id"] == first), near["photos"][0])
        sheet.paste(face_picture(folder / answer["photo"], face["box"], side), (x, y))
        sheet.paste(face_picture(folder / best["photo"], best["box"], side), (x + side + 4, y))
        for row, line in enumerate(text):
            start = "    " if row else f"{number + 1}  "
            pen.text((x + 2 * side + gap, y + 12 + 24 * row), start + line, "black", large)
        below = (x + 2 * side + gap, y + 12 + 24 * len(text))
        pen.text(below, f"     distance {best['distance']:.3f}", "#666", small)
    described = "; ".join(f"face {number}: {', '.join(text)}" for number, text in enumerate(lines, 1))
    return sheet, f"A drawn group photo with its faces framed, and the answer for each: {described}."


def fresh_blocks() -> tuple[str, str, Image.Image]:
    """The demo's answer as a fenced block with a line on how much of it is right, the picture's alternative text,
    and the picture."""
    facesearch = str(Path(sys.executable).parent / "facesearch")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        printed = run(folder, "bash", str(ROOT / "scripts" / "demo.sh"), facesearch)
        question = (facesearch, "query", f"demo-album/{PHOTO}", "--json", "--k")
        answer, nearest = json.loads(run(folder, *question, "3")), json.loads(run(folder, *question, "20", "--faces"))
        right = ranks(folder / "demo-album", answer, drawn_groups(folder))
        picture, described = draw(folder, answer, nearest)
    first, within = right.count(1), len([rank for rank in right if rank is not None])
    return (
        f"```text\n{abridged(printed)}\n```\n\n"
        f"Nobody has a name yet: `index` found the groups by itself. The right group comes first for {first} of the\n"
        f"{len(right)} people on that photo, and is among the first three for {within}.\n",
        described,
        picture,
    )


def main() -> None:
    """Parse, run the demo, write or print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--print", action="store_true", help="change nothing; print the block")
    arguments = parser.parse_args()
    block, described, picture = fresh_blocks()
    if arguments.print:
        print(block, end="")
        return
    note = PngInfo()
    note.add_itxt("Description", described)
    (ROOT / PICTURE).parent.mkdir(exist_ok=True)
    picture.quantize(256, dither=Image.Dither.NONE).save(ROOT / PICTURE, optimize=True, pnginfo=note)
    readme = BLOCK.sub(lambda old: old[1] + block + old[2], README.read_text(encoding="utf-8"))
    shown = f"![{described}]({PICTURE})\n"
    README.write_text(PICTURE_BLOCK.sub(lambda old: old[1] + shown + old[2], readme), encoding="utf-8")


if __name__ == "__main__":
    main()
