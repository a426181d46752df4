"""When photos were taken of which a former version has not looked."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from facesearch.errors import PhotoError
from facesearch.library import Library
from facesearch.photos import photo_file, when_taken
from facesearch.records import Taken

_PHOTOS_A_BATCH = 1000


def date_photos(library: Library, shown: Iterable[tuple[Path, int]], threads: int) -> None:
    """Note when those of some photos were taken of which that is not known. shown: paths and the photos in them."""
    undated = library.catalog.undated()
    if not undated:
        return
    files = sorted({photo_id: path for path, photo_id in shown if photo_id in undated}.items())
    with ThreadPoolExecutor(threads, thread_name_prefix="dates") as pool:
        for start in range(0, len(files), _PHOTOS_A_BATCH):
            piece = files[start : start + _PHOTOS_A_BATCH]
            dates = list(pool.map(_dated, (path for _, path in piece)))
            with library.changing():
                for (photo_id, _), taken in zip(piece, dates, strict=True):
                    if taken is not None:
                        library.catalog.set_taken(photo_id, taken)


def _dated(path: Path) -> Taken | None:
    """None where the file cannot be looked at now."""
    try:
        return when_taken(photo_file(path))
    except PhotoError:
        return None
