"""How well groups of faces match the people they show: B-cubed and pairwise precision and recall. NumPy only.

A face in no group is a group of its own. Refuses to know where the groups come from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class ClusterScores:
    """B-cubed: over all faces the mean share of a face's group that shows its person (precision), and of its person's
    faces that are in its group (recall). Source: Bagga and Baldwin 1998."""

    precision: float
    recall: float
    # the precision over faces in groups of two or more; single faces, which are always right, would raise it
    grouped_precision: float
    pair_precision: float  # over all pairs of faces in one group; 1 without any
    pair_recall: float  # over all pairs of faces of one person; 0 without any
    groups: int  # of two faces or more
    grouped: int  # faces in them
    faces: int  # all

    @property
    def f(self) -> float:
        """The harmonic mean of B-cubed precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def score_clusters(groups: ArrayLike, people: ArrayLike) -> ClusterScores:
    """groups: int (N,), each face's group, below 0 for none. people: (N,) numbers or names. N >= 1, else ValueError."""
    group, person = np.asarray(groups), np.unique(np.asarray(people), return_inverse=True)[1]
    if group.shape != person.shape or group.ndim != 1 or not len(group):
        raise ValueError(f"groups {group.shape} and people {person.shape} must be two lists of one length, not empty")
    alone = -1 - np.arange(len(group))
    group = np.unique(np.where(group < 0, alone, group), return_inverse=True)[1]
    cell = np.unique(group * (person.max() + 1) + person, return_inverse=True)[1]
    sizes, shown, shared = (np.bincount(each) for each in (group, person, cell))
    of_group = shared[cell] / sizes[group]
    of_person = shared[cell] / shown[person]
    in_groups = sizes[group] > 1
    right, together, genuine = (_pairs(counts) for counts in (shared, sizes, shown))
    return ClusterScores(
        precision=float(of_group.mean()),
        recall=float(of_person.mean()),
        grouped_precision=float(of_group[in_groups].mean()) if in_groups.any() else 1.0,
        pair_precision=right / together if together else 1.0,
        pair_recall=right / genuine if genuine else 0.0,
        groups=int((sizes > 1).sum()),
        grouped=int(in_groups.sum()),
        faces=len(group),
    )


def _pairs(counts: NDArray[np.int64]) -> int:
    return int((counts * (counts - 1) // 2).sum())
