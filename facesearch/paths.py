"""Paths as a library keeps them: whole, links kept, with "/" between folders on every system; or of an object in a
bucket, as `s3://archive/1999/one.jpg`.

An object's path is the `Path` of its URL. pathlib makes one slash of two, so that its text reads `s3:/archive/...`:
`address` gives the URL back. No whole path begins like that, so the two are never taken for each other.
"""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from pathlib import Path, PurePath

from facesearch.errors import UsageError

BUCKETS = {"s3": "Amazon S3 and what speaks its protocol", "gs": "Google Cloud Storage"}
"""The schemes of buckets, each with what keeps them."""

_IN_BUCKET = re.compile(rf"({'|'.join(BUCKETS)}):/+(?=[^/])")


def stored_path(path: PurePath) -> bytes:
    """A path as the rows have it, on Windows too with "/" between folders: so `path + b"/"` begins what lies below.
    `Path(os.fsdecode(...))` gives it back."""
    return os.fsencode(path.as_posix())


def is_in_bucket(path: PurePath | bytes) -> bool:
    """Whether a path is that of an object, or of what begins like one, in a bucket; of one that is relative to a
    folder too, as long as it is as the user gave it. bytes: of stored_path."""
    text = os.fsdecode(path) if isinstance(path, bytes) else path.as_posix()
    return _IN_BUCKET.match(text) is not None


def whole_path(path: str | PurePath) -> Path:
    """The path as a library keeps it: absolute, through the links that it was given with, and `spelled_on_disk`. Raises
    UsageError for the URL of a bucket with a password in it, which would be kept and shown with it."""
    path = Path(path)
    if not is_in_bucket(path):
        whole = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links: the user's own path is kept
        return spelled_on_disk(whole)
    if "@" in path.parts[1]:
        raise UsageError(
            f"a URL of {path.parts[0]}// with a key or a password: set them where the cloud's tools take them"
        )
    return path


def spelled_on_disk(path: Path) -> Path:
    """A path in the Unicode form of the names on the disk, whichever form it was typed in: macOS writes an accent apart
    from its letter (NFD), keyboards do not (NFC). As it is where nothing is called like that, or it is there."""
    if str(path).isascii() or (sys.platform != "darwin" and os.path.lexists(path)):
        return path
    spelled = Path(path.anchor)
    for name in path.parts[1:] if path.anchor else path.parts:
        spelled /= name if name.isascii() else _entry_called(spelled, name)
    return spelled if os.path.lexists(spelled) else path


def _entry_called(folder: Path, name: str) -> str:
    try:
        entries = [entry.name for entry in folder.iterdir()]
    except OSError:
        return name
    if name in entries:
        return name
    return min((entry for entry in entries if in_one_form(entry) == in_one_form(name)), default=name)


def in_one_form(text: str) -> str:
    """The same for a name in either Unicode form, to compare by."""
    return unicodedata.normalize("NFC", text)


def address(path: PurePath) -> str:
    """The path's text; of an object its URL."""
    return _IN_BUCKET.sub(r"\1://", path.as_posix(), count=1) if is_in_bucket(path) else str(path)
