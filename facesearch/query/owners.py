"""Whose the near faces without a person are likely to be: what speaks for such a face speaks for its likely owner too.

Otherwise a face that nobody has named yet would beat the person it shows, who would then seem to be somebody else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facesearch.evaluation.calibration import Calibration
from facesearch.evaluation.places import Places
from facesearch.library import Library
from facesearch.query.candidates import Group, Within
from facesearch.query.loose import LooseFaces
from facesearch.query.ranking import Belief, Contenders, beliefs, person_distances
from facesearch.records import Values

_LEAST = 0.01  # a face that is less likely than this gives nothing that an answer would show
_MOST = 16  # faces, or groups of them, the likeliest first
_MEMBERS = 64  # of a group, who are looked at for what bars a person from it


@dataclass(frozen=True, eq=False)
class LooseShares:
    """What the near faces without a person give the people near a probe, who they may show."""

    library: Library
    people: Mapping[int, Places]  # of each of them, places of their faces
    known: Mapping[Group, tuple[int, Places]]  # how many faces they have, and the middle of those
    loose: LooseFaces
    calibration: Calibration
    hypotheses: int  # as for `beliefs`
    prior: float

    def given(self, near: Within, belief: Belief) -> Belief:
        """A belief in which each face without a person gives people the share of its probability that is theirs: how
        likely it is that it shows them, by Bayes as in `ranking`. Call it inside a snapshot.

        Nobody gets the share of a face that was rejected for them, or that is on one picture with a face of theirs.
        """
        who = [each.face.person_id for each in near.candidates]
        rows = [row for row, person in enumerate(who) if person in self.people]
        likely = np.argsort(-belief.posterior, kind="stable")[:_MOST].tolist()
        faces = [row for row in likely if who[row] is None and belief.posterior[row] >= _LEAST]
        if not rows or not faces:
            return belief
        owners = [person for row in rows if (person := who[row]) is not None]
        posterior, alone = belief.posterior.copy(), belief.alone.copy()
        for row in faces:
            shares = self._shares(near.candidates[row].group, owners)
            for values in (posterior, alone):
                given = values[row] * shares
                values[rows] += given
                values[row] -= given.sum()
        return Belief(posterior, belief.nobody, alone, belief.nobody_alone)

    def _shares(self, group: Group, owners: Sequence[int]) -> Values:
        """How likely the faces of a group, which are one person's, show each of the people (P,), by the mean of their
        distances."""
        members = self.loose.members.get(group, (group[1],))
        faces = self.loose.places[group] if group in self.loose.places else self.library.places.of(members)
        distances, counts = list[float](), list[int]()
        for person in owners:
            count, middle = self.known["person", person]
            nearest = faces.distances_to(self.people[person]).min(axis=1).astype(np.float64)
            prototype = faces.distances_to(middle)[:, 0].astype(np.float64) if count > 1 else nearest
            distances.append(float(person_distances(nearest, prototype).mean()))
            counts.append(count)
        contenders = Contenders(owners, np.array(distances, np.float64), np.array(counts, np.int64), np.inf)
        barred = self._barred(members[:_MEMBERS])
        allowed = np.array([person not in barred for person in owners])
        return np.asarray(beliefs([contenders], self.calibration, self.hypotheses, self.prior)[0].posterior * allowed)

    def _barred(self, members: Sequence[int]) -> set[int]:
        """The people who one of these faces was rejected for, or who have a face on the same picture."""
        rejected = {person for face_id in members for person in self.library.people.rejected_people(face_id)}
        faces = self.library.catalog.faces(members).values()
        pictures = {face.picture for face in faces}
        beside = self.library.catalog.faces_in({face.photo_id for face in faces})
        return rejected | {each.person_id for each in beside if each.person_id is not None and each.picture in pictures}
