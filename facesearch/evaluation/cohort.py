"""How densely faces lie around a face, from a cohort of strangers; a distance divided by it means the same everywhere.

Faces of some groups lie closer together in a tower's space than others, so that one threshold lets far more of their
strangers pass. A face's local scale is its root mean square distance to the people of its nearest centres in a cohort
that contains all groups, to some power, and at most some number, because a face that lies far from all strangers is
odd rather than easy to tell apart; no face's group needs to be known. A judged distance is the plain one divided by the
mean of both local scales. Source: adaptive score normalisation, Auckenthaler and others 2000, Matejka and others 2017.
NumPy only.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from facesearch.evaluation.calibration import Calibration
from facesearch.records import Floats, Values

METHOD = "nearest-centres"
_SPREAD_METHOD = "nearest-spread-centres"  # with `spreads`
_CAPPED = "capped-"  # before either, with `most`
_METHODS = {METHOD, _SPREAD_METHOD, _CAPPED + METHOD, _CAPPED + _SPREAD_METHOD}
_STORED = np.dtype("<f4")
_LEAST_SCALE = 0.1  # or a face on top of a centre would be infinitely far from everybody else
_VALUES_AT_ONCE = 1 << 15  # distances held at once, 256 kB of float64: they stay in a core's cache


@dataclass(frozen=True, eq=False)
class Cohort:
    """Strangers of all groups as points of one tower's space, and what was fitted to the distances that they judge.

    Raises ValueError for numbers that cannot be used.
    """

    centres: Floats  # (C, D); each the mean of several people, so it is not any single person's face
    neighbours: int  # how many of the nearest centres make a local scale
    unit: float  # a local scale of 1 in the tower's distances: it puts the best judged threshold at 1
    threshold: float  # judged distance up to which two faces count as one person
    threshold_far: float = 0.01  # share of pairs of different people that passes it
    calibration: Calibration | None = None  # from judged distances to probabilities
    power: float = 1.0  # of the mean distance, to make a local scale: below 1 it counts less
    spreads: Floats | None = None  # (C,) mean squared distance of each centre's people from it; None counts as 0
    most: float | None = None  # of the mean distance, in the tower's distances; None sets no bound

    def __post_init__(self) -> None:
        if self.centres.ndim != 2 or not np.isfinite(self.centres).all():
            raise ValueError("a cohort's centres are rows of finite numbers")
        if self.spreads is not None and (
            self.spreads.shape != (len(self.centres),) or not (np.isfinite(self.spreads) & (self.spreads >= 0)).all()
        ):
            raise ValueError("a cohort's spreads are a number of 0 or more for each centre")
        if not 1 <= self.neighbours <= len(self.centres):
            raise ValueError(f"{self.neighbours} neighbours cannot be taken from {len(self.centres)} centres")
        for name in ("unit", "threshold", "threshold_far", "power", "most"):
            value = getattr(self, name)
            if value is not None and (not np.isfinite(value) or value <= 0):
                raise ValueError(f"a cohort's {name} is a number above 0, not {value}")

    @cached_property
    def identity(self) -> str:
        """SHA-256 of what a local scale depends on: those of two cohorts cannot be compared."""
        settings = f"{self.method} {self.neighbours} {self.unit!r} {self.centres.shape}"
        if self.power != 1:
            settings += f" to the power of {self.power!r}"
        if self.most is not None:
            settings += f" at most {self.most!r}"
        content = _bytes_of(self.centres) + (b"" if self.spreads is None else _bytes_of(self.spreads))
        return hashlib.sha256(settings.encode() + content).hexdigest()

    @property
    def method(self) -> str:
        """How local scales are made, as cards name it."""
        method = METHOD if self.spreads is None else _SPREAD_METHOD
        return method if self.most is None else _CAPPED + method

    def local_scale(self, embeddings: Floats) -> Floats:
        """How far apart strangers lie around each face, about 1 on average: (N, D) -> float32 (N,).

        A face's scale is the same to the bit whatever other rows come with it.
        """
        rows, centres = np.asarray(embeddings, np.float64), self.centres.astype(np.float64)
        spreads = 0.0 if self.spreads is None else self.spreads.astype(np.float64)
        scales = np.empty(len(rows), np.float64)
        height = max(_VALUES_AT_ONCE // len(centres), 1)
        for start in range(0, len(rows), height):
            squared = _squared(rows[start : start + height], centres) + spreads
            nearest = np.sort(np.partition(squared, self.neighbours - 1, axis=1)[:, : self.neighbours], axis=1)
            scales[start : start + height] = np.sqrt(nearest).mean(axis=1)
        if self.most is not None:
            scales = np.minimum(scales, self.most)
        scales = np.maximum(scales / self.unit, _LEAST_SCALE)
        return (scales if self.power == 1 else scales**self.power).astype(np.float32)

    def mapped(self, into: Callable[[Floats], Floats], unit: float | None = None) -> Cohort:
        """The same strangers in another space. into: the map, linear, (N, D) -> (N, D). unit: the new one, if it is
        another. Spreads and bound grow as much as the map stretches on average over all directions."""
        axes = into(np.eye(self.centres.shape[1], dtype=np.float32)).astype(np.float64)
        stretch = float((axes**2).sum() / len(axes))  # of squared distances
        return replace(
            self,
            centres=into(self.centres),
            spreads=None if self.spreads is None else np.asarray(self.spreads * stretch, np.float32),
            most=None if self.most is None else self.most * stretch**0.5,
            unit=self.unit if unit is None else unit,
        )

    def times(self, factor: float) -> Cohort:
        """The same with all judged distances multiplied."""
        return replace(self, unit=self.unit * factor ** (1 / self.power))

    def to_card(self) -> dict[str, Any]:
        """The form that a tower's card stores."""
        return {
            "method": self.method,
            "identity": self.identity,
            "neighbours": self.neighbours,
            "unit": self.unit,
            "power": self.power,
            "threshold": self.threshold,
            "threshold_far": self.threshold_far,
            "calibration": None if self.calibration is None else self.calibration.to_card(),
            "centres": {
                "shape": list(self.centres.shape),
                "float32": base64.b64encode(_bytes_of(self.centres)).decode(),
            },
            **({} if self.spreads is None else {"spreads": base64.b64encode(_bytes_of(self.spreads)).decode()}),
            **({} if self.most is None else {"most": self.most}),
        }

    @classmethod
    def from_card(cls, values: Mapping[str, Any] | None) -> Cohort | None:
        """The cohort of a card; None where it has none, or one of a method that this version does not know.

        Raises ValueError where the method is known and its numbers cannot be used, or are not those of its identity.
        """
        if values is None or values.get("method") not in _METHODS:
            return None
        capped = str(values["method"]).startswith(_CAPPED)
        try:
            count, size = (int(side) for side in values["centres"]["shape"])
            content = base64.b64decode(values["centres"]["float32"], validate=True)
            spreads = None
            if str(values["method"]).endswith(_SPREAD_METHOD):
                spreads = np.frombuffer(base64.b64decode(values["spreads"], validate=True), _STORED).astype(np.float32)
            cohort = cls(
                np.frombuffer(content, _STORED).reshape(count, size).astype(np.float32),
                int(values["neighbours"]),
                float(values["unit"]),
                float(values["threshold"]),
                float(values["threshold_far"]),
                Calibration.from_card(values.get("calibration")),
                float(values.get("power", 1.0)),
                spreads,
                float(values["most"]) if capped else None,
            )
        except (KeyError, TypeError, AttributeError, binascii.Error) as error:
            raise ValueError(f"a cohort is incomplete ({error})") from error
        if cohort.identity != values.get("identity"):
            raise ValueError("a cohort's identity is not that of its numbers")
        return cohort


def judged_distances(distances: ArrayLike, first_scales: ArrayLike, second_scales: ArrayLike) -> Floats:
    """Plain distances divided by the mean of both faces' local scales: all broadcast -> float32."""
    scales = (np.asarray(first_scales, np.float64) + np.asarray(second_scales, np.float64)) / 2
    return np.asarray(np.asarray(distances, np.float64) / scales, np.float32)


def _squared(rows: Values, centres: Values) -> Values:
    """Squared distances, (N, D) and (C, D) -> (N, C), summed in one order, a dimension at a time."""
    total = np.zeros((len(rows), len(centres)))
    for row, centre in zip(rows.T, centres.T, strict=True):
        total += (row[:, None] - centre) ** 2
    return total


def _bytes_of(centres: Floats) -> bytes:
    return np.ascontiguousarray(centres, _STORED).tobytes()
