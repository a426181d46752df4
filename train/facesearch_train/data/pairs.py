"""Which photos meet in a batch: the published random pairs, or batches of people. Draws indices by a seed; reads crops.

An epoch's draw depends only on the seed and the epoch's number, so that a resumed run sees the same batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from facesearch.records import Ints
from facesearch_train.data.taught import Taught, draw_lookalikes

GENUINE, IMPOSTOR = 0, 1
NOBODY = -1  # the person number of a photo without a label


def photos_by_person(identities: NDArray[np.int32]) -> list[Ints]:
    """The photos of each person: (N,) person numbers -> one index array a person, in the order of their numbers."""
    order = np.argsort(identities, kind="stable")
    starts = np.flatnonzero(np.diff(identities[order], prepend=-1))
    return np.split(order, starts[1:]) if len(order) else []


def draw_pairs(identities: NDArray[np.int32], rng: np.random.Generator) -> tuple[Ints, Ints, NDArray[np.int32]]:
    """Two pairs for every photo that has a genuine partner, one of either kind, and one impostor pair for every other.

    identities: (N,) person numbers. Returns first (P,), second (P,) and label (P,), 0 = one person, 1 = two, shuffled;
    impostor pairs are thinned so that both kinds are equally many.
    """
    genuine_first, genuine_second = [], []
    for photos in photos_by_person(identities):
        if len(photos) > 1:
            offset = rng.integers(1, len(photos), size=len(photos))
            genuine_first.append(photos)
            genuine_second.append(photos[(np.arange(len(photos)) + offset) % len(photos)])
    first = np.concatenate(genuine_first)
    second = np.concatenate(genuine_second)
    others = rng.permutation(len(identities))[: len(first)]
    strangers = rng.integers(0, len(identities), size=len(others))
    while (clash := identities[others] == identities[strangers]).any():
        strangers[clash] = rng.integers(0, len(identities), size=int(clash.sum()))
    label = np.repeat(np.array([GENUINE, IMPOSTOR], np.int32), [len(first), len(others)])
    order = rng.permutation(len(label))
    return np.concatenate([first, others])[order], np.concatenate([second, strangers])[order], label[order]


def draw_people(
    identities: NDArray[np.int32], rng: np.random.Generator, photos_per_person: int, singles_share: float
) -> Ints:
    """An order in which photos of one person stand together in groups: (M,) indices, M a multiple of the group.

    Every person with several photos is cut into groups of `photos_per_person` (a short last group is filled up from
    the person's others), the groups shuffled. Photos of people with one photo only follow as groups of impostors, as
    many as make up `singles_share` of all.
    """
    groups, singles = [], []
    for photos in photos_by_person(identities):
        if len(photos) == 1:
            singles.append(photos[0])
            continue
        shuffled = rng.permutation(photos)
        missing = -len(shuffled) % photos_per_person
        groups.append(np.concatenate([shuffled, np.resize(shuffled, missing)]).reshape(-1, photos_per_person))
    several = np.concatenate(groups)
    wanted = int(len(several) * photos_per_person * singles_share / max(1.0 - singles_share, 1e-9))
    alone = rng.permutation(np.array(singles, np.int64))[:wanted]
    alone = alone[: len(alone) // photos_per_person * photos_per_person].reshape(-1, photos_per_person)
    return rng.permutation(np.concatenate([several, alone])).reshape(-1)


class EpochData(keras.utils.PyDataset):
    """One epoch of batches, all of one size. `draw(epoch)` fixes it; every batch then reads its crops by index."""

    def __init__(
        self, crops: Any, identities: NDArray[np.int32], batch_size: int, seed: int, steps: int | None
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=4)
        self.crops = crops
        self.identities = identities
        self.batch_size = batch_size
        self.seed = seed
        self.steps_limit = steps
        self.draw(0)

    def rng(self, epoch: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, epoch])

    def draw(self, epoch: int) -> None:
        raise NotImplementedError

    @property
    def drawn(self) -> int:
        raise NotImplementedError

    def __len__(self) -> int:
        whole = max(1, self.drawn // self.batch_size)
        return whole if self.steps_limit is None else min(whole, self.steps_limit)

    def read(self, indices: Ints) -> NDArray[np.uint8]:
        return np.asarray(self.crops[indices])

    def slice(self, step: int) -> slice:
        return slice(step * self.batch_size, (step + 1) * self.batch_size)


class PairData(EpochData):
    """Batches of pairs: ((first, second) uint8 (B, S, S, 3)), label (B,), 0 = one person, 1 = two."""

    def draw(self, epoch: int) -> None:
        self.first, self.second, self.label = draw_pairs(self.identities, self.rng(epoch))

    @property
    def drawn(self) -> int:
        return len(self.label)

    def __getitem__(self, step: int) -> tuple[tuple[Any, Any], Any]:
        rows = self.slice(step)
        return (self.read(self.first[rows]), self.read(self.second[rows])), self.label[rows].astype("float32")


class PeopleData(EpochData):
    """Batches of people: (crops uint8 (B, S, S, 3), person numbers (B,)), and an unused target (B,)."""

    def __init__(self, *options: Any, photos_per_person: int, singles_share: float) -> None:
        self.photos_per_person = photos_per_person
        self.singles_share = singles_share
        super().__init__(*options)

    def draw(self, epoch: int) -> None:
        self.order = draw_people(self.identities, self.rng(epoch), self.photos_per_person, self.singles_share)

    @property
    def drawn(self) -> int:
        return len(self.order)

    def __getitem__(self, step: int) -> tuple[tuple[Any, Any], Any]:
        rows = self.order[self.slice(step)]
        return (self.read(rows), self.identities[rows]), np.zeros(len(rows), "float32")


class TaughtData(EpochData):
    """Batches of look-alikes: (crops uint8 (B, S, S, 3), person numbers (B,), places (B, K)), an unused target (B,).

    views: how many views of each photo the crops are, all photos' first view before any second (see `frozen_maps`).
    """

    def __init__(self, *options: Any, taught: Taught, group: int, views: int = 1) -> None:
        self.taught = taught
        self.group = group
        self.views = views
        super().__init__(*options)

    def draw(self, epoch: int) -> None:
        wanted = len(self.identities) if self.steps_limit is None else self.steps_limit * self.batch_size
        rng = self.rng(epoch)
        self.order = draw_lookalikes(self.taught.neighbours, rng, self.group, wanted + self.batch_size)
        self.view = rng.integers(0, self.views, len(self.order))

    @property
    def drawn(self) -> int:
        return len(self.order)

    def __getitem__(self, step: int) -> tuple[tuple[Any, Any, Any], Any]:
        rows = self.order[self.slice(step)]
        crops = self.read(rows + len(self.identities) * self.view[self.slice(step)])
        return (crops, self.identities[rows], self.taught.places[rows]), np.zeros(len(rows), "float32")


def number_identities(names: Sequence[str]) -> NDArray[np.int32]:
    """Person numbers for person names, in the order of the sorted names: (N,) names -> (N,) int32."""
    return np.unique(np.asarray(names), return_inverse=True)[1].astype(np.int32)
