"""An explanation in words: the same sentences on the page and in the terminal."""

from __future__ import annotations

from facesearch import text as wording
from facesearch.query.why.explanation import Candidate, Explanation
from facesearch.query.why.heat import by_region
from facesearch.text import percent

SAME_PHOTO = "That face is on this very photo, which is in the library, so the distance says nothing."


def called(person: Candidate) -> str:
    """A name, `unnamed #12`, or `face #3` for a face in no group; plain text."""
    return wording.called(person.name, person.person_id, person.face_id)


def verdict(found: Explanation) -> str:
    """The query's verdict on the face."""
    assert found.found.verdict is not None  # people were asked for
    return f"face {found.face}: {found.found.verdict.text}"


def asked_about(found: Explanation) -> str:
    """Where the person who is explained stands: distance, probability, rank."""
    person = found.person
    probability = "" if person.posterior is None else f", probability {percent(person.posterior, 1)}"
    rank = "not among the nearest people" if person.rank is None else f"rank {person.rank}"
    return f"{called(person)}: distance {person.distance:.3f} to the nearest face{probability}, {rank}."


def rivalry(found: Explanation) -> str:
    """The runner-up, and the margin."""
    if found.runner_up is None or found.margin is None:
        return "There is nobody else in the library."
    other = f"{called(found.runner_up)} at {found.runner_up.distance:.3f}"
    if found.margin < 0 and found.is_first:
        return (
            f"The runner-up is {other}: one face is nearer, by {-found.margin:.3f}, but their faces together are less "
            "alike."
        )
    if found.margin < 0:
        return f"{other} is nearer, by {-found.margin:.3f}."
    return f"The runner-up is {other}, {found.margin:.3f} farther away."


def standing(found: Explanation) -> str:
    """Where the distance lies among pairs of one person and of two."""
    pairs = found.pairs
    if pairs is None:
        if found.calibration is None:
            return "Too few faces have a name to say where that distance lies, and the tower has no calibration."
        probability = found.calibration.probability(found.person.distance)
        return (
            f"Faces {found.person.distance:.3f} apart are the same person with a probability of "
            f"{percent(probability, 1)}, assuming even odds beforehand; too few faces here have a name to say more."
        )
    return (
        f"Of {pairs.genuine_pairs:,} pairs of one person in this library, {_share(pairs.genuine_farther)} are farther "
        f"apart; of {pairs.impostor_pairs:,} pairs of two people, {_share(pairs.impostor_nearer)} are as near."
    )


def hanging(found: Explanation) -> str:
    """Which parts of the face the distance depends on most."""
    parts = sorted(by_region(found.occlusion.by_pixel(0)).items(), key=lambda part: -part[1])
    said = ", ".join(f"{name} {round(change, 3) + 0.0:+.3f}" for name, change in parts)
    return f"Covering a part moves the face away (+) or nearer (-): {said}."


def _share(share: float) -> str:
    if share == 0:
        return "none"
    return percent(share, 1 if share >= 0.001 else 2)
