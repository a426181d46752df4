"""Finds the people of a library who have no name: new groups, and faces that join known people.

All that it does is one line of the journal. Never moves a face that has a person, adds a face to a person that it was
rejected for, names anybody, or merges two people: only the user does that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facesearch.errors import UsageError
from facesearch.evaluation.calibration import Calibration
from facesearch.library import Library
from facesearch.library.rows.grouped import GroupingFaces
from facesearch.people.clusters import LEAST_FACES, NEIGHBOURS, Bounds, KnownFaces, group_faces
from facesearch.records import Ints

SOURCE = "group"
"""Who says whose a face is, where only the grouping does."""

LEAST_QUALITY = 0.35
"""A face of less quality neither starts nor joins a group: docs/research/quality.md measures what that is worth."""

VOUCHED = "named group"
"""The same where the user has named the group that it was in, or said whose group that is."""

_MOSTLY_NEW = 0.25  # of all faces: from here on it is less work to look at everything
_RINGS = 2  # new faces can bring together what waits around them, and that what waits around it
_CANDIDATES = 2  # times as many plain neighbours as judged ones are looked at, up to a farther reach: the 16 nearest by
_SPREAD = 1.5  # judged distances are mostly among them
_FACES_OF_A_PERSON = 256  # evenly through their ids: the mean distance to more is the same


@dataclass(frozen=True)
class GroupedPerson:
    """A new group, or a person that faces joined. Plain values only, ready for JSON."""

    person_id: int | None  # None for a new group of a dry run
    name: str | None
    is_new: bool  # whether the person was found now
    faces: int  # how many came
    total: int  # how many the person has now
    face_ids: tuple[int, ...]  # those that came


@dataclass(frozen=True)
class GroupSummary:
    """What a grouping did."""

    change: int | None  # its number in the journal; None where it changed nothing
    faces: int  # in the library
    known: int  # that had a person before
    grouped: int  # that are in new groups now
    joined: int  # that joined a known person
    waiting: int  # faces that still have no person
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
    only_new: bool = False,
    dry_run: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> GroupSummary:
    """Group the faces without a person. Running it again changes nothing, until faces or people change.

    calibration: of the library's tower; what a library was taught brings its own. least_faces: of a new group, by
    default LEAST_FACES. least_quality: a face without a person that has less waits; by default LEAST_QUALITY. A face
    without a known quality counts as good. only_new: look at the faces that came since the last grouping and what lies
    around them alone, which takes no longer in a large library. on_progress: called with the number of faces compared,
    and of all. Raises UsageError for a quality outside 0 to 1.
    """
    least_faces = LEAST_FACES if least_faces is None else least_faces
    least_quality = LEAST_QUALITY if least_quality is None else least_quality
    if not 0 <= least_quality <= 1:
        raise UsageError(f"the least quality is {least_quality}; give a number from 0 to 1")
    if only_new:
        library.vectors()
    with library.snapshot():
        newest = library.grouped.newest()
        everything, embedded = library.catalog.face_count(), library.catalog.embedded_count()
        waiting, poor = library.people.faces_without_person(), library.grouped.poor(least_quality)
        rejections, apart = library.people.rejections(), library.added.people_without_embedding()
        names = library.people.names()
        bounds = Bounds.of(library.space.calibration_or(calibration), library.threshold)
        among = embedded - poor
        found = _around_new(library, bounds.reach(among), least_quality) if only_new else library.grouped.all()
        found = found.where((found.people >= 0) | ~(found.qualities < least_quality))  # NaN, without one, is taken
        stand = _standing_for(found)
        seen = found.where(stand == np.arange(len(stand)))
        places = library.places.of_embeddings(seen.embeddings, seen.local_scales)
    barred = _for_tracks(found, stand, rejections | _beside(found, apart))
    known = _known(seen, barred, highest=max(names, default=0))
    people = group_faces(places.points, known, bounds, least_faces, on_progress, scales=places.scales, among=among)
    people = _with_tracks(found, stand, people[np.searchsorted(seen.ids, found.ids[stand])])
    moved = np.flatnonzero(people != found.people)
    gained: dict[int, list[int]] = defaultdict(list)
    for person, face_id in zip(people[moved].tolist(), found.ids[moved].tolist(), strict=True):
        gained[person].append(face_id)
    by_person = dict(sorted(gained.items()))
    before = dict(library.people.face_counts(person for person in by_person if person in names))
    change, numbers = (None, {}) if dry_run else _write(library, by_person, names, newest)
    joined = sum(len(face_ids) for person, face_ids in by_person.items() if person in names)
    return GroupSummary(
        change=change,
        faces=everything,
        known=everything - waiting,
        grouped=len(moved) - joined,
        joined=joined,
        waiting=waiting - len(moved),
        poor=poor,
        least_faces=least_faces,
        people=tuple(
            GroupedPerson(
                person_id=person if person in names else numbers.get(person),
                name=names.get(person),
                is_new=person not in names,
                faces=len(face_ids),
                total=before.get(person, 0) + len(face_ids),
                face_ids=tuple(face_ids),
            )
            for person, face_ids in by_person.items()
        ),
        dry_run=dry_run,
    )


def _around_new(library: Library, reach: float, least_quality: float) -> GroupingFaces:
    """The faces that no grouping has seen yet, and all faces that can decide which person they get: those within reach
    of them, those around the ones of these without a person, all faces of the people of these, and the other people on
    the photos of faces without a person. All faces, if most are new."""
    grouped = library.grouped
    new = grouped.after(grouped.up_to)
    if not len(new.ids) or len(new.ids) > _MOSTLY_NEW * library.catalog.embedded_count():
        return grouped.all() if len(new.ids) else new
    concerned = set(new.ids.tolist())
    ring = new.where((new.people >= 0) | ~(new.qualities < least_quality))
    for _ in range(_RINGS):
        near = library.vectors().search_batch(library.space.map(ring.embeddings), _CANDIDATES * NEIGHBOURS)
        ids = {each.face_id for found in near for each in found if each.distance <= _SPREAD * reach} - concerned
        concerned |= ids
        ring = grouped.some(ids)
        ring = ring.where((ring.people < 0) & ~(ring.qualities < least_quality))
    there = grouped.some(concerned)
    concerned.update(grouped.of_people(set(there.people[there.people >= 0].tolist()), _FACES_OF_A_PERSON))
    concerned.update(grouped.on_photos(set(there.photos[there.people < 0].tolist())))
    return grouped.some(concerned)


def _standing_for(found: GroupingFaces) -> Ints:
    """For each face the row of the one that takes part for it, (N,): of the faces of one track without a person the
    best, for they show one appearance and not several; any other face stands for itself."""
    stand = np.arange(len(found.ids))
    rows = np.flatnonzero((found.tracks >= 0) & (found.people < 0))
    quality = np.nan_to_num(found.qualities[rows], nan=-1.0)
    order = rows[np.lexsort((found.ids[rows], -quality, found.tracks[rows], found.photos[rows]))]
    follows = (np.diff(found.photos[order]) == 0) & (np.diff(found.tracks[order]) == 0)
    first = np.concatenate([np.zeros(1, np.int64), np.where(follows, 0, np.arange(1, len(order)))])[: len(order)]
    stand[order] = order[np.maximum.accumulate(first)]
    return stand


def _with_tracks(found: GroupingFaces, stand: Ints, people: Ints) -> Ints:
    """The people, (N,), without those that a face would get from the one that stands for it although another face of
    the same frame is theirs already."""
    follows = stand != np.arange(len(stand))
    order = np.lexsort((follows, found.pictures, people))
    again = np.zeros(len(people), bool)
    again[order[1:]] = (np.diff(people[order]) == 0) & (np.diff(found.pictures[order]) == 0)
    return np.where(again & follows, -1, people)


def _for_tracks(found: GroupingFaces, stand: Ints, pairs: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Pairs of a face and a person it was rejected for, by ids; it also holds for the face that stands for it."""
    rows = np.flatnonzero(stand != np.arange(len(stand)))
    stands_for = dict(zip(found.ids[rows].tolist(), found.ids[stand[rows]].tolist(), strict=True))
    return {(stands_for.get(face_id, face_id), person_id) for face_id, person_id in pairs}


def _beside(found: GroupingFaces, apart: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """Faces without a person, by id, each with a person that a face without an embedding puts on the same photo: one
    person is hardly on a photo twice. apart: photo and person of each such face."""
    waiting = found.people < 0
    pairs = set()
    for photo_id, person_id in apart:
        for face_id in found.ids[waiting & (found.photos == photo_id)].tolist():
            pairs.add((face_id, person_id))
    return pairs


def _known(found: GroupingFaces, rejections: set[tuple[int, int]], highest: int) -> KnownFaces:
    """What the rows say, by position in `found`. highest: the highest number of a person, who may have no face."""
    pairs = np.array(sorted(rejections), np.int64).reshape(-1, 2)
    pairs = pairs[np.isin(pairs[:, 0], found.ids)]
    pairs[:, 0] = np.searchsorted(found.ids, pairs[:, 0])
    pictures = np.unique(found.pictures, return_inverse=True)[1].astype(np.int64)
    return KnownFaces(found.people, pictures, pairs, highest)


def _write(
    library: Library, by_person: Mapping[int, Sequence[int]], names: Mapping[int, str | None], newest: int
) -> tuple[int | None, dict[int, int]]:
    """The line of the journal, and the ids of the new people by the numbers that grouping gave them. newest: up to
    which face all were looked at."""
    ids: dict[int, int] = {}
    if not by_person and library.grouped.up_to == newest:
        return None, ids
    with library.changing(), library.people.change(SOURCE, {"source": SOURCE}) as change:
        library.grouped.note(newest)
        for person, face_ids in by_person.items():
            if person not in names:
                ids[person] = change.create()
            change.move(face_ids, ids.get(person, person), SOURCE)
            change.end_part()
    return change.line_id, ids
