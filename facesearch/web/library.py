"""The page of the library itself: what it holds, what is indexed, and which distance counts as one person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from facesearch.api.library import FaceLibrary
from facesearch.errors import LibraryError
from facesearch.text import counted, percent
from facesearch.web.html_pages import Pages
from facesearch.web.rest import Services, status_of
from facesearch.web.wording import on_the_page

_WIDTH, _HEIGHT = 720, 160  # of the chart
_MOST_UNREADABLE = 200  # files are listed


@dataclass(frozen=True)
class Chart:
    """Both histograms as shapes, and what the slider reckons with."""

    threshold: float  # in force
    farthest: float  # the last edge
    genuine: str  # points of a polygon
    impostor: str
    genuine_shares: Sequence[float]  # of the pairs of one person, in each bin
    impostor_shares: Sequence[float]
    genuine_pairs: int
    impostor_pairs: int
    people: int
    width: int = _WIDTH
    height: int = _HEIGHT


def add_library(router: APIRouter, services: Services, pages: Pages) -> None:
    """The route."""

    async def library() -> Response:
        roots = await services.folders.roots()
        status, card, chart, own, problem = None, None, None, False, None
        unreadable: tuple[tuple[Path, str], ...] = ()
        try:
            if services.threads.has_library():
                status, card = await services.threads.think(lambda library: (status_of(library), _card(library)))
                own = await services.threads.think(lambda library: library.tuning.own_calibration() is not None)
                chart = await services.threads.study(_chart)
                unreadable = await services.threads.read(lambda library: library.views.unreadable(_MOST_UNREADABLE))
        except LibraryError as error:
            problem = on_the_page(str(error))
        run = services.runs.state()
        return pages.page(
            "library.html",
            "/library",
            library=status,
            card=card,
            chart=chart,
            own=own,
            problem=problem,
            unreadable=unreadable,
            place=services.threads.place.library,
            roots=roots,
            run=run,
            said=_said(run),
        )

    router.add_api_route("/library", library, methods=["GET"], include_in_schema=False, response_model=None)


def _card(library: FaceLibrary) -> dict[str, Any]:
    """Of the tower's card what a reader can use."""
    card = library.tower.card
    people = card.training.get("people")
    return {
        "created": card.created[:10],
        "far": percent(card.threshold_far),
        "people": people if isinstance(people, int) else None,
    }


def _chart(library: FaceLibrary) -> Chart | None:
    threshold, pairs = library.views.pairs()
    if pairs is None:
        return None
    return Chart(
        threshold,
        pairs.edges[-1],
        _shape(pairs.genuine),
        _shape(pairs.impostor),
        [count / pairs.genuine_pairs for count in pairs.genuine],
        [count / pairs.impostor_pairs for count in pairs.impostor],
        pairs.genuine_pairs,
        pairs.impostor_pairs,
        pairs.people,
    )


def _shape(counts: Sequence[int]) -> str:
    """A histogram as a polygon that fills the chart."""
    step, most = _WIDTH / len(counts), max(counts) or 1
    points = [f"0,{_HEIGHT}"]
    for place, count in enumerate(counts):
        top = round(_HEIGHT * (1 - 0.95 * count / most), 1)
        points += [f"{place * step:.1f},{top}", f"{(place + 1) * step:.1f},{top}"]
    return " ".join([*points, f"{_WIDTH},{_HEIGHT}"])


def _said(run: Any) -> str:
    """What a run that has ended did, in a sentence."""
    if run is None or run.is_running or run.summary is None:
        return ""
    done = run.summary
    if run.what == "index":
        ended = "Stopped" if done.interrupted else "Done"
        new = f"{counted(done.photos_new, 'new photo')}, {counted(done.faces_new, 'new face')}"
        photos = f"{ended}: {new}, {counted(done.photos_unchanged, 'photo')} unchanged."
        groups = f"{counted(done.groups_new, 'new group')}, {counted(done.faces_joined, 'face')} joined known people."
        return f"{photos} {groups}" if done.groups_new or done.faces_joined else photos
    if run.what == "group":
        return (
            f"{counted(done.grouped, 'face')} in new groups, {counted(done.joined, 'face')} joined known people, "
            f"{counted(done.waiting, 'face')} without a person."
        )
    if run.what == "teach":
        return "It helps, and is in use now." if done.taught else "It would not help yet, so nothing changed."
    genuine, impostor = percent(done["tar"], 1), percent(done["far"], 1)
    return (
        f"In use now: faces up to {done['threshold']:.3f} apart count as one person. That holds for {genuine} of the "
        f"pairs of one person, and for {impostor} of the pairs of two people."
    )
