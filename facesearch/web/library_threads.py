"""The library as a server needs it: a few threads that read, one that changes, one that looks at photos.

A FaceLibrary is for one thread; each thread here has its own. Slow calls never delay quick ones.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from facesearch.api.library import FaceLibrary, open_library
from facesearch.errors import UsageError
from facesearch.records import Device

if TYPE_CHECKING:
    from facesearch.api.values import PeopleList, PersonEntry

T = TypeVar("T")

_READERS = 3


@dataclass(frozen=True)
class Place:
    """Which library is served, and what it works with."""

    library: Path
    tower: Path | None = None
    device: Device = "auto"
    roots: tuple[Path, ...] = ()  # folders that may be indexed from the page, beside those that the library knows

    def open(self) -> FaceLibrary:
        """A library for one thread."""
        return open_library(self.library, tower=self.tower, device=self.device)


class LibraryThreads:
    """Runs what is asked of the library in the thread that it belongs in."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="read")
        self._maker = ThreadPoolExecutor(1, thread_name_prefix="pictures")
        self._making = asyncio.Lock()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="write")
        self._prober = ThreadPoolExecutor(1, thread_name_prefix="probe")
        self._student = ThreadPoolExecutor(1, thread_name_prefix="study")
        self._thread = threading.local()
        self._people = CachedPeople()
        self._views = place.open().views  # for the event loop: asks for the stamp alone

    async def read(self, ask: Callable[[FaceLibrary], T]) -> T:
        """Ask what is quick. Raises what the library raises."""
        return await self._run(self._readers, ask)

    async def study(self, ask: Callable[[FaceLibrary], T]) -> T:
        """Ask what reads many rows or files, and takes a second or more."""
        return await self._run(self._student, ask)

    async def think(self, ask: Callable[[FaceLibrary], T]) -> T:
        """Ask what takes seconds, and may load networks."""
        return await self._run(self._prober, ask, hold=False)

    async def change(self, act: Callable[[FaceLibrary], T]) -> T:
        """Change something: one after the other."""
        return await self._run(self._writer, act, hold=False)

    async def picture(
        self, look: Callable[[FaceLibrary, bool], bytes | None], is_wanted: Callable[[], Awaitable[bool]]
    ) -> bytes | None:
        """A picture from the cache, or made, one at a time. look: its second argument is whether it may make one.
        is_wanted: asked when its turn has come, as a browser that scrolls on does not wait for it."""
        found = await self._run(self._readers, lambda library: look(library, False))
        if found is not None:
            return found
        async with self._making:
            return await self._run(self._maker, lambda library: look(library, True)) if await is_wanted() else None

    def has_library(self) -> bool:
        """Whether there is a library yet."""
        return self._views.is_there()

    def stamp(self) -> str:
        """Another text once somebody may have changed the library."""
        return self._views.stamp()

    async def people(self) -> PeopleList:
        """Everybody, hidden people too, without covers, the largest groups first."""
        known = self._people.known(self.stamp())  # without a thread, which costs more where many ask at once
        return known if known is not None else await self.read(self._people.current)

    async def _run(self, pool: ThreadPoolExecutor, ask: Callable[[FaceLibrary], T], *, hold: bool = True) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, self._asked, ask, hold)

    def _asked(self, ask: Callable[[FaceLibrary], T], hold: bool) -> T:
        library: FaceLibrary | None = getattr(self._thread, "library", None)
        if library is None:
            library = self._thread.library = self.place.open()
        if hold:
            library.views.hold()
        return ask(library)

    def close(self) -> None:
        """Wait for what is under way, and end the threads."""
        for pool in (self._readers, self._maker, self._writer, self._prober, self._student):
            pool.shutdown(wait=True, cancel_futures=True)


class CachedPeople:
    """The list of people, read again when the library has changed. Safe in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: tuple[str, PeopleList] | None = None

    def known(self, stamp: str) -> PeopleList | None:
        """The list, if it was read from a library of that stamp."""
        known = self._known
        return known[1] if known is not None and known[0] == stamp else None

    def current(self, library: FaceLibrary) -> PeopleList:
        with self._lock:
            stamp = library.views.stamp()
            known = self.known(stamp)
            if known is not None:
                return known
            read = library.people.list(covers=False, hidden=True)
            self._known = stamp, read
            return read


def person_in(people: PeopleList, person_id: int) -> PersonEntry:
    """A person by number. Raises UsageError."""
    for person in people.people:
        if person.person_id == person_id:
            return person
    raise UsageError(f"there is no person #{person_id} in the library any more")
