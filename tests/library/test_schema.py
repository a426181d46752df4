"""Library databases: created private, opened only when they are ours and of this version, migrated after a copy."""

from __future__ import annotations

import os
import resource
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from facesearch.errors import LibraryError
from facesearch.library.rows import schema
from facesearch.library.rows.database import Database


def _set_version(path: Path, number: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {number}")


def _snapshot(folder: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


def test_a_new_database_has_the_version_of_its_last_migration(database_path: Path) -> None:
    assert schema.version(database_path) == len(schema.MIGRATIONS)
    assert sorted(entry.name for entry in database_path.parent.iterdir()) == ["library.db"]


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_every_file_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        path = tmp_path / "library.db"
        schema.create(path, {})
        writer = Database(schema.connect(path, writable=True))
        with writer.transaction():
            writer.set_settings({"a": "b"})
        modes = {entry.name: entry.stat().st_mode & 0o777 for entry in tmp_path.iterdir()}
        writer.close()
    finally:
        os.umask(before)
    assert modes == {"library.db": 0o600, "library.db-wal": 0o600, "library.db-shm": 0o600}


def test_creation_begins_anew_where_one_was_killed(tmp_path: Path) -> None:
    (tmp_path / "library.db.new").write_bytes(b"half")
    (tmp_path / "library.db.new-wal").write_bytes(b"half")
    schema.create(tmp_path / "library.db", {"library_id": "x"})
    with closing(schema.connect(tmp_path / "library.db", writable=False)) as connection:
        assert connection.execute("SELECT * FROM settings").fetchall() == [("library_id", "x")]


def test_a_reader_changes_nothing_in_the_folder(database_path: Path) -> None:
    before = _snapshot(database_path.parent)
    reader = Database(schema.connect(database_path, writable=False))
    assert reader.settings() == {"library_id": "test"}
    with pytest.raises(LibraryError, match="readonly"):
        reader.set_settings({"library_id": "other"})
    reader.close()
    assert _snapshot(database_path.parent) == before


def test_a_reader_sees_one_state_while_a_writer_goes_on(database_path: Path, database: Database) -> None:
    reader = Database(schema.connect(database_path, writable=False))
    with reader.snapshot():
        assert reader.settings() == {"library_id": "test"}
        with database.transaction():
            database.set_settings({"library_id": "later"})
        assert reader.settings() == {"library_id": "test"}
    assert reader.settings() == {"library_id": "later"}
    reader.close()


def test_a_newer_database_is_refused(database_path: Path) -> None:
    _set_version(database_path, len(schema.MIGRATIONS) + 1)
    with pytest.raises(LibraryError, match="newer facesearch"):
        schema.version(database_path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"no database at all" * 100)
    with pytest.raises(LibraryError, match="not a database"):
        schema.version(garbage)
    foreign = tmp_path / "foreign.db"
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE settings (key, value)")
    with pytest.raises(LibraryError, match="not a facesearch library"):
        schema.version(foreign)


def test_an_older_database_is_copied_and_then_migrated(database_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    current = len(schema.MIGRATIONS)
    monkeypatch.setattr(
        schema, "MIGRATIONS", (*schema.MIGRATIONS, lambda db: db.execute("CREATE TABLE later (id INTEGER PRIMARY KEY)"))
    )
    backup = schema.migrate(database_path)
    assert backup is not None
    assert backup.stat().st_mode & 0o777 == 0o600
    assert schema.version(backup) == current
    assert schema.version(database_path) == current + 1
    with closing(sqlite3.connect(database_path)) as connection:
        assert connection.execute("SELECT value FROM settings").fetchall() == [("test",)]
        assert connection.execute("SELECT count(*) FROM later").fetchone() == (0,)
    assert schema.migrate(database_path) is None


def test_a_migration_that_fails_leaves_the_older_version_whole(
    database_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    current = len(schema.MIGRATIONS)

    def broken(db: object) -> None:
        db.execute("DROP TABLE journal")  # type: ignore[attr-defined]
        raise RuntimeError("power cut")

    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, broken))
    with pytest.raises(RuntimeError, match="power cut"):
        schema.migrate(database_path)
    assert schema.version(database_path) == current
    with closing(sqlite3.connect(database_path)) as connection:
        assert connection.execute("SELECT count(*) FROM journal").fetchone() == (0,)


def test_a_copy_that_the_disk_has_no_room_for_leaves_nothing_behind(
    database_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel refuses to let the copy grow."""
    current = len(schema.MIGRATIONS)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, lambda db: None))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(LibraryError, match="free disk space"):
            schema.migrate(database_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(database_path.parent.glob("*.backup*"))
    assert schema.version(database_path) == current
    assert schema.migrate(database_path) is not None


def test_faces_from_before_faces_had_a_quality_have_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, every = tmp_path / "library.db", schema.MIGRATIONS
    monkeypatch.setattr(schema, "MIGRATIONS", every[:8])
    schema.create(path, {})
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO photos (sha256, width_px, height_px, added_at) VALUES ('a', 1, 1, '')")
        row = (bytes(16), bytes(40), bytes(128))
        connection.execute("INSERT INTO faces (photo_id, box, landmarks, score, embedding) VALUES (1, ?, ?, 1, ?)", row)
    monkeypatch.setattr(schema, "MIGRATIONS", every)
    schema.migrate(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT quality FROM faces").fetchall() == [(None,)]
