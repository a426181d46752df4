"""The pages: HTML, rendered here. Names and file names are text, never markup."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from jinja2 import Environment, PackageLoader

from facesearch.api.library import FaceLibrary
from facesearch.api.values import FaceEntry, PersonShown, PhotoShown
from facesearch.errors import LibraryError
from facesearch.records import Taken
from facesearch.text import called, counted, shown
from facesearch.web.rest import Services, reply
from facesearch.web.wishes import Number

PAGES = (
    ("/", "People"),
    ("/photos", "Photos"),
    ("/find", "Find"),
    ("/review", "Review"),
    ("/history", "History"),
    ("/library", "Library"),
)

_FIRST = 60  # people that come with the page; static/people.js knows the number
_SHOTS = 60  # photos at a time
_MOST_NAMES = 3  # in a line of the history


class Pages:
    """Renders templates."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._templates = Environment(
            loader=PackageLoader("facesearch.web"), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        self._templates.filters.update(shown=shown, counted=counted, who=_who)

    def add_filters(self, **filters: Callable[..., str]) -> None:
        """Give templates more filters."""
        self._templates.filters.update(filters)

    def page(self, name: str, here: str, status: int = 200, **values: Any) -> Response:
        """A page. here: its place among PAGES."""
        version = self._services.feed.state().get("version", 0)
        made = self._templates.get_template(name).render(pages=PAGES, here=here, version=version, **values)
        return Response(made, status_code=status, media_type="text/html")

    def error(self, status: int, title: str, message: str) -> Response:
        return self.page("error.html", "", status, title=title, message=message)


def _who(value: Any) -> str:
    """How somebody is called who has a name or only a number."""
    return shown(called(value.name, value.person_id))


@dataclass(frozen=True)
class Shot:
    """A photo of a person, with their face on it."""

    photo_id: int
    face_id: int
    box: tuple[float, float, float, float]  # x1 y1 x2 y2 px
    width: int  # of the part of the photo that is shown: all of it
    height: int
    path: Path
    taken: Taken | None

    @property
    def file(self) -> str:
        return self.path.name

    @property
    def day(self) -> str | None:
        return None if self.taken is None else self.taken.at[:10]

    @property
    def label(self) -> str:
        return shown(f"{_date(self.taken) or 'undated'}: {self.path.name}")


def add_pages(router: APIRouter, services: Services, pages: Pages) -> None:
    """The routes of people, photos and history."""
    views = _Views(services, pages)
    for path, answer in (
        ("/", views.people),
        ("/people/cards", views.cards),
        ("/people/{person_id}", views.person),
        ("/photos/{photo_id}", views.photo),
        ("/history", views.history),
        ("/names", views.names),
    ):
        router.add_api_route(path, answer, methods=["GET"], include_in_schema=False, response_model=None)


class _Views:
    """What is on each page."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._desk, self._listing, self._pages = services.desk, services.listing, pages

    async def people(self, text: str = "", hidden: bool = False) -> Response:
        try:
            found = await self._listing.people(text, hidden=hidden)
        except LibraryError as error:
            return self._pages.error(200, "No library yet", str(error))
        everybody = await self._desk.people()
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
            people=await self._listing.with_covers(found[:_FIRST]),
            summary=", ".join(filter(None, parts)),
            waiting=everybody.faces_without_person,
            hidden=hidden,
            away=sum(person.hidden for person in everybody.people),
        )

    async def cards(self, text: str = "", start: int = 0, count: int = _FIRST, hidden: bool = False) -> Response:
        found = await self._listing.people(text, hidden=hidden)
        people = await self._listing.with_covers(found[max(0, start) : max(0, start) + min(count, 200)])
        return self._pages.page("cards.html", "", people=people)

    async def person(self, person_id: Number, start: int = 0) -> Response:
        known = await self._desk.read(lambda library: library.people.show(person_id))
        shots = await self._desk.read(lambda library: _shots(library, known))
        page = shots[max(0, start) : max(0, start) + _SHOTS]
        sizes = await self._desk.read(lambda library: [library.views.photo(each.photo_id) for each in page])
        is_group = known.person.name is None
        likely = await self._desk.study(lambda library: library.views.likely(person_id)[:1]) if is_group else ()
        company = await self._desk.read(lambda library: library.people.together(person_id, top=8))
        more = start + _SHOTS < len(shots)
        return self._pages.page(
            "person.html",
            "/",
            person=known.person,
            shots=[_sized(*pair) for pair in zip(page, sizes, strict=True)],
            years=known.photos_by_year if len(known.photos_by_year) > 1 else (),
            most=max((year.photos for year in known.photos_by_year), default=1),
            next=f"/people/{person_id}?start={start + _SHOTS}" if more else None,
            rejected=len(known.rejected),
            likely=likely,
            company=[_other(pair, person_id) for pair in company],
        )

    async def photo(self, photo_id: Number) -> Response:
        photo = await self._desk.read(lambda library: library.views.photo(photo_id))
        dates = await self._desk.read(lambda library: library.views.taken([photo_id]))
        frames = [
            {
                "box": face.box,
                "href": f"#face-{face.face_id}",
                "label": _who(face) if face.person_id is not None else f"face {number}, without a name",
            }
            for number, face in enumerate(photo.faces, start=1)
        ]
        return self._pages.page(
            "photo.html",
            "/",
            photo=photo,
            frames=frames,
            file="in no file any more" if photo.photo is None else photo.photo.name,
            path=photo.photo or "",
            day=_date(dates.get(photo_id)),
        )

    async def history(self) -> Response:
        changes = await self._desk.study(lambda library: library.people.log(200))
        everybody = await self._desk.people()
        lines = []
        for change in changes:
            people = list(zip(change.person_ids, change.names, strict=True))
            line = {name: getattr(change, name) for name in change.__dataclass_fields__}
            lines.append({**line, "people": people[:_MOST_NAMES], "more": max(0, len(people) - _MOST_NAMES)})
        here_now = {person.person_id for person in everybody.people}
        return self._pages.page("history.html", "/history", changes=lines, here_now=here_now)

    async def names(self, text: str = "") -> Response:
        return reply(await self._listing.names(text, 12) if text.strip() else [])


def _shots(library: FaceLibrary, known: PersonShown) -> list[Shot]:
    """The photos of a person, the latest first; those without a date come last."""
    faces = [face for face in known.faces if face.photo is not None and face.photo_id is not None]
    dates = library.views.taken([face.photo_id for face in faces if face.photo_id is not None])
    dated = [(dates.get(face.photo_id or 0), face) for face in faces]
    dated.sort(key=lambda pair: "" if pair[0] is None else pair[0].at, reverse=True)
    return [_shot(face, taken) for taken, face in dated]


def _shot(face: FaceEntry, taken: Taken | None) -> Shot:
    assert face.photo is not None and face.photo_id is not None
    return Shot(face.photo_id, face.face_id, face.box, 0, 0, face.photo, taken)


def _date(taken: Taken | None) -> str:
    """When a photo was taken, to the minute, in words."""
    if taken is None:
        return ""
    return taken.at[:16].replace("T", " ") + (" (time of the file)" if taken.source == "file" else "")


def _other(pair: Any, person_id: int) -> dict[str, Any]:
    """Who is with a person, and on how many photos."""
    is_first = pair.person_id == person_id
    other, name = (pair.other_person_id, pair.other_name) if is_first else (pair.person_id, pair.name)
    return {"person_id": other, "who": shown(called(name, other)), "photos": pair.photos}


def _sized(shot: Shot, photo: PhotoShown) -> Shot:
    return replace(shot, width=photo.width_px, height=photo.height_px)
