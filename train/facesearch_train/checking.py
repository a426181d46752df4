"""Find faults in training data without training: files, faces, copies, and labels that the tower or a teacher doubts.

`facesearch train --check` calls it. Changes nothing but the cache of crops; every finding is a suggestion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facesearch.records import Floats, Pixels
from facesearch_train.data.crops import CropSet, prepare_crops
from facesearch_train.data.cutting import NO_FACE
from facesearch_train.data.datasets import Dataset, list_photos
from facesearch_train.data.duplicates import equal_files, same_shots, thumbnails
from facesearch_train.data.joined import JoinedCrops, merge_datasets
from facesearch_train.data.mislabelled import Suspect, Twins, find_mislabelled, find_twins
from facesearch_train.data.packs import TrainingPhoto
from facesearch_train.data.pairs import number_identities
from facesearch_train.data.teacher import read_teacher, taught_places
from facesearch_train.model.teacher_embeddings import teacher_files

Embed = Callable[[Pixels], Floats]  # uint8 (N, 112, 112, 3) -> float32 (N, D)
Progress = Callable[[int, int], None]  # done, in all

_EMBEDDED_AT_ONCE = 512


@dataclass(frozen=True)
class Copies:
    """One picture under several people."""

    photos: tuple[TrainingPhoto, ...]  # each with its person
    likeness: float  # 1 for equal files, else the correlation of the two crops


@dataclass(frozen=True)
class DoubtfulLabel:
    """A photo that is far from the others of its person, and the person that it is near to, if one stands out.
    Distances are root mean squares, to the other photos of its own person and to those of the nearest other: between
    directions of the tower's embeddings (0 to 2), or by a teacher, whose threshold is 1."""

    photo: TrainingPhoto
    distance: float
    likely_person: str | None
    likely_distance: float


@dataclass(frozen=True)
class OnePersonTwice:
    """Two people who look like one."""

    people: tuple[str, str]
    distance: float  # between their photos
    within: float  # between photos of each (as in DoubtfulLabel)
    photos: tuple[Path, Path]  # one of each


@dataclass(frozen=True)
class DataReport:
    """All that was found, each list the worst first."""

    photos: int
    people: int
    crops: int
    judged: int  # crops whose label was judged
    warnings: tuple[str, ...]
    unreadable: tuple[tuple[TrainingPhoto, str], ...]  # with reasons
    # photos in which no face was found (`cut_anyway` of them are cut where faces of their layout usually lie)
    no_face: tuple[TrainingPhoto, ...]
    cut_anyway: int
    equal_across_people: tuple[Copies, ...]
    copies_of_one: int  # surplus copies within people
    same_shot_across_people: tuple[Copies, ...]
    mislabelled: tuple[DoubtfulLabel, ...]
    one_person_twice: tuple[OnePersonTwice, ...]
    single: tuple[str, ...] = field(default=())  # people with one photo that can be used


def check_data(
    paths: Sequence[Path],
    judge: Embed | Sequence[Path],
    cutting: Progress | None = None,
    embedding: Progress | None = None,
) -> DataReport:
    """Check sets of labelled photos, read together as in training.

    judge: tells faces apart: a tower's `embed`, or a teacher's files (see teacher_embeddings.teacher_files).
    cutting, embedding: called with photos done and photos in all. Raises TrainingDataError for data that training
    refuses, and for a teacher file that belongs to none of them.
    """
    datasets = [list_photos(path) for path in paths]
    merged = merge_datasets(datasets)
    crop_sets = [prepare_crops(dataset, progress=cutting) for dataset in datasets]
    joined = JoinedCrops(merged, crop_sets)
    people = number_identities(joined.identities)
    equal_across, within = _equal(merged.photos)
    photos = [TrainingPhoto(path, name) for path, name in zip(joined.paths, joined.identities, strict=True)]
    known, embeddings, threshold = _judged(judge, crop_sets, joined, embedding)
    doubts = find_mislabelled(embeddings, people[known], threshold)
    twins = find_twins(embeddings, people[known])
    sizes = np.bincount(people)
    names = sorted(set(joined.identities))
    unreadable, no_face, cut_anyway = _unusable(merged, crop_sets, joined)
    return DataReport(
        photos=len(merged.photos),
        people=len(merged.photos_per_person()),
        crops=len(joined),
        judged=len(known),
        warnings=merged.warnings,
        unreadable=unreadable,
        no_face=no_face,
        cut_anyway=cut_anyway,
        equal_across_people=equal_across,
        copies_of_one=within,
        same_shot_across_people=_same_shots(joined, photos, people, equal_across),
        mislabelled=tuple(_doubtful(doubt, photos[int(known[doubt.row])], names) for doubt in doubts),
        one_person_twice=tuple(_twice(pair, photos, people, names) for pair in twins),
        single=tuple(names[number] for number in np.flatnonzero(sizes == 1)),
    )


def _unusable(
    merged: Dataset, crop_sets: Sequence[CropSet], joined: JoinedCrops
) -> tuple[tuple[tuple[TrainingPhoto, str], ...], tuple[TrainingPhoto, ...], int]:
    """Photos that cannot be read, photos without a face, and how many of the latter are cut anyway."""
    named = {photo.path: photo for photo in merged.photos}
    dropped = [(named[photo.path], why) for crops in crop_sets for photo, why in crops.dropped if photo.path in named]
    unreadable = tuple((photo, reason) for photo, reason in dropped if reason != NO_FACE)
    faceless = [photo for photo, reason in dropped if reason == NO_FACE]
    guessed = [path for path, origin in zip(joined.paths, joined.origins, strict=True) if origin == "fallback"]
    return unreadable, (*faceless, *(named[path] for path in guessed)), len(guessed)


def _equal(photos: Sequence[TrainingPhoto]) -> tuple[tuple[Copies, ...], int]:
    """Equal files of different people, and the number of surplus copies within people."""
    across, surplus = [], 0
    for group in equal_files(photos):
        members = [photos[number] for number in group]
        people = {photo.identity for photo in members}
        surplus += len(members) - len(people)
        if len(people) > 1:
            across.append(Copies(tuple(members), 1.0))
    return tuple(across), surplus


def _same_shots(
    joined: JoinedCrops, photos: Sequence[TrainingPhoto], people: NDArray[np.int32], equal: Sequence[Copies]
) -> tuple[Copies, ...]:
    """Pairs of crops that show one shot under two people, without those whose files are equal."""
    known = {frozenset(photo.path for photo in copies.photos) for copies in equal}
    found = [
        Copies((photos[first], photos[second]), likeness)
        for first, second, likeness in same_shots(_all_thumbnails(joined), people.tolist())
    ]
    new = [copies for copies in found if not any(paths >= {photo.path for photo in copies.photos} for paths in known)]
    return tuple(sorted(new, key=lambda copies: -copies.likeness))


def _all_thumbnails(joined: JoinedCrops) -> Floats:
    parts = range(0, len(joined), _EMBEDDED_AT_ONCE)
    return np.concatenate([thumbnails(joined[start : start + _EMBEDDED_AT_ONCE]) for start in parts])


def _judged(
    judge: Embed | Sequence[Path], crop_sets: Sequence[CropSet], joined: JoinedCrops, progress: Progress | None
) -> tuple[NDArray[np.int64], Floats, float | None]:
    """The rows that the judge knows, their embeddings, and its threshold where it has one."""
    if callable(judge):
        return np.arange(len(joined)), _embeddings(joined, judge, progress), None
    files = teacher_files(judge, crop_sets, progress)
    teachers = [read_teacher(path) for path in files]
    places = taught_places(teachers, [crops.dataset.root for crops in crop_sets], joined.paths)
    known = np.flatnonzero(np.isfinite(places[:, 0]))
    return known, places[known], 1.0


def _embeddings(joined: JoinedCrops, embed: Embed, progress: Progress | None) -> Floats:
    parts = []
    for start in range(0, len(joined), _EMBEDDED_AT_ONCE):
        parts.append(embed(joined[start : start + _EMBEDDED_AT_ONCE]))
        if progress:
            progress(min(start + _EMBEDDED_AT_ONCE, len(joined)), len(joined))
    return directions(np.concatenate(parts))


def directions(embeddings: Floats) -> Floats:
    """Embeddings scaled to length 1: (N, D) -> (N, D). A length of 0 stays.

    Odd crops get long embeddings, far from everything: Euclidean distance alone would let them hide the wrong labels.
    Figures: scripts/bench_checking.py.
    """
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.asarray(embeddings / np.where(lengths > 0, lengths, 1.0), np.float32)


def _doubtful(suspect: Suspect, photo: TrainingPhoto, names: Sequence[str]) -> DoubtfulLabel:
    person = None if suspect.person is None else names[suspect.person]
    return DoubtfulLabel(photo, suspect.own, person, suspect.other)


def _twice(
    pair: Twins, photos: Sequence[TrainingPhoto], people: NDArray[np.int32], names: Sequence[str]
) -> OnePersonTwice:
    first, second = (photos[int(np.argmax(people == number))].path for number in (pair.first, pair.second))
    return OnePersonTwice((names[pair.first], names[pair.second]), pair.distance, pair.within, (first, second))
