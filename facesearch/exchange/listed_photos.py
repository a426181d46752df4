"""A list of photos for other programs: as a folder of symbolic links or copies, or as a table. Only reads the photos.

Refuses a folder that is not empty, so that nothing is ever overwritten.
"""

from __future__ import annotations

import csv
import errno
import io
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from facesearch.errors import UsageError
from facesearch.paths import address, is_in_bucket
from facesearch.people import PhotoEntry, PhotoPerson
from facesearch.photos.buckets import BucketError, entry
from facesearch.photos.files import open_file
from facesearch.text import called, time_span

_COLUMNS = (
    "photo",
    "taken",
    "taken_zone_min",
    "taken_source",
    "people",
    "faces",
    "width_px",
    "height_px",
    "duration_s",
    "spans",
)
_NAME_REFUSED = (errno.EINVAL, errno.EILSEQ, errno.ENAMETOOLONG)
_REFUSED = '<>:"/\\|?*\ufffd'
_LONGEST_BYTES = 143


@dataclass(frozen=True)
class AlbumSummary:
    """What was put into a folder."""

    folder: Path
    photos: int
    copied: bool  # copies, not symbolic links
    skipped: tuple[Path, ...]  # photos that could not be read for a copy


def make_album(photos: Sequence[Path], folder: Path, *, copy: bool = False) -> AlbumSummary:
    """Put photos into a new or empty folder, in their order: a number stands before each name. copy: copies, with the
    times of the files, instead of symbolic links. Raises UsageError where the folder cannot be used."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty: choose a new folder for the album")
    except OSError as error:
        raise UsageError(f"{folder} cannot be used for an album: {error.strerror}; choose another folder") from error
    if not copy and any(map(is_in_bucket, photos)):
        raise UsageError("photos in a bucket cannot be linked to: give --copy")
    digits = max(4, len(str(len(photos))))
    skipped = []
    for number, photo in enumerate(photos, start=1):
        name = f"{number:0{digits}} {photo.name}"
        # Windows refuses no colon: it writes a second stream of the file that is named before it.
        place = folder / (_plain_name(name) if sys.platform == "win32" else name)
        try:
            _put(photo, place, copy=copy)
        except OSError as error:
            if copy and not _can_be_read(photo, error):
                skipped.append(photo)
                continue
            what, advice = ("written", "") if copy else ("made a link", ", or add --copy for copies")
            raise UsageError(f"{place} cannot be {what}: {error.strerror}; choose another folder{advice}") from error
    return AlbumSummary(folder, len(photos) - len(skipped), copy, tuple(skipped))


def _put(photo: Path, place: Path, *, copy: bool) -> None:
    """Link or copy a photo, under a plainer name where the folder takes no such name. Raises OSError."""
    put = _link if not copy else _download if is_in_bucket(photo) else _copy
    try:
        put(photo, place)
    except OSError as error:
        plain = place.with_name(_plain_name(place.name))
        if error.errno not in _NAME_REFUSED or plain == place:
            raise
        put(photo, plain)


def _link(photo: Path, place: Path) -> None:
    place.symlink_to(os.path.abspath(photo))  # noqa: PTH100 - a link in the user's folders is kept


def _copy(photo: Path, place: Path) -> None:
    """Copy a file with its times. Nothing is left of a copy that is cut short. Raises OSError."""
    with _whole(place):
        shutil.copyfile(photo, place)
    with suppress(OSError):  # drives of FAT and phones take no modes
        shutil.copystat(photo, place)


def _plain_name(name: str) -> str:
    """The name as every file system takes it: at most 143 bytes, as in encrypted folders, and without the characters
    that Windows and its drives refuse."""
    text = os.fsencode(name).decode("utf-8", "replace")
    text = "".join("_" if each in _REFUSED or not each.isprintable() else each for each in text)
    suffix = Path(text).suffix
    stem = text.removesuffix(suffix).encode()[: _LONGEST_BYTES - len(suffix.encode())]
    return (stem.decode("utf-8", "ignore") + suffix).rstrip(" .")


@contextmanager
def _whole(place: Path) -> Iterator[None]:
    """Remove a file that could not be written whole."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            place.unlink(missing_ok=True)
        raise


def _can_be_read(photo: Path, error: OSError) -> bool:
    """Whether it is not the photo's fault that it could not be copied: a full disk, or a folder that takes no files."""
    if is_in_bucket(photo):
        return not isinstance(error, BucketError)
    if not photo.is_file():
        return False
    try:
        with photo.open("rb") as stream:
            stream.read(1)
    except OSError:
        return False
    return error.errno != errno.EIO


def _download(photo: Path, place: Path) -> None:
    """Copy an object from its bucket, with its time. Raises OSError."""
    with _whole(place), open_file(photo) as source, place.open("wb") as copy:
        shutil.copyfileobj(source, copy)
    time_ns = entry(photo).mtime_ns
    os.utime(place, ns=(time_ns, time_ns))


def photos_csv(entries: Sequence[PhotoEntry], *, header: bool = True) -> bytes:
    """A table of photos with their dates and people, in UTF-8; odd bytes of file names stay as they are.
    header: without it, the lines that follow those of another part."""
    stream = io.StringIO(newline="")
    rows = csv.writer(stream)
    if header:
        rows.writerow(_COLUMNS)
    for each in entries:
        names = "; ".join(called(person.name, person.person_id) for person in each.people)
        date = each.taken, each.taken_zone_min, each.taken_source
        spans = "; ".join(f"{called(one.name, one.person_id)} {_times(one)}" for one in each.people if one.spans)
        size = each.width_px, each.height_px
        rows.writerow((address(each.photo), *date, names, each.faces, *size, each.duration_s, spans))
    return stream.getvalue().encode("utf-8", "surrogateescape")


def _times(person: PhotoPerson) -> str:
    """When somebody is seen in a video: `00:00:02-00:00:05, 00:01:10`."""
    return ", ".join(map(time_span, person.spans))
