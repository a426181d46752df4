"""A library of colours, for the tests of people: three folders of one person each, and a group photo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from facesearch.indexing import IndexOptions, IndexSummary, index_photos
from facesearch.library import Library
from support.tiles import MODELS, ColourTower, TileDetector, draw

Snapshot = tuple[list[tuple[Any, ...]], ...]

ANN = (200, 10, 10)
BOB = (10, 200, 10)
CARL = (10, 10, 200)
STRANGER = (120, 120, 20)


def draw_album(album: Path, photos: int = 3) -> Path:
    """Ann, Bob and Carl on photos of their own, a shade apart; one photo of all of them and a stranger."""
    for name, colour in (("Ann", ANN), ("Bob", BOB), ("Carl", CARL)):
        for number in range(photos):
            draw(album / name / f"{number}.png", (colour[0] + number, colour[1] + number, colour[2] + number))
    draw(album / "together.png", ANN, BOB, CARL, STRANGER)
    return album


def index(library: Library, album: Path, *, names: bool = False, rehash: bool = False) -> IndexSummary:
    options = IndexOptions(people_from_folders=names, rehash=rehash)
    return index_photos(library, [album], TileDetector(), ColourTower(), options)


def create(path: Path, album: Path) -> Library:
    """A library, open for writing, in which the folders have named Ann (1), Bob (2) and Carl (3), of faces 1 to 9.

    Faces 10 to 13 are on the group photo, in the order of its colours, and have no person.
    """
    library = Library.create(path, MODELS)
    for name in ("Ann", "Bob", "Carl"):
        index(library, album / name, names=True)
    index(library, album)
    return library


def everything(library: Library) -> Snapshot:
    """All that the library says about people, but for its journal."""
    rows = library._database.rows
    return (
        rows("SELECT id, name, born, created_at, hidden, cover_face_id FROM people ORDER BY id"),
        rows("SELECT id, person_id, person_source FROM faces WHERE person_id IS NOT NULL ORDER BY id"),
        rows("SELECT face_id, person_id FROM rejections ORDER BY face_id, person_id"),
    )
