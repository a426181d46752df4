"""In which codes a library's search keeps faces (see library.index.codes): as it was set, or as fits the memory."""

from __future__ import annotations

from facesearch.errors import UsageError
from facesearch.library.index import partitions
from facesearch.library.index.codes import CODES, Codes, coarser, fitting, memory_bytes
from facesearch.library.rows.database import Database

_SETTING = "codes"
AUTOMATIC = "auto"


class SearchCodes:
    """Reads and sets them. Changes are made inside a transaction of the Database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def wanted(self) -> Codes | None:
        """Those that the library was set to; None for what fits the memory."""
        kept = self._database.settings().get(_SETTING)
        return next((codes for codes in CODES if codes == kept), None)

    def want(self, codes: str) -> None:
        """Set them: one of CODES, or AUTOMATIC. The next training of the search obeys. Raises UsageError for others."""
        if codes not in (AUTOMATIC, *CODES):
            raise UsageError(f"there are no {codes} codes: choose {', '.join(CODES)} or {AUTOMATIC}")
        self._database.set_settings({_SETTING: codes})

    def of(self, faces: int, now: Codes = "float32") -> Codes:
        """Those for so many faces. now: those that they are kept in; what fits the memory is never more precise."""
        if faces < partitions.PARTITIONS_FROM_FACES:
            return "float32"
        return self.wanted or coarser(now, fitting(faces, memory_bytes()))
