"""The page that answers who is on a photo."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from facesearch.api.values import SET_APART, QueryAnswer, footer
from facesearch.text import called, percent, shown
from facesearch.web.html_pages import Pages
from facesearch.web.request_bodies import Number
from facesearch.web.rest import Services


def add_find(router: APIRouter, services: Services, pages: Pages) -> None:
    """The routes."""
    views = _Views(services, pages)
    for path, answer in (
        ("/find", views.form),
        ("/find/{number}", views.answer),
        ("/find/{number}/picture", views.picture),
        ("/faces/{face_id}", views.face),
    ):
        router.add_api_route(path, answer, methods=["GET"], include_in_schema=False, response_model=None)


class _Views:
    def __init__(self, services: Services, pages: Pages) -> None:
        self._services, self._pages = services, pages
        pages.add_filters(percent=lambda share: percent(share, 1), matched=_matched)

    async def form(self) -> Response:
        if not self._services.threads.has_library():
            return self._pages.welcome("/find")
        return self._pages.page("find.html", "/find", asked=None)

    async def answer(self, number: Number) -> Response:
        asked = self._services.uploads.find(number)
        if asked is None:
            return self._pages.error(404, "Not here any more", "Uploaded photos are not kept: send it again.")
        faces = list(enumerate(asked.answer.faces, start=1))
        stills = {
            place: [_frame(place, face)]
            for place, face in faces
            if face.span is not None and face.span.at_s in asked.pictures
        }
        return self._pages.page(
            "find.html",
            "/find",
            asked=asked,
            frames=[_frame(place, face) for place, face in faces if face.span is None],
            stills=stills,
            together=_together(asked.answer),
            set_apart=SET_APART,
            footer=footer(asked.answer),
        )

    async def picture(self, number: Number, at: float | None = None) -> Response:
        """The photo; with `at` the frame of a film at that time in s."""
        asked = self._services.uploads.find(number)
        picture = None if asked is None else asked.pictures.get(at)
        return Response(status_code=404) if picture is None else Response(picture.jpeg, media_type="image/jpeg")

    async def face(self, face_id: Number) -> Response:
        """The photo of a face."""
        photo_id = await self._services.threads.read(lambda library: library.views.photo_of_face(face_id))
        return RedirectResponse(f"/photos/{photo_id}#face-{face_id}", status_code=303)


def _together(answer: QueryAnswer) -> dict[str, str] | None:
    """The photos with all people who were recognised: an address, and words; None for nobody."""
    firsts = [face.verdict.first for face in answer.faces if face.verdict is not None and face.verdict.is_match]
    people = {each.person_id: each for each in firsts if each is not None and each.person_id is not None}
    if not people:
        return None
    keys = [each.name or f"#{person_id}" for person_id, each in people.items()]
    who = (
        f"all {len(people)} together"
        if len(people) > 2
        else " and ".join(shown(called(each.name, each.person_id)) for each in people.values())
    )
    return {"address": f"/photos?{urlencode({'person': keys}, doseq=True)}", "who": who}


def _matched(match: Any) -> str:
    return shown(called(match.name, match.person_id, match.face_id))


def _frame(place: int, face: Any) -> dict[str, Any]:
    """The outline of a face. place: its number, from 1."""
    label = f"face {place}: {shown(face.verdict.text)}"
    return {"box": face.box, "number": place, "href": f"#face-{place}", "label": label}
