"""One file on disk, or object in a bucket: what it is, its fingerprint, its bytes. Opens regular files only, read-only;
waits on none."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from facesearch.errors import PhotoError
from facesearch.paths import is_in_bucket, spelled_on_disk
from facesearch.records import PhotoFile
from facesearch.text import shown

if TYPE_CHECKING:
    from facesearch.photos import buckets

MAX_SIDE_PX = 4096
"""Longer side of the pixels handed on. A 12-megapixel phone photo (4032 px) keeps every pixel, and a photo much longer
than wide as many as a square one of this side."""

MAX_LONG_SIDE_PX = 8 * MAX_SIDE_PX
_LONG = 2.5  # longer side to shorter

DRAFT_SIDE_PX = 1600
"""Least longer side of a draft: a JPEG decoded at 1/2, 1/4 or 1/8 of its size, which costs a fraction of the whole."""

MAX_FILE_BYTES = 1 << 30
"""A photo's file is held in memory while it is decoded; the largest that cameras write are some 300 MB."""

_MOST_NS = (1 << 63) - 1  # of a database's whole numbers: 2262-04-11, and 1677 before 1970

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

# O_NONBLOCK: should a pipe take the file's place after it was looked at, opening it must not wait for a writer.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


def kept_side_px(size_px: tuple[int, int], max_side_px: int = MAX_SIDE_PX) -> int:
    """The longer side that a photo of this width and height is handed on with, where max_side_px is asked for."""
    longer, shorter = max(size_px), max(min(size_px), 1)
    if max_side_px < MAX_SIDE_PX or not is_long(size_px):
        return min(longer, max_side_px)
    return min(longer, int(max_side_px * (longer / shorter) ** 0.5), MAX_LONG_SIDE_PX)


def is_long(size_px: tuple[int, int]) -> bool:
    """Whether it is the size of a panorama or a strip, where faces are small compared with the longer side."""
    return max(size_px) >= _LONG * min(size_px)


def shown_path(path: Path) -> str:
    """The path on one line, printable on any UTF-8 terminal (see wording.shown)."""
    return shown(path)


def photo_error(path: Path, reason: str) -> PhotoError:
    """An error about this file; `reason` continues the sentence that the file's name begins."""
    return PhotoError(f"{shown_path(path)}: {reason}", reason)


def faceless_damage(path: Path, damage: str) -> PhotoError:
    """An error about a damaged photo without a face: who is on it is in the part that is missing, for all that can be
    told."""
    return photo_error(path, f"is damaged ({damage}), and what is left shows no face: copy it again from the original")


def why(error: OSError) -> str:
    """What the operating system said, and what to do about it where that is known."""
    if isinstance(reason := getattr(error, "reason", None), str):  # a BucketError's
        return reason
    said = (error.strerror or str(error)).lower()
    if isinstance(error, FileNotFoundError):
        return "does not exist: check the name, or the drive that it is on"
    if isinstance(error, PermissionError):
        return f"cannot be opened ({said}): give yourself permission to read it"
    return f"cannot be read ({said}): check the name, and the drive that it is on"


def special_kind(mode: int) -> str | None:
    """What a file of this `st_mode` is, in words, where it is anything other than a regular file."""
    return None if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "not a regular file")


def special_file(path: Path) -> str | None:
    """What is at a path, in words, links followed, where that is neither a regular file nor nothing."""
    try:
        return special_kind(path.stat().st_mode)
    except (OSError, ValueError):
        return None


def is_stream(path: Path) -> bool:
    """Whether a path stands for what another program writes, or for a file that the shell has opened: a named pipe,
    /dev/stdin, /dev/fd/63."""
    kind = special_file(path)
    return kind in {"a named pipe", "a socket"} or (kind is None and path.is_file() and path.is_relative_to("/dev"))


def file_status(path: Path) -> os.stat_result:
    """What the file system knows of a path, following links. Raises PhotoError where it cannot be looked up."""
    try:
        return path.stat()
    except ValueError as error:  # a null character in the name
        raise photo_error(path, f"is not a name that a file can have ({error})") from error
    except OSError as error:
        raise photo_error(path, why(error)) from error


def is_folder(path: Path) -> bool:
    """Whether a path is a folder, on disk or in a bucket. False where there is nothing."""
    if not is_in_bucket(path):
        return path.is_dir()
    from facesearch.photos import buckets

    try:
        return buckets.entry(path).is_folder
    except buckets.BucketError:
        return False


def photo_file(path: Path) -> PhotoFile:
    """Look a file up without opening it, following links. Raises PhotoError where it is missing or no regular file."""
    if is_in_bucket(path):
        return _object(path)
    path = spelled_on_disk(path)
    return _photo_file(path, file_status(path))


def _object(path: Path) -> PhotoFile:
    from facesearch.photos import buckets

    try:
        return object_file(path, buckets.entry(path))
    except buckets.BucketError as error:
        raise photo_error(path, why(error)) from error


def object_file(path: Path, entry: buckets.Entry) -> PhotoFile:
    """An object in a bucket as the bucket describes it. Raises PhotoError for what would be a folder."""
    if entry.is_folder:
        raise photo_error(path, "is a folder, not a photo's file: name a photo")
    return PhotoFile(path, entry.size_bytes, entry.mtime_ns)


def _photo_file(path: Path, status: os.stat_result) -> PhotoFile:
    if kind := special_kind(status.st_mode):
        raise photo_error(path, f"is {kind}, not a photo's file: name a photo")
    return photo_file_of(path, status)


def photo_file_of(path: Path, status: os.stat_result) -> PhotoFile:
    """A regular file as the file system describes it. A time beyond what a library can hold (some cameras' clocks, and
    damaged file systems, give the year 2446) counts as the last one that it can."""
    return PhotoFile(path, status.st_size, max(-_MOST_NS, min(status.st_mtime_ns, _MOST_NS)))


def fingerprint(path: Path) -> str:
    """SHA-256 of the file's bytes, 64 hexadecimal digits, read in pieces. Raises PhotoError."""
    try:
        with open_file(path) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise photo_error(path, why(error)) from error


def read_file(path: Path) -> tuple[PhotoFile, bytes]:
    """All of a file's bytes in one read, and the file as it was at that time.

    Raises PhotoError where the file is missing, special, unreadable, larger than MAX_FILE_BYTES, or changed meanwhile.
    """
    try:
        with open_file(path) as stream:
            before = file_as_opened(path, stream)
            if before.size_bytes > MAX_FILE_BYTES:
                limit = f"{before.size_bytes / 1e9:.1f} GB; the largest file that is read as a photo has 1.1 GB"
                raise photo_error(path, f"has {limit}: export a smaller copy")
            content = stream.read(before.size_bytes + 1)
            after = file_as_opened(path, stream)
    except OSError as error:
        raise photo_error(path, why(error)) from error
    if after != before or len(content) != before.size_bytes:
        raise photo_error(path, "changed while it was read: try again when no other program is writing to it")
    return before, content


def first_bytes(path: Path, count: int) -> bytes:
    """How a regular file begins. Raises PhotoError and OSError."""
    if is_in_bucket(path):
        from facesearch.photos import buckets

        return buckets.beginning(path, count)
    with open_file(path) as stream:
        return stream.read(count)


def file_as_opened(path: Path, stream: io.BufferedReader) -> PhotoFile:
    """An open file as it is now. Raises PhotoError and OSError."""
    if is_in_bucket(path):
        from facesearch.photos import buckets

        assert isinstance(stream, buckets.ObjectReader)
        return object_file(path, stream.there)
    return _photo_file(path, os.fstat(stream.fileno()))


def open_file(path: Path) -> io.BufferedReader:
    """A regular file for reading; nothing else is even opened. Raises PhotoError and OSError."""
    if is_in_bucket(path):
        from facesearch.photos import buckets

        return buckets.open_object(path)
    photo_file(path)  # a pipe or a device is not even opened: that alone can have effects
    stream = os.fdopen(os.open(path, _OPEN_FLAGS), "rb")
    if kind := special_kind(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise photo_error(path, f"became {kind} while it was opened: try again")
    return stream
