"""What the nodes of a cluster have done and are doing, counted while they work."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from facesearch.records import NodeWork


class Tally:
    """What each node of a cluster has done and is doing, as all lanes tell it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ready_s: dict[str, float] = {}
        self._photos: dict[str, int] = {}
        self._in_flight: dict[str, int] = {}

    def ready(self, node: str) -> None:
        """A worker on a node can begin."""
        with self._lock:
            if node not in self._ready_s:
                self._ready_s[node] = time.monotonic()
                self._photos[node] = self._in_flight[node] = 0

    @contextmanager
    def working(self, node: str) -> Iterator[None]:
        """Inside, a worker on a node works on a photo."""
        with self._lock:
            self._in_flight[node] += 1
        try:
            yield
        finally:
            with self._lock:
                self._in_flight[node] -= 1

    def answered(self, node: str) -> None:
        """A node has answered for a photo."""
        with self._lock:
            self._photos[node] += 1

    def nodes(self) -> tuple[NodeWork, ...]:
        """What the nodes do, by name."""
        now_s = time.monotonic()
        with self._lock:
            return tuple(
                NodeWork(node, photos, photos / max(now_s - self._ready_s[node], 1e-9), self._in_flight[node])
                for node, photos in sorted(self._photos.items())
            )
