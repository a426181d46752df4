"""The queue of likely mistakes: one question after the other, each answered with a key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from facesearch.api.library import FaceLibrary
from facesearch.api.values import Suspect
from facesearch.text import called, shown
from facesearch.web.html_pages import Pages
from facesearch.web.rest import PREFIX, Services

_QUEUE = 50  # questions that come with the page
_FACES = 6  # of a person that are shown


@dataclass(frozen=True)
class Choice:
    """An answer: what it is called, by which key it is given, and the request that it sends; None for none."""

    words: str
    key: str
    path: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A question: faces on either side, why it is asked, and the answers."""

    key: str  # the same for the same question
    question: str
    reason: str
    photo_of: int | None  # the face whose photo can be looked at
    sides: Sequence[tuple[str, Sequence[int]]]  # words and faces
    choices: Sequence[Choice]


def add_review(router: APIRouter, services: Services, pages: Pages) -> None:
    """The route."""

    async def review(passed: Annotated[int, Query(ge=0, le=1000)] = 0) -> Response:
        """passed: likely mistakes that the browser leaves out, as somebody was not sure about them."""
        cases, total = await services.threads.study(lambda library: _cases(library, _QUEUE + passed))
        missing = await services.threads.study(lambda library: library.tuning.missing())
        people = (await services.threads.people()).people
        named = sum(person.name is not None for person in people)
        return pages.page(
            "review.html", "/review", cases=cases, total=total, missing=missing, people=len(people), named=named
        )

    router.add_api_route("/review", review, methods=["GET"], include_in_schema=False, response_model=None)


def _cases(library: FaceLibrary, most: int) -> tuple[list[Case], int]:
    found = library.people.review(most)
    people = {each.person_id for each in found.suspects}
    people |= {each.other_person_id for each in found.suspects if each.other_person_id is not None}
    faces = library.views.some_faces(sorted(people), _FACES)
    return [_case(each, faces) for each in found.suspects], sum(found.found.values())


def _case(suspect: Suspect, faces: Mapping[int, Sequence[int]]) -> Case:
    name, person = called(suspect.name, suspect.person_id), suspect.person_id
    unsure = Choice("Not sure", "n")
    other = suspect.other_person_id
    if suspect.kind == "alike":
        assert other is not None
        other_name = called(suspect.other_name, other)
        same = [Choice("Same", "s", f"{PREFIX}/people/{person}/merge", {"others": [other]})]
        if suspect.name is not None and suspect.other_name is not None:  # the user says which name stays
            same = [
                Choice(f"Same: {shown(name)}", "s", same[0].path, same[0].body),
                Choice(f"Same: {shown(other_name)}", "o", f"{PREFIX}/people/{other}/merge", {"others": [person]}),
            ]
        apart = {"faces": list(faces.get(other, ()))[:1]}
        return Case(
            f"alike-{person}-{other}",
            f"Are {shown(name)} and {shown(other_name)} the same person?",
            shown(_sentences(suspect.reason)),
            None,
            [(shown(name), faces.get(person, ())), (shown(other_name), faces.get(other, ()))],
            (
                *same,
                Choice("Different", "d", f"{PREFIX}/people/{person}/reject", apart),
                unsure,
            ),
        )
    face = suspect.face_id
    assert face is not None
    sides = [("This face", [face]), (shown(name), [each for each in faces.get(person, ()) if each != face])]
    choices = [
        Choice(f"Yes, {shown(name)}", "s", f"{PREFIX}/people/{person}/confirm", {"faces": [face]}),
        Choice(f"Not {shown(name)}", "d", f"{PREFIX}/people/{person}/reject", {"faces": [face]}),
    ]
    if other is not None:
        sides.append((shown(called(suspect.other_name, other)), list(faces.get(other, ()))))
        words = f"It is {shown(called(suspect.other_name, other))}"
        choices.append(Choice(words, "o", f"{PREFIX}/people/{person}/move", {"faces": [face], "to": other}))
    return Case(
        f"face-{face}-{person}",
        f"Is this {shown(name)}?",
        shown(_sentences(suspect.reason.replace(f"face:{suspect.other_face_id} ", "another face on it "))),
        face,
        sides,
        (*choices, unsure),
    )


def _sentences(reason: str) -> str:
    return ". ".join(part[:1].upper() + part[1:] for part in reason.split("; ")) + "."
