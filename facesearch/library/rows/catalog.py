"""The rows of photos and their faces. A photo is its content (sha256); `files` says where it lies.

Methods that change rows are called inside a transaction of the Database. Knows nothing about FAISS or people.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facesearch.library.rows.counts import kept_counts
from facesearch.library.rows.database import PICTURE, Database, now
from facesearch.library.rows.dates import Dates
from facesearch.library.rows.face_columns import (
    SELECT_FACES,
    as_detected,
    as_face,
    embeddings_from,
    found_values,
    from_blob,
)
from facesearch.library.rows.files import UNSHOWN
from facesearch.records import (
    DetectedFace,
    EmbeddedFace,
    Floats,
    NewPhoto,
    PhotoPath,
    StoredFace,
    Values,
)

_WITHOUT_FACES = "face_count = 0 AND forgotten = 0"


@dataclass(frozen=True)
class Counts:
    """How much a library holds."""

    photos: int
    files: int
    files_missing: int
    files_failed: int
    faces: int
    people: int
    people_named: int
    photos_damaged: int


class Catalog:
    """Reads and changes the photos and faces of a library."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def photo_ids(self) -> dict[str, int]:
        """The id of every photo, by sha256."""
        return dict(self._database.rows("SELECT sha256, id FROM photos"))

    def photo_with(self, sha256: str) -> int | None:
        """The id of the photo with that content."""
        rows = self._database.rows("SELECT id FROM photos WHERE sha256 = ?", (sha256,))
        return int(rows[0][0]) if rows else None

    def present_photo_count(self, *, without_faces: bool = False) -> int:
        """How many photos have a file that was there when its folder was last indexed."""
        condition = _WITHOUT_FACES if without_faces else ""
        maybe_gone = "SELECT photo_id FROM files WHERE missing UNION SELECT photo_id FROM left_photos"
        present = "SELECT 1 FROM files WHERE photo_id = photos.id AND NOT missing"
        also = f"AND {condition}" if condition else ""
        ((count,),) = self._database.rows(
            f"SELECT count(*) FROM photos WHERE id IN ({maybe_gone}) AND NOT EXISTS ({present}) {also}"
        )
        if not condition:
            return kept_counts(self._database).photos - int(count)
        ((every,),) = self._database.rows(f"SELECT count(*) FROM photos WHERE {condition}")
        return int(every) - int(count)

    def add_photo(self, photo: NewPhoto) -> int:
        """Store a photo and its faces; returns its id. The photo must be new."""
        photo_id = self._database.insert(
            "INSERT INTO photos (sha256, width_px, height_px, added_at, face_count, damage, duration_s) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                photo.sha256,
                photo.width_px,
                photo.height_px,
                now(),
                len(photo.faces),
                photo.damage,
                photo.duration_s,
            ),
        )
        if photo.taken is not None:
            Dates(self._database).put(photo_id, photo.taken)
        for embedded in photo.faces:
            self._insert_face(photo_id, embedded)
        return photo_id

    def add_found_face(self, photo_id: int, embedded: EmbeddedFace) -> None:
        """Store one more face of a photo."""
        self._insert_face(photo_id, embedded)
        self._database.execute("UPDATE photos SET face_count = face_count + 1 WHERE id = ?", (photo_id,))

    def _insert_face(self, photo_id: int, embedded: EmbeddedFace) -> None:
        face_id = self._database.insert(
            "INSERT INTO faces (photo_id, box, landmarks, score, quality, embedding, start_s, end_s, at_s, track) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (photo_id, *found_values(embedded)),
        )
        self._database.changes.added.append((face_id, embedded.embedding))

    def drop_unshown(self) -> int:
        """Delete the photos that no file shows any more, with their faces; returns the number of photos."""
        rows = self._database.rows(f"SELECT id FROM faces WHERE photo_id IN ({UNSHOWN}) AND embedding IS NOT NULL")
        self._database.changes.removed.extend(row[0] for row in rows)
        count = self._database.execute(f"DELETE FROM photos WHERE id IN ({UNSHOWN})").rowcount
        self._database.execute("DELETE FROM left_photos")
        return count

    def drop_photos(self, photo_ids: Iterable[int]) -> None:
        """Delete photos with their faces and files, as if they had never been read."""
        photo_ids = list(photo_ids)
        rows = self._database.rows_in("SELECT id FROM faces WHERE photo_id IN ({})", photo_ids)
        self.drop_faces(row[0] for row in rows)
        for statement in ("DELETE FROM files WHERE photo_id = ?", "DELETE FROM photos WHERE id = ?"):
            self._database.execute_many(statement, [(photo_id,) for photo_id in photo_ids])

    def drop_faces(self, face_ids: Iterable[int]) -> None:
        """Delete faces; what is left of their photos is whole without them."""
        face_ids = list(face_ids)
        self._database.note_removal(face_ids)
        self._database.execute_many(
            "UPDATE photos SET face_count = face_count - 1 WHERE id = (SELECT photo_id FROM faces WHERE id = ?)",
            [(face_id,) for face_id in face_ids],
        )
        self._database.execute_many("DELETE FROM faces WHERE id = ?", [(face_id,) for face_id in face_ids])

    def forget_faces(self, face_ids: Iterable[int]) -> None:
        """Delete faces for good: their photos remember how many."""
        face_ids = list(face_ids)
        self._database.execute_many(
            "UPDATE photos SET forgotten = forgotten + 1 WHERE id = (SELECT photo_id FROM faces WHERE id = ?)",
            [(face_id,) for face_id in face_ids],
        )
        self._database.note_other_faces(face_ids)
        self.drop_faces(face_ids)

    def with_forgotten_faces(self, photo_ids: Iterable[int]) -> set[int]:
        """Those of some photos that once had more faces."""
        rows = self._database.rows_in("SELECT id FROM photos WHERE forgotten > 0 AND id IN ({})", photo_ids)
        return {row[0] for row in rows}

    def photo_sizes(self, photo_ids: Iterable[int]) -> dict[int, tuple[int, int]]:
        """Width and height in pixels, by photo id."""
        rows = self._database.rows_in("SELECT id, width_px, height_px FROM photos WHERE id IN ({})", photo_ids)
        return {photo_id: (width, height) for photo_id, width, height in rows}

    def durations(self, photo_ids: Iterable[int]) -> dict[int, float]:
        """How long those of some photos are that are videos, in seconds, by photo id."""
        rows = self._database.rows_in(
            "SELECT id, duration_s FROM photos WHERE duration_s IS NOT NULL AND id IN ({})", photo_ids
        )
        return dict(rows)

    def photo_contents(self, photo_ids: Iterable[int]) -> dict[int, str]:
        """The sha256 of each photo, by photo id."""
        return dict(self._database.rows_in("SELECT id, sha256 FROM photos WHERE id IN ({})", photo_ids))

    def photo_paths(self, photo_ids: Iterable[int]) -> dict[int, PhotoPath]:
        """Where each photo lies, by photo id; nothing for a photo that no file shows any more."""
        rows = self._database.rows_in("SELECT photo_id, path, missing FROM files WHERE photo_id IN ({})", photo_ids)
        paths: defaultdict[int, list[tuple[Path, bool]]] = defaultdict(list)
        for photo_id, path, missing in sorted(rows, key=lambda row: (row[2], row[1])):
            paths[photo_id].append((Path(os.fsdecode(path)), bool(missing)))
        return {
            photo_id: PhotoPath(*first, copies=tuple(path for path, _ in others))
            for photo_id, (first, *others) in paths.items()
        }

    def faces(self, face_ids: Iterable[int]) -> dict[int, StoredFace]:
        """Faces by id, without those that are not there."""
        return {row.face_id: row for row in self._face_rows("faces.id", face_ids)}

    def faces_in(self, photo_ids: Iterable[int]) -> list[StoredFace]:
        """The faces of some photos, by id."""
        return self._face_rows("faces.photo_id", photo_ids)

    def embeddings(self) -> tuple[NDArray[np.int64], Floats]:
        """The id, int64 (N,) ascending, and the embedding, float32 (N, 32), of every face that has one."""
        rows = self._database.rows("SELECT id, embedding FROM faces WHERE embedding IS NOT NULL ORDER BY id")
        ids = np.fromiter((row[0] for row in rows), np.int64, len(rows))
        return ids, embeddings_from(row[1] for row in rows)

    def embeddings_by_id(self, face_ids: Iterable[int]) -> dict[int, Floats]:
        """The embedding of each face, float32 (32,), by id, without those that are not there or have none."""
        rows = self._database.rows_in(
            "SELECT id, embedding FROM faces WHERE embedding IS NOT NULL AND id IN ({})", face_ids
        )
        return {face_id: from_blob(blob) for face_id, blob in rows}

    def local_scales(self) -> Values:
        """The local scale, as its row keeps it, of every face that has an embedding, NaN for none: float64 (N,), in the
        order of the faces' ids."""
        rows = self._database.rows("SELECT local_scale FROM faces WHERE embedding IS NOT NULL ORDER BY id")
        return np.array([row[0] for row in rows], np.float64)

    def local_scales_by_id(self, face_ids: Iterable[int]) -> dict[int, float | None]:
        """The same of some faces, by id, None for none."""
        return dict(self._database.rows_in("SELECT id, local_scale FROM faces WHERE id IN ({})", face_ids))

    def owners(self) -> NDArray[np.int64]:
        """Every face's id, photo and person, -1 for nobody: int64 (N, 3), ids ascending."""
        rows = self._database.rows("SELECT id, photo_id, coalesce(person_id, -1) FROM faces ORDER BY id")
        return np.array(rows, np.int64).reshape(-1, 3)

    def qualities(self) -> NDArray[np.float64]:
        """Every face's quality, NaN where it has none: float64 (N,), in the order of the faces' ids."""
        rows = self._database.rows("SELECT quality FROM faces ORDER BY id")
        return np.array([row[0] for row in rows], np.float64)

    def faces_sharing_photos(self) -> list[list[int]]:
        """The faces with an embedding of each photo, or frame of a video, that has several, by id."""
        photos: defaultdict[int, list[int]] = defaultdict(list)
        for photo_id, face_id in self._database.rows(
            f"SELECT {PICTURE}, id FROM faces WHERE photo_id IN (SELECT id FROM photos WHERE face_count > 1) "
            "AND id NOT IN (SELECT id FROM faces WHERE embedding IS NULL) ORDER BY id"
        ):
            photos[photo_id].append(face_id)
        return [faces for faces in photos.values() if len(faces) > 1]

    def embeddings_of(self, face_ids: Iterable[int], photo_ids: Iterable[int]) -> Floats:
        """The embeddings of some faces, float32 (N, 32), in no particular order, with those that a reindex has made of
        them or of some photos."""
        face_ids = list(face_ids)
        rows = [
            *self._database.rows_in("SELECT embedding FROM faces WHERE id IN ({})", face_ids),
            *self._database.rows_in("SELECT embedding FROM next_faces WHERE former_id IN ({})", face_ids),
            *self._database.rows_in("SELECT embedding FROM next_faces WHERE photo_id IN ({})", photo_ids),
        ]
        return embeddings_from(row[0] for row in rows if row[0] is not None)

    def detected_faces(self, photo_id: int) -> list[tuple[int, DetectedFace]]:
        """The faces of a photo unchanged detected, in px of the photo in the file, by id."""
        rows = self._database.rows(
            "SELECT id, box, landmarks, score FROM faces WHERE photo_id = ? AND found_by = 'detector' ORDER BY id",
            (photo_id,),
        )
        return [(face_id, as_detected(*columns)) for face_id, *columns in rows]

    def face_count(self) -> int:
        """How many faces there are, with an embedding or without."""
        return kept_counts(self._database).faces

    def embedded_count(self) -> int:
        """How many faces have an embedding."""
        return self._database.embedded_count()

    def video_count(self) -> int:
        """How many of the photos are videos."""
        return int(self._database.rows("SELECT count(*) FROM photos WHERE duration_s IS NOT NULL")[0][0])

    def faces_on(self, photo_ids: Iterable[int]) -> list[StoredFace]:
        """Like `faces_in`, but of a motion photo only those on the photo itself, not those in its film."""
        faces = self.faces_in(photo_ids)
        videos = self.durations({face.photo_id for face in faces if face.span is not None})
        return [face for face in faces if face.span is None or face.photo_id in videos]

    def counts(self) -> Counts:
        """How much there is, from indices and from what is kept."""
        kept = kept_counts(self._database)
        ((missing, failed, damaged),) = self._database.rows(
            "SELECT (SELECT count(*) FROM files WHERE missing), (SELECT count(*) FROM files WHERE photo_id IS NULL), "
            "(SELECT count(*) FROM photos WHERE damage IS NOT NULL)"
        )
        return Counts(
            photos=kept.photos,
            files=kept.files,
            files_missing=missing,
            files_failed=failed,
            faces=kept.faces,
            people=kept.people,
            people_named=kept.people_named,
            photos_damaged=damaged,
        )

    def _face_rows(self, column: str, ids: Iterable[int]) -> list[StoredFace]:
        rows = self._database.rows_in(f"{SELECT_FACES} WHERE {column} IN ({{}})", ids)
        return [as_face(row) for row in sorted(rows, key=lambda row: row[0])]
