"""Where a distance lies among the pairs of faces that a library's owner has named. Reads embeddings, never a photo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesearch.library import Library

MOST_FACES = 2000
"""Drawn from the named ones by a fixed seed where there are more: two million pairs."""

FEWEST_PAIRS = 50
"""Of either kind: fewer say too little about where a distance lies."""

BINS = 40
_SEED = 1


@dataclass(frozen=True, eq=False)
class PairsAround:
    """The library's own pairs, and a distance among them. Plain values, ready for JSON."""

    # people, faces: whose pairs they are
    people: int
    faces: int
    # genuine_pairs, impostor_pairs: of one person, of two people
    genuine_pairs: int
    impostor_pairs: int
    genuine_farther: float  # the share of genuine pairs that lie farther apart than the distance
    impostor_nearer: float  # the share of impostor pairs that lie as near
    # edges, genuine, impostor: both histograms, pairs a bin
    edges: tuple[float, ...]
    genuine: tuple[int, ...]
    impostor: tuple[int, ...]


def pairs_around(library: Library, distance: float, bins: int = BINS) -> PairsAround | None:
    """All pairs of the named faces, or of MOST_FACES of them; None where they are too few of either kind.

    bins: of both histograms. Distances are those of the library's space. To be called inside a snapshot.
    """
    named = [person_id for person_id, name in library.people.names().items() if name is not None]
    without = library.added.without_embedding()
    faces = sorted(each for each in library.people.faces_of(named) if each[0] not in without)
    if len(faces) > MOST_FACES:
        drawn = np.random.default_rng(_SEED).permutation(len(faces))[:MOST_FACES]
        faces = [faces[place] for place in sorted(drawn.tolist())]
    if len(faces) < 2:
        return None
    places = library.places.of([face_id for face_id, _ in faces])
    people = np.array([person_id for _, person_id in faces])
    first, second = np.triu_indices(len(faces), 1)
    distances = places.distances_to(places)[first, second]
    is_genuine = people[first] == people[second]
    if min(is_genuine.sum(), (~is_genuine).sum()) < FEWEST_PAIRS:
        return None
    counts = (len(set(people.tolist())), len(faces))
    return _around(distance, distances[is_genuine], distances[~is_genuine], counts, bins)


def _around(
    distance: float,
    genuine: NDArray[np.float32],
    impostor: NDArray[np.float32],
    counts: tuple[int, int],
    bins: int,
) -> PairsAround:
    edges = np.linspace(0, max(float(genuine.max()), float(impostor.max()), distance) * 1.02, bins + 1)
    return PairsAround(
        people=counts[0],
        faces=counts[1],
        genuine_pairs=len(genuine),
        impostor_pairs=len(impostor),
        genuine_farther=float((genuine > distance).mean()),
        impostor_nearer=float((impostor <= distance).mean()),
        edges=tuple(edges.tolist()),
        genuine=tuple(np.histogram(genuine, edges)[0].tolist()),
        impostor=tuple(np.histogram(impostor, edges)[0].tolist()),
    )
