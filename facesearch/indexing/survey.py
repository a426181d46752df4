"""What lies in the folders today, against what the library knows: new, changed, unchanged, or not there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from facesearch.indexing.summary import AbsentFolder, IndexOptions
from facesearch.indexing.whereabouts import is_absent
from facesearch.library import Library
from facesearch.paths import stored_path
from facesearch.photos import is_named_as_video, reads_videos, walk
from facesearch.records import FaceDetector, KnownFile, PhotoFile, SkippedFile

_READERS = ("facesearch", "pillow", "pillow-heif", "rawpy", "av")


@dataclass(eq=False)
class Survey:
    """What a walk found."""

    roots: list[Path]  # what was walked
    absent: list[AbsentFolder]  # roots that are not there today
    known: dict[bytes, KnownFile]  # what the library knew below the roots, by `stored_path`
    seen: set[bytes] = field(default_factory=set)  # what is there, as `stored_path`
    work: list[PhotoFile] = field(default_factory=list)  # files to be read
    unchanged: list[tuple[Path, int]] = field(default_factory=list)  # path and photo id of the others
    skipped: list[SkippedFile] = field(default_factory=list)  # what could not be looked at, with the reason
    skipped_known: int = 0  # files that could not be read before, and have not changed
    drives: list[Path] = field(default_factory=list)  # folders below the roots that hold a drive today
    other_files: int = 0
    videos_left_out: int = 0  # those that cannot be read, because the extra for it is not installed
    folders_left_out: int = 0


NOTHING_SEEN = Survey([], [], {})  # what a walk found that was ended at once


def look_around(library: Library, paths: Iterable[Path], software: str, options: IndexOptions) -> Survey:
    """Walk what is there of some files and folders. Files that came back are no longer missing.

    A file that could not be read is tried again when it changed, or when `software` is another than the one that
    failed. Raises PhotoError where a path does not exist that the library does not know as a folder of photos.
    """
    roots, absent = _present(library, paths)
    walking = walk(roots, foreign_folders=options.foreign_folders)
    survey, can_read_videos = Survey(roots, absent, library.files.under(roots)), reads_videos()
    returned, in_doubt = [], library.doubts.photos()
    for found in walking:
        if isinstance(found, SkippedFile):
            survey.skipped.append(found)
            continue
        if found.path in options.leave_out:
            continue
        path = stored_path(found.path)
        survey.seen.add(path)
        known = survey.known.get(path)
        is_unreadable = not can_read_videos and is_named_as_video(found.path.name)
        if is_unreadable and (known is None or known.photo_id is None):
            survey.videos_left_out += 1
        elif known is None or options.rehash or known.photo_id in in_doubt or not _is_settled(known, found, software):
            survey.work.append(found)
        elif known.photo_id is None:
            survey.skipped_known += 1
        else:
            survey.unchanged.append((found.path, known.photo_id))
        if known is not None and known.missing:
            returned.append(known.file_id)
    survey.other_files, survey.folders_left_out = walking.other_files, walking.folders_left_out
    survey.drives = walking.drives
    if returned:
        with library.changing():
            library.files.set_missing(returned, missing=False)
    return survey


def _is_settled(known: KnownFile, found: PhotoFile, software: str) -> bool:
    """Whether reading the file again could tell nothing new."""
    if (known.size_bytes, known.mtime_ns) != (found.size_bytes, found.mtime_ns):
        return False
    return known.photo_id is not None or known.software == software


def _present(library: Library, paths: Iterable[Path]) -> tuple[list[Path], list[AbsentFolder]]:
    """The paths to walk, and those that are not there today though photos were found in them at other times."""
    walked_before = set(library.roots.all())
    present, absent = [], []
    for typed in paths:
        path = typed if typed.exists() else library.files.spelled(typed)
        name = stored_path(path)
        if name in walked_before and is_absent(name):
            known = library.files.under([path])
            if known and name not in known:
                absent.append(AbsentFolder(path, len(known)))
                continue
        present.append(path)
    return present, absent


def software_of(detector: FaceDetector) -> str:
    """The versions of what decodes and of what detects, as one text that changes with any of them: what failed with one
    may succeed with another."""
    versions = []
    for package in _READERS:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:  # an extra
            continue
    return ", ".join([*versions, detector.identity])
