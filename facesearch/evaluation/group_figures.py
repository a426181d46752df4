"""Whether a threshold means the same for everybody: false matches and misses within groups of people, with intervals.

Takes faces whose group somebody noted; never guesses one. Intervals come from resampling people (bootstrap,
Efron 1979), not pairs: pairs that share a person are not independent evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesearch.evaluation.cohort import judged_distances
from facesearch.evaluation.distance import pair_distances
from facesearch.records import Floats

MOST_PHOTOS = 3000  # of a group, drawn by a fixed seed: 4.5 million pairs
ALL = "all"
_RESAMPLES = 200
_SEED = 1
_MOST_UNITS = 400  # more people than this are resampled in so many bundles


@dataclass(frozen=True)
class Share:
    """A share of pairs and its 95 % interval."""

    share: float
    low: float
    high: float


@dataclass(frozen=True)
class GroupFigures:
    """What one group experiences at a threshold."""

    group: str
    photos: int
    people: int
    impostor_pairs: int  # of two people of the group
    genuine_pairs: int  # of one person
    false_matches: Share | None  # of impostor pairs; None where there are none
    misses: Share | None  # of genuine pairs; None where nobody has two photos


@dataclass(frozen=True)
class GroupReport:
    """All groups, and everybody together, at one threshold."""

    threshold: float
    judged: bool  # whether distances are judged by a cohort, or plain
    groups: tuple[GroupFigures, ...]  # in the order of their names
    everybody: GroupFigures
    # the median ratio if all groups were alike; None unless two groups have false matches
    worst_to_best_by_chance: float | None = None

    @property
    def worst_to_best(self) -> float | None:
        """The ratio of false matches in the worst group to those in the best. None without two groups, or if the best
        has none."""
        rates = [each.false_matches.share for each in self.groups if each.false_matches]
        return max(rates) / min(rates) if len(rates) > 1 and min(rates) > 0 else None

    def to_json(self) -> dict[str, Any]:
        """Plain values, with worst_to_best."""
        return {**asdict(self), "worst_to_best": self.worst_to_best}


@dataclass(frozen=True, eq=False)
class GroupedFaces:
    """Faces, their people, and the rows of each group. A face can be in several groups."""

    embeddings: Floats  # (N, D)
    people: Sequence[str]
    groups: Mapping[str, Sequence[int]]

    @property
    def rows(self) -> list[int]:
        """All rows that are in a group, in rising order."""
        return sorted({row for rows in self.groups.values() for row in rows})


def report_groups(faces: GroupedFaces, threshold: float, scales: Floats | None = None) -> GroupReport:
    """The figures of each group. scales: local scales (N,), None for plain distances."""
    numbers = np.unique(np.array(faces.people), return_inverse=True)[1].astype(np.int64)

    def figures(name: str, rows: Sequence[int]) -> tuple[GroupFigures, NDArray[np.float64]]:
        return _figures(name, _distances(faces.embeddings, scales, _some(rows)), numbers[_some(rows)], threshold)

    of_groups = [figures(name, faces.groups[name]) for name in sorted(faces.groups)]
    return GroupReport(
        threshold,
        scales is not None,
        tuple(each for each, _ in of_groups),
        figures(ALL, faces.rows)[0],
        _ratio_by_chance([drawn for _, drawn in of_groups if len(drawn)]),
    )


def group_lines(report: GroupReport, plain: GroupReport | None = None) -> list[str]:
    """The figures as a table. plain: the same by plain distances, to be shown beside them."""
    width = max(len("group"), *(len(each.group) for each in (*report.groups, report.everybody)))
    heads = [f"{'group':<{width}}", " photos", "strangers that pass    "]
    heads += ["by plain distance"] if plain else []
    heads += ["misses"] if any(each.misses for each in report.groups) else []
    lines = ["  ".join(heads)]
    others = [*plain.groups, plain.everybody] if plain else []
    for place, each in enumerate((*report.groups, report.everybody)):
        cells = [f"{each.group:<{width}}", f"{each.photos:>7,}", f"{_words(each.false_matches):<23}"]
        cells += [f"{_short(others[place].false_matches):<17}"] if plain else []
        cells += [_words(each.misses)] if len(heads) > 3 + bool(plain) else []
        lines.append("  ".join(cells).rstrip())
    kind = "judged" if report.judged else "plain"
    lines.append(f"at a {kind} distance of {report.threshold:.3f}; in brackets: 95 % intervals, over people")
    if report.worst_to_best is not None:
        before = f" (by plain distance {plain.worst_to_best:.1f})" if plain and plain.worst_to_best else ""
        lines.append(f"worst to best     {report.worst_to_best:.1f} times as many strangers pass{before}")
        if report.worst_to_best_by_chance is not None:
            lines.append(
                f"by chance alone   {report.worst_to_best_by_chance:.1f} with as many people in groups that are alike"
            )
    return lines


def _some(rows: Sequence[int]) -> NDArray[np.int64]:
    chosen = np.asarray(rows, np.int64)
    if len(chosen) <= MOST_PHOTOS:
        return chosen
    return np.sort(np.random.default_rng(_SEED).permutation(chosen)[:MOST_PHOTOS])


def _distances(embeddings: Floats, scales: Floats | None, rows: NDArray[np.int64]) -> Floats:
    distances = pair_distances(embeddings[rows], embeddings[rows])
    return distances if scales is None else judged_distances(distances, scales[rows][:, None], scales[rows][None])


def _figures(
    name: str, distances: Floats, people: NDArray[np.int64], threshold: float
) -> tuple[GroupFigures, NDArray[np.float64]]:
    """Also the group's share of false matches in each resample, as a multiple of the share; empty without any."""
    pairs = np.triu(np.ones(distances.shape, bool), 1)
    same = people[:, None] == people[None]
    accepted = distances <= threshold
    false_matches, drawn = _share(pairs & ~same, accepted, people)
    figures = GroupFigures(
        group=name,
        photos=len(people),
        people=len(np.unique(people)),
        impostor_pairs=int((pairs & ~same).sum()),
        genuine_pairs=int((pairs & same).sum()),
        false_matches=false_matches,
        misses=_share(pairs & same, ~accepted, people)[0],
    )
    some = false_matches is not None and false_matches.share > 0 and len(drawn) == _RESAMPLES
    return figures, drawn / false_matches.share if some and false_matches else drawn[:0]


def _ratio_by_chance(drawn: Sequence[NDArray[np.float64]]) -> float | None:
    """The median ratio of the largest to the smallest share if the groups differed by chance alone."""
    if len(drawn) < 2:
        return None
    shares = np.stack(drawn)
    least = shares.min(axis=0)
    ratios = np.divide(shares.max(axis=0), least, out=np.full(len(least), np.inf), where=least > 0)
    median = float(np.median(ratios))
    return median if np.isfinite(median) else None


def _share(
    kind: NDArray[np.bool_], happened: NDArray[np.bool_], people: NDArray[np.int64]
) -> tuple[Share | None, NDArray[np.float64]]:
    """The share of some pairs, (N, N), for which something happened, and that share in each resample."""
    if not kind.any():
        return None, np.empty(0)
    unit = np.unique(people, return_inverse=True)[1] % _MOST_UNITS
    units = int(unit.max()) + 1
    first, second = np.nonzero(kind)
    both = unit[first] * units + unit[second]
    counts = [
        np.bincount(both, weights, units * units).astype(np.float64).reshape(units, units)
        for weights in (np.ones(len(both)), happened[first, second].astype(np.float64))
    ]
    drawn = np.random.default_rng(_SEED).multinomial(units, np.full(units, 1 / units), _RESAMPLES).astype(np.float64)
    # A person drawn w times counts w times; a pair of two people the product.
    total, passed = (_weighed(table, drawn) for table in counts)
    shares = passed[total > 0] / total[total > 0]
    low, high = np.quantile(shares, [0.025, 0.975]).tolist() if len(shares) else (0.0, 1.0)
    return Share(float(counts[1].sum() / counts[0].sum()), low, high), shares


def _weighed(table: NDArray[np.float64], drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many pairs there are when each unit counts so many times: (U, U) and (R, U) -> (R,)."""
    within = drawn @ np.diag(table)
    apart = np.einsum("ru,ru->r", drawn @ (table - np.diag(np.diag(table))), drawn)
    return np.asarray(within + apart, np.float64)


def _words(share: Share | None) -> str:
    return "-" if share is None else f"{share.share:.2%} ({share.low:.2%} to {share.high:.2%})"


def _short(share: Share | None) -> str:
    return "-" if share is None else f"{share.share:.2%}"
