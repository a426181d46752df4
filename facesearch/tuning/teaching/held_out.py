"""What heads make of faces that they have not seen: by cross-validation over people and over photos at once.

Each of five runs leaves a fifth of the photos of everybody out, and all photos of some people. What it then asks is
what a library is asked: photos that were left out (of people who were learned, and of people who were not) against
those that were learned; and, of the people left out, their photos among each other. A person's photos are divided in
the order of their paths, in one piece each, so that those of one occasion are rarely on both sides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesearch.evaluation.places import Places
from facesearch.records import Floats, Ints
from facesearch.tuning.teaching.lessons import Lessons, evenly

RUNS = 5
_MOST_FACES = 2000  # that are asked about: their pairs are some millions
_MOST_LEFT_OUT = 5  # groups of people

Placing = Callable[[Floats], Places]  # embeddings to where they lie in a space
Learner = Callable[[NDArray[np.bool_], int], Placing]  # faces that teach, seed -> what was learned


@dataclass(frozen=True, eq=False)
class HeldOutPairs:
    """Pairs that no head learned from."""

    # first, second: int32 (P,), the people
    first: NDArray[np.int32]
    second: NDArray[np.int32]
    # before, after: float32 (P,), their distances in the tower's own space and in the taught one
    before: Floats
    after: Floats

    @property
    def genuine(self) -> NDArray[np.bool_]:
        return np.equal(self.first, self.second)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Figures of faces that no head learned from."""

    # photos that were left out, of people who were learned and of people who were not, each against the learned photos
    known: HeldOutPairs
    left_out: HeldOutPairs  # photos of people who were not learned, among each other
    # share of the left-out photos of learned people whose nearest learned photo shows the same person, before and after
    rank_1: tuple[float, float]
    rank_1_photos: int
    # by how much distances that were not learned are off the scale of those that were, which were made to fit
    stretch: float


def scale_of(before: Floats, after: Floats, threshold: float) -> float:
    """What distances of impostor pairs, (P,) in either space, are to be multiplied by, so that as many pass the
    threshold after as did before.

    Where fewer than 20 pass, it is the distance that 20 pass which is kept instead, or half of them. 1 where that is 0.
    """
    share = min(max(float((before <= threshold).mean()), 20 / len(before)), 0.5)
    reach_before, reach_after = float(np.quantile(before, share)), float(np.quantile(after, share))
    return reach_before / reach_after if min(reach_before, reach_after) > 0 else 1.0


def ask_held_out(
    lessons: Lessons, learn: Learner, threshold: float, seed: int, before: Placing = Places.plain
) -> HeldOut:
    """Learn five times and ask each time. learn: makes a space from faces that teach, bool (N,). before: places
    embeddings in the tower's own space, whose distances the threshold is of."""
    asked = _asked(lessons)
    parts, groups = _parts(lessons), _groups(lessons, seed)
    runs = [_Run(lessons, asked, parts, groups, run) for run in range(RUNS)]
    found = [run.ask((before, learn(run.teaches, seed + number)), threshold) for number, run in enumerate(runs)]
    rank = np.sum([each.rank_1 for each in found], axis=0)
    photos = sum(each.rank_1_photos for each in found)
    return HeldOut(
        known=_joined([each.known for each in found]),
        left_out=_joined([each.left_out for each in found]),
        rank_1=(float(rank[0]) / max(photos, 1), float(rank[1]) / max(photos, 1)),
        rank_1_photos=photos,
        stretch=float(np.exp(np.mean(np.log([each.stretch for each in found])))),
    )


def _asked(lessons: Lessons) -> NDArray[np.bool_]:
    """The faces that are asked about: of everybody as many, if there are more than enough."""
    most = max(RUNS, _MOST_FACES // max(len(lessons.names), 1))
    asked = np.zeros(len(lessons.people), bool)
    for person in range(len(lessons.names)):
        rows = np.flatnonzero(lessons.people == person)
        asked[rows[evenly(len(rows), most)]] = True
    return asked


def _parts(lessons: Lessons) -> Ints:
    """The run in which each named face is left out, -1 for the others: int64 (N,)."""
    parts = np.full(len(lessons.people), -1)
    for person in range(len(lessons.names)):
        rows = np.flatnonzero(lessons.people == person)
        first = person % RUNS  # so that those with few faces are not all left out in the same runs
        parts[rows] = (first + np.arange(len(rows)) * RUNS // max(len(rows), RUNS)) % RUNS
    return parts


def _groups(lessons: Lessons, seed: int) -> Ints:
    """The group that each person is left out with: int64 (P,); two people or more in each, with many faces or few."""
    people = len(lessons.names)
    groups = max(2, min(_MOST_LEFT_OUT, people // 2))
    drawn = np.random.default_rng(seed).permutation(people)
    group_of = np.empty(people, np.int64)
    group_of[drawn[np.argsort(-lessons.faces_a_person[drawn], kind="stable")]] = np.arange(people) % groups
    return group_of


class _Run:
    """One run: who and what is left out of it."""

    def __init__(self, lessons: Lessons, asked: NDArray[np.bool_], parts: Ints, groups: Ints, run: int) -> None:
        self._lessons = lessons
        named = lessons.people >= 0
        strangers = np.zeros(len(named), bool)
        strangers[named] = groups[lessons.people[named]] == run % (int(groups.max()) + 1)
        self.teaches = ~strangers & (parts != run)
        self._gallery = np.flatnonzero(asked & named & self.teaches)
        self._probes = np.flatnonzero(asked & named & (parts == run) & ~strangers)
        self._strangers = np.flatnonzero(asked & strangers)

    def ask(self, placings: tuple[Placing, Placing], threshold: float) -> HeldOut:
        spaces = placings[0](self._lessons.embeddings), placings[1](self._lessons.embeddings)
        taught = self._pairs(spaces, self._gallery, self._gallery)
        known = self._pairs(spaces, np.concatenate([self._probes, self._strangers]), self._gallery)
        outside = scale_of(known.before[~known.genuine], known.after[~known.genuine], threshold)
        inside = scale_of(taught.before[~taught.genuine], taught.after[~taught.genuine], threshold)
        among = self._pairs(spaces, self._strangers, self._strangers, once=True)
        hits, photos = self._rank_1(spaces)
        return HeldOut(
            known=HeldOutPairs(known.first, known.second, known.before, known.after * np.float32(outside)),
            left_out=HeldOutPairs(among.first, among.second, among.before, among.after * np.float32(outside)),
            rank_1=hits,
            rank_1_photos=photos,
            stretch=outside / inside,
        )

    def _pairs(self, spaces: tuple[Places, Places], one: Ints, other: Ints, once: bool = False) -> HeldOutPairs:
        """All pairs of some faces with others; `once`: of one set of faces, each pair once."""
        chosen = np.triu(np.ones((len(one), len(other)), bool), 1) if once else one[:, None] != other[None, :]
        people = self._lessons.people.astype(np.int32)
        before, after = (space[one].distances_to(space[other])[chosen] for space in spaces)
        first, second = np.broadcast_arrays(people[one][:, None], people[other][None, :])
        return HeldOutPairs(first[chosen], second[chosen], before, after)

    def _rank_1(self, spaces: tuple[Places, Places]) -> tuple[tuple[float, float], int]:
        """How many photos of people who were learned have one of the same person nearest, before and after; of how
        many, without people that nothing was learned of."""
        people = self._lessons.people
        probes = self._probes[np.isin(people[self._probes], people[self._gallery])]
        if not len(probes) or not len(self._gallery):
            return (0.0, 0.0), 0
        nearest = [self._gallery[space[probes].distances_to(space[self._gallery]).argmin(axis=1)] for space in spaces]
        before, after = (float((people[rows] == people[probes]).sum()) for rows in nearest)
        return (before, after), len(probes)


def _joined(pairs: list[HeldOutPairs]) -> HeldOutPairs:
    return HeldOutPairs(
        np.concatenate([each.first for each in pairs]),
        np.concatenate([each.second for each in pairs]),
        np.concatenate([each.before for each in pairs]),
        np.concatenate([each.after for each in pairs]),
    )
