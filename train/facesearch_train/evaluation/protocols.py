"""Protocols that measure how well a tower tells unseen people apart: LFW's lists of pairs, all pairs of a set, search.

A tower is any function from crops to embeddings, in training or shipped. No pair is ever dropped: where no face was
found (or its crop was cut only where faces usually are) the tower is charged for it, and the report says how many those
are. Refuses lists of pairs that name photos which are not there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesearch.errors import TrainingDataError
from facesearch.evaluation import metrics
from facesearch.evaluation.all_pairs import NamedFaces, report_all_pairs
from facesearch.evaluation.calibration import Calibration
from facesearch.evaluation.cohort import judged_distances
from facesearch.evaluation.report import Identification, Report, roc_figures
from facesearch.evaluation.search import draw_searches, identify, identify_people
from facesearch.records import Floats, Pixels
from facesearch_train.data.crops import CropSet
from facesearch_train.data.lfw import Fold, require_photos
from facesearch_train.data.packs import TrainingPhoto

Embed = Callable[[Pixels], Floats]  # uint8 (N, 112, 112, 3) -> float32 (N, D)
Scale = Callable[[Floats], Floats]  # embeddings, float32 (N, D), to local scales, float32 (N,)

NOT_FOUND = -1  # in place of a crop's row
EMBED_BATCH = 256


@dataclass(frozen=True, eq=False)
class JudgedPairs:
    """Pairs and their distances by the tower."""

    # first, second: int64 (P,), rows of the crop set, NOT_FOUND where no face was found
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    distances: NDArray[np.float64]  # float64 (P,), +inf or -inf (a genuine or an impostor pair) where a face is missing
    # labels, folds: int64 (P,); 0 = one person, 1 = two
    labels: NDArray[np.int64]
    folds: NDArray[np.int64]
    # of the people with two photos or more in the list; None where there are none
    identification: Identification | None


@dataclass(frozen=True)
class Search:
    """One photo of a person for the gallery, and another as the probe."""

    identity: str
    gallery: TrainingPhoto
    probe: TrainingPhoto


def judge_lfw_pairs(crops: CropSet, folds: Sequence[Fold], embed: Embed, scale: Scale | None = None) -> JudgedPairs:
    """The distance of every pair of the list, in its order. scale: local scales, for judged distances.

    A pair with a face that was not found counts as wrong at any threshold. Raises TrainingDataError if the dataset
    lacks a photo of the list.
    """
    names = [(pair.first.path.name, pair.second.path.name) for fold in folds for pair in fold]
    cut_or_dropped = {path.name for path in crops.paths} | {photo.path.name for photo, _ in crops.dropped}
    require_photos({name for pair in names for name in pair}, cut_or_dropped, crops.dataset.root)
    row_of = {crops.paths[row].name: row for row in found_rows(crops)}
    first, second = (np.array([row_of.get(pair[side], NOT_FOUND) for pair in names]) for side in (0, 1))
    labels = np.array([metrics.GENUINE if pair.genuine else metrics.IMPOSTOR for fold in folds for pair in fold])
    found = (first != NOT_FOUND) & (second != NOT_FOUND)
    distances = np.where(labels == metrics.GENUINE, np.inf, -np.inf)
    named = sorted({(photo.name, photo.path.name) for fold in folds for p in fold for photo in (p.first, p.second)})
    rows = np.array([row_of.get(file, NOT_FOUND) for _, file in named])
    embeddings = _embeddings_or_nan(crops, rows, embed)
    scales = None if scale is None else _scales_of(embeddings, scale)
    if found.any():
        place_of = {row: place for place, row in enumerate(rows.tolist())}
        sides = [[place_of[row] for row in side[found].tolist()] for side in (first, second)]
        distances[found] = np.linalg.norm(embeddings[sides[0]] - embeddings[sides[1]], axis=1)
        if scales is not None:
            distances[found] = judged_distances(distances[found], scales[sides[0]], scales[sides[1]])
    number = np.repeat(np.arange(len(folds)), [len(fold) for fold in folds])
    identification = identify_people([name for name, _ in named], embeddings, scales)
    return JudgedPairs(first, second, distances, labels, number, identification)


def evaluate_lfw(crops: CropSet, folds: Sequence[Fold], embed: Embed, threshold: float = 1.0) -> Report:
    """Figures on a list of pairs with any number of folds; see judge_lfw_pairs for what a missing face costs."""
    return report_lfw(crops, folds, judge_lfw_pairs(crops, folds, embed), threshold)[0]


def report_lfw(
    crops: CropSet,
    folds: Sequence[Fold],
    pairs: JudgedPairs,
    threshold: float = 1.0,
    calibration: Calibration | None = None,
) -> tuple[Report, metrics.RocCurve]:
    """The figures of pairs with known distances."""
    roc = metrics.roc_curve(pairs.distances, pairs.labels)
    by_fold = [(pairs.distances[pairs.folds == fold], pairs.labels[pairs.folds == fold]) for fold in range(len(folds))]
    found = np.isfinite(pairs.distances)
    genuine, impostor = (pairs.distances[found & (pairs.labels == kind)] for kind in (0, 1))
    named = {photo.path.name for fold in folds for pair in fold for photo in (pair.first, pair.second)}
    report = Report(
        protocol="lfw",
        dataset=crops.dataset.name,
        photos=len(named),
        photos_not_found=len(named - {crops.paths[row].name for row in found_rows(crops)}),
        pairs_not_found=int((~found).sum()),
        accuracy=metrics.folded_accuracy(by_fold) if len(folds) > 1 else None,
        accuracy_at_threshold=metrics.accuracy_at(pairs.distances, pairs.labels, threshold),
        genuine_distance=float(genuine.mean()) if len(genuine) else np.nan,
        impostor_distance=float(impostor.mean()) if len(impostor) else np.nan,
        identification=pairs.identification,
        **roc_figures(roc, threshold, calibration),
    )
    return report, roc


def evaluate_folders(
    crops: CropSet, embed: Embed, threshold: float = 1.0, identities: Collection[str] | None = None
) -> Report:
    """Figures on all pairs of a set's photos, or of the photos of some people; see report_all_pairs.

    Raises TrainingDataError where either kind of pair is missing.
    """
    return report_all_pairs(named_faces(crops, embed, identities)[0], threshold)[0]


def named_faces(
    crops: CropSet, embed: Embed, identities: Collection[str] | None = None, scale: Scale | None = None
) -> tuple[NamedFaces, NDArray[np.int64]]:
    """The faces of a set, or those of some people, and the row of each. scale: local scales, for judged distances.
    Raises TrainingDataError without pairs."""

    def wanted(identity: str) -> bool:
        return identities is None or identity in identities

    rows = [row for row in found_rows(crops) if wanted(crops.dataset.photos[row].identity)]
    names = [crops.dataset.photos[row].identity for row in rows]
    absent = [photo.identity for photo in _photos_not_found(crops) if wanted(photo.identity)]
    if len(set(names)) < 2 or len(set(names)) == len(names):
        raise TrainingDataError(
            f"{crops.dataset.name} has no pairs to judge. Give two people or more, some of them in two photos."
        )
    embeddings = embed_rows(crops, rows, embed)
    scales = None if scale is None else _scales_of(embeddings, scale)
    return NamedFaces("folders", crops.dataset.name, embeddings, names, absent, scales), np.array(rows)


def choose_searches(photos: Sequence[TrainingPhoto], people: int, seed: int) -> list[Search]:
    """Two different photos of each of `people` people with two or more, chosen by the seed, in the order of names."""
    ordered = sorted(photos, key=lambda photo: (photo.identity, photo.path))
    try:
        drawn = draw_searches([photo.identity for photo in ordered], people, seed)
    except ValueError as error:
        raise TrainingDataError(f"{error}. Ask for fewer.") from error
    return [Search(ordered[gallery].identity, ordered[gallery], ordered[probe]) for gallery, probe in drawn]


def evaluate_identification(crops: CropSet, embed: Embed, people: int = 200, seed: int = 1) -> Identification:
    """Look people up by one photo in a gallery of one other photo each."""
    photos = sorted([*crops.dataset.photos, *(photo for photo, _ in crops.dropped)], key=lambda photo: photo.path)
    searches = choose_searches(photos, people, seed)
    row_of = {crops.dataset.photos[row].path: row for row in found_rows(crops)}
    photos = [search.gallery for search in searches] + [search.probe for search in searches]
    rows = np.array([row_of.get(photo.path, NOT_FOUND) for photo in photos])
    gallery, probes = np.split(_embeddings_or_nan(crops, rows, embed), 2)
    return identify(gallery, probes)


def _embeddings_or_nan(crops: CropSet, rows: NDArray[np.int64], embed: Embed) -> NDArray[np.float64]:
    """Embeddings of these rows, NaN where they are NOT_FOUND: float64 (len(rows), D)."""
    found = rows != NOT_FOUND
    if not found.any():
        return np.full((len(rows), 1), np.nan)
    known = embed_rows(crops, rows[found], embed)
    embeddings = np.full((len(rows), known.shape[1]), np.nan)
    embeddings[found] = known
    return embeddings


def embed_rows(crops: CropSet, rows: Sequence[int] | NDArray[np.int64], embed: Embed) -> NDArray[np.float64]:
    """Embeddings of these rows, float64 (len(rows), D), computed EMBED_BATCH crops at a time."""
    chunks = [np.asarray(rows[start : start + EMBED_BATCH]) for start in range(0, len(rows), EMBED_BATCH)]
    return np.concatenate([np.asarray(embed(np.asarray(crops.crops[chunk])), dtype=np.float64) for chunk in chunks])


def _scales_of(embeddings: NDArray[np.float64], scale: Scale) -> Floats:
    """Local scales, (N,); 1 where no face was found."""
    found = ~np.isnan(embeddings).any(axis=1)
    scales = np.ones(len(embeddings), np.float32)
    if found.any():
        scales[found] = scale(embeddings[found].astype(np.float32))
    return scales


def found_rows(crops: CropSet) -> list[int]:
    """The rows whose face was found, or that were already crops."""
    return [row for row, origin in enumerate(crops.origins) if origin != "fallback"]


def _photos_not_found(crops: CropSet) -> list[TrainingPhoto]:
    fallback = [
        photo for photo, origin in zip(crops.dataset.photos, crops.origins, strict=True) if origin == "fallback"
    ]
    return [*fallback, *(photo for photo, _ in crops.dropped)]
