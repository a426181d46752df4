"""Libraries of tiles in which some people have names."""

from __future__ import annotations

from pathlib import Path

from facesearch.indexing import index_photos
from facesearch.library import Library
from support.tiles import TILE_PX, ColourTower, TileDetector

ANN, BOB, SOMEBODY = (200, 20, 20), (20, 200, 20), (20, 20, 200)
COLOURS = {"Ann": ANN, "Bob": BOB}


def name_faces(library: Library, **by_left: str) -> None:
    """Name the faces of all photos by the column of the tile that they are on, as `tile_0="Ann"`."""
    with library.changing():
        for face in library.catalog.faces_in(library.catalog.photo_ids().values()):
            name = by_left.get(f"tile_{int(face.box[0]) // TILE_PX}")
            if name is not None:
                library.people.label(library.people.named(name), [face.face_id], "user")


def index(library: Library, *paths: Path) -> None:
    index_photos(library, list(paths), TileDetector(), ColourTower())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}
