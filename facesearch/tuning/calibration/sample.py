"""The faces that a library's own calibration is fitted to: those of people with a name, from different photos."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesearch.evaluation.places import Places
from facesearch.library import Library
from facesearch.people.grouping import SOURCE as GROUPED
from facesearch.people.grouping import VOUCHED
from facesearch.records import EMBEDDING_SIZE, Ints, Values

MOST_FACES = 30  # of a person: 435 pairs; with all of a few thousand photos one person would outweigh everybody else
MOST_IN_ALL = 2000  # two million pairs
_SEED = 1


@dataclass(frozen=True, eq=False)
class NamedSample:
    """Faces of named people, in the library's space."""

    places: Places
    # people, photos: whose each is, and which photo it is on, as numbers from 0 (N,)
    people: Ints
    photos: Ints
    in_all: int  # how many faces of named people there are
    grouped: int = 0  # how many of these the grouping gave to them, whether the user vouched for it or not

    @property
    def people_count(self) -> int:
        """Number of people."""
        return len(np.unique(self.people))

    @property
    def with_two_photos(self) -> int:
        """How many of them are on two photos or more."""
        photos = defaultdict(set)
        for person, photo in zip(self.people.tolist(), self.photos.tolist(), strict=True):
            photos[person].add(photo)
        return sum(len(own) > 1 for own in photos.values())

    @property
    def genuine_pairs(self) -> int:
        """How many pairs of different photos of one person."""
        return sum(
            count * (count - 1) // 2
            - sum(same * (same - 1) // 2 for same in Counter(self.photos[own].tolist()).values())
            for person, count in Counter(self.people.tolist()).items()
            for own in [np.flatnonzero(self.people == person)]
        )


@dataclass(frozen=True, eq=False)
class Pairs:
    """All pairs of faces on different photos, by distance: distances (P,), rising, the people of either face (P,)."""

    distances: Values
    first: Ints
    second: Ints

    @property
    def labels(self) -> Ints:
        """0 for one person, 1 for two people, as in metrics."""
        return np.where(self.first == self.second, np.int64(0), np.int64(1))

    def among(self, people: NDArray[np.bool_]) -> Pairs:
        """The pairs between people that the mask (all people,) selects."""
        kept = people[self.first] & people[self.second]
        return Pairs(self.distances[kept], self.first[kept], self.second[kept])


def named_sample(library: Library) -> NamedSample:
    """Up to 30 faces of each named person, evenly through their ids, of as many people as make some 2,000 faces."""
    with library.snapshot():
        named = [person for person, name in library.people.names().items() if name is not None]
        owned: dict[int, list[int]] = defaultdict(list)
        without = library.added.without_embedding()
        for face_id, person in sorted(library.people.faces_of(named)):
            if face_id not in without:
                owned[person].append(face_id)
        taken = _taken(owned)
        stored = library.catalog.faces(taken)
        ids = sorted(taken)
        places = library.places.of(ids) if ids else Places.plain(np.empty((0, EMBEDDING_SIZE), np.float32))
        grouped = library.face_owners.named_faces_by(GROUPED, VOUCHED)
    return NamedSample(
        places=places,
        people=_numbered([taken[face_id] for face_id in ids]),
        photos=_numbered([stored[face_id].photo_id for face_id in ids]),
        in_all=sum(map(len, owned.values())),
        grouped=grouped,
    )


def _taken(owned: dict[int, list[int]]) -> dict[int, int]:
    """The person of each face that is taken. People come in an order that a fixed seed gives."""
    taken: dict[int, int] = {}
    people = sorted(owned)
    for place in np.random.default_rng(_SEED).permutation(len(people)):
        own = owned[people[place]]
        some = own if len(own) <= MOST_FACES else [own[at * len(own) // MOST_FACES] for at in range(MOST_FACES)]
        if taken and len(taken) + len(some) > MOST_IN_ALL:
            break
        taken.update(dict.fromkeys(some, people[place]))
    return taken


def pairs_of(sample: NamedSample) -> Pairs:
    """All pairs of faces that are on different photos."""
    first, second = np.triu_indices(len(sample.people), k=1)
    apart = sample.photos[first] != sample.photos[second]
    first, second = first[apart], second[apart]
    distances = sample.places.distances_to(sample.places)[first, second].astype(np.float64)
    order = np.argsort(distances, kind="stable")
    return Pairs(distances[order], sample.people[first[order]], sample.people[second[order]])


def _numbered(values: list[int]) -> Ints:
    numbers: Ints = np.unique(np.array(values, np.int64), return_inverse=True)[1].astype(np.int64)
    return numbers
