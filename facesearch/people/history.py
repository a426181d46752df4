"""Reads the journal of changes to people, and undoes changes one by one.

An undo is itself a change, and can be undone. Refuses if later changes stand in the way, and names them: it never
undoes more than it was asked to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from facesearch.errors import UsageError
from facesearch.library import Library
from facesearch.library.changes import Delta, JournalLine
from facesearch.library.rows.lineage import UNDO, taken_back
from facesearch.library.rows.people_change import Conflict

_SHOWN = 5
_BY_HAND = ("name", "born", "merge", "split", "reject", "confirm", "hide", "unhide", "cover", "add-face", UNDO)


@dataclass(frozen=True)
class LoggedChange:
    """A line of the journal."""

    change: int
    at: str  # in UTC
    action: str  # name, born, merge, split, reject, confirm, label, drop, edit, add-face, undo, or a source's word
    source: str | None  # who made it, where that is not the user
    person_ids: tuple[int, ...]  # the people that it is about
    names: tuple[str | None, ...]  # theirs after it; before it, where they went
    faces: int  # how many it moved or judged
    takes_back: int | None  # the change that an undo takes back
    taken_back_by: int | None  # the undo that took it back, None while it holds
    can_be_undone: bool  # False for some lines of former versions


@dataclass(frozen=True)
class Undone:
    """What was undone: the line, and the number of the line that undid it."""

    change: int
    taken_back: LoggedChange
    gone: int  # its faces that are no longer in the library, and so stay as they are


def change_log(library: Library, last: int | None = None) -> tuple[LoggedChange, ...]:
    """The changes to people, the latest first; `last` many, or all."""
    with library.snapshot():
        lines = library.journal.lines()
        names = library.people.names()
    undone = taken_back(lines)
    wanted = lines[::-1] if last is None else lines[::-1][:last]
    return tuple(_logged(line, undone, names) for line in wanted)


def undo_change(library: Library, number: int | None = None) -> Undone:
    """Undo a change by number, or the latest that still holds and is not an undo. Undoing an undo does the change
    again.

    Raises UsageError if there is no such change, it was undone already, or later changes stand in the way.
    """
    with library.changing():
        lines = library.journal.lines()
        undone = taken_back(lines)
        return _take_back(library, _wanted(library, lines, undone, number), lines, undone)


def undo_since(library: Library, number: int) -> tuple[Undone, ...]:
    """Take back every change from a number on that still holds and is not an undo, latest first: all or none.

    Skips changes that cannot be undone, because former versions kept too little or their faces are gone. Raises
    UsageError if there is none, or if something stands in the way.
    """
    done = []
    with library.changing():
        lines = library.journal.lines()
        undone = taken_back(lines)
        for line in reversed(lines):
            if line.line_id >= number and line.action != UNDO and line.line_id not in undone and line.can_be_undone:
                with suppress(_NothingLeftError):
                    done.append(_take_back(library, line, lines, undone))
                    undone[line.line_id] = done[-1].change
        if not done:
            raise UsageError(f"no change from {number} on in {library.path} can be undone")
    return tuple(done)


class _NothingLeftError(UsageError):
    """Of a change nothing is in the library any more."""


def _take_back(library: Library, line: JournalLine, lines: Sequence[JournalLine], undone: Mapping[int, int]) -> Undone:
    """Take back one line, inside a transaction. lines: all that there were before, oldest first."""
    logged = _logged(line, undone, library.people.names())
    faces = {face for part in line.parts for face in _faces_of(part)}
    gone = faces - set(library.catalog.faces(faces)) - library.added.removed(faces)
    with library.people.change(UNDO, {"of": line.line_id}) as change:
        for part in reversed(line.parts):
            conflict = change.conflict(part.inverse)
            if conflict:
                raise UsageError(_in_the_way(line, lines, undone, conflict))
            change.apply(part.inverse)
            change.end_part()
    if change.line_id is None:
        raise _NothingLeftError(f"nothing of change {line.line_id} is left to undo: its faces are gone")
    return Undone(change.line_id, logged, len(gone))


def _wanted(
    library: Library, lines: Sequence[JournalLine], undone: Mapping[int, int], number: int | None
) -> JournalLine:
    if number is None:
        for line in reversed(lines):
            if line.action != UNDO and line.line_id not in undone and line.can_be_undone:
                return line
        raise UsageError(f"no change to people in {library.path} can be undone")
    found = next((line for line in lines if line.line_id == number), None)
    if found is None:
        raise UsageError(f"there is no change {number} in {library.path}; facesearch people log lists them")
    if number in undone:
        by = undone[number]
        raise UsageError(f"change {number} was already undone by {by}; to redo it: facesearch people undo {by}")
    if not found.can_be_undone:
        raise UsageError(f"change {number} was made by a former version, which kept too little to undo it")
    return found


def _in_the_way(line: JournalLine, lines: Sequence[JournalLine], undone: Mapping[int, int], conflict: Conflict) -> str:
    """Which later changes a conflict comes from, in words."""
    culprits = [
        later.line_id
        for later in lines
        if later.line_id > line.line_id
        and later.line_id not in undone
        and not (later.action == UNDO and later.facts.get("of", 0) > line.line_id)
        and any(_touches(part, conflict) for part in later.parts)
    ]
    if not culprits:
        return f"change {line.line_id} cannot be undone: the library differs from what it left; run facesearch verify"
    first, *rest = sorted(culprits, reverse=True)
    others = f" (and {', '.join(map(str, rest[:_SHOWN]))}{', ...' if len(rest) > _SHOWN else ''})" if rest else ""
    return (
        f"change {line.line_id} cannot be undone, because change {first}{others} came later and concerns the same "
        f"faces or people; undo that first: facesearch people undo {first}"
    )


def _touches(part: Delta, conflict: Conflict) -> bool:
    names = {row.name for each in part.people for row in (each.before, each.after) if row is not None}
    return bool(
        _faces_of(part) & conflict.face_ids
        or {each.person_id for each in part.people} & conflict.person_ids
        or names & conflict.names
    )


def _faces_of(part: Delta) -> set[int]:
    moved = {face for move in part.moves for face in move.face_ids}
    judged = {face for verdict in part.verdicts for face in verdict.face_ids}
    return moved | judged | {face for each in part.additions for face in each.face_ids}


def _logged(line: JournalLine, undone: Mapping[int, int], names: dict[int, str | None]) -> LoggedChange:
    people: dict[int, str | None] = {}
    for part in line.parts:
        for each in part.people:
            row = each.after or each.before
            people[each.person_id] = row.name if row is not None else None
        ids: Iterable[int] = (end[0] for move in part.moves for end in (move.after, move.before) if end is not None)
        for person_id in (*ids, *(verdict.person_id for verdict in part.verdicts)):
            people.setdefault(person_id, names.get(person_id))
    source = line.facts.get("source") or next(
        (move.after[1] for part in line.parts for move in part.moves if move.after is not None), None
    )
    if source is not None and line.action in _BY_HAND:  # whoever had said before whose these faces are
        source = "user"
    return LoggedChange(
        change=line.line_id,
        at=line.at,
        action=line.action,
        source=source,
        person_ids=tuple(people),
        names=tuple(people.values()),
        faces=len({face for part in line.parts for face in _faces_of(part)}),
        takes_back=line.facts.get("of"),
        taken_back_by=undone.get(line.line_id),
        can_be_undone=line.can_be_undone,
    )
