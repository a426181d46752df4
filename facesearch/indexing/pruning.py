"""Drop what is gone for good: files that were deleted, and the photos, faces and names that only they showed.

Refuses to drop what may come back: a file whose root is missing today, or whose folder is empty, like a mount point
without its drive.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from facesearch.indexing.summary import AbsentFolder
from facesearch.indexing.whereabouts import Whereabouts, exists, is_absent, is_within
from facesearch.library import Library
from facesearch.paths import stored_path, whole_path
from facesearch.records import KnownFile


@dataclass(frozen=True)
class PruneSummary:
    """What was dropped."""

    files: int  # paths that were gone
    photos: int  # those that no other file shows
    faces: int
    people: int  # unnamed groups that are empty now; people with a name stay
    kept: tuple[AbsentFolder, ...]  # folders that may be on a drive which is not there today, and what is kept of them
    dry_run: bool  # nothing was changed


def prune(library: Library, paths: Iterable[Path] = (), *, force: bool = False, dry_run: bool = False) -> PruneSummary:
    """Drop the files that were gone when their folder was last indexed and are not back yet.

    paths: only what was in these folders, by default everything. force: also those of folders that are absent today,
    whether they were indexed since or not. dry_run: only say what would be dropped. The library must be writable.
    Raises LibraryError.
    """
    folders = [stored_path(library.files.spelled(whole_path(path))) for path in paths]
    deleted, absent = _gone(library, folders)
    dropped = deleted | set(absent) if force else deleted
    kept = Counter() if force else Counter(absent.values())
    catalog, before = library.catalog, library.catalog.counts()
    with suppress(_DryRunError), library.changing():
        library.files.forget(dropped)
        catalog.drop_unshown()
        people = library.people.drop_empty()
        if force:
            for walked in (library.roots, library.drives):
                walked.forget(_left_behind(library, walked.all(), folders))
        after = catalog.counts()
        if dry_run:
            raise _DryRunError
    library.save_vectors()
    return PruneSummary(
        files=len(dropped),
        photos=before.photos - after.photos,
        faces=before.faces - after.faces,
        people=people,
        kept=tuple(AbsentFolder(Path(os.fsdecode(folder)), files) for folder, files in sorted(kept.items())),
        dry_run=dry_run,
    )


class _DryRunError(Exception):
    """Takes the changes of a dry run back."""


def _is_meant(path: bytes, folders: list[bytes]) -> bool:
    return not folders or any(is_within(path, folder) for folder in folders)


def _gone(library: Library, folders: list[bytes]) -> tuple[set[int], dict[int, bytes]]:
    """The files in some folders that were deleted, and those of absent folders, with the folder of each."""
    roots, drives = library.roots.all(), library.drives.all()
    whereabouts = Whereabouts(roots, drives)
    deleted, absent = set(), {}
    for path, file_id in library.files.missing():
        if _is_meant(path, folders) and not exists(path):
            folder = whereabouts.absent_folder(path)
            if folder is None:
                deleted.add(file_id)
            else:
                absent[file_id] = folder
    for root in filter(is_absent, [*roots, *drives]):
        for path, known in _known(library, root).items():
            folder = whereabouts.absent_root(path) if _is_meant(path, folders) else None
            if folder is not None and known.file_id not in deleted:
                absent.setdefault(known.file_id, folder)
    return deleted, absent


def _left_behind(library: Library, paths: list[bytes], folders: list[bytes]) -> list[bytes]:
    """Those that are not there today and of which nothing is known any more."""
    return [path for path in paths if _is_meant(path, folders) and is_absent(path) and not _known(library, path)]


def _known(library: Library, root: bytes) -> dict[bytes, KnownFile]:
    return library.files.under([Path(os.fsdecode(root))])
