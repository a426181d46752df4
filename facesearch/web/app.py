"""The application: routes, errors in words, and tasks in the background."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from facesearch.errors import (
    FacesearchError,
    LibraryError,
    LibraryLockedError,
    PersonMergedError,
    PhotoError,
    TowerError,
    UsageError,
)
from facesearch.web.access import Access, Guard
from facesearch.web.allowed_folders import Folders
from facesearch.web.feed import Feed
from facesearch.web.find import add_find
from facesearch.web.found_photos import FoundPhotos, add_photos
from facesearch.web.html_pages import Pages, add_pages
from facesearch.web.library import add_library
from facesearch.web.library_threads import LibraryThreads, Place
from facesearch.web.rest import Services, make_router, refusal
from facesearch.web.rest_runs import make_runs_router
from facesearch.web.review import add_review
from facesearch.web.runs import Runs
from facesearch.web.shown_people import ShownPeople
from facesearch.web.uploads import Uploads
from facesearch.web.wording import on_the_page

log = logging.getLogger(__name__)

_STATIC = Path(__file__).parent / "static"
_WHO = ("person", "without")  # in the address of a list of photos
# The first that an error is one of.
_STATUSES: tuple[tuple[type[FacesearchError], int], ...] = (
    (LibraryLockedError, 409),
    (UsageError, 400),
    (PhotoError, 422),
    (LibraryError, 503),
    (TowerError, 503),
)


def make_app(place: Place, access: Access, folder: Path, is_ending: Callable[[], bool] = lambda: False) -> Guard:
    """The application behind its guard, as an ASGI application. folder: for photos that are being sent. is_ending:
    whether the server wants to end."""
    threads, runs = LibraryThreads(place), Runs(place)
    feed = Feed(place.open(), runs.state, is_ending)
    folders = Folders(threads)
    services = Services(
        threads, feed, runs, Uploads(threads, folder), folders, ShownPeople(threads), FoundPhotos(threads, folders)
    )

    @asynccontextmanager
    async def running(app: Any) -> AsyncIterator[None]:
        watching = asyncio.create_task(feed.watch())
        yield
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        runs.close()
        threads.close()

    app = FastAPI(
        title="facesearch",
        description="Find people in a photo collection, on your own machine.",
        version="1",
        docs_url=None,  # they would load scripts from elsewhere
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=running,
    )
    app.include_router(make_router(services))
    app.include_router(make_runs_router(services))
    pages = Pages(services)
    router = APIRouter()
    for add in (add_pages, add_photos, add_find, add_review, add_library):
        add(router, services, pages)
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")

    async def failed(request: Request, error: Exception) -> Response:
        """An error in words, as the commands print it."""
        status = next((number for kind, number in _STATUSES if isinstance(error, kind)), 500)
        if not request.url.path.startswith("/api/") and request.method == "GET":
            if not threads.has_library():
                return pages.welcome(request.url.path)
            if isinstance(error, PersonMergedError):
                return RedirectResponse(_of_heir(request, error), 307)  # not forever: the merge may be undone
            words = on_the_page(str(error))
            return pages.error(status, "That did not work", f"{words[:1].upper()}{words[1:]}.")
        is_page = "authorization" not in request.headers  # else a client of the REST API, with a token of its own
        words = on_the_page(str(error)) if is_page else str(error)
        if isinstance(error, PersonMergedError):
            return refusal(type(error).__name__, words, status, person_id=error.person_id)
        return refusal(type(error).__name__, words, status)

    async def not_found(request: Request, error: Exception) -> Response:
        if request.url.path.startswith(("/api/", "/static/")):
            return refusal("UsageError", "Not Found", 404)
        return pages.error(404, "Not found", "There is no such page.")

    async def broken(request: Request, error: Exception) -> Response:
        log.error("a bug: %s: %s; please report it", type(error).__name__, error, exc_info=error)
        return refusal("Bug", f"a bug: {type(error).__name__}; facesearch serve has printed more", 500)

    app.add_exception_handler(FacesearchError, failed)
    app.add_exception_handler(Exception, broken)
    app.add_exception_handler(404, not_found)
    return Guard(app, access)


def _of_heir(request: Request, error: PersonMergedError) -> str:
    """The same address with the number of the person that the old one was merged into."""
    path = re.sub(rf"^/people/0*{error.merged_id}(?=/|$)", f"/people/{error.person_id}", request.url.path)
    query = [
        (name, f"#{error.person_id}" if re.fullmatch(rf"#?0*{error.merged_id}", value) and name in _WHO else value)
        for name, value in request.query_params.multi_items()
    ]
    return f"{path}?{urlencode(query)}" if query else path
