"""Likely mistakes among the people of a library, the likeliest first, each with the command that would mend it.

Four kinds: a person twice on one photo, a face that fits others better than its own person, two people who look like
one, and a photo that was taken before the person was born. Suggests, and refuses to change anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property

import numpy as np

from facesearch.library import Library
from facesearch.library.changes import PersonRow
from facesearch.people.likeness import Fits, Likeness
from facesearch.people.sources import CONFIRMED
from facesearch.people.suspect import KINDS, Suspect, worded
from facesearch.records import Ints, Values

# Evidence is a natural logarithm of odds. Faces of a person are less independent than the model takes them for, so its
# logarithms count less; both shares were chosen on mistakes planted among LFW's people of fold 6.
_SHARE_OF_FACES, _SHARE_OF_PEOPLE = 0.7, 0.5
_WRONG = 0.01  # faces in a library that are at the wrong person, before anything is looked at
_STRANGER = 0.5  # of these: at somebody who has no other face in the library
_TWICE_WRONG = 0.95  # a person twice on one photo; the others are mirrors, pictures on walls and collages
_UNBORN = 10.0  # clocks of cameras are wrong now and then
_TOGETHER = 3.0  # what it weighs against two people being one that they are on a photo together
_NEAREST = 3  # a distance to a person is the mean to so many of their nearest faces


@dataclass(frozen=True)
class SuspectList:
    """The likeliest mistakes first."""

    suspects: tuple[Suspect, ...]
    found: dict[str, int]  # how many there are by kind
    # faces, people: how many were looked at
    faces: int
    people: int
    photos_dated: int  # photos of people with a date of birth that have a date themselves
    photos_undated: int  # those without a date


def find_suspects(library: Library, top: int | None = 20) -> SuspectList:
    """The `top` likeliest mistakes, or all.

    Faces that were confirmed are not mistakes. Faces are measured in the library's space. No photo is read.
    """
    with library.snapshot():
        search = _Search(library)
        found = [*search.alike(), *_once([*search.unborn(), *search.twice(), *search.strays()])]
        confirmed = library.people.faces_by(CONFIRMED)
        found = [each for each in found if each.face_id not in confirmed]
        found.sort(key=lambda each: (-each.evidence, each.person_id, each.face_id or 0))
        said = tuple(search.told(each) for each in found[:top])
    by_kind = {kind: sum(each.kind == kind for each in found) for kind in KINDS}
    return SuspectList(said, by_kind, len(search.face_ids), len(search.rows), *search.dates)


@dataclass(eq=False)
class _Search:
    """The faces of people, as rows of arrays, and what has been found about them. Where a face has no embedding, only
    its photo says something."""

    library: Library
    dates: list[int] = field(default_factory=lambda: [0, 0])  # photos dated, undated

    def __post_init__(self) -> None:
        people = self.library.people
        ids, places = self.library.places.all()
        self.face_ids, self.photos, self.pictures, self.owners = self.library.face_owners.members()
        self.embedded = np.flatnonzero(np.isin(self.face_ids, ids))  # rows
        self.at = np.full(len(self.face_ids), -1, np.int64)  # the place of each row among these
        self.at[self.embedded] = np.arange(len(self.embedded))
        self.places = places[np.searchsorted(ids, self.face_ids[self.embedded])]
        self.rows: dict[int, PersonRow] = people.all_rows()
        self.rejected = people.rejections()
        self.shown = set(zip(self.pictures.tolist(), self.owners.tolist(), strict=True))  # who is on which picture

    @cached_property
    def likeness(self) -> Likeness:
        return Likeness(self.places, self.owners[self.embedded], self.library.threshold)

    def twice(self) -> Iterator[Suspect]:
        """The faces of a person on one photo, or frame of a video, but for the one that fits best."""
        order = np.lexsort((self.face_ids, self.pictures, self.owners))
        same = (np.diff(self.owners[order]) == 0) & (np.diff(self.pictures[order]) == 0)
        for group in np.split(order, np.flatnonzero(~same) + 1):
            if len(group) < 2:
                continue
            fit = self._fit_on_photo(group)
            best, *others = group[np.argsort(-fit, kind="stable")].tolist()
            for row in others:
                own = float(fit[group == row][0])
                doubt = _SHARE_OF_FACES * own if np.isfinite(own) else 0.0
                evidence = float(np.log(_TWICE_WRONG / (1 - _TWICE_WRONG))) - doubt
                yield replace(self._of_face("twice", row, evidence), other_face_id=int(self.face_ids[best]))

    def _fit_on_photo(self, group: Ints) -> Values:
        """How well faces of one person on one photo fit that person's others; those without an embedding come last."""
        fit = np.full(len(group), -np.inf)
        known = self.at[group] >= 0
        if known.any():
            places = self.at[group[known]]
            companions = np.roll(places, 1) if len(places) > 1 else None
            fit[known] = np.nan_to_num(self.likeness.own_fit(places, companions))
        return fit

    def strays(self) -> Iterator[Suspect]:
        """Faces that look more like somebody else than like their person."""
        if not len(self.embedded):
            return
        for places, fits in self.likeness.fits():
            rows = self.embedded[places]
            for at in np.flatnonzero(_evidence(self._weights(fits), fits.own) > 0).tolist():
                row, weights = int(rows[at]), self._possible(int(rows[at]), fits.others[at], self._weights(fits, at))
                evidence = float(_evidence(weights, fits.own[at : at + 1])[0])
                if evidence > 0:
                    suspect, best = self._of_face("stray", row, evidence), int(np.argmax(weights))
                    if best < fits.others.shape[1]:
                        suspect = replace(suspect, other_person_id=int(self.likeness.people[fits.others[at, best]]))
                    yield suspect

    def _weights(self, fits: Fits, at: int | None = None) -> Values:
        """How likely each other person is, beforehand and by the face, and last a stranger: logarithms of odds against
        the face's own person beforehand, (n, others + 1)."""
        to_others = fits.to_others if at is None else fits.to_others[at : at + 1]
        known = _SHARE_OF_FACES * to_others + np.log(_WRONG * (1 - _STRANGER) / len(self.likeness.people))
        stranger = np.full((len(known), 1), np.log(_WRONG * _STRANGER))
        weights: Values = np.concatenate([known, stranger], axis=1) - np.log(1 - _WRONG)
        return weights

    def _possible(self, row: int, others: Ints, weights: Values) -> Values:
        """The weights of a face, without people who are on its photo already and people it was rejected from."""
        for column in np.flatnonzero(np.isfinite(weights[0, :-1])).tolist():
            person = int(self.likeness.people[others[column]])
            if (int(self.pictures[row]), person) in self.shown or (int(self.face_ids[row]), person) in self.rejected:
                weights[0, column] = -np.inf
        return weights

    def alike(self) -> Iterator[Suspect]:
        """People who are likelier one than two, unless somebody has said that they are two."""
        if not len(self.embedded):
            return
        people, best = self.likeness.people, {}
        for first, second, ratio in self.likeness.alike():
            evidence = _SHARE_OF_PEOPLE * ratio - np.log(len(people))
            if evidence > 0:
                best[int(people[first]), int(people[second])] = evidence
        photos = self._photos_of({person for pair in best for person in pair})
        told_apart = self._told_apart()
        for (first, second), ratio in best.items():
            evidence = float(ratio - _TOGETHER * len(photos[first] & photos[second]))
            if evidence > 0 and (first, second) not in told_apart and (second, first) not in told_apart:
                named, other = (second, first) if self._name(first) is None and self._name(second) else (first, second)
                yield Suspect("alike", evidence, named, self._name(named), other_person_id=other)

    def unborn(self) -> Iterator[Suspect]:
        """Faces on photos that are older than their person. A file's time, mostly that of a copy, does not count."""
        born = {person: date.fromisoformat(row.born) for person, row in self.rows.items() if row.born is not None}
        rows = np.flatnonzero(np.isin(self.owners, list(born)))
        photos = {int(photo) for photo in self.photos[rows]}
        taken = self.library.dates.of(photos).items()
        days = {photo: date.fromisoformat(each.at[:10]) for photo, each in taken if each.source != "file"}
        self.dates = [len(days), len(photos) - len(days)]
        for row in rows.tolist():
            day = days.get(int(self.photos[row]))
            if day is not None and day < born[int(self.owners[row])]:
                yield replace(self._of_face("unborn", row, _UNBORN), taken=day.isoformat())

    def told(self, suspect: Suspect) -> Suspect:
        """A suspect with names, distances, its photo, the reason and the command."""
        other = suspect.other_person_id
        suspect = replace(suspect, other_name=None if other is None else self._name(other))
        if suspect.face_id is None:
            assert other is not None
            apart = self._between(suspect.person_id, other)
            return worded(replace(suspect, distance=apart), self.rows[suspect.person_id])
        row = int(np.searchsorted(self.face_ids, suspect.face_id))
        where = self.library.catalog.photo_paths([int(self.photos[row])]).get(int(self.photos[row]))
        suspect = replace(
            suspect,
            photo=None if where is None else where.path,
            span=self.library.catalog.faces([suspect.face_id])[suspect.face_id].span,
            distance=self._to_person(row, suspect.person_id),
            other_distance=None if other is None else self._to_person(row, other),
        )
        return worded(suspect, self.rows[suspect.person_id])

    def _of_face(self, kind: str, row: int, evidence: float) -> Suspect:
        person = int(self.owners[row])
        return Suspect(kind, evidence, person, self._name(person), int(self.face_ids[row]))

    def _name(self, person: int) -> str | None:
        return self.rows[person].name

    def _photos_of(self, people: set[int]) -> defaultdict[int, set[int]]:
        photos: defaultdict[int, set[int]] = defaultdict(set)
        for photo, person in self.shown:
            if person in people:
                photos[person].add(photo)
        return photos

    def _told_apart(self) -> set[tuple[int, int]]:
        """Pairs of people where a face of one was rejected from the other."""
        whose = dict(zip(self.face_ids.tolist(), self.owners.tolist(), strict=True))
        return {(whose[face], person) for face, person in self.rejected if face in whose}

    def _to_person(self, row: int, person: int) -> float | None:
        """The mean distance of a face to the nearest faces of a person on other photos."""
        rows = np.flatnonzero((self.owners == person) & (self.photos != self.photos[row]) & (self.at >= 0))
        if not len(rows) or self.at[row] < 0:
            return None
        distances = np.sort(self.places[self.at[[row]]].distances_to(self.places[self.at[rows]])[0])
        return round(float(distances[:_NEAREST].mean()), 4)

    def _between(self, first: int, second: int) -> float:
        """The mean distance between the faces of two people, of many a sample."""
        one, two = (np.flatnonzero(self.owners[self.embedded] == person) for person in (first, second))
        one, two = (rows[np.linspace(0, len(rows) - 1, min(len(rows), 256)).astype(np.int64)] for rows in (one, two))
        return round(float(self.places[one].distances_to(self.places[two]).mean()), 4)


def _once(suspects: Iterable[Suspect]) -> list[Suspect]:
    """One suspect a face: of the first kind that it is of, with the most evidence, and with whose it may be."""
    by_face: dict[int | None, Suspect] = {}
    for each in suspects:
        first = by_face.setdefault(each.face_id, each)
        other = each.other_person_id if first.other_person_id is None else first.other_person_id
        evidence = max(first.evidence, each.evidence)
        by_face[each.face_id] = replace(first, evidence=evidence, other_person_id=other)
    return list(by_face.values())


def _evidence(weights: Values, own: Values) -> Values:
    """That faces are anybody but their own person, (n,); NaN where there is nothing to compare with."""
    return np.asarray(np.logaddexp.reduce(weights, axis=1) - _SHARE_OF_FACES * own)
