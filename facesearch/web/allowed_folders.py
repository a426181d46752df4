"""The folders that may be indexed from the page: within those that were allowed, and those that the library knows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facesearch.errors import LibraryError, UsageError
from facesearch.web.library_threads import LibraryThreads

_MOST = 1000  # folders of one folder are listed


@dataclass(frozen=True)
class FolderShown:
    """A folder, those in it, and the one it lies in where that is allowed too."""

    path: Path
    parent: Path | None
    folders: tuple[Path, ...]


class Folders:
    """Which folders may be looked into and indexed. Links are followed before that is decided."""

    def __init__(self, threads: LibraryThreads) -> None:
        self._threads = threads

    async def roots(self) -> list[Path]:
        """The folders that are allowed with all that is in them; none lies in another."""
        try:
            known = await self._threads.read(lambda library: library.views.roots())
        except LibraryError:  # none yet
            known = ()
        folders = sorted({*known, *self._threads.place.roots})
        return [each for each in folders if not any(each != other and each.is_relative_to(other) for other in folders)]

    async def allowed(self, folders: Sequence[str]) -> list[Path]:
        """Paths as they were typed, as folders. Raises UsageError for those that are not allowed, or no folders."""
        roots = await self.roots()
        return [_checked(folder, roots) for folder in folders]

    def new(self, folder: str) -> Path:
        """A folder to be made, or an empty one, within those that the server was started with (--root). Raises
        UsageError: what the library knows is only read."""
        roots = self._threads.place.roots
        path = _typed(folder)
        if not _is_within(path, roots):
            allowed = ", ".join(map(str, roots)) or "none"
            raise UsageError(
                f"{path} is outside of the folders that may be written to from here ({allowed}): start facesearch "
                "serve with --root, or use facesearch photos --link"
            )
        return path

    async def show(self, folder: str) -> FolderShown:
        """What is in a folder. Raises UsageError as `allowed`."""
        roots = await self.roots()
        path = _checked(folder, roots)
        try:
            inner = sorted(Path(entry.path) for entry in os.scandir(path) if _is_shown(entry))
        except OSError as error:
            raise UsageError(f"{path} cannot be opened: {error.strerror}") from error
        parent = path.parent if _is_within(path.parent, roots) and path.parent != path else None
        return FolderShown(path, parent, tuple(inner[:_MOST]))


def _is_shown(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir() and not entry.name.startswith(".")
    except OSError:
        return False


def _checked(folder: str, roots: Sequence[Path]) -> Path:
    path = _typed(folder)
    if not _is_within(path, roots):
        allowed = ", ".join(map(str, roots)) or "none yet"
        raise UsageError(
            f"{path} is outside of the folders that may be indexed from here ({allowed}): start facesearch serve with "
            f"--root, or use facesearch index"
        )
    if not path.is_dir():
        raise UsageError(f"{path} is not a folder")
    return path


def _typed(folder: str) -> Path:
    """A path as it was typed, absolute, without following links."""
    if "\0" in folder:
        raise UsageError("a path cannot contain NUL")
    return Path(os.path.abspath(os.path.expanduser(folder)))  # noqa: PTH100, PTH111 - the user's own path is kept


def _is_within(path: Path, roots: Sequence[Path]) -> bool:
    real = Path(os.path.realpath(path))
    return any(real.is_relative_to(os.path.realpath(root)) for root in roots)
