"""Several datasets as one: the same person in two of them becomes one identity, the same shot is kept once.

Knows only names and numbers, and never compares faces. Merges by these rules, and reports each use:
an identity is `dataset/name`, except that (1) sets named by CelebA's ids share CelebA's people, and (2) people called
by the same first and last name, spelled alike but for case and separators, are one person.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesearch.errors import TrainingDataError
from facesearch.records import Pixels
from facesearch_train.data.crops import CropSet
from facesearch_train.data.datasets import CELEBA_PEOPLE, CELEBA_PHOTOS, Dataset, require_trainable
from facesearch_train.data.packs import TrainingPhoto

_SEPARATORS = re.compile(r"[\s_\-.]+")
_FULL_NAME = re.compile(r"[^\W\d_]{2,}(_[^\W\d_]+)+")


def merge_datasets(datasets: Sequence[Dataset]) -> Dataset:
    """One dataset of all photos, with merged identities; what was joined stands in its warnings.

    A single dataset's people get the names that they would have in a merge (`dataset/name`).
    Raises TrainingDataError where two datasets have one name, or nothing can be learned from all of them together.
    """
    names = [dataset.name for dataset in datasets]
    for name in names:
        if names.count(name) > 1:
            roots = " and ".join(str(dataset.root) for dataset in datasets if dataset.name == name)
            raise TrainingDataError(f"{roots} are both called {name}: rename one, their people would be mixed up.")
    photos, notes = _merged_photos(datasets, celeba_sets(datasets))
    merged = Dataset(
        name="+".join(names),
        root=Path(os.path.commonpath([dataset.root for dataset in datasets])),
        layout="merged",
        photos=tuple(photos),
        warnings=(*(warning for dataset in datasets for warning in dataset.warnings), *notes),
    )
    require_trainable(merged)
    return merged


def celeba_sets(datasets: Sequence[Dataset]) -> list[Dataset]:
    """Those whose people are called by CelebA's ids, so that one number is one person in all of them.

    They are sets in CelebA's layout, and folder-a-person sets whose people are numbers from 1 to 10,177, borne out by
    the photos' names: they are CelebA's (000001 to 202599), or some are in another of the sets. A photo that two sets
    name must show the same person in both. A set alone has nobody to share, unless it is in CelebA's layout.
    """
    known: dict[str, str] = {}  # a photo's name -> the person that it shows
    members = []
    for dataset in sorted(datasets, key=lambda dataset: dataset.layout != "celeba"):
        if dataset.layout not in ("celeba", "folders"):
            continue
        shown = {photo.path.stem: photo.identity for photo in dataset.photos}
        common = shown.keys() & known.keys()
        borne_out = bool(common) or all(_is_celeba_photo(name) for name in shown)
        named = borne_out and all(_is_celeba_id(identity) for identity in set(shown.values()))
        if dataset.layout == "celeba" or (named and all(shown[name] == known[name] for name in common)):
            members.append(dataset)
            known |= shown
    return members if len(members) > 1 or any(dataset.layout == "celeba" for dataset in members) else []


def same_name(name: str) -> str | None:
    """The common form of all spellings of a full name (`Keira_Knightley`, `keira knightley`); None for ids."""
    spelled = _SEPARATORS.sub("_", name).strip("_").casefold()
    return spelled if _FULL_NAME.fullmatch(spelled) else None


def bare_name(identity: str) -> str:
    """A merged identity without its dataset: `lfw/Zico` -> `Zico`."""
    return identity.partition("/")[2] or identity


class JoinedCrops:
    """The crops of several caches as one array: read with an array of row numbers, as a memmap is.

    identities: the merged name of each row. origins: how each was cut (see CropSet).
    """

    def __init__(self, merged: Dataset, crop_sets: Sequence[CropSet]) -> None:
        """Rows in the order of merged.photos; photos without a crop are left out."""
        row_of = {path: (number, row) for number, crops in enumerate(crop_sets) for row, path in enumerate(crops.paths)}
        photos = [photo for photo in merged.photos if photo.path in row_of]
        if not photos:
            raise TrainingDataError(f"No photo of {merged.name} has a crop. Make the crops again: facesearch train.")
        self.identities = [photo.identity for photo in photos]
        self.paths = [photo.path for photo in photos]
        places = [row_of[path] for path in self.paths]
        self.origins = [crop_sets[number].origins[row] for number, row in places]
        self._parts = [crops.crops for crops in crop_sets]
        self._places: NDArray[np.int64] = np.array(places, dtype=np.int64)  # (N, 2): which part, which row of it
        self.shape = (len(photos), *self._parts[0].shape[1:])
        self.dtype = np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self.identities)

    def __getitem__(self, rows: Any) -> Pixels:
        """rows: integers (B,), a slice or a mask -> a copy, uint8 (B, S, S, 3), in that order; an integer: one crop."""
        places = self._places[rows]
        if places.ndim == 1:
            return np.asarray(self._parts[places[0]][places[1]])
        crops = np.empty((len(places), *self.shape[1:]), dtype=np.uint8)
        for number, part in enumerate(self._parts):
            here = np.flatnonzero(places[:, 0] == number)
            crops[here] = part[places[here, 1]]
        return crops

    def rows(self, rows: NDArray[np.int64]) -> CropRows:
        """These rows, int64 (M,), as an array that stays on the disk."""
        return CropRows(self, rows)


class CropRows:
    """Some rows of joined crops as an array of their own, read from the disk when they are asked for."""

    def __init__(self, joined: JoinedCrops, rows: NDArray[np.int64]) -> None:
        self._joined = joined
        self._rows = rows
        self.shape = (len(rows), *joined.shape[1:])
        self.dtype = joined.dtype

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: Any) -> Pixels:
        """As JoinedCrops, of these rows alone."""
        return self._joined[self._rows[rows]]


def _is_celeba_id(name: str) -> bool:
    return name.isdecimal() and 1 <= int(name) <= CELEBA_PEOPLE


def _is_celeba_photo(name: str) -> bool:
    return len(name) == 6 and name.isdecimal() and 1 <= int(name) <= CELEBA_PHOTOS


def _merged_photos(datasets: Sequence[Dataset], celeba: Sequence[Dataset]) -> tuple[list[TrainingPhoto], list[str]]:
    """All photos under merged identities, and a line on each kind of joining. celeba: see celeba_sets."""
    first_called: dict[str, str] = {}
    joined: set[str] = set()
    photos: list[TrainingPhoto] = []
    copies = _copies(datasets, celeba)
    for dataset in datasets:
        home = celeba[0] if dataset in celeba else dataset
        for photo in dataset.photos:
            if photo.path in copies:
                continue
            identity = f"{home.name}/{photo.identity}"
            if spelled := same_name(photo.identity):
                known = first_called.setdefault(spelled, identity)
                if known != identity:
                    joined.add(spelled)
                    identity = known
            photos.append(replace(photo, identity=identity))
    notes = [
        f"{member.name} bears CelebA's ids: its people are joined with {celeba[0].name}'s." for member in celeba[1:]
    ]
    if copies:
        notes.append(f"{len(copies):,} CelebA photos are in several sets: one copy of each is used.")
    if joined:
        notes.append(f"{len(joined):,} people have one name in several datasets and are treated as one person each.")
    return photos, notes


def _copies(datasets: Sequence[Dataset], celeba: Sequence[Dataset]) -> set[Path]:
    """The photos of CelebA's sets that another one holds too: all but the one to use. The copies in CelebA's layout go
    first: they are at most 178 px wide."""
    used: dict[str, TrainingPhoto] = {}
    copies: set[Path] = set()
    members = [dataset for dataset in datasets if dataset in celeba]
    for dataset in sorted(members, key=lambda dataset: dataset.layout == "celeba"):
        for photo in dataset.photos:
            if used.setdefault(photo.path.stem, photo) is not photo:
                copies.add(photo.path)
    return copies
