"""The contents of a folder of training photos: sorted, without hidden files, in the same order on every disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from facesearch.errors import TrainingDataError
from facesearch.photos import PHOTO_SUFFIXES


def step_into_lone_folder(path: Path) -> Path:
    """Step into a lone folder of folders, without photos beside it, as unpacked archives have."""
    while True:
        entries = [entry for entry in entries_of(path) if not is_hidden(entry.name)]
        folders = [entry for entry in entries if entry.is_dir()]
        photos = any(entry.is_file() and is_photo(entry.name) for entry in entries)
        if photos or len(folders) != 1 or not holds_folders(Path(folders[0].path)):
            return path
        path = Path(folders[0].path)


def holds_folders(path: Path) -> bool:
    return any(entry.is_dir() and not is_hidden(entry.name) for entry in entries_of(path))


def photo_files(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Photos below a person's folder, sorted, however deep. A linked folder is not entered: it may lead in a circle."""
    for entry in entries_of(folder):
        if is_hidden(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from photo_files(Path(entry.path))
        elif entry.is_file() and is_photo(entry.name):
            yield entry


def entries_of(folder: Path) -> list[os.DirEntry[str]]:
    """What a folder holds, sorted by name."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise TrainingDataError(
            f"{folder} cannot be listed ({error.strerror}). Give yourself permission to read it, or move it elsewhere."
        ) from error


def is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def is_photo(name: str) -> bool:
    return not is_hidden(name) and Path(name).suffix.lower() in PHOTO_SUFFIXES


def is_folder(path: Path) -> bool:
    """Whether it is one, as far as can be told: not where a folder around it may not be entered."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def hides(parts: tuple[str, ...]) -> bool:
    return any(is_hidden(part) for part in parts)


def is_empty(entry: os.DirEntry[str]) -> bool:
    """Whether it has no byte. What cannot be looked at is left to the cutting of crops, which counts it."""
    try:
        return entry.stat().st_size == 0
    except OSError:
        return False


def lines_of(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingDataError(f"{path} cannot be read ({error}). Copy it again.") from error
