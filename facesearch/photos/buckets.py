"""Objects in buckets, read through fsspec: what is in a folder, one object's size and time, its bytes. Only reads.

Credentials are the business of the cloud's own library, which finds them in the environment or its files; nothing of
what it says about them is passed on. An object's time has whole seconds in most clouds, so its fraction of a second is
made of its ETag: an object that is replaced within the second counts as changed.
"""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from facesearch.import_path import how_to_add

_CLIENTS = {"aiohttp", "aiobotocore", "botocore", "fsspec", "gcsfs", "google", "requests", "s3fs", "urllib3"}
_RECENT_S = 5.0
_WHOLE_BYTES = 64 << 20  # an object up to this size is read at once, and the last one of a process is kept
_TIMES = ("LastModified", "last_modified", "mtime", "updated", "timeModified", "created")
_CREDENTIALS = (
    "check the credentials where the cloud's own tools take them, as AWS_ACCESS_KEY_ID or ~/.aws, or "
    "GOOGLE_APPLICATION_CREDENTIALS"
)
_WITHOUT_CREDENTIALS = {"NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError", "RefreshError"}
_TAGS = ("ETag", "etag", "generation", "md5Hash")


class BucketError(OSError):
    """An object or a bucket that cannot be read. reason: continues a sentence that its URL begins."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(number, reason)
        self.reason = reason


@dataclass(frozen=True)
class Entry:
    """An object, or what would be a folder: the beginning that several keys share."""

    name: str
    is_folder: bool
    size_bytes: int
    mtime_ns: int


def entry(path: Path) -> Entry:
    """What is at a path. Raises BucketError."""
    with _failures(path):
        return _entry(_system(path.parts[0]).info(_key(path)))


def entries(folder: Path) -> list[Entry]:
    """What is in a folder, by name. An object whose key has an empty part, which no path can name, is left out. Raises
    BucketError."""
    with _failures(folder):
        there = _system(folder.parts[0]).ls(_key(folder), detail=True)
    beyond = len(_key(folder)) + 1
    named = [(each["name"][beyond:], each) for each in there]
    return sorted((_entry(each) for name, each in named if name and "/" not in name), key=lambda each: each.name)


class ObjectReader(io.BufferedReader):
    """An object that is open: what was there when it was opened is read, whatever replaces it."""

    def __init__(self, source: Any, there: Entry) -> None:
        super().__init__(source)
        self.there = there


def open_object(path: Path) -> ObjectReader:
    """An object for reading. Raises BucketError."""
    recent = _last.recent(path)
    if recent is not None:
        return ObjectReader(io.BytesIO(recent[1]), recent[0])
    there = entry(path)
    with _failures(path):
        if there.size_bytes > _WHOLE_BYTES:
            return ObjectReader(_system(path.parts[0]).open(_key(path), "rb"), there)
        return ObjectReader(io.BytesIO(_last.content(path, there)), there)


def beginning(path: Path, count: int) -> bytes:
    """The first bytes of an object. Raises BucketError."""
    recent = _last.recent(path)
    if recent is not None:
        return recent[1][:count]
    with _failures(path):
        found: bytes = _system(path.parts[0]).cat_file(_key(path), start=0, end=count)
        return found


def is_gone(path: Path) -> bool:
    """Whether nothing is at a path, nor below it. False where that cannot be told, as without a network."""
    try:
        entry(path)
    except BucketError as error:
        return error.errno == errno.ENOENT
    return False


class _Last:
    """The bytes of the object that was read last: a photo is asked for its draft, its pixels, its date and its film."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: tuple[Path, Entry] | None = None
        self._content = b""
        self._at_s = -math.inf

    def recent(self, path: Path) -> tuple[Entry, bytes] | None:
        """What was read of an object a moment ago: within one photo nobody need ask again whether it has changed."""
        with self._lock:
            is_recent = time.monotonic() - self._at_s < _RECENT_S
            return (self._key[1], self._content) if is_recent and self._key and self._key[0] == path else None

    def content(self, path: Path, there: Entry) -> bytes:
        with self._lock:
            if self._key == (path, there):
                self._at_s = time.monotonic()
                return self._content
        content = _fetched(path)
        with self._lock:
            self._key, self._content, self._at_s = (path, there), content, time.monotonic()
        return content


_last = _Last()


def _fetched(path: Path) -> bytes:
    found: bytes = _system(path.parts[0]).cat_file(_key(path))
    return found


def _key(path: Path) -> str:
    """Bucket and key."""
    return "/".join(path.parts[1:])


@cache
def _system(scheme: str) -> Any:
    """What speaks to the cloud; nothing is remembered of its listings."""
    # Left on, gcsfs asks Google which kind of bucket it is, by gRPC and for a minute where a firewall is in between.
    os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    import fsspec

    for client in (
        "gcsfs",
        "google.auth",
    ):  # they print what they raise, too, and that this machine is none of Google's
        logging.getLogger(client).setLevel(logging.CRITICAL + 1)
    return fsspec.filesystem(scheme.rstrip(":"), use_listings_cache=False, skip_instance_cache=True)


def _entry(said: dict[str, Any]) -> Entry:
    name = str(said["name"]).rstrip("/").rpartition("/")[2]
    if said.get("type") == "directory":
        return Entry(name, True, 0, 0)
    changed = next((said[key] for key in _TIMES if said.get(key)), 0)
    if isinstance(changed, str):
        changed = datetime.fromisoformat(changed)
    if isinstance(changed, datetime):
        changed = (changed if changed.tzinfo else changed.replace(tzinfo=UTC)).timestamp()
    tag = next((str(said[key]).strip('"') for key in _TAGS if said.get(key)), "")
    fraction_ns = int(hashlib.sha256(tag.encode()).hexdigest(), 16) % 10**9 if tag else round(changed % 1 * 1e9)
    return Entry(name, False, int(said.get("size") or 0), int(changed) * 10**9 + fraction_ns)


@contextmanager
def _failures(path: Path) -> Iterator[None]:
    """Every failure as a BucketError with a number, which makes the next run try again. What the cloud's library says
    can hold keys: only the kind of failure is passed on."""
    try:
        yield
    except ImportError as error:
        how = how_to_add(path.parts[0].rstrip(":"))
        said = f"is in a bucket ({error}); to read it: {how}"
        raise BucketError(errno.ENODEV, said) from None
    except FileNotFoundError:
        raise BucketError(errno.ENOENT, "does not exist: check the bucket's name, and the key") from None
    except Exception as error:
        kind = type(error)
        if kind.__name__ in _WITHOUT_CREDENTIALS:
            raise BucketError(errno.EACCES, f"needs credentials: {_CREDENTIALS}") from None
        if _is_refusal(error):
            raise BucketError(errno.EACCES, f"may not be read: {_CREDENTIALS}") from None
        if isinstance(error, OSError | TimeoutError) or kind.__module__.partition(".")[0] in _CLIENTS:
            said = f"cannot be read ({kind.__name__}): check the network, and the cloud's address in the environment"
            raise BucketError(errno.EIO, said) from None
        raise


def _is_refusal(error: Exception) -> bool:
    """Whether the cloud knows who asks, or that nobody says so, and refuses."""
    is_forbidden = isinstance(error, OSError) and str(error).startswith("Forbidden")  # gcsfs's word for 403
    return isinstance(error, PermissionError) or is_forbidden or str(getattr(error, "code", "")) in ("401", "403")
