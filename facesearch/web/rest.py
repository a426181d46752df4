"""The REST API, `/api/v1`: the JSON of docs/reference/json.md, described by OpenAPI at `/api/openapi.json`.

Photos and faces go by number. Every change is one line of the journal, as with the commands.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, Response, StreamingResponse

from facesearch.api import values
from facesearch.api.library import FaceLibrary
from facesearch.text import plain, shown
from facesearch.web import request_bodies
from facesearch.web.allowed_folders import Folders
from facesearch.web.feed import Feed
from facesearch.web.found_photos import FoundPhotos
from facesearch.web.library_threads import LibraryThreads
from facesearch.web.request_bodies import Number
from facesearch.web.runs import Runs
from facesearch.web.shown_people import ShownPeople
from facesearch.web.uploads import UNNAMED, Uploads

PREFIX = "/api/v1"


def reply(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON as the commands print it: ASCII, with dataclasses as objects and paths as strings."""
    body = json.dumps(content, default=plain).encode("ascii")
    return Response(body, status_code=status, headers=headers, media_type="application/json")


def refusal(kind: str, message: str, status: int, **more: Any) -> Response:
    """An error as JSON. more: other keys of it."""
    return reply({"error": {"kind": kind, "message": message, **more}}, status)


@dataclass(frozen=True)
class Services:
    """What the API and the pages work with."""

    threads: LibraryThreads
    feed: Feed
    runs: Runs
    uploads: Uploads
    folders: Folders
    listing: ShownPeople
    photos: FoundPhotos


def adder(router: APIRouter) -> Callable[..., None]:
    """What adds a route to a router, described by the docstring of what answers it."""

    def add(method: str, path: str, answer: Callable[..., Any], model: Any = None, status: int = 200) -> None:
        summary, _, description = (answer.__doc__ or "").partition("\n")
        router.add_api_route(
            path,
            answer,
            methods=[method],
            status_code=status,
            response_model=None,
            responses={} if model is None else {status: {"model": model}},
            summary=summary.rstrip("."),
            description=description.strip(),
        )

    return add


def make_router(services: Services) -> APIRouter:
    """The routes of people, photos and faces."""
    router = APIRouter(prefix=PREFIX)
    rest, add = _Rest(services), adder(router)
    add("GET", "/status", rest.status, values.LibraryStatus)
    add("GET", "/people", rest.people)
    add("POST", "/people/hide", rest.hide, values.PeopleHidden)
    add("POST", "/people/unhide", rest.unhide, values.PeopleHidden)
    add("GET", "/people/{person_id}", rest.person, values.PersonShown)
    add("POST", "/people/{person_id}/name", rest.name, values.PeopleChanged)
    add("POST", "/people/{person_id}/born", rest.born, values.PeopleChanged)
    add("POST", "/people/{person_id}/merge", rest.merge, values.PeopleChanged)
    add("POST", "/people/{person_id}/move", rest.move, values.PeopleChanged)
    add("POST", "/people/{person_id}/reject", rest.reject, values.PeopleChanged)
    add("POST", "/people/{person_id}/confirm", rest.confirm, values.PeopleChanged)
    add("POST", "/people/{person_id}/cover", rest.cover)
    add("GET", "/people/{person_id}/together", rest.together)
    add("POST", "/faces/name", rest.name_faces, values.PeopleChanged)
    add("GET", "/faces/{face_id}/picture", rest.face_picture)
    add("GET", "/photos", rest.photos)
    add("GET", "/photos.csv", rest.photo_table)
    add("POST", "/photos.csv", rest.some_photo_table)
    add("POST", "/photos/album", rest.album, values.AlbumSummary)
    add("GET", "/photos/{photo_id}", rest.photo, values.PhotoShown)
    add("GET", "/photos/{photo_id}/file", rest.photo_file)
    add("GET", "/photos/{photo_id}/picture", rest.photo_picture)
    add("POST", "/photos/{photo_id}/faces", rest.add_face, values.FaceAdded)
    add("GET", "/review", rest.review, values.SuspectList)
    add("GET", "/journal", rest.journal)
    add("POST", "/journal/undo", rest.undo, values.Undone)
    add("POST", "/query", rest.query, values.QueryAnswer)
    add("POST", "/calibration/reset", rest.reset_calibration)
    return router


class _Rest:
    """The answers. Names and paths in them are text."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._threads = services.threads

    async def status(self) -> Response:
        """What the library holds."""
        return reply(await self._threads.think(status_of))

    async def people(
        self,
        text: Annotated[str, Query(max_length=200, description="part of a name")] = "",
        start: Annotated[int, Query(ge=0)] = 0,
        count: Annotated[int, Query(ge=1, le=1000)] = 100,
        hidden: Annotated[bool, Query(description="also people who are hidden")] = False,
    ) -> Response:
        """People, the largest first, then groups without a name.

        total: how many there are with that text in their names.
        """
        found = await self._services.listing.people(text, hidden=hidden)
        page = await self._services.listing.with_covers(found[start : start + count])
        return reply({"total": len(found), "start": start, "people": page})

    async def person(self, person_id: Number) -> Response:
        """A person with every face."""
        return reply(await self._threads.read(lambda library: library.people.show(person_id)))

    async def name(self, person_id: Number, wish: request_bodies.NameWish) -> Response:
        """Name a group, or give a person another name."""
        return reply(
            await self._threads.change(lambda library: library.people.name(person_id, wish.name, born=wish.born))
        )

    async def born(self, person_id: Number, wish: request_bodies.BornWish) -> Response:
        """Set a person's date of birth; review then asks about earlier photos."""
        return reply(await self._threads.change(lambda library: library.people.set_born(person_id, wish.born or None)))

    async def merge(self, person_id: Number, wish: request_bodies.MergeWish) -> Response:
        """Merge people into this person, with all their faces."""
        return reply(await self._threads.change(lambda library: library.people.merge(person_id, *wish.others)))

    async def move(self, person_id: Number, wish: request_bodies.MoveWish) -> Response:
        """Move some of a person's faces to another person, or to a new group."""
        to = wish.to
        return reply(await self._threads.change(lambda library: library.people.split(person_id, wish.faces, to)))

    async def reject(self, person_id: Number, wish: request_bodies.FacesWish) -> Response:
        """Reject faces: they do not show this person, and leave the person."""
        return reply(await self._threads.change(lambda library: library.people.reject(person_id, wish.faces)))

    async def confirm(self, person_id: Number, wish: request_bodies.FacesWish) -> Response:
        """Confirm that faces show the person who has them; review no longer asks about them."""
        return reply(await self._threads.change(lambda library: library.people.confirm(person_id, wish.faces)))

    async def hide(self, wish: request_bodies.PeopleWish) -> Response:
        """Hide people, such as strangers and posters, from lists and queries."""
        return reply(await self._threads.change(lambda library: library.people.hide(*wish.people)))

    async def unhide(self, wish: request_bodies.PeopleWish) -> Response:
        """Show hidden people again."""
        return reply(await self._threads.change(lambda library: library.people.unhide(*wish.people)))

    async def cover(self, person_id: Number, wish: request_bodies.CoverWish) -> Response:
        """Choose a person's cover; without a face, the best one is used again."""
        return reply(await self._threads.change(lambda library: library.people.set_cover(person_id, wish.face)))

    async def together(self, person_id: Number, top: Annotated[int, Query(ge=1, le=100)] = 12) -> Response:
        """The people on photos together with a person, most photos first."""
        return reply(await self._threads.study(lambda library: library.people.together(person_id, top=top)))

    async def name_faces(self, wish: request_bodies.NameFacesWish) -> Response:
        """Name faces without a person."""
        return reply(await self._threads.change(lambda library: library.people.name_faces(wish.faces, wish.name)))

    async def face_picture(self, face_id: Number, request: Request) -> Response:
        """A face as a square JPEG; 404 if its photo can no longer be read."""
        return await self._picture(request, lambda library, make: library.views.face_picture(face_id, make=make))

    async def photos(self, wish: Annotated[request_bodies.PhotosPage, Query()]) -> Response:
        """Photos by people, dates and other conditions.

        found: how many match. total: how many the library has.
        """
        found = await self._services.photos.find(wish)
        page = await self._services.photos.part(found, wish.start, wish.count)
        return reply({"found": len(found.photo_ids), "total": found.total, "start": wish.start, "photos": page})

    async def photo_table(self, wish: Annotated[request_bodies.PhotosWish, Query()]) -> Response:
        """The same photos, all of them, as CSV."""
        return await self._table(wish, None)

    async def some_photo_table(self, wish: request_bodies.SomePhotosWish) -> Response:
        """Some of the same photos, as CSV."""
        return await self._table(wish, wish.photos)

    async def _table(self, wish: request_bodies.PhotosWish, photo_ids: Sequence[int] | None) -> Response:
        found = (await self._services.photos.find(wish)).among(photo_ids)
        named = {"Content-Disposition": 'attachment; filename="photos.csv"'}
        table = self._services.photos.table(found)
        return StreamingResponse(table, media_type="text/csv; charset=utf-8", headers=named)

    async def album(self, wish: request_bodies.AlbumWish) -> Response:
        """Fill a new folder with symbolic links to the same photos, or with copies."""
        return reply(await self._services.photos.make_album(wish))

    async def photo(self, photo_id: Number) -> Response:
        """A photo with its faces, the largest first."""
        return reply(await self._threads.read(lambda library: library.views.photo(photo_id)))

    async def add_face(self, photo_id: Number, wish: request_bodies.FaceWish) -> Response:
        """Add a face that the detector missed, with its person or without one."""
        return reply(await self._threads.change(lambda library: wish.add(library, photo_id)))

    async def photo_file(self, photo_id: Number) -> Response:
        """The file itself; 404 if it is gone or has changed since it was indexed."""
        path = await self._threads.study(lambda library: library.views.original(photo_id))
        if path is None:
            return refusal("PhotoError", "no file shows this photo as it was indexed", 404)
        return FileResponse(path, media_type="application/octet-stream", filename=shown(path.name))

    async def photo_picture(self, photo_id: Number, request: Request, large: bool = False) -> Response:
        """A photo as a JPEG of 400 px, or 1600 px, at most; 404 if it can no longer be read."""
        return await self._picture(
            request, lambda library, make: library.views.photo_picture(photo_id, large=large, make=make)
        )

    async def _picture(self, request: Request, look: Callable[[FaceLibrary, bool], bytes | None]) -> Response:
        async def is_wanted() -> bool:
            return not await request.is_disconnected()

        content = await self._threads.picture(look, is_wanted)
        if content is None:
            return refusal("PhotoError", "there is no picture of it", 404)
        return Response(content, media_type="image/jpeg")

    async def review(self, top: Annotated[int, Query(ge=1, le=1000)] = 20) -> Response:
        """The likeliest mistakes in the library."""
        return reply(await self._threads.study(lambda library: library.people.review(top)))

    async def journal(self, last: Annotated[int, Query(ge=1, le=1000)] = 50) -> Response:
        """The changes to people, the latest first."""
        return reply(await self._threads.read(lambda library: {"changes": library.people.log(last)}))

    async def undo(self, wish: request_bodies.UndoWish) -> Response:
        """Undo a change. Undoing an undo does the change again."""
        return reply(await self._threads.change(lambda library: library.people.undo(wish.change)))

    async def query(
        self,
        request: Request,
        name: Annotated[str, Query(max_length=1000, description="what to call the photo")] = UNNAMED,
        k: Annotated[int, Query(ge=1, le=100, description="people for each face")] = 5,
        threshold: Annotated[float | None, Query(ge=0, description="nobody farther than this is a match")] = None,
        prior: Annotated[float, Query(gt=0, lt=1)] = 0.5,
    ) -> Response:
        """Who is on a photo. The body is the photo, in any format that can be indexed; it is not kept."""
        asked = await self._services.uploads.ask(request.stream(), name, values.QueryOptions(k, threshold, prior))
        return reply(asked.answer, headers={"Location": f"/find/{asked.number}"})

    async def reset_calibration(self) -> Response:
        """Drop the library's own threshold and probabilities; returns whether there were any."""
        return reply({"reset": await self._threads.change(lambda library: library.tuning.reset_calibration())})


def status_of(library: FaceLibrary) -> dict[str, Any]:
    """As `facesearch status --json` prints it."""
    runs_on, installed = library.tower.device, library.detector.identity
    return {**plain(library.status()), "device": runs_on, "detector_installed": installed}
