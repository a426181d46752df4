"""The answer to a query in words: a verdict on each face of the photo, and a table with the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facesearch.cli.output import cells, counted, say, shown, shown_path, table
from facesearch.text import called, clock, time_span

if TYPE_CHECKING:
    from facesearch.api.values import FaceMatch, PersonMatch, ProbeFace, QueryAnswer
    from facesearch.cli.row_pictures import Rows
    from facesearch.records import Span

_NUMBERS = ("rank", "distance", "probability", "photos")
_PEOPLE_HEADS: tuple[str, ...] = ("rank", "person", "distance", "photos", "nearest photo")
_PHOTOS_HEADS: tuple[str, ...] = ("rank", "photo", "distance", "person")


def report_answer(answer: QueryAnswer, rows: Rows) -> None:
    """Print the verdict on every face of a photo, the evidence for it, and a line that explains the numbers.

    rows: how lines are printed.
    """
    from facesearch.api.values import footer

    damage = "" if answer.damage is None else f", which is damaged: {answer.damage}"
    length = "" if answer.duration_s is None else f" ({clock(answer.duration_s)})"
    in_film = 0 if answer.duration_s is not None else sum(face.span is not None for face in answer.faces)
    which = "" if in_film == len(answer.faces) else f" {in_film} of them"
    film = f",{which} only in its film" if in_film else ""
    say(f"{counted(len(answer.faces), 'face')} in {shown_path(answer.photo)}{length}{film}{damage}")
    if answer.duration_s is not None:
        _report_who_and_when(answer)
    for number, face in enumerate(answer.faces, start=1):
        say()
        left, top, right, bottom = face.box
        where = f"{right - left:.0f}x{bottom - top:.0f} px at {left:.0f},{top:.0f}"
        where = ", ".join(part for part in (time_span(face.span), where) if part)
        verdict = "" if face.verdict is None else f": {shown(face.verdict.text)}"
        say(f"face {number}{verdict}  [{where}]")
        _report_matches(face, rows)
    said = footer(answer)
    if said is not None:
        say()
        say(said)


def _report_who_and_when(answer: QueryAnswer) -> None:
    """Who is in a video, and when: those seen for the longest time first."""
    spans: dict[str, list[Span]] = {}
    for face in answer.faces:
        first = None if face.verdict is None else face.verdict.first
        if face.span is not None and first is not None:
            who = "not in this library" if first.face_id is None else called(first.name, first.person_id, first.face_id)
            spans.setdefault(who, []).append(face.span)
    longest = sorted(spans.items(), key=lambda each: -sum(span.end_s - span.start_s for span in each[1]))
    width = max((cells(shown(who)) for who in spans), default=0)
    for who, own in longest:
        say(f"  {shown(who)}{' ' * (width - cells(shown(who)))}  {', '.join(map(time_span, own))}")


def _report_matches(face: ProbeFace, rows: Rows) -> None:
    from facesearch.api.values import SET_APART

    matches: tuple[PersonMatch | FaceMatch, ...] = face.people or face.photos
    if not matches:
        if face.verdict is None:
            say("  the library holds no faces")
        return
    if face.people:
        heads, texts, said = _PEOPLE_HEADS, _people(face.people), [match.posterior for match in face.people]
    else:
        heads, texts, said = _PHOTOS_HEADS, _photos(face.photos), [match.probability for match in face.photos]
    lines = table(*_with_probability(heads, texts, said), _NUMBERS)
    rows.begin([match.face_id for match in matches])
    rows.head(lines[0])
    first = face.verdict.first if face.verdict is not None else None
    for line, match in zip(lines[1:], matches, strict=True):
        rows.row(line, match.face_id, bold=first is not None and match.face_id == first.face_id)
    if face.set_apart:
        say(f"  {SET_APART}")


def _with_probability(
    heads: tuple[str, ...], rows: list[tuple[str, ...]], said: Sequence[float | None]
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The table with a column for the probability, after the distance, where there is a calibration."""
    from facesearch.text import percent

    known = [probability for probability in said if probability is not None]
    if len(known) < len(rows):
        return heads, rows
    place = heads.index("distance") + 1
    rows = [(*row[:place], percent(probability, 1), *row[place:]) for row, probability in zip(rows, known, strict=True)]
    return (*heads[:place], "probability", *heads[place:]), rows


def _people(matches: Iterable[PersonMatch]) -> list[tuple[str, ...]]:
    return [
        (
            str(match.rank),
            shown(called(match.name, match.person_id, match.face_id)),
            f"{match.distance:.3f}",
            f"{match.photo_count:,}",
            _photo(match.nearest_photo, match.missing, match.span),
        )
        for match in matches
    ]


def _photos(matches: Iterable[FaceMatch]) -> list[tuple[str, ...]]:
    return [
        (
            str(match.rank),
            ", ".join([_photo(match.photo, match.missing, match.span), *map(shown_path, match.copies)]),
            f"{match.distance:.3f}",
            shown(called(match.name, match.person_id, match.face_id)),
        )
        for match in matches
    ]


def _photo(path: Path, missing: bool, span: Span | None) -> str:
    return " ".join(part for part in (shown_path(path), time_span(span), "(missing)" if missing else "") if part)
