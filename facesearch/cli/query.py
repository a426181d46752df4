"""`facesearch query`: who is on a photo, and where else they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.cli.options import DeviceChoice, DeviceOption, ForceOption, JsonOption, LibraryOption, TowerOption
from facesearch.cli.output import complain, say, say_json, shown, shown_path, table
from facesearch.cli.pictures import PicturesChoice, PicturesOption, Rows, rows_for
from facesearch.errors import PhotoError

if TYPE_CHECKING:
    from facesearch.probing import Unanswered
    from facesearch.querying import FaceMatch, PersonMatch, ProbeFace, QueryAnswer
    from facesearch.sheets import QuerySheet

_NUMBERS = ("rank", "distance", "probability", "photos")
_PEOPLE_HEADS: tuple[str, ...] = ("rank", "person", "distance", "same person", "photos", "nearest photo")
_PHOTOS_HEADS: tuple[str, ...] = ("rank", "photo", "distance", "same person", "person")


def query(
    photos: Annotated[
        list[Path],
        typer.Argument(metavar="PHOTO", help="Photos with one face or several, and folders of photos.", readable=False),
    ],
    *,
    k: Annotated[int, typer.Option("--k", "-k", min=1, help="How many to show for each face.")] = 5,
    faces: Annotated[bool, typer.Option("--faces", help="List photos instead of people.")] = False,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Up to which distance two faces count as one person; by default the tower's.",
            show_default=False,
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a page there too: the faces, and the photos they are on.",
            show_default=False,
            readable=False,
        ),
    ] = None,
    force: ForceOption = False,
    pictures: PicturesOption = PicturesChoice.AUTO,
    library: LibraryOption = None,
    tower: TowerOption = None,
    device: DeviceOption = DeviceChoice.AUTO,
    json: JsonOption = False,
) -> None:
    """Find the people who are nearest to each face in a photo.

    A smaller distance is more alike. People without a name are shown by number. Nothing of the photo is stored. Of
    several photos, those that cannot be answered are named and the others answered. The page shows faces: it is one
    file, for its owner alone. Terminals of kitty, iTerm2 and some others show the faces beside their rows.
    """
    from facesearch.api import open_library
    from facesearch.probing import is_one_photo

    sheet = None if html is None else _begun_sheet(html, force)
    all_answered = True
    with open_library(library, tower=tower, device=device.value) as opened:
        rows = rows_for(pictures, lambda: opened.reader)
        if is_one_photo(photos):
            ask = opened.query_faces if faces else opened.query
            answer = ask(photos[0], k=k, threshold=threshold, sheet=sheet)
            if json:
                say_json(answer)
            else:
                _report(answer, rows)
        else:
            all_answered = _tell_all(opened.query_all(photos, k, threshold, faces=faces, sheet=sheet), rows, json=json)
        if sheet is not None and html is not None:
            _write_sheet(sheet, html, opened.path, json=json)
    if not all_answered:
        raise typer.Exit(PhotoError.exit_code)


def _begun_sheet(html: Path, force: bool) -> QuerySheet:
    from facesearch.pages import check_page_file
    from facesearch.sheets import QuerySheet

    check_page_file(html, "--html", force=force)
    return QuerySheet()


def _write_sheet(sheet: QuerySheet, html: Path, library: Path, *, json: bool) -> None:
    from facesearch.pages import write_page

    write_page(html, sheet.render(library), "--html")
    if not json:
        say()
        say(f"page: {shown_path(html)}")


def _tell_all(answers: Iterable[QueryAnswer | Unanswered], rows: Rows, *, json: bool) -> bool:
    """Print the answers as they come, or all as one JSON. False where a photo that was named has none, or none at all
    has one."""
    from facesearch.querying import QueryAnswer

    answered: list[QueryAnswer] = []
    unanswered: list[Unanswered] = []
    for answer in answers:
        if not isinstance(answer, QueryAnswer):
            complain(f"{shown_path(answer.photo)}: {answer.reason}")
            unanswered.append(answer)
            continue
        if not json:
            if answered:
                say()
            _report(answer, rows)
        answered.append(answer)
    if json:
        say_json(
            {
                "answers": answered,
                "unanswered": [{"photo": each.photo, "reason": each.reason} for each in unanswered],
            }
        )
    return not (any(each.is_named for each in unanswered) or (unanswered and not answered))


def _report(answer: QueryAnswer, rows: Rows) -> None:
    for number, face in enumerate(answer.faces, start=1):
        if number > 1:
            say()
        left, top, right, bottom = face.box
        where = f"{right - left:.0f}x{bottom - top:.0f} px at {left:.0f},{top:.0f}"
        say(f"face {number} of {len(answer.faces)} in {shown_path(answer.photo)} ({where})")
        _report_matches(face, rows)
    if any(face.people or face.photos for face in answer.faces):
        say()
        say(f"same person: at a distance of at most {answer.threshold:.3f}")
        if any(match.probability is not None for face in answer.faces for match in _matches(face)):
            say("probability: of one person, were one and two as likely beforehand")


def _report_matches(face: ProbeFace, rows: Rows) -> None:
    matches = _matches(face)
    if not matches:
        say("  nobody: the library holds no faces")
        return
    if face.people:
        heads, texts = _PEOPLE_HEADS, _people(face.people)
    else:
        heads, texts = _PHOTOS_HEADS, _photos(face.photos)
    lines = table(*_with_probability(heads, texts, matches), _NUMBERS)
    rows.begin([match.face_id for match in matches])
    rows.head(lines[0])
    for line, match in zip(lines[1:], matches, strict=True):
        rows.row(line, match.face_id, bold=match.same_person)


def _matches(face: ProbeFace) -> tuple[PersonMatch | FaceMatch, ...]:
    return face.people or face.photos


def _with_probability(
    heads: tuple[str, ...], rows: list[tuple[str, ...]], matches: Sequence[PersonMatch | FaceMatch]
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The table with a column for the probability, after the distance, where the tower gives one."""
    said = [match.probability for match in matches if match.probability is not None]
    if len(said) < len(matches):
        return heads, rows
    place = heads.index("distance") + 1
    rows = [(*row[:place], f"{probability:.1%}", *row[place:]) for row, probability in zip(rows, said, strict=True)]
    return (*heads[:place], "probability", *heads[place:]), rows


def _people(matches: Iterable[PersonMatch]) -> list[tuple[str, ...]]:
    return [
        (
            str(match.rank),
            _person(match),
            f"{match.distance:.3f}",
            "yes" if match.same_person else "no",
            f"{match.photo_count:,}",
            _photo(match.nearest_photo, match.missing),
        )
        for match in matches
    ]


def _photos(matches: Iterable[FaceMatch]) -> list[tuple[str, ...]]:
    return [
        (
            str(match.rank),
            ", ".join([_photo(match.photo, match.missing), *map(shown_path, match.copies)]),
            f"{match.distance:.3f}",
            "yes" if match.same_person else "no",
            _person(match),
        )
        for match in matches
    ]


def _person(match: PersonMatch | FaceMatch) -> str:
    """A name, `unnamed #12` for a group without one, `face #3` for a face in no group."""
    if match.name is not None:
        return shown(match.name)
    return f"face #{match.face_id}" if match.person_id is None else f"unnamed #{match.person_id}"


def _photo(path: Path, missing: bool) -> str:
    return f"{shown_path(path)} (missing)" if missing else shown_path(path)
