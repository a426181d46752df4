"""The face that stands for a person: a typical one, and of these the best to look at.

A face that is not the person's, or that hardly shows them, lies far from their others; among those that lie near, the
quality decides. Reads rows only.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

import numpy as np

from facesearch.evaluation.distance import row_distances
from facesearch.library import Library
from facesearch.records import Floats

_SAMPLED_FACES = 64  # of a person, evenly through their ids, among which the cover is looked for
_REMEMBERED = 100_000  # covers, some 20 MB
_PEOPLE_AT_ONCE = 256
_ROUNDS = 50
_LEAST = 1e-300  # instead of a zero to divide by
_SETTLED = 1e-6


def cover_faces(library: Library, person_ids: Iterable[int]) -> dict[int, int]:
    """The cover of each person: person id -> face id, without people who have no face. The chosen one, if there is one.

    Otherwise takes 64 to 127 faces of the person at most, of these the half nearer to their geometric median, and of
    this half the face of best quality; of equally good faces the nearest. A face of unknown quality counts as the
    poorest. If no face has an embedding, it is the first. Call it inside a `snapshot`. A process remembers covers: for
    people whose faces have not changed, each costs one query.
    """
    chosen = library.people.chosen_covers(person_ids := list(person_ids))
    models = library.models
    which = (library.library_id, models.tower, models.detector, library.space.digest)
    faces = library.face_owners.face_digests(set(person_ids) - set(chosen))
    keys = {person_id: (*which, person_id, digest) for person_id, digest in faces.items()}
    found = {person_id: _remembered[key] for person_id, key in keys.items() if key in _remembered}
    wanted = set(faces) - set(found)
    new = _best_faces(library, wanted)
    new |= library.face_owners.first_faces(wanted - set(new))
    for person_id, face_id in new.items():
        _remembered[keys[person_id]] = face_id
    while len(_remembered) > _REMEMBERED:
        _remembered.popitem(last=False)
    return found | new | chosen


_remembered: OrderedDict[tuple[object, ...], int] = OrderedDict()


def _best_faces(library: Library, person_ids: Iterable[int]) -> dict[int, int]:
    """The covers that nobody chose, by person id."""
    samples = library.face_owners.sampled_rows(person_ids, _SAMPLED_FACES)
    by_size = sorted(samples.items(), key=lambda item: len(item[1].face_ids))
    found = {}
    for start in range(0, len(by_size), _PEOPLE_AT_ONCE):
        part = by_size[start : start + _PEOPLE_AT_ONCE]
        places = [library.space.map(sample.embeddings) for _, sample in part]
        for (person_id, sample), own, middle in zip(part, places, geometric_medians(places), strict=True):
            distances = row_distances(own, middle)
            order = np.argsort(distances, kind="stable")[: (len(distances) + 1) // 2]
            qualities = np.nan_to_num(sample.qualities[order], nan=-1.0)
            found[person_id] = int(sample.face_ids[order[np.argmax(qualities)]])
    return found


def geometric_median(places: Floats) -> Floats:
    """The point with the least sum of distances to some others: float32 (N, D) -> float32 (D,)."""
    median: Floats = geometric_medians([places])[0]
    return median


def geometric_medians(groups: Sequence[Floats]) -> Floats:
    """Of each group of places the point with the least sum of distances to them: float32 (N, D) each, of one place or
    more -> float32 (groups, D). Source: Weiszfeld 1937; a point that the search lands on is left out of the step, as
    Vardi and Zhang 2000 do."""
    counts = np.array([len(places) for places in groups])
    is_there = (
        np.arange(counts.max()) < counts[:, None]
    )  # groups are as long as the longest, by points that do not count
    points = np.zeros((*is_there.shape, groups[0].shape[1]))
    points[is_there] = np.concatenate(groups)
    middles = points.sum(axis=1) / counts[:, None]
    going = np.arange(len(groups))
    for _ in range(_ROUNDS):
        offsets = points[going] - middles[going, None]
        far = np.linalg.norm(offsets, axis=2)
        apart = is_there[going] & (far > _SETTLED)
        weights = np.where(apart, 1 / np.maximum(far, _SETTLED), 0)
        pull = (weights[:, None] @ offsets)[:, 0]
        strength = np.maximum(np.linalg.norm(pull, axis=1), _LEAST)
        held = is_there[going].sum(axis=1) - apart.sum(axis=1)
        reach = np.maximum(0, 1 - held / strength) / np.maximum(weights.sum(axis=1), _LEAST)
        step = pull * reach[:, None]
        middles[going] += step
        going = going[np.linalg.norm(step, axis=1) >= _SETTLED]
        if not len(going):
            break
    found: Floats = middles.astype(np.float32)
    return found
