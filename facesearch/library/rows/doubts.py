"""Faces whose rows were damaged: they keep their people and wait for the next index, which reads their photos again.

Methods are called inside a transaction of the Database.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from facesearch.library.rows.database import Database, now
from facesearch.library.rows.face_columns import as_blob, found_values, from_blob
from facesearch.records import EmbeddedFace, Floats

# Eyes and corners of the mouth, as shares of the box that a detector draws: their extent, and where their middle is.
_EXTENT, _MIDDLE = np.array([0.45, 0.37]), np.array([0.5, 0.585])


class Doubts:
    """Reads and changes which photos are to be read again, and the faces that wait for it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def photos(self) -> set[int]:
        """The photos that the next index reads again though their files are unchanged."""
        return {row[0] for row in self._database.rows("SELECT photo_id FROM photos_in_doubt")}

    def add(self, photo_ids: Iterable[int]) -> None:
        """Have photos read again."""
        self._database.execute_many(
            "INSERT OR IGNORE INTO photos_in_doubt SELECT id FROM photos WHERE id = ?",
            [(photo_id,) for photo_id in photo_ids],
        )

    def stand_in(self, photo_ids: Iterable[int]) -> None:
        """Put a row in the place of photos whose rows are lost, but not their faces and files. To the next index each
        is a photo that was edited: the faces that it finds in the file keep the people of those that look alike."""
        for photo_id in photo_ids:
            rows = self._database.rows("SELECT box FROM faces WHERE photo_id = ?", (photo_id,))
            boxes = [from_blob(box) for (box,) in rows if _is_whole(box, 16)]
            width, height = np.ceil(np.max([np.ones(2, np.float32), *(box[2:] for box in boxes)], axis=0)).tolist()
            self._database.execute(
                "INSERT INTO photos (id, sha256, width_px, height_px, added_at, face_count) VALUES (?, ?, ?, ?, ?, ?)",
                (photo_id, f"lost-{photo_id}", int(width), int(height), now(), len(rows)),
            )
            self._database.execute("UPDATE files SET mtime_ns = -1 WHERE photo_id = ?", (photo_id,))

    def settle(self, photo_id: int) -> None:
        """Note that a photo was read again."""
        self._database.execute("DELETE FROM photos_in_doubt WHERE photo_id = ?", (photo_id,))

    def strip(self, face_ids: Iterable[int]) -> None:
        """Leave faces whose numbers are damaged what can be trusted, the person and where they are, as faces that were
        added; and have their photos read again. Without a box, they are anywhere on the photo."""
        ids = sorted(face_ids)
        self._database.note_removal(ids)
        self._database.note_other_faces(ids)
        rows = self._database.rows_in(
            "SELECT faces.id, photo_id, width_px, height_px, duration_s, box, landmarks, start_s, end_s, at_s, track "
            "FROM faces JOIN photos ON photos.id = photo_id WHERE faces.id IN ({})",
            ids,
        )
        for face_id, photo_id, width, height, duration_s, box, landmarks, *span in rows:
            place = _place(box, landmarks, (width, height))
            kept_span = tuple(span) if _is_span(*span) else (None,) * 4
            if duration_s is not None and kept_span[0] is None:
                ((track,),) = self._database.rows(
                    "SELECT coalesce(max(track), 0) + 1 FROM faces WHERE photo_id = ?", (photo_id,)
                )
                kept_span = (0.0, 0.0, 0.0, track)
            self._database.execute(
                "UPDATE faces SET box = ?, landmarks = NULL, embedding = NULL, quality = NULL, local_scale = NULL, "
                "score = 0, found_by = CASE found_by WHEN 'import' THEN found_by ELSE 'user' END, "
                "start_s = ?, end_s = ?, at_s = ?, track = ? WHERE id = ?",
                (as_blob(place), *kept_span, face_id),
            )
        self.add({row[1] for row in rows})

    def fill_in(self, face_id: int, embedded: EmbeddedFace) -> None:
        """Give a face that waits what the detector and the tower say of it again."""
        self._database.execute(
            "UPDATE faces SET box = ?, landmarks = ?, score = ?, quality = ?, embedding = ?, local_scale = NULL, "
            "found_by = 'detector', start_s = ?, end_s = ?, at_s = ?, track = ? WHERE id = ?",
            (*found_values(embedded), face_id),
        )
        self._database.note_other_faces([face_id])
        self._database.changes.added.append((face_id, embedded.embedding))


def _place(box: Any, landmarks: Any, size_px: tuple[int, int]) -> Floats:
    """The box of a face, by its landmarks where it is damaged; all of the photo where both are."""
    if _is_whole(box, 16):
        return from_blob(box)
    if _is_whole(landmarks, 40):
        points = from_blob(landmarks).reshape(5, 2)
        low, high = points.min(axis=0), points.max(axis=0)
        sides = (high - low) / _EXTENT
        start = (low + high) / 2 - _MIDDLE * sides
        corners = np.concatenate([start, start + sides])
        return np.asarray(np.clip(corners, 0, [*size_px, *size_px]), np.float32)
    return np.array([0, 0, *size_px], np.float32)


def _is_whole(blob: Any, size_bytes: int) -> bool:
    return isinstance(blob, bytes) and len(blob) == size_bytes and bool(np.isfinite(from_blob(blob)).all())


def _is_span(start_s: Any, end_s: Any, at_s: Any, track: Any) -> bool:
    return None not in (start_s, end_s, at_s, track) and 0 <= start_s <= at_s <= end_s
