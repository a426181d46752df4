"""Imports at their first use, for packages (PEP 562) and classes some of whose parts take long to import and are seldom
needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from importlib import import_module
from typing import Any


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
