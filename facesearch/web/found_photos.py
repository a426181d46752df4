"""Photos by people and dates: as a page, a table, or a folder of links."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from fastapi import APIRouter, Query
from fastapi.responses import Response

from facesearch.errors import PersonMergedError, UsageError
from facesearch.web.allowed_folders import Folders
from facesearch.web.library_threads import LibraryThreads
from facesearch.web.request_bodies import AlbumWish, PhotosShown, PhotosWish
from facesearch.web.wording import on_the_page

if TYPE_CHECKING:
    from facesearch.api.values import AlbumSummary, PhotoEntry
    from facesearch.records import Ints
    from facesearch.web.html_pages import Pages
    from facesearch.web.rest import Services

_REMEMBERED = 4  # lists
_PART = 5000  # photos of a table at a time
FIRST = 60
"""Cards that come with a page; static/grid.js knows the number."""


@dataclass(frozen=True)
class Numbers:
    """The photos that were found, by number, in order: what one of them shows is read when it is shown."""

    photo_ids: Ints  # (N,)
    total: int  # photos in the library

    def among(self, photo_ids: Sequence[int] | None) -> Numbers:
        """Some of the photos, in the same order; None for all."""
        if photo_ids is None:
            return self
        return Numbers(self.photo_ids[np.isin(self.photo_ids, photo_ids)], self.total)

    def beside(self, photo_id: int, at: int) -> tuple[int | None, int | None, int | None]:
        """The place of a photo, and the photos before and after it; None for none. at: where it was when it was
        listed."""
        if not (at < len(self.photo_ids) and self.photo_ids[at] == photo_id):
            places = (self.photo_ids == photo_id).nonzero()[0]
            if not len(places):
                return None, None, None
            at = int(places[0])
        before = int(self.photo_ids[at - 1]) if at else None
        return at, before, int(self.photo_ids[at + 1]) if at + 1 < len(self.photo_ids) else None


class FoundPhotos:
    """Finds photos. Remembers the numbers of the last lists: a page asks for one part of a list after the other."""

    def __init__(self, threads: LibraryThreads, folders: Folders) -> None:
        self._threads, self._folders = threads, folders
        self._lists: OrderedDict[tuple[str, str], Numbers] = OrderedDict()

    async def find(self, wish: PhotosWish) -> Numbers:
        """The photos that meet the conditions. Raises UsageError for unknown people and for conditions that contradict
        each other."""
        key = self._threads.stamp(), wish.query()
        found = self._lists.get(key)
        if found is None:
            found = self._lists[key] = Numbers(
                *await self._threads.study(lambda library: library.views.find_photos(wish.wish))
            )
        self._lists.move_to_end(key)
        while len(self._lists) > _REMEMBERED:
            self._lists.popitem(last=False)
        return found

    async def part(self, found: Numbers, start: int, count: int) -> tuple[PhotoEntry, ...]:
        """Some of the photos, in order."""
        photo_ids = found.photo_ids[start : start + count].tolist()
        return await self._threads.read(lambda library: library.views.some_photos(photo_ids))

    async def table(self, found: Numbers) -> AsyncIterator[bytes]:
        """The photos as CSV, a part at a time: a browser saves the first while the next is read."""
        from facesearch.api.values import photos_csv

        for start in range(0, max(1, len(found.photo_ids)), _PART):
            part = await self.part(found, start, _PART)
            yield await asyncio.to_thread(photos_csv, part, header=start == 0)

    async def make_album(self, wish: AlbumWish) -> AlbumSummary:
        """Fill a new folder with links to the photos, or with copies. Raises UsageError for one that is not allowed, or
        holds something."""
        from facesearch.api.values import make_album

        folder = self._folders.new(wish.folder)
        photo_ids = (await self.find(wish)).among(wish.photos).photo_ids.tolist()
        found = await self._threads.study(lambda library: library.views.some_photos(photo_ids))
        if not found:
            raise UsageError("no photo matches, so no folder was made")
        return await asyncio.to_thread(make_album, [each.photo for each in found], folder, copy=wish.copies)


def add_photos(router: APIRouter, services: Services, pages: Pages) -> None:
    """The routes."""

    async def photos(wish: Annotated[PhotosShown, Query()]) -> Response:
        problem, found = "", None
        first: tuple[PhotoEntry, ...] = ()
        try:
            found = await services.photos.find(wish)
            first = await services.photos.part(found, 0, FIRST)
        except PersonMergedError:
            raise  # the page shows the person that they were merged into
        except UsageError as error:
            problem = on_the_page(str(error))
        return pages.page(
            "photos.html",
            "/photos",
            wish=wish,
            query=wish.query(),
            problem=problem,
            found=0 if found is None else len(found.photo_ids),
            total=0 if found is None else found.total,
            photos=list(enumerate(first)),
            more=f"/photos/cards?{wish.query()}",
            roots=services.threads.place.roots,
        )

    async def cards(wish: Annotated[PhotosShown, Query()]) -> Response:
        some = await services.photos.part(await services.photos.find(wish), wish.start, wish.count)
        return pages.page("cards.html", "", photos=list(enumerate(some, start=wish.start)), query=wish.query())

    for path, answer in (("/photos", photos), ("/photos/cards", cards)):
        router.add_api_route(path, answer, methods=["GET"], include_in_schema=False, response_model=None)
