"""Which faces the last transactions have added and removed, so that a file of vectors a few of them old serves on.

Kept in the settings by every transaction that changes embeddings, with the number of faces that have one. Refuses to
answer where something else has changed the generation since: then the rows are read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from dataclasses import asdict, astuple, dataclass
from itertools import pairwise

SETTING = "recent_changes"
MOST_FACES = 1024
"""Faces in all: a setting of some 10 kB, and so many faces are searched beside the file of vectors in 0.1 ms."""


@dataclass(frozen=True)
class FaceChanges:
    """What one transaction did to the faces that have an embedding."""

    generation: int
    """The library's after it."""
    before: str
    """The mark of the library before it."""
    removed: Sequence[int]
    """Ids of faces that were there before it."""
    added: Sequence[int]
    """Ids of faces that are there after it."""


@dataclass(frozen=True)
class RecentChanges:
    """The last transactions, one generation each, the last one of the library's."""

    generation: int
    """The library's."""
    faces: int
    """That have an embedding."""
    mark: str
    """Drawn by the last transaction: two copies of a library that went on apart share numbers, but no marks."""
    changes: tuple[FaceChanges, ...]

    @classmethod
    def read(cls, text: str | None, generation: int) -> RecentChanges | None:
        """What a setting says of a generation; None where it says nothing of it."""
        try:
            stored = json.loads(text or "")
            changes = tuple(FaceChanges(*each) for each in stored["changes"])
            recent = cls(int(stored["generation"]), int(stored["faces"]), str(stored["mark"]), changes)
        except (ValueError, TypeError, KeyError):
            return None
        numbers = [each.generation for each in changes]
        is_whole = all(after == before + 1 for before, after in pairwise(numbers)) and numbers[-1:] in (
            [],
            [generation],
        )
        return recent if recent.generation == generation and is_whole else None

    def text(self) -> str:
        """As the setting keeps it."""
        return json.dumps(asdict(self) | {"changes": [list(astuple(change)) for change in self.changes]})

    def after(self, removed: Collection[int], added: Collection[int], *, remapped: bool) -> RecentChanges:
        """With one transaction more. removed, added: faces that have an embedding; some can be in both. remapped: the
        others lie elsewhere now, too."""
        new, gone = set(added), set(removed)
        last = FaceChanges(self.generation + 1, self.mark, sorted(gone - new), sorted(new - gone))
        faces = self.faces + len(last.added) - len(last.removed)
        kept: list[FaceChanges] = []
        room = MOST_FACES
        for change in () if remapped else (last, *reversed(self.changes)):
            room -= len(change.removed) + len(change.added)
            if room < 0:
                break
            kept.append(change)
        return RecentChanges(last.generation, faces, os.urandom(8).hex(), tuple(reversed(kept)))

    def since(self, generation: int) -> tuple[FaceChanges, ...] | None:
        """All that was changed after a generation; None where that is not known any more."""
        later = tuple(change for change in self.changes if change.generation > generation)
        return later if generation + len(later) == self.generation else None


def net(changes: Sequence[FaceChanges]) -> tuple[set[int], set[int]]:
    """What some changes come to, in their order: ids of faces that are gone, and of those that are there and new."""
    gone: set[int] = set()
    new: set[int] = set()
    for change in changes:
        gone |= set(change.removed) - new
        new = (new - set(change.removed)) | set(change.added)
    return gone, new
