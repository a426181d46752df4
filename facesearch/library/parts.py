"""The rows of an open library, by what they are about. What a question does not read is imported when it is asked for:
to make its classes takes longer than the question's search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from facesearch.first_use import made_at_first_use
from facesearch.library.rows.catalog import Catalog
from facesearch.library.rows.database import Database
from facesearch.library.rows.dates import Dates
from facesearch.library.rows.face_owners import FaceOwners
from facesearch.library.rows.heads import Heads
from facesearch.library.rows.own_calibration import OwnCalibration
from facesearch.library.rows.people import People

if TYPE_CHECKING:
    from facesearch.library.rows.added_faces import AddedFaces
    from facesearch.library.rows.doubts import Doubts
    from facesearch.library.rows.files import Files, WalkedPaths
    from facesearch.library.rows.grouped import Grouped
    from facesearch.library.rows.journal import Journal
    from facesearch.library.rows.photo_search import PhotoSearch
    from facesearch.library.rows.published import PublishedFaces
    from facesearch.library.rows.succession import Succession
    from facesearch.library.search_codes import SearchCodes


def _later(module: str, name: str, *more: str) -> Any:
    return made_at_first_use(f"facesearch.library.{module}", name, lambda library: (library._database, *more))


class LibraryParts:
    """What a Library reads and changes its rows with."""

    added: AddedFaces = _later("rows.added_faces", "AddedFaces")
    doubts: Doubts = _later("rows.doubts", "Doubts")
    files: Files = _later("rows.files", "Files")
    roots: WalkedPaths = _later("rows.files", "WalkedPaths", "roots")
    drives: WalkedPaths = _later("rows.files", "WalkedPaths", "drives")
    journal: Journal = _later("rows.journal", "Journal")
    grouped: Grouped = _later("rows.grouped", "Grouped")
    search_codes: SearchCodes = _later("search_codes", "SearchCodes")
    photo_search: PhotoSearch = _later("rows.photo_search", "PhotoSearch")
    published: PublishedFaces = _later("rows.published", "PublishedFaces")
    succession: Succession = _later("rows.succession", "Succession")

    def __init__(self, database: Database) -> None:
        self._database = database
        self.catalog = Catalog(database)
        self.dates = Dates(database)
        self.people = People(database)
        self.face_owners = FaceOwners(database)
        self.heads = Heads(database)
        self.own_calibration = OwnCalibration(database)
