"""The rows of files, and of the folders that were walked for them.

A file is a path that shows a photo, or the reason why it could not be read. Methods that change rows are called inside
a transaction of the Database.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from facesearch.library.rows.database import Database, as_text, now
from facesearch.paths import in_one_form, stored_path
from facesearch.records import KnownFile, PhotoFile

UNSHOWN = (
    "SELECT photo_id FROM left_photos "
    "WHERE NOT EXISTS (SELECT 1 FROM files WHERE files.photo_id = left_photos.photo_id)"
)
"""The photos that no file shows any more, which `Catalog.drop_unshown` deletes."""


class Files:
    """Reads and changes the files of a library."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._forms: dict[str, bytes] = {}  # see _by_one_form
        self._forms_at: object = None

    def under(self, folders: Iterable[Path]) -> dict[bytes, KnownFile]:
        """Every known file that is one of `folders` or lies below one, by `stored_path`."""
        known = {}
        for folder in folders:
            start = stored_path(folder).rstrip(b"/")
            for row in self._database.rows(
                "SELECT path, id, size_bytes, mtime_ns, photo_id, reason, missing, software FROM files "
                "WHERE path = ? OR (path > ? AND path < ?)",
                (start, start + b"/", start + b"0"),  # "0" follows "/"
            ):
                path, file_id, size_bytes, mtime_ns, photo_id, reason, missing, software = row
                known[path] = KnownFile(file_id, size_bytes, mtime_ns, photo_id, reason, bool(missing), software)
        return known

    def at(self, path: Path) -> KnownFile | None:
        """What is known of a file; its path may be in another Unicode form than the one that the rows have."""
        known = self.under([path]).get(stored_path(path))
        if known is not None or str(path).isascii():
            return known
        stored = self._by_one_form().get(in_one_form(path.as_posix()))
        return None if stored is None else self.under([Path(os.fsdecode(stored))])[stored]

    def spelled(self, path: Path) -> Path:
        """A path, whole, in the Unicode form in which the rows have that file, or files in that folder."""
        if str(path).isascii() or self.under([path]):
            return path
        wanted = in_one_form(path.as_posix())
        for known, stored in self._by_one_form().items():
            if known == wanted or known.startswith(f"{wanted}/"):
                return Path(*Path(os.fsdecode(stored)).parts[: len(path.parts)])
        return path

    def _by_one_form(self) -> Mapping[str, bytes]:
        """The paths that can be typed in several Unicode forms, by one of these; read once a transaction."""
        version = self._database.version()
        if version != self._forms_at:
            rows = self._database.rows("SELECT path FROM files ORDER BY path")
            self._forms = {in_one_form(os.fsdecode(path)): path for (path,) in rows if not path.isascii()}
            self._forms_at = version
        return self._forms

    def sizes_among(self, sizes_bytes: Iterable[int]) -> set[int]:
        """Those of some sizes in bytes that known files have."""
        rows = self._database.rows_in("SELECT DISTINCT size_bytes FROM files WHERE size_bytes IN ({})", sizes_bytes)
        return {row[0] for row in rows}

    def contents_of(self, sizes_bytes: Iterable[int]) -> set[str]:
        """The sha256 of all photos with a known file of one of some sizes in bytes."""
        rows = self._database.rows_in(
            "SELECT sha256 FROM photos WHERE id IN (SELECT photo_id FROM files WHERE size_bytes IN ({}))", sizes_bytes
        )
        return {row[0] for row in rows}

    def of(self, photo_ids: Iterable[int]) -> list[tuple[bytes, int, int, bool]]:
        """The files that show some photos: `stored_path`, file id, photo id, whether known to be missing."""
        rows = self._database.rows_in("SELECT path, id, photo_id, missing FROM files WHERE photo_id IN ({})", photo_ids)
        return [(path, file_id, photo_id, bool(missing)) for path, file_id, photo_id, missing in sorted(rows)]

    def unshown_photos(self) -> set[int]:
        """The photos that no file shows any more."""
        return {row[0] for row in self._database.rows(UNSHOWN)}

    def with_copies(self, photo_ids: Iterable[int]) -> list[int]:
        """Those of some photos that several files show."""
        counted = "SELECT photo_id FROM files WHERE photo_id IN ({}) GROUP BY photo_id HAVING count(*) > 1"
        return [photo_id for (photo_id,) in self._database.rows_in(counted, photo_ids)]

    def put(
        self, file: PhotoFile, photo_id: int | None, reason: str | None = None, software: str | None = None
    ) -> None:
        """Say what a file shows, or why it shows nothing, by which software. What it showed before stays until
        `drop_unshown`. A file that shows a photo which another file shows too is unsettled until `settle`."""
        path, reason = stored_path(file.path), reason and as_text(reason)
        self._database.execute(
            "INSERT INTO files (path, size_bytes, mtime_ns, photo_id, reason, software, settled) "
            "VALUES (?, ?, ?, ?, ?, ?, NOT EXISTS (SELECT 1 FROM files WHERE photo_id = ? AND path <> ?)) "
            "ON CONFLICT (path) DO UPDATE SET size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns, "
            "photo_id = excluded.photo_id, reason = excluded.reason, missing = 0, software = excluded.software, "
            "settled = CASE WHEN photo_id IS excluded.photo_id THEN settled ELSE excluded.settled END",
            (path, file.size_bytes, file.mtime_ns, photo_id, reason, software, photo_id, path),
        )

    def unsettled_photos(self) -> set[int]:
        """The photos that were found under one more path since the last `settle`."""
        return {row[0] for row in self._database.rows("SELECT DISTINCT photo_id FROM files WHERE settled = 0")}

    def settle(self) -> None:
        """Note that copies are distinguished from moved photos."""
        self._database.execute("UPDATE files SET settled = 1 WHERE settled = 0")

    def set_missing(self, file_ids: Iterable[int], *, missing: bool) -> None:
        self._database.execute_many(
            "UPDATE files SET missing = ? WHERE id = ?", [(int(missing), file_id) for file_id in file_ids]
        )

    def forget(self, file_ids: Iterable[int]) -> None:
        """Drop paths whose photo is known under another path (a moved photo's old path)."""
        self._database.execute_many("DELETE FROM files WHERE id = ?", [(file_id,) for file_id in file_ids])

    def forget_all(self) -> None:
        """Drop every path that is known, walked ones too."""
        self._database.execute("DELETE FROM files")
        self._database.execute("DELETE FROM roots")
        self._database.execute("DELETE FROM drives")

    def unreadable(self, most: int) -> list[tuple[bytes, str]]:
        """The files that gave no photo: `stored_path`, and why."""
        asked = "SELECT path, reason FROM files WHERE photo_id IS NULL AND NOT missing ORDER BY path LIMIT ?"
        return self._database.rows(asked, (most,))

    def missing(self) -> list[tuple[bytes, int]]:
        """The files that were gone when their folder was last indexed: `stored_path` and file id."""
        return self._database.rows("SELECT path, id FROM files WHERE missing ORDER BY path")


class WalkedPaths:
    """Paths that were walked: the folders that were given (`roots`), or those below that hold a drive (`drives`)."""

    def __init__(self, database: Database, table: Literal["roots", "drives"]) -> None:
        self._database = database
        self._table = table

    def put(self, paths: Iterable[Path]) -> None:
        """Remember some paths, and that they were walked just now."""
        self._database.execute_many(
            f"INSERT INTO {self._table} (path, walked_at) VALUES (?, ?) "
            "ON CONFLICT (path) DO UPDATE SET walked_at = excluded.walked_at",
            [(stored_path(path), now()) for path in paths],
        )

    def all(self) -> list[bytes]:
        """`stored_path` of every path that is remembered."""
        return [row[0] for row in self._database.rows(f"SELECT path FROM {self._table} ORDER BY path")]

    def forget(self, paths: Iterable[bytes]) -> None:
        self._database.execute_many(f"DELETE FROM {self._table} WHERE path = ?", [(path,) for path in paths])
