"""Who a face is, of the people near it, how sure that is, and whether it is nobody: from distances to posteriors.

A person is as far as halfway between the nearest of their faces and the mean of their faces. Takes distances, knows no
library and no photo. Refuses to call anybody certain, and to let a rule of thumb about photos decide alone.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesearch.evaluation.calibration import Calibration
from facesearch.records import Values

PRIOR = 0.5  # the probability, if none is given, that somebody on a photo is in the library
PROTOTYPE_FACES = 64  # of a person, evenly through their ids; more move their mean by less than 1 % of a distance
# How much less likely it is that a photo shows one person twice than two strangers. On composed photos of people never
# trained on, 0.02 and 0.05 gain nothing, and cost more where somebody is there twice (docs/research/probability.md).
TWICE = 0.1
_ROUNDS = 50
_SETTLED = 1e-6


@dataclass(frozen=True, eq=False)
class Contenders:
    """The people near one face."""

    keys: Sequence[Hashable]  # who they are, (P,)
    distances: Values  # of the people (P,)
    faces: NDArray[np.int64]  # how many of theirs are stored (P,)
    reach: float  # whoever is not among them has no face nearer than this; inf where everybody is


@dataclass(frozen=True, eq=False)
class Belief:
    """How likely a face is each of its contenders (P,), and nobody in the library; what is left over is for the people
    who are not near."""

    posterior: Values
    nobody: float
    alone: Values  # the same, had the photo no other face
    nobody_alone: float

    @property
    def likeliest(self) -> int | None:
        """The place of the likeliest contender; None where nobody is likelier."""
        return _likeliest(self.posterior, self.nobody)

    @property
    def likeliest_alone(self) -> int | None:
        """The same, had the photo no other face."""
        return _likeliest(self.alone, self.nobody_alone)


def person_distances(nearest: Values, prototype: Values) -> Values:
    """The distance of people (P,): halfway between that of their nearest face and that of the mean of their faces."""
    return np.asarray((nearest + prototype) / 2, dtype=np.float64)


def beliefs(
    faces: Sequence[Contenders], calibration: Calibration, hypotheses: int, prior: float = PRIOR
) -> list[Belief]:
    """The posterior of every face of one photo: over its contenders, the people who are not near, and nobody.

    hypotheses: how many people the library holds, all equally likely beforehand, and together as likely as `prior`. By
    Bayes, as if the distances to two people were independent. They are not quite: a face that is near to one stranger
    is often near to many. People who are not near count with the odds that strangers so far away have
    on average. Then the faces are set apart (`set_apart`). Raises ValueError for a prior not between 0 and 1.
    """
    if not 0 < prior < 1:
        raise ValueError(f"a prior must lie between 0 and 1, not at {prior}")
    total = max(hypotheses, *(len(face.keys) for face in faces), 1)
    each = prior / (1 - prior) / total  # the prior odds of one person against nobody
    keys = {key: place for place, key in enumerate(dict.fromkeys(key for face in faces for key in face.keys))}
    odds, rest = np.zeros((len(faces), len(keys))), np.zeros(len(faces))
    places = [[keys[key] for key in face.keys] for face in faces]
    for row, face in enumerate(faces):
        odds[row, places[row]] = each * np.exp(calibration.person_log_odds(face.distances, face.faces))
        if np.isfinite(face.reach):
            rest[row] = each * (total - len(face.keys)) * np.exp(calibration.beyond(face.reach))
    alone, joint = _shares(odds, rest), _shares(set_apart(odds, rest), rest)
    return [
        Belief(joint[0][row, places[row]], float(joint[1][row]), alone[0][row, places[row]], float(alone[1][row]))
        for row in range(len(faces))
    ]


def set_apart(odds: Values, rest: Values, twice: float = TWICE) -> Values:
    """The odds of each face for each person, less where another face of the photo is likely to be that person.

    odds: (F, P) against nobody; rest: (F,) of all who are not among the P. One person rarely stands twice in a photo:
    where another face is person p with the probability q, the odds for p are multiplied by 1 - q + q * twice. The
    probabilities follow from the odds, so that is repeated until it settles (a mean field).
    """
    if len(odds) < 2:
        return odds
    posterior, factor = _shares(odds, rest)[0], np.ones_like(odds)
    for _ in range(_ROUNDS):
        others = _others(1 - posterior)
        factor = others + (1 - others) * twice
        settled = _shares(odds * factor, rest)[0]
        change = float(np.abs(settled - posterior).max(initial=0.0))
        posterior = (posterior + settled) / 2  # two faces alike would otherwise swap forever
        if change < _SETTLED:
            break
    return np.asarray(odds * factor, dtype=np.float64)


def _others(values: Values) -> Values:
    """For each row of (F, P) the product of all other rows, without dividing by what may be 0."""
    ones = np.ones((1, values.shape[1]))
    before = np.cumprod(np.concatenate([ones, values[:-1]]), axis=0)
    behind = np.cumprod(np.concatenate([ones, values[:0:-1]]), axis=0)[::-1]
    return np.asarray(before * behind, dtype=np.float64)


def _shares(odds: Values, rest: Values) -> tuple[Values, Values]:
    """The probabilities (F, P) of the people, and (F,) of nobody."""
    total = 1 + rest + odds.sum(axis=1)
    return odds / total[:, None], 1 / total


def _likeliest(posterior: Values, nobody: float) -> int | None:
    if not len(posterior):
        return None
    place = int(np.argmax(posterior))
    return place if posterior[place] >= nobody else None
