"""Photos of some people, of some time: as a page, a table, or a folder of links."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from facesearch.errors import UsageError
from facesearch.web.desk import Desk
from facesearch.web.folders import Folders
from facesearch.web.wishes import AlbumWish, PhotosPage, PhotosWish

if TYPE_CHECKING:
    from facesearch.api.values import AlbumSummary, PhotoList
    from facesearch.web.pages import Pages
    from facesearch.web.rest import Services

_REMEMBERED = 4  # lists
_SHOTS = 60  # photos that come with a page


class FoundPhotos:
    """Finds photos. Remembers the last lists: a page asks for one part of a list after the other."""

    def __init__(self, desk: Desk, folders: Folders) -> None:
        self._desk, self._folders = desk, folders
        self._lists: OrderedDict[tuple[str, str], PhotoList] = OrderedDict()

    async def find(self, wish: PhotosWish) -> PhotoList:
        """All photos that are as wished. Raises UsageError for somebody who is not there, and for what contradicts
        itself."""
        key = self._desk.stamp(), wish.query()
        found = self._lists.get(key)
        if found is None:
            found = self._lists[key] = await self._desk.study(wish.find)
        self._lists.move_to_end(key)
        while len(self._lists) > _REMEMBERED:
            self._lists.popitem(last=False)
        return found

    async def make_album(self, wish: AlbumWish) -> AlbumSummary:
        """Fill a new folder with links to the photos, or with copies. Raises UsageError for one that is not allowed, or
        holds something."""
        from facesearch.api.values import make_album

        folder = self._folders.new(wish.folder)
        found = await self.find(wish)
        if not found.photos:
            raise UsageError("there is no such photo, so no folder was made")
        return await asyncio.to_thread(make_album, [each.photo for each in found.photos], folder, copy=wish.copies)


def add_photos(router: APIRouter, services: Services, pages: Pages) -> None:
    """The route."""

    async def photos(wish: Annotated[PhotosPage, Query()]) -> Response:
        problem, found = "", None
        try:
            found = await services.photos.find(wish)
        except UsageError as error:
            problem = str(error)
        page: tuple[Any, ...] = () if found is None else found.photos[wish.start : wish.start + _SHOTS]
        more = found is not None and wish.start + _SHOTS < len(found.photos)
        query = wish.query()
        return pages.page(
            "photos.html",
            "/photos",
            wish=wish,
            query=query,
            problem=problem,
            found=0 if found is None else len(found.photos),
            shots=page,
            next=f"/photos?{query}&start={wish.start + _SHOTS}".replace("?&", "?") if more else None,
            roots=services.desk.place.roots,
        )

    router.add_api_route("/photos", photos, methods=["GET"], include_in_schema=False, response_model=None)
