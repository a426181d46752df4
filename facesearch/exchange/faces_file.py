"""Faces and their people as one JSON or CSV file: written for other programs, and read again as names.

Refuses a file that it did not write itself, or that lacks the box or the photo of a face.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from facesearch.errors import UsageError
from facesearch.exchange.gathering import PhotoFaces, is_gone
from facesearch.exchange.replacing import replace_file
from facesearch.exchange.table import box_sides, read_table, refuse_other_encodings
from facesearch.photos.files import special_file
from facesearch.records import Floats, Span

VERSION = 1
_SPAN = ("start_s", "end_s", "at_s", "track")
COLUMNS = (
    "photo",
    "sha256",
    "width_px",
    "height_px",
    "x1",
    "y1",
    "x2",
    "y2",
    "name",
    "person_id",
    "face_id",
    "score",
    "found_by",
    *_SPAN,
)


@dataclass(frozen=True, eq=False)
class ListedFace:
    """A face with a name in a listing."""

    photo: str  # "" where only its content is given
    sha256: str
    box: Floats  # float32 (4,) x1 y1 x2 y2 px; of the frame at `span.at_s`, where there is a span
    name: str
    span: Span | None = None  # when it is seen in a video, or in the film of a motion photo


@dataclass
class ListingSummary:
    """What a listing holds."""

    photos: int = 0
    faces: int = 0
    people: int = 0
    missing: list[Path] = field(default_factory=list)  # photos that are not there, and were left out


def photos_there(photos: Iterable[PhotoFaces], summary: ListingSummary) -> Iterator[tuple[PhotoFaces, list[Path]]]:
    """The photos that have a file, with these files; the summary counts them and lists the others."""
    people = set()
    for photo in photos:
        there = [path for path, _ in photo.files if not is_gone(path)]
        if not there:
            summary.missing.append(photo.files[0][0])
            continue
        people |= {face.person_id for face in photo.faces}
        summary.photos += 1
        summary.faces += len(photo.faces)
        yield photo, there
    summary.people = len(people)


def as_json(photos: Iterable[tuple[PhotoFaces, list[Path]]]) -> bytes:
    """The listing as JSON in ASCII; bytes of paths that are no UTF-8 are lone surrogates, as os.fsdecode gives them."""
    listed = [
        {
            "photo": str(paths[0]),
            "copies": [str(path) for path in paths[1:]],
            "sha256": photo.sha256,
            "width_px": photo.size_px[0],
            "height_px": photo.size_px[1],
            "faces": [
                {
                    "face_id": face.face_id,
                    "box": _rounded(face.box),
                    "score": round(face.score, 4),
                    "quality": face.quality,
                    "person_id": face.person_id,
                    "name": face.name,
                    "found_by": face.found_by,
                    "span": None if face.span is None else asdict(face.span),
                }
                for face in photo.faces
            ],
        }
        for photo, paths in photos
    ]
    return (json.dumps({"facesearch": "people", "version": VERSION, "photos": listed}, indent=1) + "\n").encode("ascii")


def as_csv(photos: Iterable[tuple[PhotoFaces, list[Path]]]) -> bytes:
    """The listing as CSV (RFC 4180) in UTF-8, a row for each face in each file; paths keep their bytes."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for photo, paths in photos:
        for path in paths:
            for face in photo.faces:
                row = [path, photo.sha256, *photo.size_px, *_rounded(face.box), face.name or "", face.person_id]
                span = ("",) * 4 if face.span is None else astuple(face.span)
                writer.writerow([*row, face.face_id, round(face.score, 4), face.found_by, *span])
    return text.getvalue().encode("utf-8", "surrogateescape")


def read_listing(path: Path) -> list[ListedFace]:
    """The named faces of a listing, JSON or CSV, told apart by its first character. Raises UsageError for any other
    file."""
    try:
        content = path.read_bytes()  # once: a pipe is read only once
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror})") from error
    is_json = content.lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n").startswith((b"{", b"["))
    try:
        found = list(_of_json(content) if is_json else _of_csv(content, path))
        for face in found:
            os.fsencode(face.photo)  # a lone surrogate that stands for no byte cannot be in the name of a file
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        said = f"{type(error).__name__}: {error}"
        raise UsageError(f"{path} is not a list written by facesearch export ({said})") from error
    return found


def _of_json(content: bytes) -> Iterator[ListedFace]:
    listing = json.loads(content)
    if listing["facesearch"] != "people" or listing["version"] != VERSION:
        raise ValueError("it is of another kind or version")
    for photo in listing["photos"]:
        for face in photo["faces"]:
            if face["name"] is not None:
                said = face.get("span")  # which lists of a former version lack
                span = None if said is None else _span(*(said[side] for side in _SPAN))
                yield ListedFace(str(photo["photo"]), str(photo["sha256"]), _box(face["box"]), str(face["name"]), span)


def _of_csv(content: bytes, path: Path) -> Iterator[ListedFace]:
    table = read_table(content, path)
    missing = {"photo", "name", *COLUMNS[4:8]} - set(table.columns)
    if missing:
        raise ValueError(f"it has no column {min(missing)}; lists of your own are for facesearch people import")
    for line, cells in table.lines:
        if cells["name"]:
            try:
                refuse_other_encodings(cells["name"])
            except UsageError as error:
                raise UsageError(f"{path}: line {line}: {error}") from error
            box = _box(box_sides([cells[side] for side in COLUMNS[4:8]]))
            said = [cells.get(side, "") for side in _SPAN]
            span = _span(*said) if any(said) else None
            yield ListedFace(cells["photo"], cells.get("sha256", ""), box, cells["name"], span)


def _box(numbers: Any) -> Floats:
    values = [float(number) for number in numbers]
    if len(values) != 4 or not all(map(math.isfinite, values)):
        raise ValueError("a box has four numbers")
    return np.array(values, np.float32)


def _span(start_s: Any, end_s: Any, at_s: Any, track: Any) -> Span:
    span = Span(float(start_s), float(end_s), float(at_s), int(track))
    if not 0 <= span.start_s <= span.at_s <= span.end_s < math.inf:
        raise ValueError("a time span begins before it ends")
    return span


def _rounded(box: Floats) -> list[float]:
    return [round(float(number), 2) for number in box]


def write_listing(path: Path, content: bytes, *, force: bool = False) -> None:
    """Write a listing that only its owner may read. Raises UsageError where there is a file already, unless `force`,
    or it cannot be written."""
    refuse_taken(path, force=force)
    try:
        replace_file(path, content, 0o600)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}): choose another --out") from error


def refuse_taken(path: Path, *, force: bool) -> None:
    """Raise UsageError where there is a file already, unless `force`, or where the path is a device or the like."""
    if os.path.lexists(path) and not force:
        raise UsageError(f"{path} is there already: choose another --out, or --force to replace it")
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name a file with --out")
    if kind := special_file(path):  # it would be replaced
        raise UsageError(f"{path} is {kind}: name a file with --out, or leave it out for stdout")
