"""Why a face is near to a person, or far: everything that an explanation says, before it is drawn.

Changes nothing, and decides nothing: the answer is the query's, and this says what it rests on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from facesearch.errors import LibraryError, UsageError
from facesearch.evaluation.calibration import Calibration
from facesearch.evaluation.distance import row_distances
from facesearch.evaluation.places import Places
from facesearch.library import Library
from facesearch.people import find_person
from facesearch.query import PersonMatch, ProbeFace, QueryOptions, ask
from facesearch.query.asking import judge_of
from facesearch.query.candidates import near_faces
from facesearch.query.probe import Probe
from facesearch.query.why.heat import by_region
from facesearch.query.why.named_pairs import PairsAround, pairs_around
from facesearch.query.why.occlusion import Occlusion, Patches, occlude
from facesearch.records import EmbeddedFace, Embedder, Span

NEAREST_FACES = 12
_PEOPLE_TO_LOOK_THROUGH = 200  # for a person who is asked about: farther than that there is no rank


@dataclass(frozen=True)
class WhyOptions:
    """What to explain."""

    person: str | None = None  # a name or a number; None for the likeliest
    face: int = 1  # of the probe, 1 for the largest
    query: QueryOptions = field(default_factory=QueryOptions)  # as a query has them: the numbers are the same
    patches: Patches = field(default_factory=Patches)  # how the face is covered for the heat map


@dataclass(frozen=True)
class Candidate:
    """A person who the face may show."""

    person_id: int | None
    name: str | None
    face_id: int  # the nearest of their faces, `distance` away
    distance: float
    same_person: bool
    rank: int | None  # among the people near, None where farther than all that were looked through
    probability: float | None  # that faces `distance` apart are one person
    person_distance: float | None = None  # what `posterior` rests on; both None without a calibration
    posterior: float | None = None  # that it is this one, among all in the library and nobody
    plain_distance: float = 0.0  # as in PersonMatch
    span: Span | None = None  # when that face is seen in a video


@dataclass(frozen=True)
class FaceNear:
    """A face of the library near the probe, and its person, if any."""

    face_id: int
    distance: float
    person_id: int | None
    name: str | None
    photo: Path | None
    quality: float | None  # how well the face can be recognised, 0 to 1
    plain_distance: float = 0.0  # as in PersonMatch
    span: Span | None = None  # when it is seen, if `photo` is a video


@dataclass(frozen=True, eq=False)
class Explanation:
    """The whole answer."""

    probe: Probe
    face: int
    found: ProbeFace  # what the query says of the face
    threshold: float
    person: Candidate
    runner_up: Candidate | None  # the nearest other person, None where there is none
    same_photo: bool  # whether the person's nearest face is on the photo that is asked about
    nearest: tuple[FaceNear, ...]
    pairs: PairsAround | None  # None where the library has named too few
    calibration: Calibration | None
    occlusion: Occlusion  # of the probe's crop, its references the person's nearest face and the runner-up's

    @property
    def asked(self) -> EmbeddedFace:
        """The face that is explained."""
        return self.probe.faces[self.face - 1]

    @property
    def margin(self) -> float | None:
        """How much farther the runner-up is; negative where they are nearer than the person asked about."""
        return None if self.runner_up is None else self.runner_up.distance - self.person.distance

    @property
    def is_first(self) -> bool:
        """Whether the person comes before the runner-up, or there is none. Not only one face's distance counts there,
        but the mean of a person's faces too, and how many they are."""
        if self.runner_up is None or self.runner_up.rank is None:
            return True
        return self.person.rank is not None and self.person.rank < self.runner_up.rank

    def to_json(self) -> dict[str, Any]:
        """Plain values, as docs/reference/json.md describes them."""
        patches, changes = self.occlusion.patches, self.occlusion.changes
        return {
            "photo": self.probe.path,
            "face": self.face,
            "faces": len(self.probe.faces),
            "box": [round(side, 1) for side in self.asked.face.box.tolist()],
            "quality": self.asked.quality,
            "threshold": self.threshold,
            "person": self.person,
            "runner_up": self.runner_up,
            "margin": self.margin,
            "nobody": self.found.nobody,
            "is_nobody": self.found.is_nobody,
            "posterior_margin": self.found.margin,
            "set_apart": self.found.set_apart,
            "verdict": self.found.verdict,
            "same_photo": self.same_photo,
            "nearest": self.nearest,
            "pairs": self.pairs,
            "occlusion": {
                **asdict(patches),
                "starts_px": patches.starts_px,
                "changes": changes[0],
                "runner_up_changes": None if self.runner_up is None else changes[1],
                "regions": by_region(self.occlusion.by_pixel(0)),
            },
        }


def explain(library: Library, probe: Probe, tower: Embedder, options: WhyOptions) -> Explanation:
    """Why a face of a probe is as far from a person as it is. tower: the one that embedded the probe.

    Raises LibraryError (no faces), TowerError, and UsageError for a person or a face that is not there.
    """
    person_id = None if options.person is None else find_person(library, options.person)
    if not 1 <= options.face <= len(probe.faces):
        count = len(probe.faces)
        raise UsageError(f"{probe.path} has no face {options.face}: it has {count}; facesearch query counts them")
    row = options.face - 1
    with library.snapshot():
        answer = ask(library, probe, options.query)
        space = library.space
        place = space.place(probe.faces[row].embedding)
        people = answer.faces[row].people
        if person_id is not None and all(match.person_id != person_id for match in people):
            more = ask(library, probe, replace(options.query, k=_PEOPLE_TO_LOOK_THROUGH))
            people = more.faces[row].people
        person, runner_up = _candidates(library, people, person_id, place, answer.threshold)
        references = library.places.of([each.face_id for each in (person, runner_up) if each is not None])
        photo_id = library.catalog.faces([person.face_id])[person.face_id].photo_id
        same_photo = library.catalog.photo_with(probe.photo.sha256) == photo_id
        nearest = tuple(
            FaceNear(
                near.face.face_id,
                near.distance,
                near.face.person_id,
                near.face.name,
                None if near.photo is None else near.photo.path,
                near.face.quality,
                near.plain_distance,
                near.face.span,
            )
            for near in near_faces(library, place, NEAREST_FACES)
        )
        pairs = pairs_around(library, person.distance)
        calibration = judge_of(probe, library).calibration
    return Explanation(
        probe=probe,
        face=options.face,
        found=answer.faces[row],
        threshold=answer.threshold,
        person=person,
        runner_up=runner_up,
        same_photo=same_photo,
        nearest=nearest,
        pairs=pairs,
        calibration=calibration,
        occlusion=occlude(probe.crops[row], lambda crops: space.place(tower.embed(crops)), references, options.patches),
    )


def _candidates(
    library: Library, people: Sequence[PersonMatch], person_id: int | None, place: Places, threshold: float
) -> tuple[Candidate, Candidate | None]:
    """The person asked about, or the nearest; and the nearest of the others."""
    if not people:
        raise LibraryError(f"the library in {library.path} holds no faces to compare with; index some photos first")
    if person_id is None:
        person = _candidate(people[0])
    else:
        found = next((match for match in people if match.person_id == person_id), None)
        person = _far(library, person_id, place, threshold) if found is None else _candidate(found)
    others = (match for match in people if match.face_id != person.face_id)
    return person, next((_candidate(match) for match in others), None)


def _candidate(match: PersonMatch) -> Candidate:
    return Candidate(
        match.person_id,
        match.name,
        match.face_id,
        match.distance,
        match.same_person,
        match.rank,
        match.probability,
        match.person_distance,
        match.posterior,
        match.plain_distance,
        match.span,
    )


def _far(library: Library, person_id: int, place: Places, threshold: float) -> Candidate:
    """A person who is farther than all that a query looked through."""
    without = library.added.without_embedding()
    face_ids = [face_id for face_id, _ in library.people.faces_of([person_id]) if face_id not in without]
    if not face_ids:
        raise UsageError(f"the library in {library.path} holds no face of #{person_id} to compare with")
    places = library.places.of(face_ids)
    distances = places.distances_beside(place)
    nearest = int(distances.argmin())
    plain = float(row_distances(places.points[nearest], place.points)[0])
    distance = float(distances[nearest])
    name = library.people.names()[person_id]
    is_same = distance <= threshold
    return Candidate(person_id, name, face_ids[nearest], distance, is_same, None, None, plain_distance=plain)
