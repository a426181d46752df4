"""Names and people of the past, from the journal: who had a name, and which person each was merged into.

Ignores changes that were undone, except where every change counts, as for forgetting.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from facesearch.library.changes import JournalLine, PersonRow
from facesearch.names import name_key

UNDO = "undo"
MERGED_INTO = "into_person_id"  # of a merge: the person who stays
TELLING = ("name", "merge", UNDO)  # what gives and takes names and people by hand: few lines, and short ones


def taken_back(lines: Sequence[JournalLine]) -> dict[int, int]:
    """By number of a line, the undo that took it back and holds itself. lines: oldest first."""
    undone: dict[int, int] = {}
    for line in reversed(lines):
        if line.action == UNDO and line.line_id not in undone and "of" in line.facts:
            undone[line.facts["of"]] = line.line_id
    return undone


def heir(lines: Sequence[JournalLine], name: str, living: Iterable[int]) -> int | None:
    """The present person who had this name last, or took over that person's faces in a merge; None if there is none.

    lines: oldest first. name: in the form of `name_key`; former versions stored names in other forms."""
    holding, living = _holding(lines), set(living)
    into = {gone: new for line in holding for gone, new in _merged(line)}
    for line in reversed(holding):
        for each in (each for part in reversed(line.parts) for each in part.people):
            if _is_called(each.before, name) and not _is_called(each.after, name):
                return _follow(each.person_id, into, living)
    return None


def became(lines: Sequence[JournalLine], person_id: int, living: Iterable[int]) -> int | None:
    """The present person that a merged one became; None if there is none. lines: oldest first."""
    into = {gone: new for line in _holding(lines) for gone, new in _merged(line)}
    return _follow(person_id, into, set(living))


def _holding(lines: Sequence[JournalLine]) -> list[JournalLine]:
    """The lines that did something and that nobody took back."""
    undone = taken_back(lines)
    return [line for line in lines if line.action != UNDO and line.line_id not in undone]


@dataclass(frozen=True)
class Kin:
    """All numbers and names of some people: their own, and those of the people merged into them."""

    person_ids: frozenset[int]
    names: frozenset[str]


def kin(lines: Sequence[JournalLine], person_ids: Iterable[int], living: Iterable[int]) -> Kin:
    """The people that were merged into some, and all names that any of them ever had; names of the living, only of
    `person_ids`. What was undone counts too."""
    found, living = set(person_ids), set(living) - set(person_ids)
    parts = [part for line in lines for part in line.parts]
    pairs = [pair for line in lines for pair in _merged(line)]
    while more := {gone for gone, new in pairs if new in found} - found - living:
        found |= more
    rows = [
        row
        for part in parts
        for each in part.people
        if each.person_id in found
        for row in (each.before, each.after)
        if row is not None
    ]
    return Kin(frozenset(found), frozenset(row.name for row in rows if row.name is not None))


def bearers(lines: Iterable[JournalLine], name: str) -> set[int]:
    """Everybody who was ever called so. name: in the form of `name_key`."""
    return {
        each.person_id
        for line in lines
        for part in line.parts
        for each in part.people
        for row in (each.before, each.after)
        if _is_called(row, name)
    }


def _is_called(row: PersonRow | None, name: str) -> bool:
    """name: in the form of `name_key`."""
    return row is not None and row.name is not None and name_key(row.name) == name


def _merged(line: JournalLine) -> list[tuple[int, int]]:
    """The people who went in this line, and those who got their faces; of a merge also those who had no faces."""
    gone = {each.person_id for part in line.parts for each in part.people if each.after is None}
    pairs = [
        (move.before[0], move.after[0])
        for part in line.parts
        for move in part.moves
        if move.before is not None and move.after is not None and move.before[0] in gone
    ]
    into = line.facts.get(MERGED_INTO)  # not in lines of former versions
    return pairs if into is None else [*pairs, *((person, into) for person in sorted(gone - dict(pairs).keys()))]


def _follow(person_id: int, into: dict[int, int], living: set[int]) -> int | None:
    seen: set[int] = set()
    while person_id not in living:
        if person_id in seen or person_id not in into:
            return None
        seen.add(person_id)
        person_id = into[person_id]
    return person_id
