"""The numbered steps that lead to a library's tables, in sqlite-utils. Steps are appended, never changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from facesearch.library.rows.counts import create_kept_counts
from facesearch.library.rows.first_tables import create_first_tables

if TYPE_CHECKING:
    from sqlite_utils import Database


def _failures_and_moves(db: Database) -> None:
    """Version 2. software: what failed to read a file, so that another one tries again. settled: 0 for a file that
    shows a known photo, until a whole run has found out whether the photo was copied or moved there."""
    db.execute("ALTER TABLE files ADD COLUMN software TEXT")
    db.execute("ALTER TABLE files ADD COLUMN settled INTEGER NOT NULL DEFAULT 1 CHECK (settled IN (0, 1))")
    db.execute("CREATE INDEX files_unsettled ON files (photo_id) WHERE settled = 0")


def _face_counts(db: Database) -> None:
    """Version 3. How many faces a photo has, so that a lost one is missed."""
    db.execute("ALTER TABLE photos ADD COLUMN face_count INTEGER NOT NULL DEFAULT 0")
    db.execute("UPDATE photos SET face_count = (SELECT count(*) FROM faces WHERE photo_id = photos.id)")


def _forgotten_faces(db: Database) -> None:
    """Version 4. How many faces of a photo were forgotten on request: they are not to come back, nor another face to be
    taken for theirs."""
    db.execute("ALTER TABLE photos ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0")


def _faces_to_come(db: Database) -> None:
    """Version 5. The photos and faces of another tower or detector, until they take the place of the present ones.
    former_id: the face whose place a face takes. reason: why a photo cannot be read; '' where it is another by now."""
    db.execute(
        """CREATE TABLE next_photos (
            photo_id INTEGER PRIMARY KEY REFERENCES photos (id) ON DELETE CASCADE,
            width_px INTEGER,
            height_px INTEGER,
            reason TEXT,
            CHECK ((width_px IS NULL) = (height_px IS NULL) AND (width_px IS NULL) = (reason IS NOT NULL))) STRICT"""
    )
    db.execute(
        """CREATE TABLE next_faces (
            id INTEGER PRIMARY KEY,
            photo_id INTEGER NOT NULL REFERENCES next_photos (photo_id) ON DELETE CASCADE,
            former_id INTEGER UNIQUE REFERENCES faces (id) ON DELETE CASCADE,
            box BLOB NOT NULL CHECK (length(box) = 16),
            landmarks BLOB NOT NULL CHECK (length(landmarks) = 40),
            score REAL NOT NULL,
            embedding BLOB NOT NULL CHECK (length(embedding) = 128)) STRICT"""
    )
    db.execute("CREATE INDEX next_faces_photo ON next_faces (photo_id)")


def _rejections(db: Database) -> None:
    """Version 6. Faces that somebody has said are not a person's; and when people were born, as an ISO date."""
    db.execute("ALTER TABLE people ADD COLUMN born TEXT")
    db.execute(
        """CREATE TABLE rejections (
            face_id INTEGER NOT NULL REFERENCES faces (id) ON DELETE CASCADE,
            person_id INTEGER NOT NULL REFERENCES people (id) ON DELETE CASCADE,
            PRIMARY KEY (face_id, person_id)) STRICT"""
    )
    db.execute("CREATE INDEX rejections_person ON rejections (person_id)")


def _heads(db: Database) -> None:
    """Version 7. What a library was taught, the last of them in force. weights: float32 (32, 32), row by row,
    little-endian, over the embeddings of the tower with that SHA-256. details: JSON."""
    db.execute(
        """CREATE TABLE heads (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            created_at TEXT NOT NULL,
            tower TEXT NOT NULL,
            weights BLOB NOT NULL CHECK (length(weights) = 4096),
            details TEXT NOT NULL) STRICT"""
    )


def _drives(db: Database) -> None:
    """Version 8. Folders below the walked ones in which another drive was mounted: one whose folder is gone may come
    back, which a folder that was deleted does not."""
    db.execute(
        """CREATE TABLE drives (
            id INTEGER PRIMARY KEY,
            path BLOB NOT NULL UNIQUE,
            walked_at TEXT NOT NULL) STRICT"""
    )


def _quality(db: Database) -> None:
    """Version 9. How well a face can be recognised, 0 to 1; NULL for faces from before."""
    for table in ("faces", "next_faces"):
        db.execute(f"ALTER TABLE {table} ADD COLUMN quality REAL CHECK (quality BETWEEN 0 AND 1)")


def _damage(db: Database) -> None:
    """Version 10. What is missing of a photo of which only a part can be seen, in words; NULL where nothing is."""
    db.execute("ALTER TABLE photos ADD COLUMN damage TEXT")


def _local_scales(db: Database) -> None:
    """Version 11. How far apart strangers lie around a face, in the space and by the cohort that the setting `scales`
    names; NULL where it has yet to be computed from the embedding, or there is no cohort."""
    db.execute("ALTER TABLE faces ADD COLUMN local_scale REAL CHECK (local_scale > 0)")
    db.execute("CREATE INDEX faces_unscaled ON faces (id) WHERE local_scale IS NULL")


def _dates(db: Database) -> None:
    """Version 12. When photos were taken: local time (ISO 8601), minutes ahead of UTC where known, and who says so; and
    indices from which alone photos of people are found."""
    for column in ("taken_at TEXT", "taken_zone_min INTEGER", "taken_source TEXT"):
        db.execute(f"ALTER TABLE photos ADD COLUMN {column}")
    for statement in (
        "CREATE INDEX photos_taken ON photos (taken_at)",
        "CREATE INDEX photos_undated ON photos (id) WHERE taken_source IS NULL",
        "DROP INDEX faces_person",
        "CREATE INDEX faces_person ON faces (person_id, photo_id) WHERE person_id IS NOT NULL",
        "DROP INDEX faces_photo",
        "CREATE INDEX faces_photo ON faces (photo_id, person_id)",
        "CREATE INDEX faces_nobody ON faces (quality, photo_id) WHERE person_id IS NULL",
    ):
        db.execute(statement)


def _hidden_and_covers(db: Database) -> None:
    """Version 13. Hidden people, such as strangers and posters; and the faces chosen as covers."""
    db.execute("ALTER TABLE people ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0 CHECK (hidden IN (0, 1))")
    db.execute("ALTER TABLE people ADD COLUMN cover_face_id INTEGER REFERENCES faces (id) ON DELETE SET NULL")
    db.execute("CREATE INDEX people_cover ON people (cover_face_id) WHERE cover_face_id IS NOT NULL")
    db.execute("CREATE INDEX files_missing ON files (photo_id) WHERE missing")


def _added_faces(db: Database) -> None:
    """Version 14. Faces that the detector missed. found_by: who found a face; landmarks and embedding are NULL where
    none could be placed, which only those have that were added. Columns cannot lose their NOT NULL, so both tables are
    written again. removed_faces: those whose adding was undone, for the undo to be undone."""
    found_by = "found_by TEXT NOT NULL DEFAULT 'detector' CHECK (found_by IN ('detector', 'user', 'import'))"
    numbers = """box BLOB NOT NULL CHECK (length(box) = 16),
            landmarks BLOB CHECK (length(landmarks) = 40),
            score REAL NOT NULL,
            quality REAL CHECK (quality BETWEEN 0 AND 1),
            embedding BLOB CHECK (length(embedding) = 128)"""
    whole = """CHECK ((landmarks IS NULL) = (embedding IS NULL)),
            CHECK (embedding IS NOT NULL OR found_by <> 'detector')"""
    columns = "id, photo_id, box, landmarks, score, quality, embedding"
    of_faces, of_next = f"{columns}, person_id, person_source, local_scale", f"{columns}, former_id"
    for statement in (
        f"""CREATE TABLE new_faces (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            photo_id INTEGER NOT NULL REFERENCES photos (id) ON DELETE CASCADE,
            {numbers},
            person_id INTEGER REFERENCES people (id) ON DELETE SET NULL,
            person_source TEXT,
            local_scale REAL CHECK (local_scale > 0),
            {found_by},
            CHECK (person_id IS NULL OR person_source IS NOT NULL),
            {whole}) STRICT""",
        # Ids that were ever used stay so.
        "INSERT INTO sqlite_sequence (name, seq) SELECT 'new_faces', seq FROM sqlite_sequence WHERE name = 'faces'",
        f"INSERT INTO new_faces ({of_faces}) SELECT {of_faces} FROM faces ORDER BY id",
        f"""CREATE TABLE new_next_faces (
            id INTEGER PRIMARY KEY,
            photo_id INTEGER NOT NULL REFERENCES next_photos (photo_id) ON DELETE CASCADE,
            former_id INTEGER UNIQUE REFERENCES faces (id) ON DELETE CASCADE,
            {numbers},
            {found_by},
            {whole}) STRICT""",
        f"INSERT INTO new_next_faces ({of_next}) SELECT {of_next} FROM next_faces ORDER BY id",
        "DROP TABLE next_faces",
        "DROP TABLE faces",
        "ALTER TABLE new_faces RENAME TO faces",
        "ALTER TABLE new_next_faces RENAME TO next_faces",
        "CREATE INDEX next_faces_photo ON next_faces (photo_id)",
        "CREATE INDEX faces_person ON faces (person_id, photo_id) WHERE person_id IS NOT NULL",
        "CREATE INDEX faces_photo ON faces (photo_id, person_id)",
        "CREATE INDEX faces_nobody ON faces (quality, photo_id) WHERE person_id IS NULL",
        "CREATE INDEX faces_unscaled ON faces (id) WHERE local_scale IS NULL AND embedding IS NOT NULL",
        "CREATE INDEX faces_without_embedding ON faces (person_id, photo_id) WHERE embedding IS NULL",
        "CREATE INDEX faces_added ON faces (photo_id) WHERE found_by <> 'detector'",
        f"""CREATE TABLE removed_faces (
            id INTEGER PRIMARY KEY,
            photo_id INTEGER NOT NULL REFERENCES photos (id) ON DELETE CASCADE,
            {numbers},
            {found_by},
            {whole}) STRICT""",
        "CREATE INDEX removed_faces_photo ON removed_faces (photo_id)",
    ):
        db.execute(statement)


def _videos(db: Database) -> None:
    """Version 15. How long a video is, and when a face is seen in it, in seconds; NULL for photos. at_s: of the frame
    that the face's box lies on. track: the same for faces of one person seen without a long break."""
    db.execute("ALTER TABLE photos ADD COLUMN duration_s REAL CHECK (duration_s >= 0)")
    for table in ("faces", "next_faces"):
        for column in ("start_s REAL", "end_s REAL", "at_s REAL", "track INTEGER"):
            db.execute(f"ALTER TABLE {table} ADD COLUMN {column}")


def _large_libraries(db: Database) -> None:
    """Version 16. What a run asks about all photos, from indices that hold few of them. left_photos: those that a file
    has ceased to show, until it is known whether any other shows them."""
    # Not OR IGNORE, which an upsert that fires a trigger turns into an error.
    note = (
        "INSERT INTO left_photos SELECT old.photo_id "
        "WHERE NOT EXISTS (SELECT 1 FROM left_photos WHERE photo_id = old.photo_id)"
    )
    for statement in (
        "CREATE TABLE left_photos (photo_id INTEGER PRIMARY KEY) STRICT",
        "INSERT INTO left_photos SELECT id FROM photos "
        "WHERE id NOT IN (SELECT photo_id FROM files WHERE photo_id IS NOT NULL)",
        f"CREATE TRIGGER files_deleted AFTER DELETE ON files WHEN old.photo_id IS NOT NULL BEGIN {note}; END",
        "CREATE TRIGGER files_changed AFTER UPDATE OF photo_id ON files "
        f"WHEN old.photo_id IS NOT NULL AND old.photo_id IS NOT new.photo_id BEGIN {note}; END",
        "CREATE INDEX files_size ON files (size_bytes)",
        "CREATE INDEX photos_without_faces ON photos (id) WHERE face_count = 0 AND forgotten = 0",
        "CREATE INDEX photos_damaged ON photos (id) WHERE damage IS NOT NULL",
        "CREATE INDEX photos_videos ON photos (id) WHERE duration_s IS NOT NULL",
    ):
        db.execute(statement)


def _faces_in_videos(db: Database) -> None:
    """Version 17. Photos with a film are found without reading every face."""
    db.execute("CREATE INDEX faces_in_videos ON faces (photo_id) WHERE track IS NOT NULL")


def _kept_counts(db: Database) -> None:
    """Version 18. How many photos, files, people and faces there are, without counting them."""
    create_kept_counts(db)


def _edited_photos(db: Database) -> None:
    """Version 19. What the file of a photo to come shows by now, where another program has edited it since it was
    indexed."""
    db.execute("ALTER TABLE next_photos ADD COLUMN sha256 TEXT")


def _photos_in_doubt(db: Database) -> None:
    """Version 20. Photos of which numbers were damaged: the next index reads them again though they are unchanged."""
    db.execute(
        "CREATE TABLE photos_in_doubt (photo_id INTEGER PRIMARY KEY REFERENCES photos (id) ON DELETE CASCADE) STRICT"
    )


def _hidden_people(db: Database) -> None:
    """Version 21. An index from which alone hidden people are found: each question asks who is hidden."""
    db.execute("CREATE INDEX people_hidden ON people (id) WHERE hidden")


# The version of a database is the number of steps it has taken. Steps are appended, never changed.
MIGRATIONS: tuple[Callable[[Database], None], ...] = (
    create_first_tables,
    _failures_and_moves,
    _face_counts,
    _forgotten_faces,
    _faces_to_come,
    _rejections,
    _heads,
    _drives,
    _quality,
    _damage,
    _local_scales,
    _dates,
    _hidden_and_covers,
    _added_faces,
    _videos,
    _large_libraries,
    _faces_in_videos,
    _kept_counts,
    _edited_photos,
    _photos_in_doubt,
    _hidden_people,
)
