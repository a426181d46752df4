"""The rows of faces that the detector missed: a user drew them, or they were imported from another program.

Such a face has an embedding only where landmarks could be placed in it. Methods that change rows are called inside a
transaction of the Database.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from facesearch.library.rows.database import Database
from facesearch.library.rows.face_columns import as_blob, embeddings_from, from_blob
from facesearch.records import EmbeddedFace, Floats, FoundBy

_COLUMNS = "id, photo_id, box, landmarks, score, quality, embedding, found_by"


@dataclass(frozen=True, eq=False)
class AddedFace:
    """A face that was added to a photo."""

    box: Floats  # float32 (4,) x1 y1 x2 y2 in px of the photo in the file, as it was drawn
    found_by: FoundBy
    embedded: EmbeddedFace | None  # as the detector sees it in its surroundings; None where it sees none there

    @property
    def values(self) -> tuple[Any, ...]:
        """box, landmarks, score, quality, embedding and found_by, as a row keeps them."""
        if self.embedded is None:
            return as_blob(self.box), None, 0.0, None, None, self.found_by
        face, embedding = self.embedded.face, as_blob(self.embedded.embedding)
        return (
            as_blob(self.box),
            as_blob(face.landmarks),
            float(face.score),
            self.embedded.quality,
            embedding,
            self.found_by,
        )


@dataclass(frozen=True, eq=False)
class KeptFace:
    """A face that was added, as its row keeps it."""

    face_id: int
    photo_id: int
    box: Floats  # as in AddedFace
    landmarks: Floats | None  # float32 (5, 2) px; None where there is no embedding
    embedding: Floats | None  # float32 (32,)
    found_by: FoundBy


class AddedFaces:
    """Reads and changes the added faces of a library."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, photo_id: int, face: AddedFace) -> int:
        """Store a face; returns its id."""
        face_id = self._database.insert(
            "INSERT INTO faces (photo_id, box, landmarks, score, quality, embedding, found_by) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (photo_id, *face.values),
        )
        self._database.execute("UPDATE photos SET face_count = face_count + 1 WHERE id = ?", (photo_id,))
        self._database.note_other_faces([face_id])
        if face.embedded is not None:
            self._database.changes.added.append((face_id, face.embedded.embedding))
        return face_id

    def on(self, photo_ids: Iterable[int]) -> list[KeptFace]:
        """The added faces of some photos, by id."""
        rows = self._database.rows_in(
            f"SELECT {_COLUMNS} FROM faces WHERE found_by <> 'detector' AND photo_id IN ({{}})", photo_ids
        )
        return [
            KeptFace(
                face_id,
                photo_id,
                from_blob(box),
                None if landmarks is None else from_blob(landmarks).reshape(5, 2),
                None if embedding is None else from_blob(embedding),
                found_by,
            )
            for face_id, photo_id, box, landmarks, _, _, embedding, found_by in sorted(rows)
        ]

    def count(self) -> int:
        """How many faces were added."""
        return int(self._database.rows("SELECT count(*) FROM faces WHERE found_by <> 'detector'")[0][0])

    def without_embedding(self) -> set[int]:
        """The faces that have no embedding."""
        return {row[0] for row in self._database.rows("SELECT id FROM faces WHERE embedding IS NULL")}

    def people_without_embedding(self) -> list[tuple[int, int]]:
        """Photo and person of every such face that is somebody's."""
        return self._database.rows(
            "SELECT photo_id, person_id FROM faces WHERE embedding IS NULL AND person_id IS NOT NULL"
        )

    def first_of(self, person_ids: Iterable[int]) -> dict[int, int]:
        """The first such face of each of some people, by person id."""
        return dict(
            self._database.rows_in(
                "SELECT person_id, min(id) FROM faces WHERE embedding IS NULL AND person_id IN ({}) GROUP BY person_id",
                person_ids,
            )
        )

    def remove(self, face_ids: Iterable[int]) -> None:
        """Take added faces out of the library, and keep their rows for `bring_back`."""
        ids = list(face_ids)
        self._database.note_removal(ids)
        self._database.note_other_faces(ids)
        for face_id in ids:
            self._database.execute(
                f"INSERT OR REPLACE INTO removed_faces ({_COLUMNS}) SELECT {_COLUMNS} FROM faces WHERE id = ?",
                (face_id,),
            )
            self._database.execute(
                "UPDATE photos SET face_count = face_count - 1 WHERE id = (SELECT photo_id FROM faces WHERE id = ?)",
                (face_id,),
            )
            self._database.execute("DELETE FROM faces WHERE id = ?", (face_id,))

    def bring_back(self, face_ids: Iterable[int]) -> None:
        """Put removed faces back."""
        for face_id in face_ids:
            self._database.execute(
                f"INSERT INTO faces ({_COLUMNS}) SELECT {_COLUMNS} FROM removed_faces WHERE id = ?", (face_id,)
            )
            self._database.execute(
                "UPDATE photos SET face_count = face_count + 1 WHERE id = (SELECT photo_id FROM faces WHERE id = ?)",
                (face_id,),
            )
            self._database.note_other_faces([face_id])
            ((blob,),) = self._database.rows("SELECT embedding FROM removed_faces WHERE id = ?", (face_id,))
            if blob is not None:
                self._database.changes.added.append((face_id, from_blob(blob)))
            self._database.execute("DELETE FROM removed_faces WHERE id = ?", (face_id,))

    def removed(self, face_ids: Iterable[int]) -> set[int]:
        """Those of some faces that `bring_back` can put back."""
        return {row[0] for row in self._database.rows_in("SELECT id FROM removed_faces WHERE id IN ({})", face_ids)}

    def removed_embeddings(self) -> Floats:
        """The embeddings of all removed faces, float32 (N, 32)."""
        rows = self._database.rows("SELECT embedding FROM removed_faces WHERE embedding IS NOT NULL")
        return embeddings_from(row[0] for row in rows)

    def forget_removed(self) -> None:
        """Delete the removed faces for good."""
        self._database.execute("DELETE FROM removed_faces")
