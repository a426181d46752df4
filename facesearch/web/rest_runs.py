"""The part of the REST API that starts, stops and reports what runs in the background, and sends events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse

from facesearch.web import request_bodies
from facesearch.web.rest import PREFIX, Services, adder, refusal, reply


def make_runs_router(services: Services) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix=PREFIX)
    rest, add = _Runs(services), adder(router)
    add("GET", "/events", rest.events)
    add("GET", "/folders", rest.folder)
    add("GET", "/run", rest.run)
    add("POST", "/run/index", rest.index, status=202)
    add("POST", "/run/group", rest.group, status=202)
    add("POST", "/run/teach", rest.teach, status=202)
    add("POST", "/run/calibrate", rest.calibrate, status=202)
    add("POST", "/run/stop", rest.stop, status=202)
    return router


class _Runs:
    """The answers."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def events(self) -> Response:
        """Server-sent events: `version` changes when the library may have changed, `run` is the progress of the current
        run, `writer` is the process that writes to the library."""
        if self._services.feed.is_full:
            return refusal("BusyError", "too many pages listen already", 503)
        return StreamingResponse(self._services.feed.listen(), media_type="text/event-stream")

    async def run(self) -> Response:
        """The current run, or the last one; null before the first."""
        return reply(self._services.runs.state())

    async def folder(self, path: Annotated[str, Query(max_length=4096)] = "") -> Response:
        """The folders in a folder; without one, those that may be indexed from here."""
        if not path:
            return reply({"path": None, "parent": None, "folders": await self._services.folders.roots()})
        return reply(await self._services.folders.show(path))

    async def index(self, wish: request_bodies.IndexWish) -> Response:
        """Index folders, in the background."""
        folders = await self._services.folders.allowed(wish.folders)
        return reply(self._services.runs.index(folders), 202)

    async def group(self) -> Response:
        """Group the faces that have no person, in the background."""
        return reply(self._services.runs.group(), 202)

    async def teach(self) -> Response:
        """Learn from names and corrections, in the background; kept only where it helps."""
        return reply(self._services.runs.teach(), 202)

    async def calibrate(self, wish: request_bodies.CalibrateWish) -> Response:
        """Fit threshold and probabilities to the named people, in the background."""
        return reply(self._services.runs.calibrate(wish.far), 202)

    async def stop(self) -> Response:
        """Stop the current run; finished work is kept."""
        return reply(self._services.runs.stop(), 202)
