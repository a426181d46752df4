"""The processes that decode photos, handed from one test to the next: to start one takes longer than most tests do."""

from __future__ import annotations

import os
from collections.abc import Hashable
from contextlib import suppress
from subprocess import Popen
from typing import Any

import pytest

from facesearch.errors import PhotoError
from facesearch.photos import DecodingWorker

_AT_MOST = 2  # of a kind: lanes that most runs here have


class KeptProcesses:
    """Processes of workers that were closed, which the next workers of the same settings take over.

    They are the ones that the program starts, and answer as they always do. Kept is only a process that has answered
    all that it was asked.
    """

    def __init__(self) -> None:
        self._idle: dict[Hashable, list[Popen[bytes]]] = {}

    def put_in_place(self, patch: pytest.MonkeyPatch) -> None:
        """Let every DecodingWorker begin with a process that is kept, and end by keeping it."""
        start, ask, close = DecodingWorker._started, DecodingWorker._answered, DecodingWorker.close
        waiting: set[int] = set()  # workers that were asked and not answered

        def started(worker: DecodingWorker) -> Popen[bytes]:
            idle = self._idle.get(_settings(worker), [])
            while idle:
                process = idle.pop()
                if process.poll() is None:
                    worker._is_ready = True
                    return process
                _end(process)
            return start(worker)

        def answered(worker: DecodingWorker, *asked: Any, **options: Any) -> Any:
            waiting.add(id(worker))
            try:
                answer = ask(worker, *asked, **options)
            except PhotoError:  # the answer, too
                waiting.discard(id(worker))
                raise
            waiting.discard(id(worker))
            return answer

        def closed(worker: DecodingWorker) -> None:
            process, idle = worker._process, self._idle.setdefault(_settings(worker), [])
            if process is None or not worker._is_ready or id(worker) in waiting or len(idle) >= _AT_MOST:
                waiting.discard(id(worker))
                close(worker)
                return
            worker._process = None
            idle.append(process)

        patch.setattr(DecodingWorker, "_started", started)
        patch.setattr(DecodingWorker, "_answered", answered)
        patch.setattr(DecodingWorker, "close", closed)

    def end(self) -> None:
        """End all that are kept."""
        for idle in self._idle.values():
            while idle:
                _end(idle.pop())


def _settings(worker: DecodingWorker) -> Hashable:
    cloud = tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_")))  # as it was at their start
    return worker.serving, *worker.arguments(), worker._limits, os.geteuid(), cloud


def _end(process: Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):
            assert pipe is not None
            pipe.close()
    process.wait()
