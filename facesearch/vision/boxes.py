"""Boxes as arrays: overlap, suppression. Pure NumPy; knows no network and no photo.

A box is a row x1 y1 x2 y2 in px.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from facesearch.records import Floats, Span

Measure = Literal["union", "min"]
# "The same face?": the least that two boxes share, of their union. A pair below it is two faces.
FOUND_AGAIN = 0.5  # by one detector in the same photo: only rounding moves a box
MEANT = 0.3  # by another detector, or given by a user: boxes are drawn tighter or wider around one face
IN_MOTION = 0.2  # a second apart in a video
DRAWN_BY_OTHERS = 0.25  # by other programs, with or without hair and chin: at most a box of twice the sides
SUPPRESSED = 0.3  # found twice in one look or in neighbouring ones: of more, only the better one is kept
# The least that two boxes share of the smaller one.
NAMED_ALIKE = 0.5  # by another program, with the face's name: the name tells more than the outline
PART = 0.7  # of a much larger face: a mouth or a cheek, seen from too near

_SAME_FRAME_S = 0.002

# Rows compared at once in `suppress`: 256 x 4,000 proposals make 4 MB, whatever the photo.
_BLOCK = 256


def overlap(first: Floats, second: Floats, measure: Measure = "union") -> Floats:
    """How much boxes cover one another: (N, 4) and (M, 4) -> (N, M), 0..1.

    measure: the intersection's share of the union of the two, or ("min") of the smaller of the two.
    """
    left, top, right, bottom = (side[:, None] for side in first.T)
    other_left, other_top, other_right, other_bottom = np.ascontiguousarray(second.T)
    shared = _shared_side(left, right, other_left, other_right)
    shared *= _shared_side(top, bottom, other_top, other_bottom)
    area, other_area = _area(first)[:, None], _area(second)[None, :]
    if measure == "union":
        whole = area + other_area
        whole -= shared
    else:
        whole = np.minimum(area, other_area)
    return np.asarray(np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0))


def _shared_side(low: Floats, high: Floats, other_low: Floats, other_high: Floats) -> Floats:
    """How far two sides lie beside each other, 0 or more: (N, 1) and (M,) -> (N, M). In place, for a new array of 1 MB
    costs more than to fill it."""
    side = np.minimum(high, other_high)
    side -= np.maximum(low, other_low)
    return np.asarray(np.maximum(side, 0, out=side))


def pair_up(first: Sequence[Floats], second: Sequence[Floats], at_least: float) -> list[tuple[int, int]]:
    """Which of some boxes are of one thing: positions in both lists, each once at most, those that overlap most first.

    at_least: of the union of the two. Boxes: (4,) each.
    """
    if not len(first) or not len(second):
        return []
    shared = overlap(np.stack(first), np.stack(second))
    pairs: list[tuple[int, int]] = []
    taken: tuple[set[int], set[int]] = (set(), set())
    for place in np.argsort(-shared, axis=None, kind="stable").tolist():
        row, column = divmod(place, len(second))
        if shared[row, column] < at_least:
            break
        if row not in taken[0] and column not in taken[1]:
            pairs.append((row, column))
            taken[0].add(row)
            taken[1].add(column)
    return pairs


def pair_up_in_time(
    first: Sequence[tuple[Floats, Span]], second: Sequence[tuple[Floats, Span]]
) -> list[tuple[int, int]]:
    """Which faces of a video are one: positions in both lists, each once at most. Those in the same frame come first,
    then those in tracks that have most of their time in common; each by where it is. Boxes: (4,) each."""
    if not len(first) or not len(second):
        return []
    boxes = np.stack([box for box, _ in second])
    starts_s, ends_s, at_s = np.array([(span.start_s, span.end_s, span.at_s) for _, span in second]).T
    pairs = []
    for row, (box, span) in enumerate(first):
        place = overlap(box[None], boxes)[0]
        # The share of the time that two spans cover together; a moment counts as a second.
        both_s = np.minimum(span.end_s, ends_s) - np.maximum(span.start_s, starts_s) + 1
        time = both_s / (np.maximum(span.end_s, ends_s) - np.minimum(span.start_s, starts_s) + 1)
        for column in np.flatnonzero((place >= IN_MOTION) & (time > 0)).tolist():
            is_other_frame = abs(span.at_s - float(at_s[column])) >= _SAME_FRAME_S
            pairs.append((is_other_frame, -float(time[column] * place[column]), row, column))
    found: dict[int, int] = {}
    taken = set[int]()
    for *_, row, column in sorted(pairs):
        if row not in found and column not in taken:
            found[row] = column
            taken.add(column)
    return list(found.items())


def suppress(boxes: Floats, scores: Floats, threshold: float, measure: Measure = "union") -> np.ndarray:
    """Indices, best score first, of the boxes that no better-scored box overlaps by more than `threshold`.

    boxes: (N, 4). scores: (N,). A suppressed box suppresses others too, which makes the answer one comparison with all
    better boxes: it is done in blocks, so that memory stays bounded for any N.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = boxes[order]
    keep = np.ones(len(order), dtype=bool)
    for start in range(0, len(order), _BLOCK):
        stop = min(start + _BLOCK, len(order))
        shared = overlap(ranked[start:stop], ranked[:stop], measure) > threshold
        better = np.arange(stop)[None, :] < np.arange(start, stop)[:, None]
        keep[start:stop] = ~(shared & better).any(axis=1)
    return np.asarray(order[keep])


def _area(boxes: Floats) -> Floats:
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
