"""The pages: HTML, rendered here. Names and file names are text, never markup."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import Response
from jinja2 import Environment, PackageLoader

from facesearch.api.values import FaceOnPhoto, PersonEntry, PhotoShown
from facesearch.errors import UsageError
from facesearch.text import called, clock, counted, shown, time_span
from facesearch.web.person_photos import PeoplesPhotos, date
from facesearch.web.request_bodies import Number, PhotosShown
from facesearch.web.rest import Services, reply

PAGES = (
    ("/", "People"),
    ("/photos", "Photos"),
    ("/find", "Find"),
    ("/review", "Review"),
    ("/history", "History"),
    ("/library", "Library"),
)

_FIRST = 60  # cards that come with a page; static/grid.js knows the number
_MOST_NAMES = 3  # in a line of the history
_ACTIONS = {  # of the journal, in words
    "add-face": "added a face",
    "born": "set the date of birth",
    "confirm": "confirmed",
    "cover": "chose the cover",
    "drop": "removed with its photos",
    "edit": "followed an edited photo",
    "group": "grouped",
    "hide": "hid",
    "label": "named",
    "merge": "merged",
    "name": "named",
    "reject": "rejected",
    "split": "moved",
    "undo": "undid change",
    "unhide": "showed again",
}
_SOURCES = {"user": "you", "group": "grouping", "folder": "folder names", "list": "a list", "xmp": "another program"}
Start = Annotated[int, Query(ge=0)]
Count = Annotated[int, Query(ge=1, le=1000)]


class Pages:
    """Renders templates."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._templates = Environment(
            loader=PackageLoader("facesearch.web"), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        self._templates.filters.update(shown=shown, counted=counted, who=_who, clock=clock, span=time_span)

    def add_filters(self, **filters: Callable[..., str]) -> None:
        """Give templates more filters."""
        self._templates.filters.update(filters)

    def page(self, name: str, here: str, status: int = 200, **values: Any) -> Response:
        """A page. here: its place among PAGES."""
        version = self._services.feed.state().get("version", 0)
        made = self._templates.get_template(name).render(pages=PAGES, here=here, version=version, **values)
        return Response(made, status_code=status, media_type="text/html")

    def welcome(self, here: str) -> Response:
        """The page that all addresses show while there is no library."""
        return self.page("welcome.html", here)

    def error(self, status: int, title: str, message: str) -> Response:
        return self.page("error.html", "", status, title=title, message=message)


def _who(value: Any) -> str:
    """How somebody is called who has a name or only a number."""
    return shown(called(value.name, value.person_id))


def add_pages(router: APIRouter, services: Services, pages: Pages) -> None:
    """The routes of people, photos and history."""
    views = _Views(services, pages)
    for path, answer in (
        ("/", views.people),
        ("/people/cards", views.cards),
        ("/people/{person_id:int}", views.person),
        ("/people/{person_id:int}/cards", views.person_cards),
        ("/photos/{photo_id:int}", views.photo),
        ("/history", views.history),
        ("/names", views.names),
    ):
        router.add_api_route(path, answer, methods=["GET"], include_in_schema=False, response_model=None)


class _Views:
    """What is on each page."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._threads, self._listing, self._pages = services.threads, services.listing, pages
        self._photos, self._found = PeoplesPhotos(services.threads), services.photos

    async def people(self, text: str = "", hidden: bool = False) -> Response:
        found = await self._listing.people(text, hidden=hidden)
        everybody = await self._threads.people()
        named = sum(person.name is not None for person in found)
        groups = len(found) - named
        parts = [
            counted(named, "person", "people") if named else "",
            f"{counted(groups, 'group')} without a name" if groups else "",
        ]
        return self._pages.page(
            "people.html",
            "/",
            text=text,
            total=len(found),
            more="/people/cards?" + urlencode({"text": text, "hidden": str(hidden).lower()}),
            people=await self._listing.with_covers(found[:_FIRST]),
            summary=", ".join(filter(None, parts)),
            is_named=any(person.name is not None for person in everybody.people),
            waiting=everybody.faces_without_person,
            photos=0 if everybody.people else (await self._found.find(PhotosShown.model_validate({}))).total,
            hidden=hidden,
            away=sum(person.hidden for person in everybody.people),
        )

    async def cards(self, text: str = "", start: Start = 0, count: Count = _FIRST, hidden: bool = False) -> Response:
        found = await self._listing.people(text, hidden=hidden)
        people = await self._listing.with_covers(found[start : start + count])
        return self._pages.page("cards.html", "", people=people)

    async def person(self, person_id: Number) -> Response:
        found = await self._photos.of(person_id)
        known = found.known
        is_group = known.person.name is None
        likely = await self._threads.study(lambda library: library.views.likely(person_id)[:1]) if is_group else ()
        company = await self._threads.read(lambda library: library.people.together(person_id, top=8))
        return self._pages.page(
            "person.html",
            "/",
            person=known.person,
            shots=await self._photos.part(found, 0, _FIRST),
            total=len(found.faces),
            more=f"/people/{person_id}/cards?",
            query=_list_of(known.person),
            years=known.photos_by_year if len(known.photos_by_year) > 1 else (),
            most=max((year.photos for year in known.photos_by_year), default=1),
            rejected=len(known.rejected),
            likely=likely,
            company=[_other(pair, person_id) for pair in company],
        )

    async def person_cards(self, person_id: Number, start: Start = 0, count: Count = _FIRST) -> Response:
        found = await self._photos.of(person_id)
        shots = await self._photos.part(found, start, count)
        return self._pages.page("cards.html", "", shots=shots, query=_list_of(found.known.person))

    async def photo(self, photo_id: Number, wish: Annotated[PhotosShown, Query()]) -> Response:
        photo = await self._threads.read(lambda library: library.views.photo(photo_id))
        dates = await self._threads.read(lambda library: library.views.taken([photo_id]))
        before = after = at = None
        if wish.at is not None:
            with suppress(UsageError):  # a person of the list is not there any more
                at, before, after = (await self._found.find(wish)).beside(photo_id, wish.at)
        return self._pages.page(
            "photo.html",
            "/photos",
            photo=photo,
            entries=_entries(photo),
            frames=_frames(photo),
            file="no longer in any file" if photo.photo is None else photo.photo.name,
            path=photo.photo or "",
            day=date(dates.get(photo_id)),
            before=None if before is None or at is None else f"/photos/{before}?{wish.query()}&at={at - 1}",
            after=None if after is None or at is None else f"/photos/{after}?{wish.query()}&at={at + 1}",
            listed=f"/photos?{wish.query()}&at={at}" if at is not None else None,
            words=wish.words,
        )

    async def history(self) -> Response:
        changes = await self._threads.study(lambda library: library.people.log(200))
        everybody = await self._threads.people()
        lines = []
        for change in changes:
            people = list(zip(change.person_ids, change.names, strict=True))
            line = {name: getattr(change, name) for name in change.__dataclass_fields__}
            line |= {
                "at": datetime.fromisoformat(change.at).astimezone(),
                "what": _ACTIONS.get(change.action, change.action),
                "by": _SOURCES.get(change.source or "user", change.source),
            }
            lines.append({**line, "people": people[:_MOST_NAMES], "more": max(0, len(people) - _MOST_NAMES)})
        here_now = {person.person_id for person in everybody.people}
        return self._pages.page("history.html", "/history", changes=lines, here_now=here_now)

    async def names(self, text: str = "") -> Response:
        return reply(await self._listing.names(text, 12) if text.strip() else [])


def _frames(photo: PhotoShown) -> list[dict[str, Any]]:
    """The outlines of faces: in a video, of those in the frame with its best face; in a motion photo, of those on the
    photo itself."""
    seen = [(-(face.quality or 0.0), face.span.at_s) for face in photo.faces if face.span is not None]
    at_s = min(seen)[1] if seen and photo.duration_s is not None else None
    known = {face.face_id: face for face in photo.faces}
    return [
        {
            "box": known[face_id].box,
            "href": f"#face-{entry.face_id}",
            "number": number,
            "label": _who(entry) if entry.person_id is not None else f"face {number}, without a name",
        }
        for number, (entry, face_ids) in enumerate(_entries(photo), start=1)
        for face_id in face_ids
        if (None if (span := known[face_id].span) is None else span.at_s) == at_s
    ]


def _entries(photo: PhotoShown) -> list[tuple[FaceOnPhoto, list[int]]]:
    """The faces of a photo; of a video each track once, by its best face, in the order of their beginnings. With the
    numbers of all faces that the entry stands for."""
    tracks: dict[object, list[FaceOnPhoto]] = {}
    for face in photo.faces:
        key = face.face_id if face.span is None else (face.span.track, face.person_id)
        tracks.setdefault(key, []).append(face)
    entries = [
        (max(faces, key=lambda face: face.quality or 0.0), [face.face_id for face in faces])
        for faces in tracks.values()
    ]
    return sorted(entries, key=lambda entry: -1.0 if entry[0].span is None else entry[0].span.start_s)


def _list_of(person: PersonEntry) -> str:
    """The part of an address that says which photos are listed: those of a person."""
    return urlencode({"person": person.name or f"#{person.person_id}", "sort": "latest"})


def _other(pair: Any, person_id: int) -> dict[str, Any]:
    """Who is with a person, and on how many photos."""
    is_first = pair.person_id == person_id
    other, name = (pair.other_person_id, pair.other_name) if is_first else (pair.person_id, pair.name)
    who = shown(called(name, other))
    return {"person_id": other, "who": who, "key": name or f"#{other}", "photos": pair.photos}
