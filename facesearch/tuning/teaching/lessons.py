"""What there is to learn from: named faces, and pairs of faces of different people whatever their names.

Faces whose person only the tower's own grouping says are left out: a tower that is taught what it said itself learns
nothing, and would be told that it is right. Those of a group that the user has named do count: it was looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from facesearch.library import Library
from facesearch.people.grouping import SOURCE
from facesearch.records import EMBEDDING_SIZE, Floats, Ints

NOBODY = -1
_MOST_FACES_A_PERSON = 50  # more of one person teach little, and would outweigh the others
_FEWEST_FACES_A_PERSON = 5  # of somebody who has as many, also where people are many
_MOST_FACES = 4000
_MOST_FACES_A_PHOTO = 20  # a page of portraits shows people twice
_MOST_APART = 5000


@dataclass(frozen=True, eq=False)
class Lessons:
    """Faces to learn from."""

    embeddings: Floats  # float32 (N, 32)
    # int64 (N,), a number from 0 for each named person, and NOBODY for the others; a person's faces come in the order
    # of their photos' paths
    people: Ints
    apart: Ints  # int64 (M, 2), rows of faces that are not one person: rejected ones, and such as stand in one photo
    names: Sequence[str]  # by number

    @property
    def faces_a_person(self) -> Ints:
        """How many faces each person has: int64 (P,)."""
        return np.bincount(self.people[self.people >= 0], minlength=len(self.names))

    def teach_the_same(self, other: Lessons) -> bool:
        """Whether the same can be learned from others; what people are called does not matter."""
        return all(
            np.array_equal(mine, theirs)
            for mine, theirs in (
                (self.embeddings, other.embeddings),
                (self.people, other.people),
                (self.apart, other.apart),
            )
        )


def read_lessons(library: Library) -> Lessons:
    """What a library has to teach, of each person at most 50 faces. Inside a snapshot."""
    person_of = _named(library)
    apart = _apart(library, person_of)
    ids = [*person_of, *sorted({face for pair in apart for face in pair} - set(person_of))]
    row_of = {face: row for row, face in enumerate(ids)}
    people = sorted(set(person_of.values()))
    numbers = {person: number for number, person in enumerate(people)}
    names, stored = library.people.names(), library.catalog.embeddings_by_id(ids)
    return Lessons(
        embeddings=np.stack([stored[face] for face in ids]) if ids else np.empty((0, EMBEDDING_SIZE), np.float32),
        people=np.array([numbers[person_of[face]] if face in person_of else NOBODY for face in ids], np.int64),
        apart=np.array([[row_of[face] for face in pair] for pair in apart], np.int64).reshape(-1, 2),
        names=[str(names[person]) for person in people],
    )


def _named(library: Library) -> dict[int, int]:
    """The person of each face that teaches, a person's faces by path; of somebody with many faces some, spread evenly:
    neighbours are often of one minute."""
    told = library.face_owners.told_faces(but_not_by=SOURCE)
    paths = library.catalog.photo_paths(photo for _, _, photo in told)
    faces: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
    for face, person, photo in told:
        faces[person].append((str(paths[photo].path) if photo in paths else "", face))
    most = max(_FEWEST_FACES_A_PERSON, min(_MOST_FACES_A_PERSON, _MOST_FACES // max(len(faces), 1)))
    return {
        theirs[place][1]: person
        for person, theirs in ((person, sorted(faces[person])) for person in sorted(faces))
        for place in evenly(len(theirs), most)
    }


def _apart(library: Library, person_of: dict[int, int]) -> list[tuple[int, int]]:
    """Pairs of faces of different people, as far as anybody knows: all rejected ones, and some of those that stand
    in one photo."""
    faces_of: defaultdict[int, list[int]] = defaultdict(list)
    for face, person in person_of.items():
        faces_of[person].append(face)
    without = library.added.without_embedding()
    rejected = {
        (min(face, other), max(face, other))
        for face, person in library.people.rejections()
        for other in faces_of[person]
        if person_of.get(face) != person and face not in without
    }
    beside = sorted(set(_in_one_photo(library, person_of)) - rejected)
    return sorted(rejected) + [beside[place] for place in evenly(len(beside), _MOST_APART)]


def _in_one_photo(library: Library, person_of: dict[int, int]) -> Iterator[tuple[int, int]]:
    for faces in library.catalog.faces_sharing_photos():
        if len(faces) <= _MOST_FACES_A_PHOTO:
            for one, other in combinations(faces, 2):
                if person_of.get(one) is None or person_of.get(one) != person_of.get(other):
                    yield one, other


def evenly(there: int, most: int) -> list[int]:
    """At most `most` of the places from 0 to below `there`, spread evenly."""
    return sorted({round(place) for place in np.linspace(0, there - 1, min(there, most)).tolist()})
