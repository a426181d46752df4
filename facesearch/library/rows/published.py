"""A library's faces in blocks, as they are published to another server, and where they have been.

A block holds the faces of a range of ids, so that it is the same block however many faces come and go.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from facesearch.library.rows.database import Database
from facesearch.library.rows.face_columns import embeddings_from
from facesearch.records import Floats, Ints

FACES_A_BLOCK = 16_384
UNKNOWN_QUALITY = -1.0
_SETTING = "published"


@dataclass(frozen=True, eq=False)
class FaceBlock:
    """The N faces of a range of ids, ids ascending."""

    number: int
    """Of the range: from number * FACES_A_BLOCK on."""
    face_ids: Ints
    """int64 (N,)."""
    photo_ids: Ints
    """int64 (N,)."""
    person_ids: Ints
    """int64 (N,), -1 for nobody."""
    qualities: Floats
    """float32 (N,), UNKNOWN_QUALITY for none."""
    points: Floats
    """float32 (N, 32): where the faces lie in the library's space."""


class PublishedFaces:
    """Reads what is to be published, and remembers where it was."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def blocks(self, map_: Callable[[Floats], Floats]) -> Iterator[FaceBlock]:
        """All faces with an embedding, a block at a time, each as the rows are when it is read; empty blocks are left
        out. map_: from embeddings of the rows to the library's space, float32 (N, 32) to the same."""
        last = -1
        while True:
            found = self._database.rows(
                "SELECT id FROM faces WHERE id > ? AND embedding IS NOT NULL ORDER BY id LIMIT 1", (last,)
            )
            if not found:
                return
            number = int(found[0][0]) // FACES_A_BLOCK
            last = (number + 1) * FACES_A_BLOCK - 1
            rows = self._database.rows(
                "SELECT id, photo_id, coalesce(person_id, -1), coalesce(quality, ?), embedding FROM faces "
                "WHERE id >= ? AND id <= ? AND embedding IS NOT NULL ORDER BY id",
                (UNKNOWN_QUALITY, number * FACES_A_BLOCK, last),
            )
            if not rows:  # gone meanwhile
                continue
            ids, photos, people, qualities, blobs = zip(*rows, strict=True)
            yield FaceBlock(
                number,
                np.array(ids, np.int64),
                np.array(photos, np.int64),
                np.array(people, np.int64),
                np.array(qualities, np.float32),
                map_(embeddings_from(blobs)),
            )

    def sampled_ids(self, count: int) -> list[int]:
        """Faces with an embedding, at most `count`, spread at random over all of them, the same every time."""
        ((last,),) = self._database.rows("SELECT coalesce(max(id), 0) FROM faces WHERE embedding IS NOT NULL")
        starts = np.random.default_rng(0).integers(1, int(last) + 1, count).tolist() if last else []
        found = {
            int(row[0])
            for start in starts
            for row in self._database.rows(
                "SELECT id FROM faces WHERE id >= ? AND embedding IS NOT NULL ORDER BY id LIMIT 1", (start,)
            )
        }
        return sorted(found)

    def generation(self) -> int:
        """The library's, as in `LibraryStatus`."""
        return self._database.generation()

    def places(self) -> tuple[str, ...]:
        """Where the faces have been published and not withdrawn since, in words."""
        stored = self._database.settings().get(_SETTING, "")
        try:
            return tuple(str(place) for place in json.loads(stored)) if stored else ()
        except (ValueError, TypeError):
            return ()

    def remember(self, place: str) -> None:
        """Inside a transaction: faces are about to be published there. place: without credentials."""
        self._database.set_settings({_SETTING: json.dumps(sorted({*self.places(), place}))})

    def drop(self, place: str) -> None:
        """Inside a transaction: none are there any more."""
        self._database.set_settings({_SETTING: json.dumps(sorted({*self.places()} - {place}))})
