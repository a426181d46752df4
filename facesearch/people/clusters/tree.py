"""The tree of groups within groups that average linkage makes of a graph of near pairs, without what must stay apart.

Two groups are as far apart as the root of the mean squared distance over all pairs of one face from each, divided by
the mean of both groups' mean local scales, which their sums alone give: no pair is looked at twice. In each round all
groups that are each other's nearest are merged; for this linkage without scales that gives the tree of merging one pair
at a time (reciprocal nearest neighbours, Murtagh 1983). Refuses to say which of the groups is a person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facesearch.people.clusters.apart import Apart
from facesearch.people.clusters.neighbours import Edges
from facesearch.records import Floats, Ints, Values

_EDGES_AT_ONCE = 1 << 18


@dataclass(frozen=True, eq=False)
class Tree:
    """Nodes 0..faces-1 are the faces, each later one merges two earlier ones."""

    children: Ints  # int64 (M, 2), -1 for a face
    sizes: Ints  # int64 (M,), faces below
    # float64 (M,), how far apart the two children were, 0 for a face; never less than the children's own
    heights: Values
    faces: int


def build_tree(embeddings: Floats, scales: Floats, edges: Edges, apart: Apart, reach: float) -> Tree:
    """Merge along the edges what is at most `reach` apart and may be together, until there is nothing more.

    embeddings: float32 (N, D). scales: local scales, (N,), ones for plain distances. The same numbers and edges give
    the same tree. Memory: two float64 (N, D), the edges.
    """
    growth = _Growth(embeddings, scales, edges, apart, reach)
    while growth.step():
        pass
    return growth.tree()


class _Growth:
    """The groups as they are: a group is known by its lowest face."""

    def __init__(self, embeddings: Floats, scales: Floats, edges: Edges, apart: Apart, reach: float) -> None:
        self._faces = len(embeddings)
        self._reach = reach**2
        self._apart = apart
        # Differences of large numbers: around the mean, and in float64, they stay exact.
        self._sums = embeddings.astype(np.float64)
        self._sums -= self._sums.sum(axis=0) / max(self._faces, 1)
        self._squares = np.einsum("nd,nd->n", self._sums, self._sums)
        self._scales = scales.astype(np.float64)
        self._sizes = np.ones(self._faces, np.int64)
        self._nodes = np.arange(self._faces)
        self._nodes_made = self._faces
        self._rounds: list[tuple[Ints, Ints, Values]] = []  # children, sizes, heights of what was merged
        self._low, self._high = edges.first, edges.second
        self._squared = self._linkage(self._low, self._high)

    def step(self) -> bool:
        """A round; False where there was nothing left to merge."""
        chosen = self._reciprocal()
        low, high = self._low[chosen], self._high[chosen]
        if not len(chosen):
            return False
        children = np.stack([self._nodes[low], self._nodes[high]], axis=1)
        for values in (self._sums, self._squares, self._scales, self._sizes):
            values[low] += values[high]
        self._nodes[low] = self._nodes_made + np.arange(len(chosen))
        self._nodes_made += len(chosen)
        self._rounds.append((children, self._sizes[low], np.sqrt(self._squared[chosen])))
        self._follow(low, high)
        return True

    def tree(self) -> Tree:
        """All that was merged so far."""
        leaves = (np.full((self._faces, 2), -1), np.ones(self._faces, np.int64), np.zeros(self._faces, np.float64))
        children, sizes, heights = (np.concatenate(part) for part in zip(leaves, *self._rounds, strict=True))
        return Tree(children, sizes, _never_below_children(children, heights), self._faces)

    def _linkage(self, low: Ints, high: Ints) -> Values:
        """The mean squared distance between groups, over their squared scale; infinite beyond reach, and where they
        must stay apart."""
        linkage = np.empty(len(low), np.float64)
        for start in range(0, len(low), _EDGES_AT_ONCE):
            a, b = low[start : start + _EDGES_AT_ONCE], high[start : start + _EDGES_AT_ONCE]
            products = np.einsum("ed,ed->e", self._sums[a], self._sums[b])
            n, m = self._sizes[a], self._sizes[b]
            squared = self._squares[a] / n + self._squares[b] / m - 2 * products / (n * m)
            linkage[start : start + len(a)] = squared / ((self._scales[a] / n + self._scales[b] / m) / 2) ** 2
        linkage[linkage > self._reach] = np.inf
        near = np.flatnonzero(np.isfinite(linkage))
        linkage[near[self._apart.forbids(low[near], high[near], self._sizes)]] = np.inf
        return np.maximum(linkage, 0)

    def _reciprocal(self) -> Ints:
        """Positions of the edges between groups that are each other's nearest; of equally near ones the lowest."""
        nearest = np.full(self._faces, np.inf)
        for ends in (self._low, self._high):
            np.minimum.at(nearest, ends, self._squared)
        mutual = (self._squared == nearest[self._low]) & (self._squared == nearest[self._high])
        chosen = np.flatnonzero(mutual & np.isfinite(self._squared))
        keys = self._low[chosen] * self._faces + self._high[chosen]
        lowest = np.full(self._faces, np.iinfo(np.int64).max)
        for ends in (self._low, self._high):
            np.minimum.at(lowest, ends[chosen], keys)
        mutual = (lowest[self._low[chosen]] == keys) & (lowest[self._high[chosen]] == keys)
        return np.asarray(chosen[mutual], np.int64)

    def _follow(self, low: Ints, high: Ints) -> None:
        """Let edges lead to what their groups were merged into; several between two groups become one."""
        into = np.arange(self._faces)
        into[high] = low
        self._apart.merge(into)
        changed = np.zeros(self._faces, bool)
        changed[low] = changed[high] = True
        touched = changed[self._low] | changed[self._high]
        ends = into[self._low[touched]], into[self._high[touched]]
        keys = np.unique(np.minimum(*ends) * self._faces + np.maximum(*ends))
        first, second = (np.asarray(part, np.int64) for part in np.divmod(keys, self._faces))
        first, second = first[first != second], second[first != second]
        squared = self._linkage(first, second)
        self._low = np.concatenate([self._low[~touched], first])
        self._high = np.concatenate([self._high[~touched], second])
        self._squared = np.concatenate([self._squared[~touched], squared])


def _never_below_children(children: Ints, heights: Values) -> Values:
    """Heights that never fall towards the root: what had to stay apart can turn the order of merges around."""
    levelled = heights.tolist()
    for node, (left, right) in enumerate(children.tolist()):
        if left >= 0:
            levelled[node] = max(levelled[node], levelled[left], levelled[right])
    return np.asarray(levelled, dtype=np.float64)
