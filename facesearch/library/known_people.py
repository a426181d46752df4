"""Finds the person that a name or a number means. Refuses to guess: a misspelled name is an error."""

from __future__ import annotations

import re

from facesearch.errors import PersonMergedError, UsageError
from facesearch.library.opened import Library

_CLOSE = 3
_NUMBER = re.compile(r"#?([0-9]{1,19})")


def find_person(library: Library, who: str | int) -> int:
    """The id of the person of that name, or of the number `#12`, or plain 12 if nobody has that name.

    Raises UsageError if there is no such person, with similar names, or if two people may be meant.
    """
    if isinstance(who, int):  # a number, whatever anybody is called
        if not library.people.has(who):
            raise nobody(library, who)
        return who
    person_id = known_person(library, who)
    if person_id is None:
        number = _NUMBER.fullmatch(who)
        if number is not None and isinstance(error := nobody(library, int(number[1])), PersonMergedError):
            raise error
        hint = spelled_alike(library, who) or "facesearch people list shows everybody"
        raise UsageError(f"nobody in {library.path} is called {who}; {hint}")
    return person_id


def nobody(library: Library, person_id: int) -> UsageError:
    """The error for a number that no person has: PersonMergedError for a person who was merged into another."""
    now = library.people.became(person_id)
    if now is None:
        return UsageError(f"there is no person #{person_id} in {library.path}")
    name = library.people.names_of([now])[now]
    who = f"#{now}" if name is None else f"{name} (#{now})"
    return PersonMergedError(f"person #{person_id} was merged into {who}", now, person_id)


def known_person(library: Library, who: str) -> int | None:
    """The same, and None for nobody."""
    called = library.people.called(who)
    if len(called) > 1:
        numbers = ", ".join(f"#{person_id}" for person_id in called)
        raise UsageError(f"{len(called)} people are called {who}, apart from spaces: {numbers}; give a number")
    number = numbered(library, who)
    if who.startswith("#") and called and number not in (None, called[0]):
        raise UsageError(
            f"{who} is the number of {library.people.names()[number] or 'a group'} and the name of #{called[0]}: "
            f"write {who[1:]} for the number, #{called[0]} for the name"
        )
    return called[0] if called else number


def numbered(library: Library, who: str) -> int | None:
    """The number in `#12` or `12`, where it is somebody's; None for anything else."""
    number = _NUMBER.fullmatch(who)
    return int(number[1]) if number is not None and library.people.has(int(number[1])) else None


def spelled_alike(library: Library, who: str) -> str | None:
    """A question for the names that are spelled like one that nobody has, or hold it as a word; None for none such."""
    from difflib import get_close_matches

    from facesearch.names import name_key

    names = {name.casefold(): name for name in library.people.names().values() if name is not None}
    sought = name_key(who).casefold()
    holding = sorted(name for name in names if sought in name.split())  # a first name, or a last one
    close = dict.fromkeys([*get_close_matches(sought, names, _CLOSE), *holding])
    return f"did you mean {', '.join(names[name] for name in list(close)[:_CLOSE])}?" if close else None
