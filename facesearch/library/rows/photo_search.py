"""Finds photos by who is on them, when they were taken and where they lie; and which people are often together.

Every question is answered from indices, so that it takes milliseconds among a million faces. Refuses to know names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from facesearch.library.rows.database import Database
from facesearch.paths import stored_path
from facesearch.records import Ints, Span

Sort = Literal["path", "date", "latest", "quality"]
_COLUMNS = (
    "photos.id, min(path), width_px, height_px, face_count, damage, taken_at, taken_zone_min, taken_source, duration_s"
)
_ORDERS: dict[Sort, str] = {
    "path": "min(path)",
    "date": "taken_at IS NULL, taken_at, min(path)",
    "latest": "taken_at IS NULL, taken_at DESC, min(path)",
    "quality": "-coalesce({quality}, -1), min(path)",
}
_PHOTOS_A_PIECE = 1_000_000  # read at once: a few hundred MB at the most
_PERSON_BITS = 31  # of a person's number, in that of a person on a photo and of a pair
_PERSON = (1 << _PERSON_BITS) - 1


@dataclass(frozen=True)
class PhotoQuery:
    """Which photos: those that meet every wish."""

    people: tuple[int, ...] = ()  # who is on them, by number
    any_of: bool = False  # one of the people is enough
    without: tuple[int, ...] = ()  # who is not
    only: bool = False  # nobody but `people`, and people who are hidden, is on them
    since: str | None = None  # taken on this day or later, as 2019, 2019-07 or 2019-07-04
    until: str | None = None  # taken on this day or before, or in this month or year
    under: Path | None = None  # an absolute path: this file, or in this folder at any depth
    unknown: bool = False  # a face on them has no person
    without_faces: bool = False  # no face was found in them, even if it was forgotten since
    damaged: bool = False  # only a part of them can be seen
    sort: Sort = "path"


@dataclass(frozen=True)
class FoundPhoto:
    """A photo that was found."""

    photo_id: int
    path: bytes  # `stored_path` of the first of its files that is there and as wished
    width_px: int
    height_px: int
    faces: int
    damage: str | None  # what is missing of a damaged one, in words
    taken_at: str | None  # as in records.Taken
    taken_zone_min: int | None
    taken_source: str | None
    duration_s: float | None  # of a video


class PhotoSearch:
    """Reads the photos of a library."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, wish: PhotoQuery) -> list[FoundPhoto]:
        """The photos that are as wished and of which a file was there when its folder was last indexed, in order."""
        return [FoundPhoto(*row) for row in self._selected(_COLUMNS, wish)]

    def numbers(self, wish: PhotoQuery) -> Ints:
        """The numbers of the same photos, in the same order: (N,). For who shows one part after the other."""
        return np.array([number for (number,) in self._selected("photos.id", wish)], np.int64)

    def some(self, photo_ids: Sequence[int]) -> list[FoundPhoto]:
        """Some photos of which a file is there, by number, in the order of the numbers that are given."""
        rows = self._database.rows_in(
            f"SELECT {_COLUMNS} FROM photos CROSS JOIN files ON photos.id = photo_id "
            "WHERE NOT missing AND photos.id IN ({}) GROUP BY photos.id",
            photo_ids,
        )
        found = {row[0]: FoundPhoto(*row) for row in rows}
        return [found[photo_id] for photo_id in photo_ids if photo_id in found]

    def damaged(self, photo_ids: Iterable[int]) -> set[int]:
        """Those of some photos of which only a part can be seen."""
        rows = self._database.rows_in("SELECT id FROM photos WHERE damage IS NOT NULL AND id IN ({})", photo_ids)
        return {row[0] for row in rows}

    def _selected(self, columns: str, wish: PhotoQuery) -> list[tuple[Any, ...]]:
        conditions, values = _conditions(wish)
        where = "".join(f" AND {condition}" for condition in conditions)
        order = _ORDERS[wish.sort].format(quality=_quality(wish.people))
        return self._database.rows(
            f"SELECT {columns} FROM photos CROSS JOIN files ON photos.id = photo_id "
            f"WHERE NOT missing{where} GROUP BY photos.id ORDER BY {order}",
            values,
        )

    def total(self) -> int:
        """How many photos have a file that was there when its folder was last indexed."""
        ((count,),) = self._database.rows(
            "SELECT (SELECT count(*) FROM photos) - (SELECT count(*) FROM (SELECT DISTINCT photo_id FROM files "
            "WHERE missing AND photo_id IS NOT NULL) AS gone WHERE NOT EXISTS "
            "(SELECT 1 FROM files WHERE photo_id = gone.photo_id AND NOT missing))"
        )
        return int(count)

    def people_on(self, photo_ids: Sequence[int], asked: Collection[int] = ()) -> list[tuple[int, int]]:
        """Photo and person of every person on some photos, each once, but for those who are hidden and not asked
        for."""
        rows = self._database.rows_in(
            "SELECT DISTINCT photo_id, person_id, hidden FROM faces JOIN people ON people.id = person_id "
            "WHERE photo_id IN ({})",
            photo_ids,
        )
        return [(photo_id, person_id) for photo_id, person_id, hidden in rows if not hidden or person_id in asked]

    def spans(self, photo_ids: Sequence[int]) -> list[tuple[int, int, Span]]:
        """Photo, person and time span of everybody in those of some photos that are videos, or that have a film, each
        track once, in order."""
        rows = self._database.rows_in(
            "SELECT photo_id, person_id, start_s, end_s, min(at_s), track FROM faces INDEXED BY faces_in_videos "
            "WHERE track IS NOT NULL AND person_id IS NOT NULL AND photo_id IN ({}) "
            "GROUP BY photo_id, person_id, track",
            photo_ids,
        )
        spans = [(photo_id, person_id, Span(*span)) for photo_id, person_id, *span in rows]
        return sorted(spans, key=lambda row: (row[0], row[2].start_s, row[2].track))

    def together(self, person_id: int | None, most: int | None) -> list[tuple[int, int, int]]:
        """Pairs of people who are seen together, on how many photos, the most first; of one person or of all. Leaves
        out who is hidden. most: how many pairs at most."""
        if person_id is None:
            return _pairs(self._seen(), most)
        rows = self._database.rows(
            "SELECT first.person_id, other.person_id, count(DISTINCT first.photo_id) AS photos FROM faces AS first "
            "CROSS JOIN faces AS other ON other.photo_id = first.photo_id WHERE first.person_id = ? "
            "AND other.person_id IS NOT NULL AND first.person_id <> other.person_id "
            "AND first.person_id NOT IN (SELECT id FROM people WHERE hidden) "
            "AND other.person_id NOT IN (SELECT id FROM people WHERE hidden) "
            "GROUP BY first.person_id, other.person_id ORDER BY photos DESC, first.person_id, other.person_id LIMIT ?",
            (person_id, -1 if most is None else most),
        )
        return [(first_id, other_id, photos) for first_id, other_id, photos in rows]

    def _seen(self) -> Ints:
        """A number for each person who is not hidden on each photo, `photo << 31 | person`, ascending, each once: (N,).
        As one text a piece: to make a million rows of Python takes longer than to read them."""
        pieces, start = [np.empty(0, np.int64)], -1
        ((last,),) = self._database.rows("SELECT coalesce(max(id), 0) FROM photos")
        while start < last:
            ((text,),) = self._database.rows(
                f"SELECT group_concat((photo_id << {_PERSON_BITS}) | person_id) FROM faces "
                "WHERE person_id IS NOT NULL AND photo_id > ? AND photo_id <= ?",
                (start, start + _PHOTOS_A_PIECE),
            )
            if text:
                pieces.append(np.fromstring(text, np.int64, sep=","))
            start += _PHOTOS_A_PIECE
        seen = np.concatenate(pieces)
        hidden = self._database.rows("SELECT id FROM people WHERE hidden")
        if hidden:
            seen = seen[~np.isin(seen & _PERSON, np.array(hidden, np.int64).ravel())]
        later = np.diff(seen)
        if (later < 0).any():
            seen.sort()
            later = np.diff(seen)
        return seen[np.append(True, later > 0)] if len(seen) else seen


def _pairs(seen: Ints, most: int | None) -> list[tuple[int, int, int]]:
    """Pairs of people on one photo, and on how many. seen: as `_seen` gives it."""
    photos, people = seen >> _PERSON_BITS, seen & _PERSON
    keys, rows, apart = [np.empty(0, np.int64)], np.arange(len(photos)), 0
    while len(rows):  # of those with so many others after them on their photo
        apart += 1
        rows = rows[rows + apart < len(photos)]
        rows = rows[photos[rows + apart] == photos[rows]]
        keys.append((people[rows] << _PERSON_BITS) | people[rows + apart])
    pairs, counts = np.unique(np.concatenate(keys), return_counts=True)
    order = np.lexsort((pairs, -counts))[:most]
    return [
        (pair >> _PERSON_BITS, pair & _PERSON, count)
        for pair, count in zip(pairs[order].tolist(), counts[order].tolist(), strict=True)
    ]


def _conditions(wish: PhotoQuery) -> tuple[list[str], list[object]]:
    conditions, values = list[str](), list[object]()
    if wish.people:
        on = "SELECT photo_id FROM faces WHERE person_id"
        if wish.any_of:
            photos = f"{on} IN ({_marks(wish.people)})"
        else:
            photos = " INTERSECT ".join([f"{on} = ?"] * len(wish.people))
        conditions.append(f"photos.id IN ({photos})")
        values += wish.people
    of_photo = "SELECT 1 FROM faces WHERE faces.photo_id = photos.id"
    if wish.without:
        conditions.append(f"NOT EXISTS ({of_photo} AND person_id IN ({_marks(wish.without)}))")
        values += wish.without
    if wish.only:
        hidden = "SELECT id FROM people WHERE hidden"
        somebody_else = f"person_id NOT IN ({_marks(wish.people)}) AND person_id NOT IN ({hidden})"
        conditions.append(f"NOT EXISTS ({of_photo} AND (person_id IS NULL OR ({somebody_else})))")
        values += wish.people
    if wish.unknown:
        conditions.append("photos.id IN (SELECT photo_id FROM faces WHERE person_id IS NULL)")
    if wish.without_faces:
        conditions.append("face_count = 0 AND forgotten = 0")
    if wish.damaged:
        conditions.append("damage IS NOT NULL")
    if wish.since is not None:
        conditions.append("taken_at >= ?")
        values.append(wish.since)
    if wish.until is not None:
        conditions.append("taken_at < ?")
        values.append(wish.until + "~")  # which follows every digit and the T before the time
    if wish.under is not None:
        start = stored_path(wish.under).rstrip(b"/")
        conditions.append("(path = ? OR (path > ? AND path < ?))")
        values += [start, start + b"/", start + b"0"]  # "0" follows "/"
    return conditions, values


def _quality(people: Sequence[int]) -> str:
    """The quality of a photo as SQL: that of the worst of the people asked for, each by their best face; without people
    that of its best face."""
    if not people:
        return "(SELECT max(quality) FROM faces WHERE faces.photo_id = photos.id)"
    who = ",".join(str(int(person_id)) for person_id in people)
    best = f"SELECT max(quality) AS best FROM faces WHERE faces.photo_id = photos.id AND person_id IN ({who})"
    return f"(SELECT min(best) FROM ({best} GROUP BY person_id))"


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
