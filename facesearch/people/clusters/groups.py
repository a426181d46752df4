"""Embeddings to groups: which faces belong to a person who is known, which are somebody not known yet, which wait.

The tree of average linkage over the nearest neighbours is cut where a branch is dense enough for its size and for the
number of faces there are (bounds). A wrong merge costs more than a split, so what is in doubt waits. Refuses to move a
face that has a person, to join two people, and to put two faces of one photo into a new group.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facesearch.people.clusters.apart import Apart
from facesearch.people.clusters.bounds import Bounds
from facesearch.people.clusters.neighbours import Progress, near_pairs
from facesearch.people.clusters.tree import Tree, build_tree
from facesearch.records import Floats, Ints

NEIGHBOURS = 16
LEAST_FACES = 3
_NOBODY, _SEVERAL = -1, -2
_SORTED_BY = 4  # of an embedding's numbers: faces that agree in so many are the same face


@dataclass(frozen=True, eq=False)
class KnownFaces:
    """What is known of N faces beforehand."""

    people: Ints  # int64 (N,), a number of 0 or more for each face that has a person, -1 for the others
    photos: Ints  # int64 (N,), the same number for faces of one photo
    # int64 (R, 2), the row of a face and a person who it is not
    rejections: Ints = field(default_factory=lambda: np.empty((0, 2), np.int64))
    highest: int = -1  # no new person has a number up to this one

    @property
    def first_new(self) -> int:
        """The first number of a new person."""
        return max(int(self.people.max(initial=-1)), self.highest) + 1

    @classmethod
    def nothing(cls, faces: int) -> KnownFaces:
        """No known person, and each face on a photo of its own."""
        return cls(np.full(faces, -1, np.int64), np.arange(faces))


def group_faces(
    embeddings: Floats,
    known: KnownFaces,
    bounds: Bounds,
    least_faces: int = LEAST_FACES,
    progress: Progress | None = None,
    *,
    scales: Floats | None = None,
    among: int | None = None,
) -> Ints:
    """Each face's person: int64 (N,), that of `known`, or the one that it joins; new people have the numbers that
    follow the highest known one, the largest first, and -1 stands for a face that waits.

    embeddings: float32 (N, D). scales: local scales, (N,), None for plain distances. least_faces: a new person has at
    least as many, two at the fewest. among: how many faces there are, where these are only some of them, as `bounds`
    counts them. The answer does not hang on the order of the faces, and is final: with it as what is known, nothing
    changes.
    """
    order = np.lexsort([known.photos, *embeddings.T[:_SORTED_BY]])
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    faces = np.ascontiguousarray(embeddings[order], np.float32)
    around = np.ones(len(faces), np.float32) if scales is None else scales[order]
    rejections = np.stack([place[known.rejections[:, 0]], known.rejections[:, 1]], axis=1)
    there = KnownFaces(known.people[order], known.photos[order], rejections, known.highest)
    among = len(faces) if among is None else among
    reach = bounds.reach(among)
    tree = build_tree(faces, around, near_pairs(faces, around, NEIGHBOURS, reach, progress), Apart(there.photos), reach)
    branches = believed_branches(tree, there.people, bounds, among)
    people = _assigned(faces, branches, there, max(least_faces, 2))
    return _numbered(people, there.first_new)[place]


def believed_branches(tree: Tree, people: Ints, bounds: Bounds, among: int) -> Ints:
    """The largest branch around each face that is believed and shows one known person at most, by its node.

    people: int64 (faces,), -1 for a face without a person. among: how many faces there are in all. Returns int64
    (faces,), -1 where there is no such branch.
    """
    largest = bounds.heights(np.arange(tree.sizes.max(initial=1) + 1), among)
    believed = ((tree.sizes > 1) & (tree.heights <= largest[tree.sizes])).tolist()
    owners = [*people.tolist(), *[_NOBODY] * (len(believed) - tree.faces)]
    children = tree.children.tolist()
    for node in range(tree.faces, len(children)):
        left, right = (owners[child] for child in children[node])
        owners[node] = left if right in (_NOBODY, left) else right if left == _NOBODY else _SEVERAL
    branch = [node if believed[node] and owners[node] != _SEVERAL else -1 for node in range(len(children))]
    for node in range(len(children) - 1, tree.faces - 1, -1):
        if branch[node] >= 0:
            left, right = children[node]
            branch[left] = branch[right] = branch[node]
    return np.asarray(branch[: tree.faces], dtype=np.int64)


def _assigned(faces: Floats, branches: Ints, known: KnownFaces, least_faces: int) -> Ints:
    """The people when in each branch the faces that have no person get the branch's: a known one or a new one."""
    numbers, branch = np.unique(branches, return_inverse=True)
    owners = np.full(len(numbers), _NOBODY)
    inside, has_person = branches >= 0, known.people >= 0
    owners[branch[inside & has_person]] = known.people[inside & has_person]
    rows = np.flatnonzero(inside & ~has_person)
    rows = rows[~_barred(owners[branch[rows]], rows, known)]
    rows = rows[_one_a_photo(faces[rows], branch[rows], owners[branch[rows]], known.photos[rows])]
    counts = np.bincount(branch[rows], minlength=len(numbers))
    new = np.flatnonzero((owners == _NOBODY) & (counts >= least_faces))
    owners[new] = known.first_new + np.arange(len(new))
    people = known.people.copy()
    people[rows] = owners[branch[rows]]
    return people


def _one_a_photo(faces: Floats, branch: Ints, owner: Ints, photos: Ints) -> NDArray[np.bool_]:
    """Which of some faces may come to the person of their branch: of several in one photo that nearest to the middle
    of its branch. owner: the known person of each face's branch, _NOBODY for a new one."""
    counts = np.maximum(np.bincount(branch), 1)
    squared = np.zeros(len(branch))
    for numbers in faces.T:
        squared += (numbers - (np.bincount(branch, numbers) / counts)[branch]) ** 2
    person = np.where(owner == _NOBODY, -1 - branch, owner)  # a person who is known may have several branches
    order = np.lexsort([squared, photos, person])
    stays = np.ones(len(branch), bool)
    stays[order[1:]] = (np.diff(person[order]) != 0) | (np.diff(photos[order]) != 0)
    return stays


def _barred(owner: Ints, rows: Ints, known: KnownFaces) -> NDArray[np.bool_]:
    """Which rows must not go to a person: they were rejected, or the person is in their photo already."""
    width = max(known.photos.max(initial=0) + 1, len(known.photos))
    named = known.people >= 0
    in_photos = np.unique(known.people[named] * width + known.photos[named])
    rejected = np.unique(known.rejections[:, 1] * width + known.rejections[:, 0])
    barred = np.isin(owner * width + known.photos[rows], in_photos) | np.isin(owner * width + rows, rejected)
    return np.asarray(barred & (owner >= 0))


def _numbered(people: Ints, start: int) -> Ints:
    """The same, with new people numbered by how many faces they have, and then by their first face."""
    rows = np.flatnonzero(people >= start)
    numbers, first, place, counts = np.unique(people[rows], return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(numbers), np.int64)
    rank[np.lexsort([first, -counts])] = np.arange(len(numbers))
    numbered = people.copy()
    numbered[rows] = start + rank[place]
    return numbered
