"""Whom somebody means: a person by name or by number, and whose name is spelled alike where it is nobody.

Refuses to guess: a name that is nearly right is an error that says which one may be meant.
"""

from __future__ import annotations

from facesearch.errors import UsageError
from facesearch.library.opened import Library

_CLOSE = 3


def find_person(library: Library, who: str) -> int:
    """The id of the person of that name, or of the number `#12`, or plain 12 where nobody is called so.

    Raises UsageError for nobody, with the names that are spelled alike.
    """
    person_id = known_person(library, who)
    if person_id is None:
        hint = spelled_alike(library, who) or "facesearch people list shows everybody"
        raise UsageError(f"nobody in {library.path} is called {who}; {hint}")
    return person_id


def known_person(library: Library, who: str) -> int | None:
    """The same, and None for nobody."""
    person_id = library.people.find(who)
    return library.people.find(f"#{who}") if person_id is None else person_id


def spelled_alike(library: Library, who: str) -> str | None:
    """A question for the names that are spelled like one that nobody has; None where there are none such."""
    from difflib import get_close_matches

    names = {name.casefold(): name for name in library.people.names().values() if name is not None}
    close = [names[name] for name in get_close_matches(who.casefold(), names, _CLOSE)]
    return f"did you mean {', '.join(close)}?" if close else None
