"""The face that stands for a person: a typical one, and of these the best to look at.

A face that is not the person's, or that hardly shows them, lies far from their others; among those that lie near, the
quality decides. Reads rows only.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import numpy as np

from facesearch.evaluation.distance import row_distances
from facesearch.library import Library
from facesearch.records import Floats

_SAMPLED_FACES = 64  # of a person, evenly through their ids, among which the cover is looked for
_REMEMBERED = 100_000  # covers, some 20 MB
_ROUNDS = 50
_SETTLED = 1e-6


def cover_faces(library: Library, person_ids: Iterable[int]) -> dict[int, int]:
    """The cover of each person, a face id, by person id; nothing for people without a face. The one that was chosen,
    if any; else the best by itself.

    Of at most 64 to 127 of their faces, the nearer half to their geometric median, and of these the one of the best
    quality; of equally good ones the nearest. A face without a known quality counts as the poorest. Of somebody whose
    faces have no embeddings it is the first. Read it inside a `snapshot`. A process remembers covers: those of people
    whose faces are still the same cost a query each.
    """
    chosen = library.people.chosen_covers(person_ids := list(person_ids))
    models = library.models
    which = (library.library_id, models.tower, models.detector, library.space.digest)
    faces = library.people.face_digests(set(person_ids) - set(chosen))
    keys = {person_id: (*which, person_id, digest) for person_id, digest in faces.items()}
    found = {person_id: _remembered[key] for person_id, key in keys.items() if key in _remembered}
    new = _best_faces(library, set(faces) - set(found))
    for person_id, face_id in new.items():
        _remembered[keys[person_id]] = face_id
    while len(_remembered) > _REMEMBERED:
        _remembered.popitem(last=False)
    return found | new | chosen


_remembered: OrderedDict[tuple[object, ...], int] = OrderedDict()


def _best_faces(library: Library, person_ids: set[int]) -> dict[int, int]:
    """The covers that nobody chose, by person id."""
    found = {}
    space = library.space
    for person_id, sample in library.people.sampled_rows(person_ids, _SAMPLED_FACES).items():
        places = space.map(sample.embeddings)
        distances = row_distances(places, geometric_median(places))
        order = np.argsort(distances, kind="stable")[: (len(distances) + 1) // 2]
        qualities = np.nan_to_num(sample.qualities[order], nan=-1.0)
        found[person_id] = int(sample.face_ids[order[np.argmax(qualities)]])
    return library.added.first_of(person_ids - found.keys()) | found


def geometric_median(places: Floats) -> Floats:
    """The point with the least sum of distances to some others: float32 (N, D) -> float32 (D,). Source: Weiszfeld 1937;
    a point that the search lands on is left out of the step, as Vardi and Zhang 2000 do."""
    points = np.asarray(places, np.float64)
    middle = points.mean(axis=0)
    for _ in range(_ROUNDS):
        far = np.linalg.norm(points - middle, axis=1)
        apart = far > _SETTLED
        if not apart.any():
            break
        weights = 1 / far[apart]
        pull = weights @ (points[apart] - middle)
        held = float((~apart).sum())
        strength = float(np.linalg.norm(pull))
        step = pull / weights.sum() * max(0.0, 1 - held / strength if strength else 0.0)
        middle = middle + step
        if np.linalg.norm(step) < _SETTLED:
            break
    return np.asarray(middle, np.float32)
