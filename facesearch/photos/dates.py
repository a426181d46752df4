"""When a photo was taken, as its camera wrote it into the file. Reads the header, never a pixel."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from PIL import ExifTags

from facesearch.errors import PhotoError
from facesearch.photos.decoding.formats import candidate_formats, opener
from facesearch.photos.decoding.quiet import pillow_silenced
from facesearch.photos.decoding.rescue import DECODER_ERRORS
from facesearch.photos.files import open_file

_HEAD_BYTES = 64
# When the shutter opened, when a film was scanned, and when the file was last changed. Source: Exif 3.0 (CIPA DC-008).
_IN_EXIF = (ExifTags.Base.DateTimeOriginal, ExifTags.Base.DateTimeDigitized)
_IN_IMAGE = (ExifTags.Base.DateTime,)
_FORM = "%Y:%m:%d %H:%M:%S"


def date_taken(path: Path) -> datetime | None:
    """The camera's local time, without a time zone; None where the file says none, says nonsense, or cannot be read.

    Of RAW photos those that are laid out as TIFF say it. Safe in threads.
    """
    try:
        with open_file(path) as stream, pillow_silenced:
            names = candidate_formats(stream.read(_HEAD_BYTES))
            for name in names:
                stream.seek(0)
                try:
                    exif = opener(name)(stream).getexif()
                    return _first_date((exif.get_ifd(ExifTags.IFD.Exif), _IN_EXIF), (exif, _IN_IMAGE))
                except DECODER_ERRORS:
                    continue
    except (PhotoError, OSError):
        return None
    return None


def _first_date(*places: tuple[Any, Iterable[int]]) -> datetime | None:
    for values, tags in places:
        for tag in tags:
            try:
                return datetime.strptime(str(values.get(tag)).strip("\0 ")[:19], _FORM)
            except ValueError:  # missing, or as in "0000:00:00 00:00:00" and "    :  :     :  :  "
                continue
    return None
