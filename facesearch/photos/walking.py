"""Find the photos and videos in folders, in an order that is the same every time.

Opens no file but `.facesearchignore` and those whose names tell nothing, and stops at no bad folder.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from facesearch.errors import PhotoError
from facesearch.paths import is_in_bucket
from facesearch.photos.buckets import BucketError, Entry, entries, entry
from facesearch.photos.decoding.formats import is_surely_photo
from facesearch.photos.file_names import is_foreign_folder, is_named_as_photo, is_named_as_video, may_be_photo
from facesearch.photos.files import (
    file_status,
    first_bytes,
    object_file,
    photo_error,
    photo_file_of,
    special_kind,
    why,
)
from facesearch.photos.ignore import IGNORE_NAME, NO_RULES, IgnoreRules, UnreadableRulesError, misnamed_rules, rules_in
from facesearch.records import PhotoFile, SkippedFile

_HEAD_BYTES = 32
_SMALLEST_PHOTO_BYTES = 32  # no such file is opened: the systems' own files, as in /proc, say that they have 0 bytes


def walk(paths: Iterable[Path], *, foreign_folders: bool = False) -> Walk:
    """Every photo and video under these files and folders, each once: see Walk.

    Raises PhotoError at once, before anything is listed, where a given path does not exist or cannot be looked up.
    """
    return Walk(paths, foreign_folders=foreign_folders)


class Walk(Iterator[PhotoFile | SkippedFile]):
    """Iterates over the photos and videos under the given paths, and over what had to be skipped, with the reason.

    - Order: the given paths one after another; in a folder its files by name, then its folders by name.
    - A file in a folder is a photo or a video by its name (`names.is_named_as_photo`, `is_named_as_video`). A file
      whose name tells nothing, as without a suffix, is a photo where its first bytes are a photo's; `other_files`
      counts the rest. A file that is itself given is taken whatever it is called.
    - Names that begin with a dot are passed over, unless they are themselves given; and so is what a
      `.facesearchignore` names. So are the folders that NAS systems and photo programs keep for themselves, as for
      thumbnails and deleted files (`names.is_foreign_folder`), without `foreign_folders`; `folders_left_out` counts.
    - Links to files and to folders are followed after everything else, so that a photo is listed under its real name
      where that is reached too. Every file and folder is listed once, by its path without links: they cannot loop, and
      a photo under two given paths is one photo. So it is under two hard links. The numbers that a file system gives
      its folders and files (inodes) prove nothing else: union and network file systems give one number to several.
    - `drives` grows by every folder, or link to one, below a given path in which another device begins than the one
      that it lies on: a mounted drive.
    - A bucket, or a folder in one, is walked like a folder; nothing there is a link or another drive.
    - A folder that cannot be listed, a link that leads nowhere, a pipe, socket or device with a photo's suffix: a
      SkippedFile. None of them is opened.
    """

    def __init__(self, paths: Iterable[Path], *, foreign_folders: bool = False) -> None:
        self.other_files = 0
        self.folders_left_out = 0
        self._takes_foreign_folders = foreign_folders
        self.drives: list[Path] = []
        self._given: deque[tuple[Path, os.stat_result | Entry]] = deque((path, _status(path)) for path in paths)
        self._links: deque[tuple[Path, IgnoreRules]] = deque()
        self._seen: set[str] = set()  # paths without links
        self._hard_links: set[tuple[int, ...]] = set()
        self._found = self._walk()

    def __next__(self) -> PhotoFile | SkippedFile:
        return next(self._found)

    def _walk(self) -> Iterator[PhotoFile | SkippedFile]:
        for path, status in self._given:
            if isinstance(status, Entry):
                yield from self._bucket(path, status)
            elif stat.S_ISDIR(status.st_mode):
                yield from self._folder_tree(path, NO_RULES, status.st_dev)
            else:
                yield from self._file(path, status, os.path.realpath(path))
        while self._links:
            yield from self._link(*self._links.popleft())

    def _folder_tree(self, top: Path, rules: IgnoreRules, device: int) -> Iterator[PhotoFile | SkippedFile]:
        """device: st_dev of where the folder, or the link to it, lies."""
        waiting = [
            (top, os.path.realpath(top), rules, device)
        ]  # a stack, not recursion: folders can be nested deeper than Python's calls
        while waiting:
            folder, real, outer, device = waiting.pop()
            if not self._first_time(real):
                continue
            try:
                status = folder.stat()
                if status.st_dev != device:
                    self.drives.append(folder)
                with os.scandir(folder) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name)
                kinds = [(entry, _kind(entry)) for entry in entries if entry.name[0] != "."]
            except OSError as error:
                yield SkippedFile(folder, f"folder {why(error)}")
                continue
            rules = outer
            if name := _ignore_name(entries):
                known, complaints = _rules_or_why(folder, outer, name)
                yield from complaints
                if known is None:
                    continue
                rules = known
            paths = [(folder / entry.name, kind) for entry, kind in kinds]
            kept = [each for each in paths if not rules.ignores(each[0], is_folder=each[1] == "folder")]
            kept = [each for each in kept if each[1] != "folder" or self._is_wanted(each[0])]
            for path, kind in kept:
                if kind == "link":
                    self._links.append((path, rules))
                elif kind == "file":
                    yield from self._candidate(path, _below(real, path))
            waiting.extend(
                (path, _below(real, path), rules, status.st_dev) for path, kind in reversed(kept) if kind == "folder"
            )

    def _bucket(self, top: Path, given: Entry) -> Iterator[PhotoFile | SkippedFile]:
        if not given.is_folder:
            if self._first_time(str(top)):
                yield object_file(top, given)
            return
        waiting = [(top, NO_RULES)]
        while waiting:
            folder, rules = waiting.pop()
            if not self._first_time(str(folder)):
                continue
            try:
                there = [each for each in entries(folder) if each.name[0] != "." or each.name == IGNORE_NAME]
            except BucketError as error:
                yield SkippedFile(folder, f"folder {why(error)}")
                continue
            if any(each.name == IGNORE_NAME for each in there):
                known, complaints = _rules_or_why(folder, rules, IGNORE_NAME)
                yield from complaints
                if known is None:
                    continue
                rules = known
            kept = [each for each in there if each.name != IGNORE_NAME]
            kept = [each for each in kept if not rules.ignores(folder / each.name, is_folder=each.is_folder)]
            kept = [each for each in kept if not each.is_folder or self._is_wanted(folder / each.name)]
            for each in kept:
                path = folder / each.name
                if each.is_folder:
                    continue
                if not _is_candidate(path, each.size_bytes):
                    self.other_files += 1
                elif self._first_time(str(path)):
                    yield object_file(path, each)
            waiting.extend((folder / each.name, rules) for each in reversed(kept) if each.is_folder)

    def _link(self, path: Path, rules: IgnoreRules) -> Iterator[PhotoFile | SkippedFile]:
        try:
            is_folder = stat.S_ISDIR(path.stat().st_mode)
        except OSError:
            is_folder = False  # a link to nothing: worth a word only where it is named like a photo
        if not is_folder:
            yield from self._candidate(path, os.path.realpath(path))
        elif self._is_wanted(path) and not rules.ignores(path, is_folder=True):
            yield from self._folder_tree(path, rules, path.lstat().st_dev)

    def _is_wanted(self, folder: Path) -> bool:
        if self._takes_foreign_folders or not is_foreign_folder(folder.name):
            return True
        self.folders_left_out += 1
        return False

    def _candidate(self, path: Path, real: str) -> Iterator[PhotoFile | SkippedFile]:
        """real: the path without links."""
        if not _is_candidate(path):
            self.other_files += 1
            return
        try:
            status = path.stat()
        except OSError as error:
            yield SkippedFile(path, "is a link that leads nowhere" if path.is_symlink() else why(error))
            return
        yield from self._file(path, status, real)

    def _file(self, path: Path, status: os.stat_result, real: str) -> Iterator[PhotoFile | SkippedFile]:
        if kind := special_kind(status.st_mode):
            yield SkippedFile(path, f"is {kind}, not a photo's file")
        elif self._first_time(real) and self._first_hard_link(status):
            yield photo_file_of(path, status)

    def _first_time(self, real: str) -> bool:
        if real in self._seen:
            return False
        self._seen.add(real)
        return True

    def _first_hard_link(self, status: os.stat_result) -> bool:
        if status.st_nlink < 2:
            return True
        identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        if identity in self._hard_links:
            return False
        self._hard_links.add(identity)
        return True


def _below(real: str, path: Path) -> str:
    return os.path.join(real, path.name)  # noqa: PTH118 - a text takes less than a path, for each of a million photos


def _status(path: Path) -> os.stat_result | Entry:
    """What is at a path that was given. Raises PhotoError."""
    if not is_in_bucket(path):
        return file_status(path)
    try:
        return entry(path)
    except BucketError as error:
        raise photo_error(path, why(error)) from error


def _is_candidate(path: Path, size_bytes: int | None = None) -> bool:
    """Whether a file is worth a look, by its name, else by its first bytes; size_bytes: where that is known."""
    if is_named_as_photo(path.name) or is_named_as_video(path.name):
        return True
    return may_be_photo(path.name) and _begins_like_photo(path, size_bytes)


def _begins_like_photo(path: Path, size_bytes: int | None) -> bool:
    try:
        if (path.stat().st_size if size_bytes is None else size_bytes) < _SMALLEST_PHOTO_BYTES:
            return False
        return is_surely_photo(first_bytes(path, _HEAD_BYTES))
    except (OSError, PhotoError):
        return False


def _rules_or_why(folder: Path, outer: IgnoreRules, name: str) -> tuple[IgnoreRules | None, list[SkippedFile]]:
    """The same as `rules_in`; None, and the file with the reason, where the folder's rules cannot be read."""
    try:
        return rules_in(folder, outer, name)
    except UnreadableRulesError as error:
        return None, [error.file]


def _ignore_name(entries: list[os.DirEntry[str]]) -> str | None:
    """What the folder's `.facesearchignore` is called, if there is one; a name that is not quite right comes first."""
    names = [entry.name for entry in entries if entry.name.lower().startswith(IGNORE_NAME)]
    return next(filter(misnamed_rules, names), IGNORE_NAME if IGNORE_NAME in names else None)


def _kind(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink() or getattr(entry, "is_junction", bool)():  # Windows' links to folders, from Python 3.12 on
        return "link"
    return "folder" if entry.is_dir(follow_symlinks=False) else "file"
