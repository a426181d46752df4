"""Changes to people and faces as the journal keeps them: a line, its deltas, and their inverse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PersonRow:
    """What a library keeps of a person, apart from the faces."""

    name: str | None  # None for an unnamed group
    born: str | None  # an ISO date
    created_at: str
    hidden: bool = False  # out of lists, sheets and answers
    cover_face_id: int | None = None  # the chosen cover; by now the face may belong to somebody else


@dataclass(frozen=True)
class PersonChange:
    """A person who came (no `before`), went (no `after`), or was changed."""

    person_id: int
    before: PersonRow | None
    after: PersonRow | None


@dataclass(frozen=True)
class FaceMove:
    """Faces that went from one person to another: each as person id and who said so; None is nobody."""

    face_ids: tuple[int, ...]
    before: tuple[int, str] | None
    after: tuple[int, str] | None


@dataclass(frozen=True)
class Verdict:
    """Faces that were rejected from a person, or, if not `rejected`, whose rejection was taken back."""

    person_id: int
    face_ids: tuple[int, ...]
    rejected: bool


@dataclass(frozen=True)
class Addition:
    """Faces that were added to photos, or, if not `added`, taken out again."""

    face_ids: tuple[int, ...]
    added: bool


@dataclass(frozen=True)
class Delta:
    """What a change did to people, faces and rejections: all that is needed to take it back."""

    people: tuple[PersonChange, ...] = ()
    moves: tuple[FaceMove, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    additions: tuple[Addition, ...] = ()

    @property
    def inverse(self) -> Delta:
        return Delta(
            tuple(PersonChange(each.person_id, each.after, each.before) for each in self.people),
            tuple(FaceMove(each.face_ids, each.after, each.before) for each in self.moves),
            tuple(Verdict(each.person_id, each.face_ids, not each.rejected) for each in self.verdicts),
            tuple(Addition(each.face_ids, not each.added) for each in self.additions),
        )


@dataclass(frozen=True, eq=False)
class JournalLine:
    """A line of the journal."""

    line_id: int
    at: str
    action: str  # what was done, in a word
    parts: tuple[Delta, ...]  # what that changed; each can be forgotten without the others
    facts: Mapping[str, Any]  # what else is known of it
    can_be_undone: bool = True  # False for some lines of former versions
