"""One likely mistake: what it is, why in words, and the command that would mend it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from facesearch.library.changes import PersonRow
from facesearch.records import Span
from facesearch.text import addressed, called

KINDS = ("twice", "stray", "alike", "unborn")


@dataclass(frozen=True)
class Suspect:
    """A likely mistake."""

    kind: str  # one of KINDS
    evidence: float  # natural logarithm of the odds that it is one, roughly
    person_id: int  # of the person whose faces it is about
    name: str | None
    face_id: int | None = None  # the doubtful face, on `photo`; None for two people
    photo: Path | None = None
    span: Span | None = None  # when the face is seen in a video, None for a photo's
    other_person_id: int | None = None  # of the person who it may be, or who looks the same
    other_name: str | None = None
    other_face_id: int | None = None  # the other face on the same photo
    distance: float | None = None  # of the face to the three nearest others of its person, or between the two people
    other_distance: float | None = None  # of the face to the other person; None where there is nothing to measure
    taken: str | None = None  # the photo's date
    reason: str = ""  # in words
    command: str = ""  # what corrects it, if it is a mistake


def worded(suspect: Suspect, person: PersonRow) -> Suspect:
    """With the reason in words, and the command."""
    who, other = called(suspect.name, suspect.person_id), called(suspect.other_name, suspect.other_person_id)
    mine = addressed(suspect.name, suspect.person_id)
    theirs = addressed(suspect.other_name, suspect.other_person_id)
    if suspect.kind == "alike":
        reason = f"{who} and {other} look like one person: their faces are {suspect.distance:.3f} apart on average"
        return replace(suspect, reason=reason, command=_command("merge", mine, theirs))
    reasons = []
    if suspect.kind == "unborn":
        reasons.append(f"taken on {suspect.taken}, before {who} was born on {person.born}, or the date is wrong")
    if suspect.kind == "twice":
        reasons.append(f"{who} is on this photo twice, and face:{suspect.other_face_id} fits better")
    if suspect.other_person_id is not None:
        reasons.append(f"more like {other} than like {who}")
    elif suspect.kind == "stray":
        reasons.append(f"not much like {who}, and not like anybody else")
    if suspect.distance is not None:
        near = "" if suspect.other_distance is None else f", {suspect.other_distance:.3f} to those of {other}"
        reasons.append(f"distance {suspect.distance:.3f} to the nearest faces of {who}{near}")
    face = f"face:{suspect.face_id}"
    command = ("reject", mine, face) if suspect.other_person_id is None else ("split", mine, face, "--to", theirs)
    return replace(suspect, reason="; ".join(reasons), command=_command(*command))


def _command(*words: str) -> str:
    return " ".join(["facesearch", "people", *map(shlex.quote, words)])
