"""Faces near a probe that have no person yet, but look like one person: they count as evidence for one another.

Only in this answer: nothing is kept, and nobody is named. `people group` demands more before it keeps a group.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from facesearch.evaluation.places import Places
from facesearch.library import Library
from facesearch.query.candidates import Candidate, Group, Within, by_person, nearest_groups
from facesearch.records import Ints, StoredFace, Values

_MOST_FACES = 256  # of those without a person, the nearest are compared with one another; the others with the groups
_ROUNDS = 3  # of searching farther where faces that are one person left fewer people than were asked for


@dataclass(frozen=True, eq=False)
class LooseFaces:
    """The faces that are taken together, by the group that stands for them: ("face", the lowest of their ids)."""

    places: dict[Group, Places] = field(default_factory=dict)  # where the nearest faces of a group lie
    faces: dict[Group, int] = field(default_factory=dict)  # how many they are
    photos: dict[Group, int] = field(default_factory=dict)  # on how many photos
    members: dict[Group, tuple[int, ...]] = field(default_factory=dict)  # their ids

    @property
    def merged(self) -> int:
        """How many fewer people there are than if each face were another person."""
        return sum(faces - 1 for faces in self.faces.values())


def nearest_people(library: Library, places: Sequence[Places], k: int) -> tuple[list[Within], LooseFaces]:
    """The people within reach of each face of a probe, the k nearest certainly, with faces that have no person taken
    together where they are one by the mean of their distances. Call it inside a snapshot.

    Two faces on one photo, or in one frame of a video, are two people.
    """
    wanted = k
    for _ in range(_ROUNDS):
        found = [nearest_groups(library, place, wanted, by_person) for place in places]
        loose = _taken_together(library, found)
        within = [_merged(near, loose[0]) for near in found]
        if all(len(near.candidates) >= k or math.isinf(near.reach) for near in within):
            break
        wanted *= 4
    return within, loose[1]


def _taken_together(library: Library, found: Iterable[Within]) -> tuple[dict[int, Group], LooseFaces]:
    """The group of each face that is taken together with others, and these groups."""
    near: dict[int, tuple[float, StoredFace]] = {}
    for within in found:
        for each in within.candidates:
            if each.face.person_id is None:
                distance = min(each.distance, near[each.face.face_id][0] if each.face.face_id in near else math.inf)
                near[each.face.face_id] = distance, each.face
    order = sorted(near, key=lambda face_id: (near[face_id][0], face_id))
    ids = np.array(sorted(order[:_MOST_FACES]), np.int64)
    if len(ids) < 2:
        return {}, LooseFaces()
    places = library.places.of(ids.tolist())
    pictures = np.array([near[face_id][1].picture for face_id in ids.tolist()], np.int64)
    labels = average_linkage(places.distances_to(places).astype(np.float64), pictures, library.threshold)
    groups, loose, members = dict[int, Group](), LooseFaces(), dict[Group, set[StoredFace]]()
    for label in np.unique(labels).tolist():
        rows = np.flatnonzero(labels == label)
        if len(rows) > 1:
            group = "face", int(ids[rows[0]])
            groups.update(dict.fromkeys(ids[rows].tolist(), group))
            loose.places[group], loose.faces[group] = places[rows], len(rows)
            members[group] = {near[face_id][1] for face_id in ids[rows].tolist()}
    others = order[_MOST_FACES:]
    if others and members:
        middles = [each.middle() for each in loose.places.values()]
        points, scales = np.concatenate([m.points for m in middles]), np.concatenate([m.scales for m in middles])
        to_groups = library.places.of(others).distances_to(Places(points, scales))
        for face_id, row in zip(others, to_groups, strict=True):
            group, face = list(members)[int(np.argmin(row))], near[face_id][1]
            if row.min() <= library.threshold and face.picture not in {each.picture for each in members[group]}:
                groups[face_id] = group
                loose.faces[group] += 1
                members[group].add(face)
    loose.members.update({group: tuple(sorted(face.face_id for face in own)) for group, own in members.items()})
    loose.photos.update({group: len({face.photo_id for face in own}) for group, own in members.items()})
    return groups, loose


def average_linkage(distances: Values, photos: Ints, threshold: float) -> Ints:
    """Which of N faces are one person: int64 (N,), the lowest row of each group.

    distances: (N, N). The two groups with the least mean distance are merged, again and again, up to the threshold;
    groups with faces on one photo, (N,), never are.
    """
    labels, sizes = np.arange(len(distances)), np.ones(len(distances))
    distances, means = distances.copy(), distances.copy()
    apart = photos[:, None] == photos
    means[apart | np.eye(len(means), dtype=bool)] = np.inf
    forbidden = apart & ~np.eye(len(means), dtype=bool)
    while len(means) > 1:
        low, high = sorted(divmod(int(np.argmin(means)), len(means)))
        if not means[low, high] <= threshold:
            break
        rows = distances[low] * sizes[low] + distances[high] * sizes[high]
        sizes[low] += sizes[high]
        distances[low] = distances[:, low] = rows / sizes[low]
        forbidden[low] |= forbidden[high]
        forbidden[:, low] |= forbidden[:, high]
        means[low] = np.where(forbidden[low], np.inf, distances[low])
        means[low, labels != np.arange(len(labels))] = np.inf
        means[low, low] = np.inf
        means[:, low] = means[low]
        means[high] = means[:, high] = np.inf
        labels[labels == labels[high]] = labels[low]
    return labels


def _merged(within: Within, groups: dict[int, Group]) -> Within:
    """The nearest face of each group alone."""
    first: dict[Group, Candidate] = {}
    for each in within.candidates:
        group = groups.get(each.face.face_id) if each.face.person_id is None else None
        first.setdefault(group or each.group, each if group is None else replace(each, group=group))
    return Within(tuple(first.values()), within.reach)
