"""Learn a head: a linear map near the identity, first by what varies within people, then by the contrastive loss.

It starts from the whitening of the spread within people (Hatch, Kajarekar and Stolcke 2006), most of the way shrunk to
a sphere. From there it goes by the loss that the tower was trained with (Hadsell, Chopra and LeCun 2006), in units of
the tower's margin, with a pull back to the start that weighs the less the more people there are: few say little.
Gradients are written out; Adam (Kingma and Ba 2015) over all pairs at once finds the least, in a second. Deterministic.
NumPy only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facesearch.records import EMBEDDING_SIZE, Ints, Values
from facesearch.tuning.teaching.lessons import Lessons

PULL = 1.2  # back to the start, in people; like the next chosen by scripts/bench_teach.py
SHRINKAGE = 0.9
_MOST_PAIRS = 8000  # of a kind
_FEWEST_PAIRS = 1000
_PAIRS_A_FACE = 40
APART_SHARE = 0.25  # of the impostor pairs, at most: those that are known to be none without a name

_STEPS = 150
_RATE = 0.02  # falling to 0 along a half cosine
_DECAYS = (0.9, 0.999)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of faces."""

    differences: Values  # float64 (P, 32), of their embeddings, in units of the margin
    genuine: NDArray[np.bool_]  # bool (P,)
    people: int  # how many named ones they were drawn from


def draw_pairs(lessons: Lessons, taught: NDArray[np.bool_], margin: float, seed: int) -> Pairs:
    """Pairs among some faces, up to 8,000 of each kind: every named face is as likely to be drawn, with any other that
    it makes a pair with. taught: bool (N,), the faces that may be used. Raises ValueError without pairs of both kinds.
    """
    rng = np.random.default_rng(seed)
    named = np.flatnonzero(taught & (lessons.people >= 0))
    named = named[np.argsort(lessons.people[named], kind="stable")]
    _, start, place, count = np.unique(
        lessons.people[named], return_index=True, return_inverse=True, return_counts=True
    )
    start, count = start[place], count[place]  # of each face's person
    several = np.flatnonzero(count > 1)
    apart = lessons.apart[taught[lessons.apart].all(axis=1)]
    if not len(several) or len(start) == count[0]:
        raise ValueError("two people or more are needed, some of them with two faces")
    pairs = min(_MOST_PAIRS, max(_FEWEST_PAIRS, _PAIRS_A_FACE * len(named)))
    one = rng.choice(several, pairs)
    own = start[one] + (one - start[one] + 1 + rng.integers(0, count[one] - 1)) % count[one]
    from_apart = min(len(apart), round(APART_SHARE * pairs))
    other = rng.integers(0, len(named), pairs - from_apart)
    strange = (start[other] + count[other] + rng.integers(0, len(named) - count[other])) % len(named)
    given = apart[rng.choice(len(apart), from_apart, replace=False)] if from_apart else apart
    first: Ints = np.concatenate([named[one], named[other], given[:, 0]])
    second: Ints = np.concatenate([named[own], named[strange], given[:, 1]])
    embeddings = lessons.embeddings.astype(np.float64) / margin
    people = len(np.unique(lessons.people[named]))
    return Pairs(embeddings[first] - embeddings[second], np.arange(len(first)) < pairs, people)


def whitening(lessons: Lessons, taught: NDArray[np.bool_], shrinkage: float = SHRINKAGE) -> Values:
    """The inverse root of the covariance of faces around their people's means: float64 (32, 32), symmetric.

    shrinkage: the share, 0 to 1, of a sphere of the same trace in the covariance. Scaled so that the squares of the
    numbers sum up to 32, as the identity's do, which it is where nobody has two faces.
    """
    rests = []
    for person in range(len(lessons.names)):
        theirs = lessons.embeddings[taught & (lessons.people == person)].astype(np.float64)
        rests.append(theirs - theirs.mean(axis=0) if len(theirs) else theirs)
    around = np.concatenate(rests)
    spread = around.T @ around
    sphere = float(np.trace(spread)) / EMBEDDING_SIZE * np.eye(EMBEDDING_SIZE)
    if not np.trace(sphere) > 0:
        return np.eye(EMBEDDING_SIZE)
    values, axes = np.linalg.eigh((1 - shrinkage) * spread + shrinkage * sphere)
    head = (axes / np.sqrt(values)) @ axes.T
    return np.asarray(head * math.sqrt(EMBEDDING_SIZE / float((head**2).sum())))


def learn_head(
    lessons: Lessons,
    taught: NDArray[np.bool_],
    margin: float,
    seed: int,
    *,
    pull: float = PULL,
    shrinkage: float = SHRINKAGE,
) -> Values:
    """The head, float64 (32, 32), that some faces teach. taught: bool (N,). margin: of the tower's loss.

    Raises ValueError without pairs of both kinds.
    """
    start = whitening(lessons, taught, shrinkage)
    pairs = draw_pairs(lessons, taught, margin, seed)
    return least_loss(replace(pairs, differences=pairs.differences @ start.T), pull) @ start


def contrastive_loss(head: Values, pairs: Pairs, pull: float) -> tuple[float, Values]:
    """The loss of a head, (32, 32), and its gradient, (32, 32).

    A genuine pair at distance d costs d², an impostor pair max(1 - d, 0)², d in units of the margin; the mean over each
    kind is taken, and pull times |head - identity|² (Frobenius) added.
    """
    mapped = pairs.differences @ head.T
    distances = np.sqrt((mapped**2).sum(axis=1))
    short = np.where(pairs.genuine, 0, np.maximum(1 - distances, 0))
    kinds = np.where(pairs.genuine, pairs.genuine.sum(), (~pairs.genuine).sum())
    off = head - np.eye(len(head))
    loss = float((np.where(pairs.genuine, distances**2, short**2) / kinds).sum() + pull * (off**2).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        towards = np.where(pairs.genuine, 1.0, np.where(distances > 0, -short / distances, 0.0)) / kinds
    gradient = 2 * (mapped * towards[:, None]).T @ pairs.differences + 2 * pull * off
    return loss, gradient


def least_loss(pairs: Pairs, pull: float = PULL) -> Values:
    """The head, float64 (32, 32), with the least loss on some pairs. pull: in people."""
    head = np.eye(EMBEDDING_SIZE)
    mean, square = np.zeros_like(head), np.zeros_like(head)
    for step in range(1, _STEPS + 1):
        _, gradient = contrastive_loss(head, pairs, pull / pairs.people)
        mean = _DECAYS[0] * mean + (1 - _DECAYS[0]) * gradient
        square = _DECAYS[1] * square + (1 - _DECAYS[1]) * gradient**2
        rate = _RATE * (1 + math.cos(math.pi * step / _STEPS)) / 2
        corrected = mean / (1 - _DECAYS[0] ** step), square / (1 - _DECAYS[1] ** step)
        head = head - rate * corrected[0] / (np.sqrt(corrected[1]) + 1e-8)
    return head
