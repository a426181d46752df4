"""Judges an epoch by fixed pairs of people who are never trained on, on centre crops, without augmentation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesearch.errors import TrainingDataError
from facesearch.evaluation import metrics
from facesearch.records import Floats, Pixels
from facesearch_train.data.pairs import draw_pairs, photos_by_person

Embed = Callable[[Pixels], Floats]

# Enough that accuracy is known to about half a point; more would cost more than an epoch gains.
MOST_PHOTOS = 1500
PAIR_DRAWS = 4


@dataclass(frozen=True)
class ValidationFigures:
    """The figures of one epoch on the validation pairs. Distances are means."""

    loss: float  # the contrastive loss
    genuine_distance: float
    impostor_distance: float
    accuracy: float
    threshold: float
    spread: float  # the standard deviation of the embeddings; near 0 if all became one point

    @property
    def gap(self) -> float:
        """The mean impostor distance minus the mean genuine distance."""
        return self.impostor_distance - self.genuine_distance


class ValidationSet:
    """Crops of people who are never trained on, and pairs of them, drawn once with a seed."""

    def __init__(self, crops: Any, identities: NDArray[np.int32], seed: int, margin: float) -> None:
        chosen = _whole_people(identities, seed)
        self.crops = np.asarray(crops[chosen])
        self.margin = margin
        rng = np.random.default_rng([seed, 0])
        draws = [draw_pairs(identities[chosen], rng) for _ in range(PAIR_DRAWS)]
        self.first, self.second, self.label = (np.concatenate(part) for part in zip(*draws, strict=True))

    def measure(self, embed: Embed) -> ValidationFigures:
        """Figures of a tower. embed: uint8 (N, S, S, 3) -> float32 (N, D)."""
        embeddings = embed(self.crops)
        if not np.isfinite(embeddings).all():
            return ValidationFigures(*[float("nan")] * 6)
        distance = np.sqrt(np.sum((embeddings[self.first] - embeddings[self.second]) ** 2, axis=1))
        genuine, impostor = distance[self.label == 0], distance[self.label == 1]
        best = metrics.best_threshold(metrics.roc_curve(distance, self.label))
        shortfall = np.maximum(self.margin - impostor, 0.0)
        return ValidationFigures(
            loss=float((np.sum(genuine**2) + np.sum(shortfall**2)) / len(distance)),
            genuine_distance=float(genuine.mean()),
            impostor_distance=float(impostor.mean()),
            accuracy=best.accuracy,
            threshold=best.distance,
            spread=float(embeddings.std(axis=0).mean()),
        )


def _whole_people(identities: NDArray[np.int32], seed: int) -> NDArray[np.int64]:
    """Photos of as many whole people with two or more photos as fit into MOST_PHOTOS, at most ten of each."""
    people = [photos[:10] for photos in photos_by_person(identities) if len(photos) > 1]
    if len(people) < 2:
        raise TrainingDataError(
            "Validation needs two people with two photos each, who are kept out of training. Add people, or photos of "
            "them."
        )
    chosen: list[NDArray[np.int64]] = []
    for number in np.random.default_rng([seed, 1]).permutation(len(people)):
        if chosen and sum(map(len, chosen)) + len(people[number]) > MOST_PHOTOS:
            break
        chosen.append(people[number])
    return np.sort(np.concatenate(chosen))
