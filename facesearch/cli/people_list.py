"""`facesearch people list` and `show`: who is in the library, and on which photos."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facesearch.cli.options import JsonOption, LibraryOption
from facesearch.cli.output import counted, say, say_json, shown, shown_path, table
from facesearch.cli.people_options import PersonArgument, shown_name
from facesearch.cli.pictures import PicturesChoice, PicturesOption, Rows, rows_for

if TYPE_CHECKING:
    from facesearch.api.values import FaceEntry, PeopleList, PersonShown


def list_people(*, library: LibraryOption = None, json: JsonOption = False) -> None:
    """List everybody with their numbers: named people, then unnamed groups, largest first.

    Every other command accepts the number in place of the name.
    """
    from facesearch.api.library import open_library

    with open_library(library) as opened:
        everybody = opened.people.list(covers=json)
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
    """Show a person: every face with its number, photo, position, and who named it.

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
            "(unnamed)" if person.name is None else shown(person.name),
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
    )


def _report_person(known: PersonShown, rows: Rows) -> None:
    person = known.person
    born = f", born {person.born}" if person.born else ""
    faces = f"{counted(person.faces, 'face')} on {counted(person.photos, 'photo')}"
    say(f"{shown_name(person.name, person.person_id)} (number {person.person_id}{born}): {faces}", bold=True)
    if person.cover_face_id is not None:
        say(f"cover: face:{person.cover_face_id}, the best of the typical faces")
    _report_faces(known.faces, "named by", rows)
    if known.rejected:
        say()
        say(f"rejected for {shown_name(person.name, person.person_id)}: {counted(len(known.rejected), 'face')}")
        _report_faces(known.rejected, "", rows)


def _report_faces(faces: tuple[FaceEntry, ...], source: str, rows: Rows) -> None:
    texts = []
    for face in faces:
        left, top, right, bottom = face.box
        where = f"{right - left:.0f}x{bottom - top:.0f} px at {left:.0f},{top:.0f}"
        photo = "(photo gone)" if face.photo is None else shown_path(face.photo)
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
