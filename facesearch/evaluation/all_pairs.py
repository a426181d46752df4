"""The figures of all pairs of a set of faces, by their embeddings and names; counted, not listed (see pair_counts)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facesearch.evaluation import metrics
from facesearch.evaluation.calibration import Calibration
from facesearch.evaluation.pair_counts import PairCounts, count_pairs, longest_distance, missed_pairs
from facesearch.evaluation.report import Identification, Report, roc_figures
from facesearch.evaluation.search import identify_people
from facesearch.records import Floats

FOLDS = 10
_SEED = 1


@dataclass(frozen=True, eq=False)
class NamedFaces:
    """The faces of a protocol."""

    protocol: str
    dataset: str
    embeddings: NDArray[np.float64]  # float64 (N, D)
    names: Sequence[str]  # N
    absent: Sequence[str] = field(default=())  # the person on each photo without a face
    # local scales (N,), by which distances are judged (see cohort); None for plain distances
    scales: Floats | None = None

    @property
    def numbers(self) -> NDArray[np.int64]:
        """A number for each name: int64 (N,)."""
        return np.unique(self.names, return_inverse=True)[1].astype(np.int64)

    @property
    def has_pairs(self) -> bool:
        """Whether there are genuine and impostor pairs."""
        return 1 < len(set(self.names)) < len(self.names)


def report_all_pairs(
    faces: NamedFaces, threshold: float, calibration: Calibration | None = None
) -> tuple[Report, metrics.RocCurve]:
    """The figures of all pairs. Raises ValueError if either kind of pair is missing.

    A face that was not found is never accepted as anyone's: its genuine pairs are errors, its impostor pairs count
    among all impostor pairs as rejected. (Taken as accepted, as LFW's are, one such photo in a hundred would make
    every impostor share below 2 % unreachable.)
    """
    if not faces.has_pairs:
        raise ValueError("two people or more are needed, some of them in two photos")
    numbers = faces.numbers
    counts = count_pairs(faces.embeddings, numbers, threshold, scales=faces.scales)
    missed = missed_pairs(faces.names, faces.absent)
    roc = _roc(counts, missed)
    report = Report(
        protocol=faces.protocol,
        dataset=faces.dataset,
        photos=len(faces.names) + len(faces.absent),
        photos_not_found=len(faces.absent),
        pairs_not_found=sum(missed),
        accuracy=_accuracy_by_folds(faces),
        accuracy_at_threshold=(counts.right_at_threshold + missed[1]) / (roc.genuine_pairs + roc.impostor_pairs),
        genuine_distance=counts.sums[0] / int(counts.genuine.sum()),
        impostor_distance=counts.sums[1] / int(counts.impostor.sum()),
        identification=_identification(faces),
        **roc_figures(roc, threshold, calibration),
    )
    return report, roc


def _roc(counts: PairCounts, missed: tuple[int, int]) -> metrics.RocCurve:
    edges = np.append(counts.edges, np.inf)
    return metrics.roc_from_counts(edges, np.append(counts.genuine, missed[0]), np.append(counts.impostor, missed[1]))


def _accuracy_by_folds(faces: NamedFaces) -> metrics.FoldedAccuracy | None:
    """Accuracy with both kinds weighed alike, on the pairs within each fold of people, at the best threshold of the
    pairs within the other folds. None where there are not two people with two photos for each of two folds."""
    folds = _folds_of_people(faces)
    if len(folds) < 2:
        return None
    longest = longest_distance(faces.embeddings, faces.scales)
    numbers = faces.numbers
    counted = []
    for people in folds:
        rows = [row for row, name in enumerate(faces.names) if name in people]
        scales = None if faces.scales is None else faces.scales[rows]
        counts = count_pairs(faces.embeddings[rows], numbers[rows], 0.0, longest, scales)
        absent = [name for name in faces.absent if name in people]
        missed = missed_pairs([faces.names[row] for row in rows], absent)
        counted.append((np.append(counts.genuine, missed[0]), np.append(counts.impostor, missed[1])))
    edges = np.append(counts.edges, np.inf)
    totals = [np.sum([kinds[kind] for kinds in counted], axis=0) for kind in (0, 1)]
    accuracies, thresholds = [], []
    for genuine, impostor in counted:
        others = metrics.roc_from_counts(edges, totals[0] - genuine, totals[1] - impostor)
        chosen = metrics.best_threshold(others, balanced=True).distance
        own = metrics.roc_from_counts(edges, genuine, impostor)
        thresholds.append(chosen)
        accuracies.append(float(own.balanced_accuracy[own.point_at(chosen)]))
    return metrics.FoldedAccuracy(tuple(accuracies), tuple(thresholds))


def _folds_of_people(faces: NamedFaces) -> list[set[str]]:
    """The people in up to ten folds, drawn by a fixed seed, each with two people of two photos or more."""
    found = Counter(faces.names)
    kinds: tuple[list[str], list[str]] = ([], [])
    for name in sorted({*faces.names, *faces.absent}):
        kinds[found[name] < 2].append(name)
    folds: list[set[str]] = [set() for _ in range(min(FOLDS, len(kinds[0]) // 2))]
    rng = np.random.default_rng(_SEED)
    for people in kinds:
        for place, number in enumerate(rng.permutation(len(people))):
            if folds:
                folds[place % len(folds)].add(people[number])
    return folds


def _identification(faces: NamedFaces) -> Identification | None:
    missing = np.full((len(faces.absent), faces.embeddings.shape[1]), np.nan)
    scales = None if faces.scales is None else np.append(faces.scales, np.ones(len(faces.absent), np.float32))
    return identify_people([*faces.names, *faces.absent], np.concatenate([faces.embeddings, missing]), scales)
