"""When a photo was taken, and where that comes from: its camera, its XMP, its name, or the time of its file.

Reads headers, never a pixel. Sources: Exif 3.0 (CIPA DC-008) for dates and time zones; XMP Specification, Part 2, and
the schemas of Exif and Photoshop for XMP.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from PIL import ExifTags

from facesearch.errors import PhotoError
from facesearch.paths import is_in_bucket
from facesearch.photos.decoding.formats import candidate_formats, opener
from facesearch.photos.decoding.pillow_warnings import pillow_silenced
from facesearch.photos.decoding.rescue import DECODER_ERRORS
from facesearch.photos.files import open_file
from facesearch.records import DateSource, PhotoFile, Taken

_HEAD_BYTES = 64
_SIDECAR_BYTES = 1 << 20
# When the shutter opened, when a film was scanned, and when the file was last changed, each with its time zone.
_IN_EXIF = (
    (ExifTags.Base.DateTimeOriginal, ExifTags.Base.OffsetTimeOriginal),
    (ExifTags.Base.DateTimeDigitized, ExifTags.Base.OffsetTimeDigitized),
)
_IN_IMAGE = ((ExifTags.Base.DateTime, ExifTags.Base.OffsetTime),)
_FORM = "%Y:%m:%d %H:%M:%S"
_IN_XMP = (b"exif:DateTimeOriginal", b"photoshop:DateCreated", b"xmp:CreateDate")
_IN_NAME = re.compile(
    r"(?<!\d)(?P<year>19\d\d|20\d\d)(?P<dash>[-_.]?)(?P<month>0[1-9]|1[0-2])(?P=dash)(?P<day>0[1-9]|[12]\d|3[01])"
    r"(?!\d)(?:[-_ T.]{1,3}(?:at )?(?P<hour>[01]\d|2[0-3])[-_.:h]?(?P<minute>[0-5]\d)[-_.:m]?(?P<second>[0-5]\d))?"
)
_ISO = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?)?)?)?\s*(Z|[+-]\d\d:\d\d)?", re.ASCII
)
_FARTHEST_ZONE_MIN = 14 * 60  # Kiribati


def when_taken(file: PhotoFile, in_video: Taken | None = None) -> Taken:
    """The date of a photo, from the best source that it has: Exif, XMP in the photo or beside it, a video's container
    (`in_video`), the file's name, or else the time when the file was last changed. Safe in threads."""
    return next(_said(file.path), None) or in_video or date_in_name(file.path.name) or _by_file(file.mtime_ns)


def date_taken(path: Path) -> datetime | None:
    """The local time in Exif, without a time zone; None if there is none, it makes no sense, or the file cannot be
    read. Reads RAW photos that are laid out as TIFF. Safe in threads."""
    found = next((each for each in _said(path) if each.source == "exif"), None)
    return None if found is None else datetime.fromisoformat(found.at)


def date_in_name(name: str) -> Taken | None:
    """The date that a camera or a messenger wrote into a file's name, as in IMG_20190704_153012, `2019-07-04 15.30.12`
    or IMG-20190704-WA0001; noon where it says no time. None where it says no date."""
    for found in _IN_NAME.finditer(name):
        part = {key: int(value) for key, value in found.groupdict().items() if value and value.isdigit()}
        time = [part.get("hour", 12), part.get("minute", 0), part.get("second", 0)]
        taken = _checked([part["year"], part["month"], part["day"], *time], None, "name")
        if taken is not None:
            return taken
    return None


def _said(path: Path) -> Iterator[Taken]:
    """What the photo itself says, and then the XMP beside it: the best first."""
    exif, packets = _header(path)
    if exif is not None:
        yield exif
    for packet in (*packets, *_sidecars(path)):
        xmp = _date_in_xmp(packet)
        if xmp is not None:
            yield xmp


def _header(path: Path) -> tuple[Taken | None, list[bytes]]:
    """The date in Exif, and the XMP that stands before the pixels."""
    try:
        with open_file(path) as stream, pillow_silenced:
            for name in candidate_formats(stream.read(_HEAD_BYTES)):
                stream.seek(0)
                try:
                    image = opener(name)(stream)
                    exif = image.getexif()
                    date = _first_date((exif.get_ifd(ExifTags.IFD.Exif), _IN_EXIF), (exif, _IN_IMAGE))
                except DECODER_ERRORS:
                    continue
                packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
                return date, [packet.encode() if isinstance(packet, str) else packet] if packet else []
    except (PhotoError, OSError):
        pass
    return None, []


def _sidecars(path: Path) -> Iterator[bytes]:
    """IMG_1.jpg.xmp and IMG_1.xmp, where they are there; not in a bucket, where each look costs a request."""
    if is_in_bucket(path):
        return
    for sidecar in (path.with_name(f"{path.name}.xmp"), path.with_suffix(".xmp")):
        try:
            with open_file(sidecar) as stream:
                yield stream.read(_SIDECAR_BYTES)
        except (PhotoError, OSError, ValueError):
            continue


def _first_date(*places: tuple[Any, Iterable[tuple[int, int]]]) -> Taken | None:
    for values, tags in places:
        for tag, zone_tag in tags:
            try:
                at = datetime.strptime(str(values.get(tag)).strip("\0 ")[:19], _FORM)
            except ValueError:  # missing, or as in "0000:00:00 00:00:00" and "    :  :     :  :  "
                continue
            return Taken(at.isoformat(), _zone_min(str(values.get(zone_tag)).strip("\0 ")), "exif")
    return None


def _date_in_xmp(packet: bytes) -> Taken | None:
    for name in _IN_XMP:
        said = re.search(rb"[\s<]" + name + rb"(?:\s*=\s*[\"']|\s*>)([^\"'<]{4,40})", packet)
        found = None if said is None else _ISO.fullmatch(said[1].decode("ascii", "replace").strip())
        if found is not None:
            parts = [int(part) if part else missing for part, missing in zip(found.groups()[:6], _WHOLE, strict=True)]
            taken = _checked(parts, _zone_min(found[7]), "xmp")
            if taken is not None:
                return taken
    return None


_WHOLE = (0, 1, 1, 12, 0, 0)  # what is taken where a date leaves out month, day or time


def _checked(parts: list[int], zone_min: int | None, source: DateSource) -> Taken | None:
    try:
        return Taken(datetime(*parts[:6]).isoformat(), zone_min, source)  # type: ignore[arg-type]
    except ValueError:  # 31 February, the year 0
        return None


def _zone_min(text: str | None) -> int | None:
    """Minutes ahead of UTC, of `+02:00` or `Z`."""
    if text == "Z":
        return 0
    found = re.fullmatch(r"([+-])(\d\d):?([0-5]\d)", text or "", re.ASCII)
    if found is None:
        return None
    minutes = (60 * int(found[2]) + int(found[3])) * (-1 if found[1] == "-" else 1)
    return minutes if abs(minutes) <= _FARTHEST_ZONE_MIN else None


def _by_file(mtime_ns: int) -> Taken:
    """When the file was last changed, in the time zone of this machine."""
    seconds = mtime_ns // 10**9
    try:
        at = datetime.fromtimestamp(seconds).astimezone()
    except (ValueError, OverflowError, OSError):  # beyond what calendars reach
        at = datetime.fromtimestamp(0, timezone(timedelta(0)))
    offset = at.utcoffset() or timedelta(0)
    return Taken(at.replace(tzinfo=None).isoformat(timespec="seconds"), int(offset.total_seconds() // 60), "file")
