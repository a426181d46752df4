"""Faces of one photo are hardly one person: what groups have such faces between them, while groups are merged.

A hint, not a rule: a mirror or a collage must not split a person of many photos, so that large groups may have a few
photos in common. Refuses to look at distances.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facesearch.records import Ints

_SHARED = 0.1  # pairs of faces in one photo that two groups may have between them, to the faces of the smaller one


class Apart:
    """Pairs of groups with faces in one photo; a group is known by its lowest face.

    photos: int64 (N,), the same number for faces of one photo.
    """

    def __init__(self, photos: Ints) -> None:
        self._faces = len(photos)
        first, second = pairs_within(photos)
        self._keys, self._counts = self._counted(first, second, np.ones(len(first), np.int64))

    def forbids(self, low: Ints, high: Ints, sizes: Ints) -> NDArray[np.bool_]:
        """Whether groups, (E,) and (E,) with low < high, must stay apart. sizes: (N,), the faces of each group."""
        if not len(self._keys):
            return np.zeros(len(low), bool)
        wanted = low * self._faces + high
        place = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        counts = np.where(self._keys[place] == wanted, self._counts[place], 0)
        return np.asarray(counts > _SHARED * np.minimum(sizes[low], sizes[high]))

    def merge(self, into: Ints) -> None:
        """Groups were merged. into: int64 (N,), what each face's group is known by now, by what it was known by."""
        if len(self._keys):
            first, second = np.divmod(self._keys, self._faces)
            self._keys, self._counts = self._counted(into[first], into[second], self._counts)

    def _counted(self, first: Ints, second: Ints, counts: Ints) -> tuple[Ints, Ints]:
        """Pairs of groups as ascending keys, and how many pairs of faces each has."""
        between = first != second
        keys = np.minimum(first, second)[between] * self._faces + np.maximum(first, second)[between]
        keys, place = np.unique(keys, return_inverse=True)
        return keys, np.bincount(place, counts[between], len(keys)).astype(np.int64)


def pairs_within(photos: Ints) -> tuple[Ints, Ints]:
    """Every pair of faces, by row, that are in one photo: first < second. photos: int64 (N,)."""
    order = np.argsort(photos, kind="stable")
    starts = np.flatnonzero(np.diff(photos[order], prepend=photos[order][:1] - 1))
    counts = np.diff(np.append(starts, len(photos)))
    pairs = [np.empty((2, 0), np.int64)]
    for count in np.unique(counts[counts > 1]).tolist():
        rows = order[starts[counts == count][:, None] + np.arange(count)]  # (photos, count), ascending
        left, right = np.triu_indices(count, 1)
        pairs.append(np.stack([rows[:, left].ravel(), rows[:, right].ravel()]))
    first, second = np.concatenate(pairs, axis=1)
    return first, second
