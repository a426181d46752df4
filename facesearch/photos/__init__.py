"""Photos on disk: walk folders, fingerprint files, decode upright RGB pixels.

Opens every file read-only, reads it once, and never writes, moves or renames one. Knows nothing of faces, and never
opens what is not a regular file. A photo that cannot be read is a PhotoError that names the file, says what is wrong
with it and what to do. Use a DecodingWorker to be safe from files that crash their decoder. Nothing is printed (only
libtiff, outside of a DecodingWorker, may write a line of its own about a damaged compressed TIFF to standard error).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from facesearch.first_use import imported_at_first_use

if TYPE_CHECKING:
    from facesearch.photos.dates import date_in_name, date_taken, when_taken
    from facesearch.photos.decoding.decode import MEGAPIXEL_LIMITS, decode_photo, read_photo
    from facesearch.photos.decoding.formats import is_video
    from facesearch.photos.decoding.motion import has_film
    from facesearch.photos.decoding.one_worker import read_photo_apart, start_reading
    from facesearch.photos.decoding.raw import RAW_SUFFIXES
    from facesearch.photos.decoding.video import reads_videos
    from facesearch.photos.decoding.worker import DecodingWorker, WorkerLimits
    from facesearch.photos.embedded import Embedded, read_embedded
    from facesearch.photos.file_names import PHOTO_SUFFIXES, is_named_as_photo, is_named_as_video
    from facesearch.photos.files import MAX_SIDE_PX, faceless_damage, fingerprint, is_folder, photo_file, shown_path
    from facesearch.photos.ignore import IGNORE_NAME
    from facesearch.photos.walking import Walk, walk

__all__ = [
    "IGNORE_NAME",
    "MAX_SIDE_PX",
    "MEGAPIXEL_LIMITS",
    "PHOTO_SUFFIXES",
    "RAW_SUFFIXES",
    "DecodingWorker",
    "Embedded",
    "Walk",
    "WorkerLimits",
    "date_in_name",
    "date_taken",
    "decode_photo",
    "faceless_damage",
    "fingerprint",
    "has_film",
    "is_folder",
    "is_named_as_photo",
    "is_named_as_video",
    "is_video",
    "photo_file",
    "read_embedded",
    "read_photo",
    "read_photo_apart",
    "reads_videos",
    "shown_path",
    "start_reading",
    "walk",
    "when_taken",
]

# The process that decodes photos imports one of the modules here, and needs neither what starts it nor what walks.
__getattr__ = imported_at_first_use(
    __name__,
    {
        "IGNORE_NAME": "ignore",
        "MAX_SIDE_PX": "files",
        "MEGAPIXEL_LIMITS": "decoding.decode",
        "PHOTO_SUFFIXES": "file_names",
        "RAW_SUFFIXES": "decoding.raw",
        "DecodingWorker": "decoding.worker",
        "Embedded": "embedded",
        "Walk": "walking",
        "WorkerLimits": "decoding.worker",
        "date_in_name": "dates",
        "date_taken": "dates",
        "decode_photo": "decoding.decode",
        "faceless_damage": "files",
        "fingerprint": "files",
        "is_folder": "files",
        "is_named_as_photo": "file_names",
        "is_named_as_video": "file_names",
        "has_film": "decoding.motion",
        "is_video": "decoding.formats",
        "photo_file": "files",
        "read_embedded": "embedded",
        "read_photo": "decoding.decode",
        "read_photo_apart": "decoding.one_worker",
        "reads_videos": "decoding.video",
        "shown_path": "files",
        "start_reading": "decoding.one_worker",
        "walk": "walking",
        "when_taken": "dates",
    },
)
