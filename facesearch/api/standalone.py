"""What needs no library: a tower by itself, and two photos compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from facesearch.api.library import FaceLibrary
from facesearch.api.session import Folder
from facesearch.records import Device

if TYPE_CHECKING:
    from facesearch.query import Comparison
    from facesearch.vision.tower.tower import Tower


def load_tower(path: Folder | None = None, *, device: Device = "auto") -> Tower:
    """Load a trained tower, by default the one that comes with facesearch; see `tower.embed(crops)` and `tower.card`.

    Raises TowerError when it is missing or damaged.
    """
    from facesearch.vision.tower.tower import Tower

    return Tower.load(None if path is None else Path(path), device=device)


def compare(
    first: Folder,
    second: Folder,
    *,
    tower: Folder | None = None,
    device: Device = "auto",
    library: Folder | None = None,
) -> Comparison:
    """The distance of the most prominent faces of two photos, and whether it is within the tower's threshold.

    library: use this library's distances and calibration instead of the tower's. Raises PhotoError (unreadable, no
    face), TowerError, and LibraryError with a library.
    """
    from facesearch.query import compare_photos
    from facesearch.vision.detector.detector import load_detector

    if library is not None:
        with FaceLibrary(Path(library), tower, device) as opened:
            return opened.compare(first, second)
    return compare_photos(Path(first), Path(second), load_detector(), load_tower(tower, device=device))
