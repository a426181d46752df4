"""The file of a page: private, whole under its name, and never over a file that facesearch did not write."""

from __future__ import annotations

import os
from pathlib import Path

from facesearch.errors import UsageError
from facesearch.library.private import rename_over
from facesearch.pages.shell import MARK
from facesearch.photos.files import special_file

_HEAD_BYTES = 1024  # a page's mark stands within


def check_page_file(path: Path, option: str, *, force: bool = False) -> None:
    """To be called before the work that a page shows.

    option: of the command line that named the path, for the error. force: any file may be replaced. Raises UsageError
    where there is something else than an earlier page, or no folder to write into.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file in it with {option}")
    if kind := special_file(path):  # to read from a pipe would wait forever, and a device would be replaced
        raise UsageError(f"{path} is {kind}; name a file with {option}")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}; create it, or choose another {option}")
    if force or not os.path.lexists(path):
        return
    try:
        with path.open("rb") as file:
            is_ours = MARK.encode("ascii") in file.read(_HEAD_BYTES)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}; choose another {option}") from error
    if not is_ours:
        raise UsageError(f"{path} exists, and facesearch did not write it; choose another {option}, or add --force")


def write_page(path: Path, page: str, option: str) -> Path:
    """Write beside and rename over, so that a page under its name is whole, and was never open to others.

    Raises UsageError, with advice about `option`, where it cannot be written.
    """
    new = beside(path)
    try:
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(page)
        rename_over(new, path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}; choose another {option}") from error
    return path


def beside(path: Path) -> Path:
    """The file that a page is written to before it has its name."""
    return path.with_name(f".{path.name}.new")
