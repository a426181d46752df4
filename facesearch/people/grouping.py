"""Finds the people of a library who have no name: new groups, and faces that join known people.

All that it does is one line of the journal. Never moves a face that has a person, adds one to a person that it was
rejected from, names anybody, or merges two people: the user does that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesearch.errors import UsageError
from facesearch.evaluation.calibration import Calibration
from facesearch.library import Library
from facesearch.people.clusters import LEAST_FACES, Bounds, KnownFaces, group_faces

SOURCE = "group"
"""Who says whose a face is, where only the grouping does."""

LEAST_QUALITY = 0.35
"""A face of less quality neither starts nor joins a group: docs/research/quality.md measures what that is worth."""

VOUCHED = "named group"
"""The same where the user has named the group that it was in, or said whose group that is."""


@dataclass(frozen=True)
class GroupedPerson:
    """A new group, or a person that faces joined. Plain values only, ready for JSON.

    person_id: None for a new group of a dry run. is_new: whether the person was found now. face_ids: the faces that
    came, and faces: how many; total: how many the person has now.
    """

    person_id: int | None
    name: str | None
    is_new: bool
    faces: int
    total: int
    face_ids: tuple[int, ...]


@dataclass(frozen=True)
class GroupSummary:
    """What a grouping did."""

    change: int | None  # its number in the journal; None where it changed nothing
    faces: int  # in the library
    known: int  # that had a person before
    grouped: int  # that are in new groups now
    joined: int  # that joined a known person
    waiting: int  # that are nobody's
    poor: int  # those of them whose quality is too low to start or join a group
    least_faces: int  # of a new group
    people: tuple[GroupedPerson, ...]  # the known ones that faces joined, then the new groups, the largest first
    dry_run: bool


def group_people(
    library: Library,
    calibration: Calibration | None = None,
    least_faces: int | None = None,
    *,
    least_quality: float | None = None,
    dry_run: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> GroupSummary:
    """Group the faces that are nobody's. Running it again changes nothing, until faces or people change.

    calibration: of the library's tower; what a library was taught brings its own. least_faces: of a new group, by
    default LEAST_FACES. least_quality: a face that is nobody's and has less waits; by default LEAST_QUALITY. A face
    without a known quality counts as good. on_progress: called with the number of faces compared, and of all. Raises
    UsageError for a quality outside 0 to 1.
    """
    least_faces = LEAST_FACES if least_faces is None else least_faces
    least_quality = LEAST_QUALITY if least_quality is None else least_quality
    if not 0 <= least_quality <= 1:
        raise UsageError(f"the least quality is {least_quality}; give a number from 0 to 1")
    with library.snapshot():
        ids, places = library.all_places()
        owners = library.catalog.owners()
        is_poor = library.catalog.qualities() < least_quality  # never where there is none, which is NaN
        rejections = library.people.rejections()
        names = library.people.names()
        bounds = Bounds.of(library.space.calibration_or(calibration), library.threshold)
    faces, taken = len(ids), ~is_poor | (owners[:, 2] >= 0)
    ids, places, owners = ids[taken], places[taken], owners[taken]
    known = _known(ids, owners, rejections, highest=max(names, default=0))
    people = group_faces(places.points, known, bounds, least_faces, on_progress, scales=places.scales)
    moved = np.flatnonzero(people != known.people)
    found: dict[int, list[int]] = defaultdict(list)
    for person, face_id in zip(people[moved].tolist(), ids[moved].tolist(), strict=True):
        found[person].append(face_id)
    by_person = dict(sorted(found.items()))
    change, numbers = (None, {}) if dry_run else _write(library, by_person, names)
    totals = dict(zip(*(part.tolist() for part in np.unique(people, return_counts=True)), strict=True))
    joined = sum(len(face_ids) for person, face_ids in by_person.items() if person in names)
    return GroupSummary(
        change=change,
        faces=faces,
        known=int((known.people >= 0).sum()),
        grouped=len(moved) - joined,
        joined=joined,
        waiting=int((people < 0).sum()) + faces - len(ids),
        poor=faces - len(ids),
        least_faces=least_faces,
        people=tuple(
            GroupedPerson(
                person_id=person if person in names else numbers.get(person),
                name=names.get(person),
                is_new=person not in names,
                faces=len(face_ids),
                total=totals[person],
                face_ids=tuple(face_ids),
            )
            for person, face_ids in by_person.items()
        ),
        dry_run=dry_run,
    )


def _known(
    ids: NDArray[np.int64], owners: NDArray[np.int64], rejections: set[tuple[int, int]], highest: int
) -> KnownFaces:
    """What the rows say, by position in `ids`. highest: the highest number of a person, who may have no face."""
    pairs = np.array(sorted(rejections), np.int64).reshape(-1, 2)
    pairs = pairs[np.isin(pairs[:, 0], ids)]
    pairs[:, 0] = np.searchsorted(ids, pairs[:, 0])
    return KnownFaces(owners[:, 2], owners[:, 1], pairs, highest)


def _write(
    library: Library, by_person: Mapping[int, Sequence[int]], names: Mapping[int, str | None]
) -> tuple[int | None, dict[int, int]]:
    """The line of the journal, and the ids of the new people by the numbers that grouping gave them."""
    ids: dict[int, int] = {}
    with library.changing(), library.people.change(SOURCE, {"source": SOURCE}) as change:
        for person, face_ids in by_person.items():
            if person not in names:
                ids[person] = change.create()
            change.move(face_ids, ids.get(person, person), SOURCE)
            change.end_part()
    return change.line_id, ids
