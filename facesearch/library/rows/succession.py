"""The faces of another tower or detector, gathered beside the present ones until they take their place, all at once.

Until the switch nothing that anybody sees is changed; the switch is one transaction. Refuses to keep anything of the
former faces but their ids and people.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from facesearch.library.rows.added_faces import AddedFace
from facesearch.library.rows.database import Database, as_text
from facesearch.library.rows.face_columns import found_values
from facesearch.library.rows.grouped import Grouped
from facesearch.records import EmbeddedFace, Models

_SETTING = "next"


class Succession:
    """Reads and changes the faces to come. Changes are made inside a transaction of the Database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def models(self) -> Models | None:
        """The person whose faces are being gathered; None where none are."""
        text = self._database.settings().get(_SETTING)
        return None if text is None else Models(**json.loads(text))

    def begin(self, models: Models) -> None:
        """Gather the faces of some models, from nothing."""
        self.end()
        self._database.set_settings({_SETTING: json.dumps(asdict(models))})

    def end(self) -> None:
        """Drop what has been gathered."""
        self._database.execute("DELETE FROM next_faces")
        self._database.execute("DELETE FROM next_photos")
        self._database.execute("DELETE FROM settings WHERE key = ?", (_SETTING,))

    def pending(self) -> list[int]:
        """The photos that have not been read with the new models yet, by id."""
        rows = self._database.rows(
            "SELECT id FROM photos WHERE id NOT IN (SELECT photo_id FROM next_photos) ORDER BY id"
        )
        return [row[0] for row in rows]

    def put(
        self,
        photo_id: int,
        size_px: tuple[int, int],
        faces: Sequence[tuple[EmbeddedFace, int | None]],
        added: Sequence[tuple[AddedFace, int]] = (),
        *,
        new_sha256: str | None = None,
    ) -> None:
        """A photo that was read, and its faces, each with the id of the present face whose place it takes. added: those
        that the detector does not find. new_sha256: of what its file shows by now, after an edit."""
        self._database.execute(
            "INSERT INTO next_photos (photo_id, width_px, height_px, sha256) VALUES (?, ?, ?, ?)",
            (photo_id, *size_px, new_sha256),
        )
        for embedded, former_id in faces:
            self._database.execute(
                "INSERT INTO next_faces (photo_id, former_id, box, landmarks, score, quality, embedding, "
                "start_s, end_s, at_s, track) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (photo_id, former_id, *found_values(embedded)),
            )

        self._database.execute_many(
            "INSERT INTO next_faces (photo_id, former_id, box, landmarks, score, quality, embedding, found_by) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(photo_id, face_id, *face.values) for face, face_id in added],
        )

    def put_failed(self, photo_id: int, reason: str | None) -> None:
        """A photo that can no longer be read, and why; without a reason: its files show something else by now."""
        self._database.execute(
            "INSERT INTO next_photos (photo_id, reason) VALUES (?, ?)", (photo_id, as_text(reason or ""))
        )

    def knows(self, sha256: str) -> bool:
        """Whether a photo of that content is there, or to come."""
        return bool(
            self._database.rows(
                "SELECT 1 FROM photos WHERE sha256 = ? UNION ALL SELECT 1 FROM next_photos WHERE sha256 = ?",
                (sha256, sha256),
            )
        )

    def leave_known_contents(self) -> None:
        """Leave edited photos to the next index whose files show what another photo of the library shows by now."""
        known = "photo_id IN (SELECT photo_id FROM next_photos WHERE sha256 IN (SELECT sha256 FROM photos))"
        self._database.execute(f"DELETE FROM next_faces WHERE {known}")
        self._database.execute(
            f"UPDATE next_photos SET width_px = NULL, height_px = NULL, sha256 = NULL, reason = '' WHERE {known}"
        )

    def names_without_successor(self) -> list[tuple[int, str]]:
        """Photo and name of every face of somebody with a name that would leave without another one in its place."""
        return self._database.rows(
            "SELECT photo_id, name FROM faces JOIN people ON people.id = person_id WHERE name IS NOT NULL "
            "AND faces.id NOT IN (SELECT former_id FROM next_faces WHERE former_id IS NOT NULL) ORDER BY faces.id"
        )

    def switch(self, models: Models) -> None:
        """Put the new faces in the place of the present ones, with their ids and people, and the new models into the
        settings. Photos that were not gathered, or that show something else by now, are forgotten with their files, so
        that the next index reads them; those that cannot be read become their reason."""
        database = self._database
        database.changes.remapped = True
        for statement in (
            "UPDATE faces SET box = next.box, landmarks = next.landmarks, score = next.score, "
            "quality = next.quality, embedding = next.embedding, found_by = next.found_by, local_scale = NULL, "
            "start_s = next.start_s, end_s = next.end_s, at_s = next.at_s, track = next.track "
            "FROM next_faces AS next "
            "WHERE next.former_id = faces.id",
            # Those that an undo can bring back keep name and box, where the photo shows what it did.
            "DELETE FROM removed_faces WHERE photo_id IN (SELECT photo_id FROM next_photos WHERE sha256 IS NOT NULL)",
            "UPDATE removed_faces SET landmarks = NULL, embedding = NULL, quality = NULL, score = 0, "
            "found_by = CASE found_by WHEN 'detector' THEN 'user' ELSE found_by END",
            "DELETE FROM faces WHERE id NOT IN (SELECT former_id FROM next_faces WHERE former_id IS NOT NULL)",
            "INSERT INTO faces (photo_id, box, landmarks, score, quality, embedding, found_by, start_s, end_s, at_s, "
            "track) SELECT photo_id, box, landmarks, score, quality, embedding, found_by, start_s, end_s, at_s, track "
            "FROM next_faces "
            "WHERE former_id IS NULL ORDER BY id",
            "UPDATE photos SET width_px = next.width_px, height_px = next.height_px FROM next_photos AS next "
            "WHERE next.photo_id = photos.id AND next.reason IS NULL",
            # A copy of the photo as it was is to be read as what it is.
            "UPDATE files SET mtime_ns = -1 "
            "WHERE photo_id IN (SELECT photo_id FROM next_photos WHERE sha256 IS NOT NULL)",
            "UPDATE photos SET sha256 = next.sha256 FROM next_photos AS next "
            "WHERE next.photo_id = photos.id AND next.sha256 IS NOT NULL",
            "UPDATE photos SET face_count = (SELECT count(*) FROM faces WHERE photo_id = photos.id)",
            "UPDATE files SET photo_id = NULL, reason = next.reason FROM next_photos AS next "
            "WHERE next.photo_id = files.photo_id AND next.reason <> ''",
            "DELETE FROM files WHERE photo_id IS NOT NULL "
            "AND photo_id NOT IN (SELECT photo_id FROM next_photos WHERE reason IS NULL)",
            "DELETE FROM photos WHERE id NOT IN (SELECT photo_id FROM next_photos WHERE reason IS NULL)",
        ):
            database.execute(statement)
        self.end()
        database.set_settings({key: str(value) for key, value in asdict(models).items()})
        Grouped(database).note(0)  # how near faces are has changed
