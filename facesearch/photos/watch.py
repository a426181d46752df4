"""Folders watched for changes: bursts are gathered, a file that is still being written waits, then it is time to index.

Says when, never what: the indexer looks for itself. Holds nothing open but the system's watches, so that others can
work with the library in between. Folders behind links, and drives whose system tells nothing of changes (network
shares), are looked through every hour.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from facesearch.errors import PhotoError
from facesearch.paths import is_in_bucket, whole_path
from facesearch.photos import IGNORE_NAME
from facesearch.photos.file_names import is_foreign_folder, is_named_as_photo, is_named_as_video, may_be_photo
from facesearch.photos.files import photo_error

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import ObservedWatch

_LOOK_EVERY_S = 0.25

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """How long the watch waits."""

    quiet_s: float = 2.0  # a file that did not change for so long counts as written
    longest_s: float = 30.0  # finished files wait so long for others of their burst
    every_s: float = 3600.0  # everything is looked through so often, whatever was reported
    retry_s: float = 30.0  # what failed is tried again after so long


DEFAULT_PATIENCE = Patience()


@dataclass
class _Touched:
    """A path that something happened to."""

    since_s: float  # the last time that it was seen to change
    look: tuple[int, int] | None


class Gathering:
    """What was touched and has not been dealt with. `note` may be called from another thread."""

    def __init__(self, patience: Patience = DEFAULT_PATIENCE) -> None:
        self._patience = patience
        self._lock = threading.Lock()
        self._touched: dict[Path, _Touched] = {}
        self._began_s = 0.0  # when the first of these was touched

    def note(self, path: Path, now_s: float) -> None:
        """Something happened to a file or folder."""
        with self._lock:
            if not self._touched:
                self._began_s = now_s
            self._touched[path] = _Touched(now_s, _look(path))

    def unfinished(self, now_s: float) -> frozenset[Path]:
        """The files that are still being written, or were until a moment ago."""
        with self._lock:
            return frozenset(path for path, touched in self._touched.items() if self._is_changing(path, touched, now_s))

    def due(self, now_s: float) -> frozenset[Path] | None:
        """None while it is too early; else what to leave out, because it is unfinished. The rest counts as done."""
        unfinished = self.unfinished(now_s)
        with self._lock:
            if len(unfinished) >= len(self._touched):
                return None
            if unfinished and now_s - self._began_s < self._patience.longest_s:
                return None
            self._touched = {path: touched for path, touched in self._touched.items() if path in unfinished}
            self._began_s = now_s
            return unfinished

    def _is_changing(self, path: Path, touched: _Touched, now_s: float) -> bool:
        look = _look(path)
        if look != touched.look:
            touched.since_s, touched.look = now_s, look
        return now_s - touched.since_s < self._patience.quiet_s


def _on_disk(path: Path) -> Path:
    if is_in_bucket(path):
        raise photo_error(path, "is in a bucket, which reports no changes: run index from time to time")
    return path


def _look(path: Path) -> tuple[int, int] | None:
    """Size and time of a file, as far as there is one."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns


def watch(
    paths: Iterable[Path],
    index: Callable[[frozenset[Path]], bool],
    patience: Patience = DEFAULT_PATIENCE,
    stop: threading.Event | None = None,
    *,
    foreign_folders: bool = False,
) -> None:
    """Call `index` soon, and again whenever photos under some paths have changed, until Ctrl-C or `stop`.

    index: gets the files to leave out as they are still being written; for them it is called again. Returns whether
    it did its work; otherwise it is called again after a while. foreign_folders: changes in the folders that NAS
    systems and photo programs keep for themselves count too, as for `walk`. Raises PhotoError where a path cannot be
    watched from the beginning.
    """
    roots = [_on_disk(whole_path(path)) for path in paths]
    stop = stop or threading.Event()
    gathering = Gathering(patience)
    with _Watches(roots, gathering, foreign_folders=foreign_folders) as watches:
        indexed_s, retry_s = time.monotonic(), math.inf
        while not stop.wait(_LOOK_EVERY_S):
            watches.renew()
            now_s = time.monotonic()
            unfinished = gathering.due(now_s)
            if unfinished is None and (now_s - indexed_s >= patience.every_s or now_s >= retry_s):
                unfinished = gathering.unfinished(now_s)
            if unfinished is not None:
                is_done = index(unfinished)
                indexed_s = time.monotonic()
                retry_s = math.inf if is_done else indexed_s + patience.retry_s


class _Watches:
    """The system's watches on some files and folders; what they tell goes to `gathering`."""

    def __init__(self, roots: list[Path], gathering: Gathering, *, foreign_folders: bool) -> None:
        from watchdog.observers import Observer

        self._takes_foreign_folders = foreign_folders
        self._roots = roots
        self._gathering = gathering
        try:
            self._observer = Observer()
        except OSError as error:
            raise PhotoError(
                f"folders cannot be watched ({error.strerror}): allow more (on Linux the setting "
                "fs.inotify.max_user_instances), or run index from time to time"
            ) from error
        self._has_begun = False
        self._watched: dict[Path, tuple[ObservedWatch | None, tuple[int, int] | None]] = {}

    def __enter__(self) -> Self:
        self._observer.start()
        try:
            self.renew()
            self._has_begun = True
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._observer.stop()
        self._observer.join()

    def renew(self) -> None:
        """Watch what is there, and start again where a folder was replaced or a drive came back."""
        for root in self._roots:
            watched, identity = self._watched.get(root, (None, (-1, -1)))
            now = _identity(root)
            if now == identity:
                continue
            if watched is not None:
                self._observer.unschedule(watched)
            try:
                self._watched[root] = (self._schedule(root) if now is not None else None, now)
            except PhotoError as error:
                if not self._has_begun:
                    raise
                self._watched[root] = (None, now)
                if root.exists():  # otherwise it has gone again
                    log.warning("%s; it is checked every hour until then", error)
            self._gathering.note(root, time.monotonic())

    def _schedule(self, root: Path) -> ObservedWatch:
        from watchdog import events

        class Handler(events.FileSystemEventHandler):
            def on_any_event(_, event: FileSystemEvent) -> None:  # noqa: N805 - `self` is the watches
                self._told(root, event)

        # Not of files being opened and closed: the indexer does that itself.
        kinds: list[type[FileSystemEvent]] = [
            *(events.FileCreatedEvent, events.FileModifiedEvent, events.FileMovedEvent, events.FileDeletedEvent),
            *(events.DirCreatedEvent, events.DirMovedEvent, events.DirDeletedEvent),
        ]
        is_folder = root.is_dir()
        try:
            return self._observer.schedule(
                Handler(), str(root if is_folder else root.parent), recursive=is_folder, event_filter=kinds
            )
        except OSError as error:
            raise PhotoError(
                f"{root}: cannot be watched ({error.strerror}): allow more watches (on Linux the setting "
                "fs.inotify.max_user_watches), or run index from time to time"
            ) from error

    def _told(self, root: Path, event: FileSystemEvent) -> None:
        for name in (event.src_path, event.dest_path):
            path = Path(os.fsdecode(name))
            if name and self._matters(root, path, is_folder=event.is_directory):
                self._gathering.note(path, time.monotonic())

    def _matters(self, root: Path, path: Path, *, is_folder: bool) -> bool:
        """Whether a file or folder could be one that the indexer would look at."""
        if path == root:
            return True
        if not path.is_relative_to(root):
            return is_folder  # the root itself was moved or deleted
        parts = path.relative_to(root).parts
        *folders, name = parts
        if is_folder:
            folders = list(parts)
        if any(folder.startswith(".") for folder in folders):
            return False
        if not self._takes_foreign_folders and any(map(is_foreign_folder, folders)):
            return False
        if is_folder or name == IGNORE_NAME:
            return True
        return not name.startswith(".") and (is_named_as_photo(name) or is_named_as_video(name) or may_be_photo(name))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
