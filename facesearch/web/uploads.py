"""Photos that are uploaded for a query: limited in size, read in the guarded worker, and not kept.

What stays for a while, in memory, is the answer and a picture to show it on.
"""

from __future__ import annotations

import re
import tempfile
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from facesearch.api.library import FaceLibrary
from facesearch.errors import LibraryLockedError, PhotoError
from facesearch.web.library_threads import LibraryThreads

if TYPE_CHECKING:
    from facesearch.api.values import QueryAnswer, QueryOptions
    from facesearch.api.views import ProbePicture

_MOST_HELD = 20  # some 10 MB
_MOST_AT_ONCE = 16  # photos that are being sent: as many may lie on this machine's disk

_ENDING = re.compile(r"\.[A-Za-z0-9]{1,5}")

UNNAMED = "photo"


@dataclass(frozen=True)
class Asked:
    """An answer, and what it was given for."""

    number: int
    answer: QueryAnswer
    pictures: Mapping[float | None, ProbePicture]  # of a photo one under None, of a film frames by their times in s


class Uploads:
    """Asks the library about photos that are sent, and remembers the last answers. folder: where they lie meanwhile."""

    def __init__(self, threads: LibraryThreads, folder: Path) -> None:
        self._threads = threads
        self._folder = folder
        self._held: OrderedDict[int, Asked] = OrderedDict()
        self._number = 0
        self._coming = 0

    async def ask(self, pieces: AsyncIterator[bytes], name: str, options: QueryOptions) -> Asked:
        """Answer for a photo. name: as the sender calls it. Raises PhotoError, LibraryError and TowerError, and
        LibraryLockedError where too many are being sent."""
        if self._coming >= _MOST_AT_ONCE:
            raise LibraryLockedError(f"{self._coming} photos are being sent already; try again in a moment")
        self._coming += 1
        try:
            asked = await self._asked(pieces, Path(Path(name).name or UNNAMED), options)
        finally:
            self._coming -= 1
        self._held[asked.number] = asked
        while len(self._held) > _MOST_HELD:
            self._held.popitem(last=False)
        return asked

    async def _asked(self, pieces: AsyncIterator[bytes], name: Path, options: QueryOptions) -> Asked:
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            # Its ending, for what is said of one that cannot be read: which formats of photos, or of videos, can be.
            path = Path(folder) / (UNNAMED + (name.suffix if _ENDING.fullmatch(name.suffix) else ""))
            with path.open("wb") as file:
                async for piece in pieces:
                    file.write(piece)
            self._number += 1
            number = self._number
            return await self._threads.think(lambda library: _asked(library, path, number, name, options))

    def find(self, number: int) -> Asked | None:
        """An answer that was given not long ago."""
        return self._held.get(number)


def _asked(library: FaceLibrary, path: Path, number: int, name: Path, options: QueryOptions) -> Asked:
    try:
        probe = library.probe(path)
    except PhotoError as error:
        raise type(error)(f"{name}: {error.reason}", error.reason) from error
    answer = replace(library.ask(probe, options), photo=name)
    return Asked(number, answer, library.views.probe_pictures(probe))
