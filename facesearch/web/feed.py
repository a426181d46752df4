"""What open pages are told: that the library has changed, who is writing to it, and how far a run is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from facesearch.api.library import FaceLibrary
from facesearch.text import plain

_EVERY_S = 0.5
_ALIVE_S = 15.0  # a line so often, or proxies and browsers take the connection for dead
MOST_LISTENERS = 64


class Feed:
    """Checks the library twice a second, which reads the state of two files, and tells all listeners."""

    def __init__(self, library: FaceLibrary, run: Callable[[], object], is_ending: Callable[[], bool]) -> None:
        self._library = library
        self._run = run
        self._is_ending = is_ending
        self._state: dict[str, Any] = {}
        self._stamp = ""
        self._version = 0
        self._listeners = 0

    async def watch(self) -> None:
        """Look, until it is cancelled."""
        while True:
            self._look()
            await asyncio.sleep(_EVERY_S)

    def state(self) -> dict[str, Any]:
        """As it is now. version: another number once the library may have changed."""
        return self._state

    async def listen(self) -> AsyncIterator[bytes]:
        """Server-sent events: the state now, and whenever it changes."""
        self._listeners += 1
        try:
            told: dict[str, Any] | None = None
            quiet_s = 0.0
            while not self._is_ending():
                if self._state != told:
                    told, quiet_s = self._state, 0.0
                    yield f"data: {json.dumps(told, default=plain)}\n\n".encode()
                elif quiet_s >= _ALIVE_S:
                    quiet_s = 0.0
                    yield b": alive\n\n"
                await asyncio.sleep(_EVERY_S)
                quiet_s += _EVERY_S
        finally:
            self._listeners -= 1

    @property
    def is_full(self) -> bool:
        return self._listeners >= MOST_LISTENERS

    def _look(self) -> None:
        stamp = self._library.views.stamp()
        if stamp != self._stamp:
            self._stamp = stamp
            self._version += 1
        run = self._run()
        shown = None if run is None else {**plain(run), "summary": None}  # which can be long: /api/v1/run has it
        self._state = {"version": self._version, "writer": self._library.views.writer(), "run": shown}
