"""Replaces a whole file: after a power cut it is the old one or the new one, and never readable by more people than the
old one."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from facesearch.library.private import rename_over

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_LONGEST_NAME = 200  # of 255 bytes, with room for what is added


def replace_file(
    path: Path,
    content: bytes,
    mode: int,
    owner: tuple[int, int] | None = None,
    *,
    just_before: Callable[[], None] = lambda: None,
) -> None:
    """Write a new file beside `path`, sync it, and rename it over `path`.

    mode: permissions, whatever the umask. owner: user and group, where the system lets this process give files away.
    just_before: called before the rename, and may raise. Raises OSError; nothing is left beside `path` then.
    """
    beside = path.with_name(f".{os.fsdecode(os.fsencode(path.name)[:_LONGEST_NAME])}.{secrets.token_hex(4)}.new")
    try:
        with os.fdopen(os.open(beside, _NEW_FILE, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            if sys.platform != "win32":
                if owner is not None:
                    with suppress(PermissionError):
                        os.fchown(file.fileno(), *owner)
                os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        just_before()
        rename_over(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    if sys.platform == "win32":  # it opens no folders
        return
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
