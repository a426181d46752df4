"""`facesearch people list` and `show`: who is in the library, and on which photos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.cli.options import JsonOption, LibraryOption, PicturesOption
from facesearch.cli.output import counted, say, say_json, shown, shown_path, table
from facesearch.cli.people_options import PersonArgument, shown_name
from facesearch.cli.row_pictures import PicturesChoice, Rows, rows_for
from facesearch.text import time_span

_WIDEST_BAR = 30  # terminal cells

if TYPE_CHECKING:
    from facesearch.api.values import FaceEntry, PeopleList, PersonShown


def list_people(
    *,
    hidden: Annotated[bool, typer.Option("--hidden", help="Also list hidden people.")] = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """List everybody with their numbers: named people, then unnamed groups, largest first.

    Every other command accepts the number in place of the name.
    """
    from facesearch.api.library import open_library

    with open_library(library) as opened:
        everybody = opened.people.list(covers=json, hidden=hidden)
    if json:
        say_json(everybody)
    else:
        _report_list(everybody)


def show(
    person: PersonArgument,
    *,
    pictures: PicturesOption = PicturesChoice.AUTO,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Show a person: dates, photos per year, and every face with its number, photo, position, and who named it.

    Rejected faces come last. Terminals such as kitty and iTerm2 show the first 50 faces beside their rows.
    """
    from facesearch.api.library import open_library

    with open_library(library) as opened:
        known = opened.people.show(person)
        if json:
            say_json(known)
        else:
            _report_person(known, rows_for(pictures, opened.pages.face_pictures))


def _report_list(everybody: PeopleList) -> None:
    rows = [
        (
            str(person.person_id),
            ("(unnamed)" if person.name is None else shown(person.name)) + (" (hidden)" if person.hidden else ""),
            person.born or "",
            f"{person.faces:,}",
            f"{person.photos:,}",
        )
        for person in everybody.people
    ]
    if rows:
        for line in table(("number", "name", "born", "faces", "photos"), rows, ("number", "faces", "photos")):
            say(line)
        say()
    named = sum(person.name is not None for person in everybody.people)
    unnamed = len(rows) - named
    say(
        f"{counted(named, 'person', 'people')} with a name, {counted(unnamed, 'unnamed group')}, "
        f"{counted(everybody.faces_without_person, 'face')} without a person"
        + (f", {everybody.hidden:,} hidden" if everybody.hidden else "")
    )


def _report_person(known: PersonShown, rows: Rows) -> None:
    person = known.person
    born = f", born {person.born}" if person.born else ""
    faces = f"{counted(person.faces, 'face')} on {counted(person.photos, 'photo')}"
    hidden = ", hidden from lists and queries" if person.hidden else ""
    say(f"{shown_name(person.name, person.person_id)} (number {person.person_id}{born}): {faces}{hidden}", bold=True)
    if person.cover_face_id is not None:
        chosen = "chosen" if known.cover_chosen else "the best of the typical faces"
        say(f"cover: face:{person.cover_face_id}, {chosen}")
    _report_years(known)
    _report_faces(known.faces, "named by", rows)
    if known.rejected:
        say()
        say(f"rejected for {shown_name(person.name, person.person_id)}: {counted(len(known.rejected), 'face')}")
        _report_faces(known.rejected, "", rows)


def _report_years(known: PersonShown) -> None:
    """The first and the last date, and the photos of each year as bars."""
    if known.first_taken is None or known.last_taken is None:
        return
    first, last = known.first_taken[:10], known.last_taken[:10]
    say(f"date: {first}" if first == last else f"dates: {first} to {last}")
    most = max(each.photos for each in known.photos_by_year)
    for each in known.photos_by_year:
        eighths = max(round(8 * _WIDEST_BAR * each.photos / most), bool(each.photos))
        bar = "█" * (eighths // 8) + ("", *"▏▎▍▌▋▊▉")[eighths % 8]
        say(f"  {each.year}  {bar} {each.photos:,}" if each.photos else f"  {each.year}")


def _report_faces(faces: tuple[FaceEntry, ...], source: str, rows: Rows) -> None:
    texts = []
    for face in faces:
        left, top, right, bottom = face.box
        where = f"{right - left:.0f}x{bottom - top:.0f} px at {left:.0f},{top:.0f}"
        photo = "(photo gone)" if face.photo is None else f"{shown_path(face.photo)} {time_span(face.span)}".rstrip()
        missing = " (missing)" if face.missing and face.photo is not None else ""
        texts.append(
            (
                f"face:{face.face_id}",
                where,
                "" if face.quality is None else f"{face.quality:.2f}",
                shown(face.source or ""),
                photo + missing,
            )
        )
    if texts:
        head, *lines = table(("face", "where", "quality", source, "photo"), texts, ("quality",))
        rows.begin([face.face_id for face in faces])
        rows.head(head)
        for line, face in zip(lines, faces, strict=True):
            rows.row(line, face.face_id)
