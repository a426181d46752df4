"""Tells a file that was deleted from one whose drive is not there today.

A drive that is not mounted leaves nothing where its folder was, or a folder that is empty but for what file managers
leave in every folder. Refuses to guess more than that: whoever calls keeps what may come back.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from facesearch.paths import is_in_bucket
from facesearch.photos.buckets import is_gone

_LEFT_BY_WINDOWS = (b"desktop.ini", b"thumbs.db")


class Whereabouts:
    """Where files that are gone may be. roots: `stored_path` of the folders and files that were ever walked;
    drives: of the folders below them that held a drive when they were last seen."""

    def __init__(self, roots: Iterable[bytes], drives: Iterable[bytes]) -> None:
        self._roots = sorted(roots, key=len)
        self._absent_drives = sorted(filter(is_absent, drives), key=len)
        self._absent_roots: dict[bytes, bytes | None] = {}
        self._empty_folders: dict[bytes, bytes | None] = {}

    def absent_root(self, path: bytes) -> bytes | None:
        """The drive that a file lay on, if that is not there; else the outermost root that it lay in, if none of its
        roots is there; None where one is."""
        folder = _folder_of(path)
        if folder not in self._absent_roots:
            self._absent_roots[folder] = self.absent_drive(path) or self._absent_root(folder)
        return self._absent_roots[folder]

    def absent_drive(self, path: bytes) -> bytes | None:
        """The outermost drive that a file lay on and that is not there today; None where there is none."""
        return next((drive for drive in self._absent_drives if is_within(path, drive)), None)

    def _absent_root(self, folder: bytes) -> bytes | None:
        # A file that was itself given has no root above it: the folder that it lay in stands for one.
        roots = [root for root in self._roots if is_within(folder, root)] or [folder]
        return roots[0] if all(map(is_absent, roots)) else None

    def absent_folder(self, path: bytes) -> bytes | None:
        """The absent root of a file, or the empty folder that is left of where it lay; None: the file was deleted."""
        root = self.absent_root(path)
        if root is not None:
            return root
        folder = _folder_of(path)
        if folder not in self._empty_folders:
            left = folder
            while not (exists(left) if is_in_bucket(left) else os.path.lexists(left)):
                left = _folder_of(left)
            self._empty_folders[folder] = left if is_absent(left) else None
        return self._empty_folders[folder]


def _folder_of(path: bytes) -> bytes:
    return path.rpartition(b"/")[0] or b"/"


def is_within(path: bytes, folder: bytes) -> bool:
    """Whether a path is a folder or lies below it."""
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")


def is_absent(path: bytes) -> bool:
    """Whether nothing is there, or a folder with nothing in it but hidden files: what a drive leaves that is not
    mounted."""
    if is_in_bucket(path):
        return is_gone(Path(os.fsdecode(path)))
    try:
        with os.scandir(path) as entries:
            return all(entry.name.startswith(b".") or entry.name.lower() in _LEFT_BY_WINDOWS for entry in entries)
    except FileNotFoundError:
        return True
    except OSError:  # a file, or a folder that may not be listed
        return not os.path.lexists(path)


def exists(path: bytes) -> bool:
    """Whether there is a file, as far as can be told: a folder that may not be entered hides files."""
    if is_in_bucket(path):
        return not is_gone(Path(os.fsdecode(path)))
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
