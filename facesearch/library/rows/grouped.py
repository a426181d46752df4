"""How far the faces of a library are grouped, whether `index` groups by itself, and the rows that grouping reads.

Does not decide which faces belong together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesearch.library.rows.database import PICTURE, Database
from facesearch.library.rows.face_columns import embeddings_from
from facesearch.records import Floats, Ints, Values

_UP_TO, _BY_ITSELF = "grouped_up_to", "group_by_itself"
_FACES = (
    f"SELECT id, photo_id, coalesce(person_id, -1), quality, embedding, local_scale, {PICTURE}, "
    "coalesce(track, -1) FROM faces "
    "WHERE embedding IS NOT NULL"
)


@dataclass(frozen=True, eq=False)
class GroupingFaces:
    """Faces as grouping reads them, by id, ascending."""

    ids: Ints  # (N,)
    photos: Ints  # (N,)
    pictures: Ints  # (N,), as StoredFace.picture
    people: Ints  # (N,), -1 where there is no person
    qualities: Values  # (N,), NaN where there is none
    embeddings: Floats  # float32 (N, 32), as the rows keep them
    local_scales: Values  # (N,), as the rows keep them, NaN where there is none
    tracks: Ints  # (N,), the track in a video that a face belongs to, -1 for photos

    def where(self, wanted: NDArray[np.bool_]) -> GroupingFaces:
        """Only the faces for which `wanted`, (N,), is true."""
        return GroupingFaces(
            self.ids[wanted],
            self.photos[wanted],
            self.pictures[wanted],
            self.people[wanted],
            self.qualities[wanted],
            self.embeddings[wanted],
            self.local_scales[wanted],
            self.tracks[wanted],
        )


class Grouped:
    """Reads and notes how far grouping has come. Changes are made inside a transaction of the Database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def up_to(self) -> int:
        """The highest id of a face that a grouping has looked at; 0 before the first, or where that was lost."""
        value = self._database.settings().get(_UP_TO, "0")
        return int(value) if value.isdecimal() else 0

    def note(self, face_id: int) -> None:
        """Every face up to this id has been looked at. 0: none, as after a change of tower."""
        self._database.set_settings({_UP_TO: str(face_id)})

    @property
    def by_itself(self) -> bool:
        """Whether `index` groups at the end of a run, unless it is told otherwise."""
        return self._database.settings().get(_BY_ITSELF) != "no"

    def set_by_itself(self, *, wanted: bool) -> None:
        self._database.set_settings({_BY_ITSELF: "yes" if wanted else "no"})

    def newest(self) -> int:
        """The highest id of a face; 0 where there is none."""
        return int(self._database.rows("SELECT coalesce(max(id), 0) FROM faces")[0][0])

    def poor(self, least: float) -> int:
        """How many faces without a person have less quality."""
        rows = self._database.rows("SELECT count(*) FROM faces WHERE person_id IS NULL AND quality < ?", (least,))
        return int(rows[0][0])

    def all(self) -> GroupingFaces:
        """Every face that has an embedding."""
        return _faces(self._database.rows(f"{_FACES} ORDER BY id"))

    def after(self, face_id: int) -> GroupingFaces:
        """Those with a higher id."""
        return _faces(self._database.rows(f"{_FACES} AND id > ? ORDER BY id", (face_id,)))

    def some(self, face_ids: Iterable[int]) -> GroupingFaces:
        """Some faces, without those that are not there or have no embedding."""
        return _faces(sorted(self._database.rows_in(f"{_FACES} AND id IN ({{}})", face_ids)))

    def of_people(self, person_ids: Iterable[int], most: int) -> list[int]:
        """The faces with an embedding of some people: of each all of them, or `most` to 2 * most - 1 evenly through
        their ids."""
        rows = self._database.rows_in(
            "SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY person_id ORDER BY id) AS place, "
            "count(*) OVER (PARTITION BY person_id) AS count FROM faces WHERE person_id IN ({}) "
            "AND id NOT IN (SELECT id FROM faces WHERE embedding IS NULL)) "
            f"WHERE place % max(1, count / {int(most)}) = 0",
            person_ids,
        )
        return [row[0] for row in rows]

    def on_photos(self, photo_ids: Iterable[int]) -> list[int]:
        """The faces of some photos."""
        return [row[0] for row in self._database.rows_in("SELECT id FROM faces WHERE photo_id IN ({})", photo_ids)]


def _faces(rows: list[tuple[Any, ...]]) -> GroupingFaces:
    embeddings = embeddings_from(row[4] for row in rows)
    numbers = np.array([row[:3] for row in rows], np.int64).reshape(-1, 3)
    qualities = np.array([row[3] for row in rows], np.float64)
    ids, photos, people = numbers.T
    scales = np.array([row[5] for row in rows], np.float64)
    pictures = np.array([row[6] for row in rows], np.int64)
    tracks = np.array([row[7] for row in rows], np.int64)
    return GroupingFaces(ids, photos, pictures, people, qualities, embeddings, scales, tracks)
