"""Protocols: how well a tower tells people apart whom it never saw. LFW's lists of pairs, all pairs of a set, search.

A tower is any function from crops to embeddings, in training or shipped. No pair is ever dropped: where no face was
found (or its crop was cut only where faces usually are) the tower is charged for it, and the report says how many those
are. Refuses lists of pairs that name photos which are not there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesearch import metrics
from facesearch.errors import TrainingDataError
from facesearch.records import Floats, Pixels
from facesearch_train.crops import CropSet
from facesearch_train.datasets import TrainingPhoto
from facesearch_train.lfw import Fold, require_photos
from facesearch_train.pair_counts import count_pairs, missed_pairs

Embed = Callable[[Pixels], Floats]  # uint8 (N, 112, 112, 3) -> float32 (N, D)

FARS = (1e-1, 1e-2, 1e-3, 1e-4)
NOT_FOUND = -1  # in place of a crop's row
EMBED_BATCH = 256


@dataclass(frozen=True, eq=False)
class JudgedPairs:
    """Pairs and how far apart the tower sees them.

    first, second: int64 (P,), rows of the crop set, NOT_FOUND where no face was found. distances: float64 (P,), +inf or
    -inf (a genuine or an impostor pair) where a face is missing. labels, folds: int64 (P,); 0 = one person, 1 = two.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    distances: NDArray[np.float64]
    labels: NDArray[np.int64]
    folds: NDArray[np.int64]


@dataclass(frozen=True)
class Report:
    """A tower's figures by one protocol. Mean distances are of pairs with both faces found.

    photos_not_found, pairs_not_found: photos of the protocol in which no face was found, and pairs with such a photo.
    accuracy: by folds, each at the best threshold of the others; None without two folds. best: the threshold with the
    fewest errors on all pairs. threshold, accuracy_at_threshold: the one that was asked about. true_accepts: at FAR
    0.1 to 0.0001, as far as the number of impostor pairs allows; their intervals take pairs as independent, which
    pairs that share a person are not quite.
    """

    protocol: str
    dataset: str
    photos: int
    genuine_pairs: int
    impostor_pairs: int
    photos_not_found: int
    pairs_not_found: int
    accuracy: metrics.FoldedAccuracy | None
    best: metrics.Threshold
    threshold: float
    accuracy_at_threshold: float
    auc: float
    equal_error_rate: float
    true_accepts: tuple[metrics.TrueAccepts, ...]
    genuine_distance: float
    impostor_distance: float

    def to_json(self) -> dict[str, Any]:
        """All figures under these names, and the accuracy's mean, std and standard_error. None: no finite number."""
        values = asdict(self)
        if self.accuracy:
            values["accuracy"]["mean"] = self.accuracy.mean
            values["accuracy"]["std"] = self.accuracy.std
            values["accuracy"]["standard_error"] = self.accuracy.standard_error
        cleaned: dict[str, Any] = _finite(values)
        return cleaned


@dataclass(frozen=True)
class Identification:
    """The shares of probes whose own person was the nearest, or among the five nearest, in a gallery of one photo each.

    photos_not_found: of gallery and probes, those without a face found; their people count as missed.
    """

    people: int
    rank_1: float
    rank_5: float
    photos_not_found: int


@dataclass(frozen=True)
class Search:
    """One person's photo for the gallery, and another to look that person up with."""

    identity: str
    gallery: TrainingPhoto
    probe: TrainingPhoto


def judge_lfw_pairs(crops: CropSet, folds: Sequence[Fold], embed: Embed) -> JudgedPairs:
    """The distance of every pair of the list, in its order.

    A pair with a face that was not found is judged wrongly whatever the threshold. Raises TrainingDataError where a
    photo of the list is not in the dataset at all.
    """
    names = [(pair.first.path.name, pair.second.path.name) for fold in folds for pair in fold]
    cut_or_dropped = {path.name for path in crops.paths} | {photo.path.name for photo, _ in crops.dropped}
    require_photos({name for pair in names for name in pair}, cut_or_dropped, crops.dataset.root)
    row_of = {crops.paths[row].name: row for row in _found_rows(crops)}
    first, second = (np.array([row_of.get(pair[side], NOT_FOUND) for pair in names]) for side in (0, 1))
    labels = np.array([metrics.GENUINE if pair.genuine else metrics.IMPOSTOR for fold in folds for pair in fold])
    found = (first != NOT_FOUND) & (second != NOT_FOUND)
    distances = np.where(labels == metrics.GENUINE, np.inf, -np.inf)
    if found.any():
        rows, place = np.unique(np.stack([first[found], second[found]]), return_inverse=True)
        embeddings = embed_rows(crops, rows, embed)
        distances[found] = np.linalg.norm(embeddings[place[0]] - embeddings[place[1]], axis=1)
    number = np.repeat(np.arange(len(folds)), [len(fold) for fold in folds])
    return JudgedPairs(first, second, distances, labels, number)


def evaluate_lfw(crops: CropSet, folds: Sequence[Fold], embed: Embed, threshold: float = 1.0) -> Report:
    """Figures on a list of pairs with any number of folds; see judge_lfw_pairs for what a missing face costs."""
    return report_lfw(crops, folds, judge_lfw_pairs(crops, folds, embed), threshold)


def report_lfw(crops: CropSet, folds: Sequence[Fold], pairs: JudgedPairs, threshold: float = 1.0) -> Report:
    """The figures of pairs that are judged already."""
    roc = metrics.roc_curve(pairs.distances, pairs.labels)
    by_fold = [(pairs.distances[pairs.folds == fold], pairs.labels[pairs.folds == fold]) for fold in range(len(folds))]
    found = np.isfinite(pairs.distances)
    genuine, impostor = (pairs.distances[found & (pairs.labels == kind)] for kind in (0, 1))
    named = {photo.path.name for fold in folds for pair in fold for photo in (pair.first, pair.second)}
    return Report(
        protocol="lfw",
        dataset=crops.dataset.name,
        photos=len(named),
        photos_not_found=len(named - {crops.paths[row].name for row in _found_rows(crops)}),
        pairs_not_found=int((~found).sum()),
        accuracy=metrics.folded_accuracy(by_fold) if len(folds) > 1 else None,
        threshold=threshold,
        accuracy_at_threshold=metrics.accuracy_at(pairs.distances, pairs.labels, threshold),
        genuine_distance=float(genuine.mean()) if len(genuine) else np.nan,
        impostor_distance=float(impostor.mean()) if len(impostor) else np.nan,
        **_roc_figures(roc),
    )


def evaluate_folders(
    crops: CropSet, embed: Embed, threshold: float = 1.0, identities: Collection[str] | None = None
) -> Report:
    """Figures on all pairs of a set's photos, or of the photos of some people.

    Pairs are counted by distance, block by block (see pair_counts): memory does not grow with the square of the photos.
    A face that was not found is never accepted as anyone's: its genuine pairs are errors, its impostor pairs count
    among all impostor pairs as rejected. (Taken as accepted, as LFW's are, one such photo in a hundred would make
    every impostor share below 2 % unreachable.) Raises TrainingDataError where either kind of pair is missing.
    """

    def wanted(identity: str) -> bool:
        return identities is None or identity in identities

    rows = [row for row in _found_rows(crops) if wanted(crops.dataset.photos[row].identity)]
    names = [crops.dataset.photos[row].identity for row in rows]
    absent = [photo.identity for photo in _photos_not_found(crops) if wanted(photo.identity)]
    if len(set(names)) < 2 or len(set(names)) == len(names):
        raise TrainingDataError(
            f"{crops.dataset.name} has no pairs to judge. Give two people or more, some of them in two photos."
        )
    counts = count_pairs(embed_rows(crops, rows, embed), np.unique(names, return_inverse=True)[1], threshold)
    missed_genuine, missed_impostor = missed_pairs(names, absent)
    genuine_found, impostor_found = int(counts.genuine.sum()), int(counts.impostor.sum())
    roc = metrics.roc_from_counts(
        np.append(counts.edges, np.inf),
        np.append(counts.genuine, missed_genuine),
        np.append(counts.impostor, missed_impostor),
    )
    return Report(
        protocol="folders",
        dataset=crops.dataset.name,
        photos=len(rows) + len(absent),
        photos_not_found=len(absent),
        pairs_not_found=missed_genuine + missed_impostor,
        accuracy=None,
        threshold=threshold,
        accuracy_at_threshold=(counts.right_at_threshold + missed_impostor) / (roc.genuine_pairs + roc.impostor_pairs),
        genuine_distance=counts.sums[0] / genuine_found,
        impostor_distance=counts.sums[1] / impostor_found,
        **_roc_figures(roc),
    )


def choose_searches(photos: Sequence[TrainingPhoto], people: int, seed: int) -> list[Search]:
    """Two different photos of each of `people` people with two or more, chosen by the seed, in the order of names."""
    photos_of: dict[str, list[TrainingPhoto]] = defaultdict(list)
    for photo in photos:
        photos_of[photo.identity].append(photo)
    several = sorted(identity for identity, own in photos_of.items() if len(own) > 1)
    if not 0 < people <= len(several):
        raise TrainingDataError(
            f"{people:,} people with two or more photos are asked for; there are {len(several):,}. Ask for fewer."
        )
    rng = np.random.default_rng(seed)
    searches = []
    for number in np.sort(rng.choice(len(several), people, replace=False)):
        own = sorted(photos_of[several[number]], key=lambda photo: photo.path)
        gallery, probe = rng.choice(len(own), 2, replace=False)
        searches.append(Search(several[number], own[gallery], own[probe]))
    return searches


def evaluate_identification(crops: CropSet, embed: Embed, people: int = 200, seed: int = 1) -> Identification:
    """Look people up by one photo in a gallery of one other photo each."""
    photos = sorted([*crops.dataset.photos, *(photo for photo, _ in crops.dropped)], key=lambda photo: photo.path)
    searches = choose_searches(photos, people, seed)
    row_of = {crops.dataset.photos[row].path: row for row in _found_rows(crops)}
    gallery = np.array([row_of.get(search.gallery.path, NOT_FOUND) for search in searches])
    probes = np.array([row_of.get(search.probe.path, NOT_FOUND) for search in searches])
    distances = np.full((people, people), np.inf)
    if (probes != NOT_FOUND).any() and (gallery != NOT_FOUND).any():
        sought, stored = (embed_rows(crops, rows[rows != NOT_FOUND], embed) for rows in (probes, gallery))
        there = np.ix_(probes != NOT_FOUND, gallery != NOT_FOUND)
        distances[there] = np.linalg.norm(sought[:, None] - stored[None], axis=2)
    rates = metrics.identification_rates(distances, np.arange(people), np.arange(people))
    return Identification(people, rates[1], rates[5], int((gallery == NOT_FOUND).sum() + (probes == NOT_FOUND).sum()))


def embed_rows(crops: CropSet, rows: Sequence[int] | NDArray[np.int64], embed: Embed) -> NDArray[np.float64]:
    """Embeddings of these rows, float64 (len(rows), D), computed EMBED_BATCH crops at a time."""
    chunks = [np.asarray(rows[start : start + EMBED_BATCH]) for start in range(0, len(rows), EMBED_BATCH)]
    return np.concatenate([np.asarray(embed(np.asarray(crops.crops[chunk])), dtype=np.float64) for chunk in chunks])


def _roc_figures(roc: metrics.RocCurve) -> dict[str, Any]:
    """Those of Report's figures that follow from the ROC alone."""
    accepts = [metrics.tar_at_far(roc, far) for far in FARS]
    return {
        "genuine_pairs": roc.genuine_pairs,
        "impostor_pairs": roc.impostor_pairs,
        "best": metrics.best_threshold(roc),
        "auc": metrics.auc(roc),
        "equal_error_rate": metrics.equal_error_rate(roc),
        "true_accepts": tuple(found for found in accepts if found),
    }


def _found_rows(crops: CropSet) -> list[int]:
    return [row for row, origin in enumerate(crops.origins) if origin != "fallback"]


def _photos_not_found(crops: CropSet) -> list[TrainingPhoto]:
    fallback = [
        photo for photo, origin in zip(crops.dataset.photos, crops.origins, strict=True) if origin == "fallback"
    ]
    return [*fallback, *(photo for photo, _ in crops.dropped)]


def _finite(value: Any) -> Any:
    """The same nested values with None for inf and NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
