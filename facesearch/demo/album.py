"""Writes an album of synthetic people: one folder per person, one of group photos, and `people.csv`: who is where.

    DIR/people/Ada Weiss/0001.jpg ...   DIR/groups/0001.jpg ...   DIR/people.csv

The portraits lie apart from the group photos: in `DIR/people` every folder's name is that of the person it shows.

Refuses to touch a folder that holds anything but an earlier album of this kind, and never deletes what that album's own
`people.csv` does not list.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import ExifTags, Image

from facesearch.demo.drawing import DrawnPhoto, draw_group, draw_portrait
from facesearch.demo.person import Person, random_people
from facesearch.errors import UsageError

PEOPLE_CSV = "people.csv"
PEOPLE_FOLDER = "people"
GROUPS_FOLDER = "groups"
_LANDMARKS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
COLUMNS = ("photo", "person", "x1", "y1", "x2", "y2", *(f"{point}_{axis}" for point in _LANDMARKS for axis in "xy"))
_SIZES_PX = (120, 640)  # sides of portraits
_GROUP_FACES_PX = (56, 130)
_PEOPLE_A_GROUP = (2, 7)


@dataclass(frozen=True)
class Album:
    """What was written."""

    directory: Path
    people: tuple[str, ...]  # their names, each a folder
    # portraits, groups: photos
    portraits: int
    groups: int
    faces: int  # rows of people.csv


def write_album(
    directory: Path,
    people: int = 12,
    photos: int = 8,
    seed: int = 0,
    *,
    groups: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Album:
    """Draw `photos` portraits each of `people` people, and some group photos, as JPEGs.

    groups: how many group photos; by default one for every three people (two people: one).
    `people.csv` holds a row a face: photo (path below directory, with /), person, box in px, and five landmarks in px.
    Each photo has a date in its Exif. The same arguments draw the same album. progress is called with (photos
    written, photos in all). Raises UsageError for counts below 1, and when the directory is a file or holds
    something else than such an album.
    """
    if people < 1 or photos < 1:
        raise UsageError(f"An album needs at least one person and one photo of each, not {people} and {photos}")
    directory = Path(directory)
    _clear(directory)
    crowd = random_people(people, seed)
    if groups is None:
        groups = people // 3 if people > 2 else people // 2
    total, faces = people * photos + groups, 0
    with (directory / PEOPLE_CSV).open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(COLUMNS)
        for done, (name, photo, quality) in enumerate(_draw_all(crowd, photos, groups, seed), start=1):
            # The rows come first, so that an interrupted album is still known as one and can be written again.
            for face in photo.faces:
                numbers = [*face.box, *face.landmarks.ravel()]
                rows.writerow((name, face.person.name, *(f"{value:.1f}" for value in numbers)))
            stream.flush()
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(photo.pixels).save(path, quality=quality, exif=_dated(path))
            faces += len(photo.faces)
            if progress is not None:
                progress(done, total)
    return Album(directory, tuple(person.name for person in crowd), people * photos, groups, faces)


def _draw_all(crowd: list[Person], photos: int, groups: int, seed: int) -> Iterator[tuple[str, DrawnPhoto, int]]:
    """Each photo's path, what it shows, and its JPEG quality. Each has a generator of its own."""
    for index, person in enumerate(crowd):
        for number in range(1, photos + 1):
            rng = np.random.default_rng([seed, 3, index, number])
            size_px = int(np.exp(rng.uniform(*np.log(_SIZES_PX))))
            yield f"{PEOPLE_FOLDER}/{person.name}/{number:04}.jpg", draw_portrait(person, rng, size_px), _quality(rng)
    for number in range(1, groups + 1):
        rng = np.random.default_rng([seed, 4, number])
        several = min(int(rng.integers(*_PEOPLE_A_GROUP)), len(crowd))
        chosen = [crowd[index] for index in rng.permutation(len(crowd))[:several]]
        photo = draw_group(chosen, rng, int(rng.integers(*_GROUP_FACES_PX)))
        yield f"{GROUPS_FOLDER}/{number:04}.jpg", photo, _quality(rng)


def _dated(path: Path) -> bytes:
    """Exif with a date: portrait 0001 is from 2012, each next one a year later, and group photo 0001 from 2019."""
    number = int(path.stem)
    is_group = path.parent.name == GROUPS_FOLDER
    exif = Image.Exif()
    date = f"{2018 + number}:07:04 15:30:00" if is_group else f"{2011 + number}:05:{1 + number % 28:02} 12:00:00"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = date
    return exif.tobytes()


def _quality(rng: np.random.Generator) -> int:
    return int(rng.integers(72, 96))


def _clear(directory: Path) -> None:
    """Make the directory, or empty it of the album that it holds."""
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"{directory} is a file: give a folder for the album")
    directory.mkdir(parents=True, exist_ok=True)
    if not any(directory.iterdir()):
        return
    listed = _listed(directory / PEOPLE_CSV)
    if listed is None:
        raise UsageError(f"{directory} is not empty and holds no album drawn here: give a new or an empty folder")
    for path in listed:
        path.unlink(missing_ok=True)
    folders = {folder for path in listed for folder in path.parents if directory in folder.parents}
    for folder in sorted(folders, reverse=True):  # the deepest first
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _listed(people_csv: Path) -> list[Path] | None:
    """The photos an album's people.csv lists, or None when it is none of ours."""
    if not people_csv.is_file():
        return None
    with people_csv.open(newline="", encoding="utf-8", errors="replace") as stream:
        rows = csv.reader(stream)
        if tuple(next(rows, ())) != COLUMNS:
            return None
        names = {row[0] for row in rows if row}
    paths = [PurePosixPath(name) for name in sorted(names)]
    return [people_csv.parent / path for path in paths if len(path.parts) in {2, 3} and ".." not in path.parts]
