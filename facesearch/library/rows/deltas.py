"""What a change did to people, as the journal keeps it: JSON of which parts can be forgotten without the others.

Refuses nothing that an older version has written: what it says too little of is read as no change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from facesearch.library.changes import Addition, Delta, FaceMove, JournalLine, PersonChange, PersonRow, Verdict

Member = tuple[int, str] | None  # the person of a face and who said so, or nobody


def as_json(delta: Delta) -> dict[str, Any]:
    """A delta for a line of the journal: every key says what stands under it, as the journal asks."""
    people = [
        {"person_id": each.person_id, "before": _row_json(each.before), "after": _row_json(each.after)}
        for each in delta.people
    ]
    faces = [
        {"face_ids": list(each.face_ids), **_member_json("from", each.before), **_member_json("to", each.after)}
        for each in delta.moves
    ]
    rejections = [
        {"person_id": each.person_id, "face_ids": list(each.face_ids), "rejected": each.rejected}
        for each in delta.verdicts
    ]
    additions = [{"face_ids": list(each.face_ids), "added": each.added} for each in delta.additions]
    parts = {"people": people, "faces": faces, "rejections": rejections, "additions": additions}
    return {key: value for key, value in parts.items() if value}


def from_json(part: Mapping[str, Any]) -> Delta:
    """The delta of a part of a line."""
    return Delta(
        tuple(
            PersonChange(each["person_id"], _row(each["before"]), _row(each["after"]))
            for each in part.get("people", ())
        ),
        tuple(
            FaceMove(tuple(each["face_ids"]), _member("from", each), _member("to", each))
            for each in part.get("faces", ())
        ),
        tuple(
            Verdict(each["person_id"], tuple(each["face_ids"]), each["rejected"]) for each in part.get("rejections", ())
        ),
        tuple(Addition(tuple(each["face_ids"]), each["added"]) for each in part.get("additions", ())),
    )


def read_line(line_id: int, at: str, action: str, details: Mapping[str, Any]) -> JournalLine:
    """A line of the journal, also of the versions before 6: they kept labels, and who was dropped."""
    if "parts" in details:
        parts = tuple(from_json(part) for part in details["parts"])
        return JournalLine(line_id, at, action, parts, {key: details[key] for key in details if key != "parts"})
    if action == "label":
        after = (details["person_id"], details["source"])
        move = FaceMove(tuple(details["face_ids"]), None, after)
        return JournalLine(line_id, at, action, (Delta(moves=(move,)),), {})
    return JournalLine(line_id, at, action, (), dict(details), can_be_undone=False)


def moves_of(faces: Mapping[int, tuple[Member, Member]]) -> tuple[FaceMove, ...]:
    """The moves of single faces, gathered where they are alike."""
    gathered: dict[tuple[Member, Member], list[int]] = {}
    for face_id, ends in sorted(faces.items()):
        if ends[0] != ends[1]:
            gathered.setdefault(ends, []).append(face_id)
    return tuple(FaceMove(tuple(face_ids), *ends) for ends, face_ids in gathered.items())


def verdicts_of(pairs: Iterable[tuple[tuple[int, int], bool]]) -> tuple[Verdict, ...]:
    """The verdicts on single faces, (face id, person id) each, gathered by person."""
    gathered: dict[tuple[int, bool], list[int]] = {}
    for (face_id, person_id), rejected in sorted(pairs):
        gathered.setdefault((person_id, rejected), []).append(face_id)
    return tuple(Verdict(person_id, tuple(ids), rejected) for (person_id, rejected), ids in gathered.items())


def _row_json(row: PersonRow | None) -> dict[str, Any] | None:
    if row is None:
        return None
    plain = {"name": row.name, "born": row.born, "created_at": row.created_at}
    chosen = {"hidden": row.hidden, "cover_face_id": row.cover_face_id}
    return plain | {key: value for key, value in chosen.items() if value}


def _row(value: Mapping[str, Any] | None) -> PersonRow | None:
    if value is None:
        return None
    chosen = value.get("hidden", False), value.get("cover_face_id")
    return PersonRow(value["name"], value["born"], value["created_at"], *chosen)


def _member_json(end: str, member: Member) -> dict[str, Any]:
    return {} if member is None else {f"{end}_person_id": member[0], f"{end}_source": member[1]}


def _member(end: str, value: Mapping[str, Any]) -> Member:
    person_id = value.get(f"{end}_person_id")
    return None if person_id is None else (person_id, value[f"{end}_source"])
