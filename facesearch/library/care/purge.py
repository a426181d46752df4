"""Deletes for good: after a purge, no file of the library holds anything that its rows no longer hold."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from facesearch.errors import LibraryError
from facesearch.library.care.strays import is_half_written, is_kept_copy
from facesearch.library.folder import DATABASE_NAME
from facesearch.library.library_vectors import LibraryVectors
from facesearch.library.picture_cache import drop_pictures
from facesearch.library.rows import schema
from facesearch.library.rows.database import Database

PURGE_SETTING = "purge"


class Purge:
    """The purge of an open library. A purge that was cut short is ended by whoever next opens it for writing."""

    def __init__(
        self, path: Path, database: Database, vectors: LibraryVectors, refuse_reader: Callable[[], None]
    ) -> None:
        self._path = path
        self._database = database
        self._vectors = vectors
        self._refuse_reader = refuse_reader

    @property
    def is_pending(self) -> bool:
        """Whether a purge has begun that has not ended."""
        return PURGE_SETTING in self._database.settings()

    def begin(self) -> None:
        """Inside `Library.changing`: what is deleted there leaves no trace, even if this process is killed. `run`
        follows; otherwise whoever next opens the library for writing runs it."""
        self._database.set_settings({PURGE_SETTING: "begun"})

    def kept_copies(self) -> tuple[str, ...]:
        """The copies of former databases in the folder, and what was left half-written."""
        names = (entry.name for entry in self._path.iterdir())
        return tuple(sorted(name for name in names if is_kept_copy(name) or is_half_written(name)))

    def needs_rewriting(self) -> bool:
        """Before the deletion: whether former ones may have left more in the database than SQLite overwrote."""
        return self._database.has_free_pages()

    def run(self, *, rewrite: bool = True) -> bool:
        """Rewrite every file and delete the copies of former databases, so that no deleted bytes are left in them.
        Returns False if another process is reading, which keeps the log from being emptied.

        rewrite: also rewrite the database. Otherwise SQLite has overwritten deleted rows in place (secure_delete), but
        copies can be left in gaps of its pages: the purge stays pending until a search finds none and `ended` is
        called.
        """
        self._refuse_reader()
        for name in self.kept_copies():
            (self._path / name).unlink(missing_ok=True)
        try:
            drop_pictures(self._path)
        except PermissionError as error:  # Windows deletes no file that a page has open
            raise LibraryError(
                f"forgotten, but the pictures of faces in {self._path} cannot be deleted: {error.strerror}; stop "
                "facesearch serve, and run facesearch verify --repair"
            ) from error
        self._vectors.purge()
        if not rewrite:
            return self._database.empty_log()
        if not self._database.vacuum():
            return False
        _end(self._database)
        return True


def ended(path: Path) -> None:
    """A search of the library in a folder found nothing that was deleted. Called by the holder of the writer lock."""
    with closing(Database(schema.connect(path / DATABASE_NAME, writable=True))) as database:
        _end(database)


def _end(database: Database) -> None:
    with database.transaction():
        database.execute("DELETE FROM settings WHERE key = ?", (PURGE_SETTING,))
