"""Imports at their first use, for packages (PEP 562) and classes some of whose parts take long to import and are seldom
needed; and imports without the messages that TensorFlow's C++ code prints while it is loaded."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from importlib import import_module
from typing import Any

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def imported_at_first_use(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """What a package has for `__getattr__`. homes: in which of its modules each name is found."""

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return find


def made_at_first_use(module: str, name: str, given: Callable[[Any], tuple[Any, ...]]) -> Any:
    """An attribute of a class: an instance of another class, which is imported and made when it is first asked for.

    given: from the object whose attribute it is, what the other class is called with. To be annotated with that class.
    """
    return cached_property(lambda owner: getattr(import_module(module), name)(*given(owner)))


def imported_quietly(module: str) -> Any:
    """Import a module without TensorFlow's messages, nor the later ones about processors and missing GPUs. Exceptions
    pass. If the user set TF_CPP_MIN_LOG_LEVEL, silences nothing."""
    if _LEVEL in os.environ or module in sys.modules:
        return import_module(module)
    os.environ[_LEVEL] = "3"
    with _stderr_silenced():
        return import_module(module)


@contextmanager
def _stderr_silenced() -> Iterator[None]:
    """Discard what is written to file descriptor 2: absl writes to it before it reads any setting."""
    sys.stderr.flush()
    before = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)
