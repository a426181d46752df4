"""The people that pages show, in order: named people by number of faces, then groups without a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from facesearch.web.library_threads import LibraryThreads

if TYPE_CHECKING:
    from facesearch.api.values import PeopleList, PersonEntry


class ShownPeople:
    """The people of the library as pages show them. Remembers covers, which cost embeddings to choose."""

    def __init__(self, threads: LibraryThreads) -> None:
        self._threads = threads
        self._of: PeopleList | None = None
        self._ordered: list[PersonEntry] = []
        self._visible: list[PersonEntry] = []  # without who is hidden
        self._folded: dict[int, str] = {}  # names as they are compared
        self._covers: dict[int, int] = {}

    async def people(self, text: str = "", *, hidden: bool = False) -> list[PersonEntry]:
        """Those with a text in their names, and with `#12` the group of that number. hidden: also who is hidden."""
        await self._renew()
        everybody = self._ordered if hidden else self._visible
        wanted = text.strip().casefold()
        if not wanted:
            return everybody
        if wanted.startswith("#"):
            return [person for person in everybody if f"#{person.person_id}" == wanted]
        return [person for person in everybody if wanted in self._folded.get(person.person_id, "")]

    async def names(self, text: str, most: int) -> list[str]:
        """Names to complete a text with: those that begin so first."""
        wanted = text.strip().casefold()
        names = [person.name for person in await self.people(text) if person.name is not None]
        return sorted(names, key=lambda name: (not name.casefold().startswith(wanted), name.casefold()))[:most]

    async def with_covers(self, people: Sequence[PersonEntry]) -> list[PersonEntry]:
        """The same, each with the face that stands for them."""
        covers = self._covers  # another one once the library has changed
        missing = [person.person_id for person in people if person.person_id not in covers]
        if missing:
            covers.update(await self._threads.read(lambda library: library.people.covers(missing)))
        return [replace(person, cover_face_id=covers.get(person.person_id)) for person in people]

    async def _renew(self) -> None:
        found = await self._threads.people()
        if found is not self._of:
            self._ordered = sorted(
                found.people, key=lambda each: (each.name is None, -each.faces, each.name or "", each.person_id)
            )
            self._visible = [person for person in self._ordered if not person.hidden]
            self._folded = {each.person_id: each.name.casefold() for each in found.people if each.name is not None}
            self._covers = {}
            self._of = found
