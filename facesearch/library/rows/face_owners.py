"""The faces of many people at once: all of them, a sample for each person, and counts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesearch.library.rows.counts import kept_counts
from facesearch.library.rows.database import PICTURE, Database
from facesearch.library.rows.face_columns import embeddings_from
from facesearch.records import Floats, Values


@dataclass(frozen=True, eq=False)
class FaceSample:
    """Some faces of a person."""

    face_ids: NDArray[np.int64]  # (N,), ascending
    qualities: NDArray[np.float64]  # (N,), NaN where there is none
    embeddings: Floats  # float32 (N, 32), as the rows keep them


class FaceOwners:
    """Reads which faces are whose. Refuses to change anything."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def members(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Every face with a person: its id, ascending, its photo, its picture (StoredFace.picture) and its person,
        int64 (N,) each."""
        rows = self._database.rows(
            f"SELECT id, photo_id, {PICTURE}, person_id FROM faces WHERE person_id IS NOT NULL ORDER BY id"
        )
        columns = np.array(rows, np.int64).reshape(-1, 4).T
        return columns[0], columns[1], columns[2], columns[3]

    def told_faces(self, *, but_not_by: str) -> list[tuple[int, int, int]]:
        """The faces with an embedding of everybody who has a name: face id, person id and photo id, but for those that
        a source alone gave to them."""
        return self._database.rows(
            "SELECT faces.id, person_id, photo_id FROM faces JOIN people ON people.id = person_id "
            "WHERE name IS NOT NULL AND person_source <> ? AND embedding IS NOT NULL ORDER BY faces.id",
            (but_not_by,),
        )

    def first_faces(self, person_ids: Iterable[int]) -> dict[int, int]:
        """The first face of each person who has one."""
        return dict(
            self._database.rows_in(
                "SELECT person_id, min(id) FROM faces WHERE person_id IN ({}) GROUP BY person_id", person_ids
            )
        )

    def face_digests(self, person_ids: Iterable[int]) -> dict[int, bytes]:
        """16 bytes for each person id, which change when the person gains or loses a face, or a face's quality changes.
        Leaves out people without a face."""
        rows = self._database.rows_in(
            "SELECT person_id, group_concat(id || ' ' || coalesce(quality, '-')) FROM faces WHERE person_id IN ({}) "
            "GROUP BY person_id",
            person_ids,
        )
        return {person_id: hashlib.blake2b(ids.encode(), digest_size=16).digest() for person_id, ids in rows}

    def sampled_rows(self, person_ids: Iterable[int], most: int) -> dict[int, FaceSample]:
        """By person id all of their faces with an embedding, or `most` to 2 * most - 1 of them evenly through their
        ids, by id.

        Leaves out people without such a face.
        """
        rows = self._sampled("face_id, quality, embedding", person_ids, most)
        by_person: dict[int, list[tuple[int, float | None, bytes]]] = {}
        for person_id, *row in rows:
            by_person.setdefault(person_id, []).append((row[0], row[1], row[2]))
        return {
            person_id: FaceSample(
                np.array([row[0] for row in own], np.int64),
                np.array([row[1] for row in own], np.float64),
                embeddings_from(row[2] for row in own),
            )
            for person_id, own in by_person.items()
        }

    def sampled_faces(self, person_ids: Iterable[int], most: int) -> dict[int, tuple[int, Floats, Values]]:
        """By person id how many faces with an embedding they have, and the embeddings of all, or of `most` to
        2 * most - 1 of them evenly through their ids, with their local scales: float32 (M, 32) and float64 (M,), as the
        rows keep them (see FacePlaces). Nothing for people without such a face."""
        rows = self._sampled("count, embedding, local_scale", person_ids, most)
        counts: dict[int, int] = {}
        sampled: dict[int, list[tuple[bytes, float | None]]] = {}
        for person_id, count, embedding, local_scale in rows:
            counts[person_id] = count
            sampled.setdefault(person_id, []).append((embedding, local_scale))
        return {
            person_id: (
                counts[person_id],
                embeddings_from(row[0] for row in own),
                np.array([row[1] for row in own], np.float64),
            )
            for person_id, own in sampled.items()
        }

    def _sampled(self, columns: str, person_ids: Iterable[int], most: int) -> list[Any]:
        """Each person's number and columns of the same faces of theirs, by face id."""
        return self._database.rows_in(
            "SELECT sampled.person_id, " + columns + " FROM ("
            "SELECT person_id, id AS face_id, row_number() OVER (PARTITION BY person_id ORDER BY id) AS place, "
            "count(*) OVER (PARTITION BY person_id) AS count FROM faces WHERE person_id IN ({}) "
            "AND id NOT IN (SELECT id FROM faces WHERE embedding IS NULL)) AS sampled "
            f"JOIN faces ON faces.id = face_id WHERE place % max(1, count / {int(most)}) = 0 ORDER BY face_id",
            person_ids,
        )

    def named_faces_by(self, *sources: str) -> int:
        """How many faces of people with a name some sources have given to them."""
        ((count,),) = self._database.rows(
            "SELECT count(*) FROM faces JOIN people ON people.id = person_id "
            f"WHERE name IS NOT NULL AND person_source IN ({','.join('?' * len(sources))})",
            sources,
        )
        return int(count)

    def hypotheses(self, faces: int) -> int:
        """How many people a photo can show, as far as is known: people, and faces in no group. faces: how many there
        are in the library that have an embedding."""
        kept = kept_counts(self._database)
        ((unplaced,),) = self._database.rows(
            "SELECT count(*) FROM faces WHERE embedding IS NULL AND person_id IS NOT NULL"
        )
        return kept.people + faces - (kept.faces_with_person - int(unplaced))
