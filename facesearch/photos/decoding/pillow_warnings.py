"""Keep Pillow's warnings about damaged photos off standard error while photos are decoded, in threads too."""

from __future__ import annotations

import threading
import warnings
from contextlib import suppress
from types import TracebackType
from typing import Any

_PILLOW_MODULES = r"(PIL|pillow_heif)\."


class _PillowSilenced:
    """A context in which warnings raised in Pillow's own modules are ignored; all others pass.

    `warnings.catch_warnings` replaces the whole process's filters and puts old ones back, which mixes them up when
    threads overlap. This adds one filter when the first thread enters and takes it out when the last one leaves.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filter: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                warnings.filterwarnings("ignore", module=_PILLOW_MODULES)
                self._filter = warnings.filters[0]
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                filters: Any = warnings.filters
                with suppress(ValueError):  # gone already where someone reset the filters meanwhile
                    filters.remove(self._filter)


pillow_silenced = _PillowSilenced()
