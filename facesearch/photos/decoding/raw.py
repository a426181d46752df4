"""RAW photos through the preview that the camera put into them; LibRaw finds it, by the `raw` extra (rawpy).

Most cameras store a JPEG of full size there, with their own colours. The sensor's data is never developed: that takes
seconds a photo, and tells no face from another. Refuses a file without a preview, with the reason.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from facesearch.errors import PhotoError
from facesearch.import_path import how_to_add
from facesearch.photos.files import photo_error

_SUFFIXES = """
.3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .fff .iiq .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf .raw .rw2 .rwl .sr2 .srf
.srw .x3f
"""
RAW_SUFFIXES = frozenset(_SUFFIXES.split())
# Kinds that are known by their first bytes. The others look like TIFF there, and are known by their names.
_SIGNATURES = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM", b"II\x1a\0\0\0HEAPCCDR")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

# LibRaw's flip to the EXIF orientation that says the same. Source: libraw_image_sizes_t in LibRaw's documentation.
_ORIENTATIONS = {3: 3, 5: 8, 6: 6}


@dataclass(frozen=True)
class Preview:
    """The preview in a RAW photo."""

    content: bytes  # a JPEG or PPM file
    orientation: int  # of the photo, as in EXIF
    sensor_is_wide: bool  # whether the sensor's picture is wider than high, as it is stored

    def orientation_of(self, size: tuple[int, int]) -> int:
        """How the preview lies if it does not say so itself: some cameras have turned it already."""
        is_turned = self.orientation in (6, 8) and (size[0] >= size[1]) != self.sensor_is_wide
        return 1 if is_turned else self.orientation


def suffix_of(name: str) -> str:
    """What a name ends with from its last dot on, in lower case; other systems leave dots and spaces behind that."""
    return PurePath(name.rstrip(" .")).suffix.lower()


def is_raw(content: bytes, path: Path) -> bool:
    """Whether a file is a RAW photo, by its first bytes, and where those are TIFF's by its name."""
    if content.startswith(_SIGNATURES) or content[4:12] == b"ftypcrx ":
        return True
    return content.startswith(_TIFF) and (content[8:11] == b"CR\x02" or suffix_of(path.name) in RAW_SUFFIXES)


def preview_of(content: bytes, path: Path) -> Preview:
    """The preview in a RAW photo. Raises PhotoError where there is none, or rawpy is not installed."""
    try:
        import rawpy
    except ImportError as error:
        raise photo_error(
            path, f"is a RAW photo, and reading those is an extra: {how_to_add('raw')}, or export it as JPEG"
        ) from error
    try:
        with rawpy.imread(io.BytesIO(content)) as raw:
            thumb = raw.extract_thumb()
            orientation = _ORIENTATIONS.get(raw.sizes.flip, 1)
            is_wide = raw.sizes.raw_width >= raw.sizes.raw_height
    except rawpy.LibRawError as error:
        raise _unusable(path, error) from error
    if thumb.format == rawpy.ThumbFormat.JPEG:
        return Preview(_as_stored(bytes(thumb.data)), orientation, is_wide)
    if thumb.format != rawpy.ThumbFormat.BITMAP:
        raise photo_error(path, "holds a preview of a kind that facesearch does not read: export it as JPEG")
    height, width = thumb.data.shape[:2]
    return Preview(b"P6 %d %d 255\n" % (width, height) + thumb.data.tobytes(), orientation, is_wide)


def _as_stored(jpeg: bytes) -> bytes:
    """A preview without the Exif that LibRaw puts before one that does not begin with its own (its jpeg_thumb_writer):
    the orientation in there is the RAW photo's, whatever the preview's is."""
    end = 4 + int.from_bytes(jpeg[4:6], "big")  # the length counts its own two bytes, not the marker's
    is_added = jpeg[2:4] == b"\xff\xe1" and b"dcraw v" in jpeg[:end]
    return jpeg[:2] + jpeg[end:] if is_added else jpeg


def _unusable(path: Path, error: Exception) -> PhotoError:
    detail: Any = error.args[0] if error.args else error
    said = detail.decode("ascii", "replace") if isinstance(detail, bytes) else str(detail)
    return photo_error(path, f"is a RAW photo without a preview that can be read ({said}): export it as JPEG")
