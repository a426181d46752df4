"""`facesearch query`: who is on a photo, and where else they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.cli.options import (
    CollectionOption,
    DeviceOption,
    ForceOption,
    JsonOption,
    LibraryOption,
    PriorOption,
    ThresholdOption,
    TowerOption,
)
from facesearch.cli.output import complain, say, say_json, shown_path
from facesearch.cli.pictures import PicturesChoice, PicturesOption, Rows, rows_for
from facesearch.cli.query_text import report_answer
from facesearch.errors import PhotoError

if TYPE_CHECKING:
    from facesearch.api.library import FaceLibrary
    from facesearch.api.values import FailedProbe, Probe, QueryAnswer, QueryOptions, QuerySheet


def query(
    photos: Annotated[
        list[Path],
        typer.Argument(metavar="PHOTO", help="Photos with one face or several, and folders of photos.", readable=False),
    ],
    *,
    k: Annotated[int, typer.Option("--k", "-k", min=1, help="People to show for each face.")] = 5,
    faces: Annotated[bool, typer.Option("--faces", help="List photos instead of people.")] = False,
    threshold: ThresholdOption = None,
    prior: PriorOption = 0.5,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write a page with the faces and the photos they are on.",
            show_default=False,
            readable=False,
        ),
    ] = None,
    force: ForceOption = False,
    pictures: PicturesOption = PicturesChoice.AUTO,
    milvus: Annotated[
        str | None,
        typer.Option(
            "--milvus",
            metavar="URI",
            help="Search on a Milvus server, where facesearch publish has put the faces.",
            show_default=False,
        ),
    ] = None,
    collection: CollectionOption = None,
    library: LibraryOption = None,
    tower: TowerOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Say who each face in a photo is.

    Gives one answer a face, with its probability, or says that the face probably belongs to nobody in the library; then
    the people near, each with the distance of their nearest face. Unnamed people are shown by number. Stores nothing of
    the photo. Of several photos, names those that it cannot read and answers the others. The page shows faces and is
    readable by its owner only. Terminals such as kitty and iTerm2 show the faces beside the rows.
    """
    from facesearch.api.library import open_library

    sheet = None if html is None else _begun_sheet(html, force)
    all_answered = True
    with open_library(library, tower=tower, device=device) as opened:
        if milvus is not None:
            opened.milvus.search_there(milvus, collection)
        opened.load_ahead()
        from facesearch.api.values import QueryOptions, is_one_photo

        options = QueryOptions(k, threshold, prior, faces)
        rows = rows_for(pictures, opened.pages.face_pictures)
        if is_one_photo(photos):
            answer = _answer(opened, opened.probe(photos[0]), options, sheet)
            if json:
                say_json(answer)
            else:
                report_answer(answer, rows)
        else:
            answers = _answers(opened, photos, options, sheet)
            all_answered = _tell_all(answers, rows, json=json)
        if sheet is not None and html is not None:
            _write_sheet(sheet, html, opened.path, json=json)
    if not all_answered:
        raise typer.Exit(PhotoError.exit_code)


def _answer(opened: FaceLibrary, probe: Probe, options: QueryOptions, sheet: QuerySheet | None) -> QueryAnswer:
    answer = opened.ask(probe, options)
    if sheet is not None:
        opened.pages.add_to_sheet(sheet, probe, answer)
    return answer


def _answers(
    opened: FaceLibrary, photos: Iterable[Path], options: QueryOptions, sheet: QuerySheet | None
) -> Iterator[QueryAnswer | FailedProbe]:
    """The answer to each photo, as soon as there is one, or why it has none."""
    from facesearch.api.values import Probe

    for probe in opened.probes(photos):
        if isinstance(probe, Probe):
            yield _answer(opened, probe, options, sheet)
            continue
        if sheet is not None:
            sheet.fail(probe.photo, probe.reason)
        yield probe


def _begun_sheet(html: Path, force: bool) -> QuerySheet:
    from facesearch.api.values import QuerySheet, check_page_file

    check_page_file(html, "--html", force=force)
    return QuerySheet()


def _write_sheet(sheet: QuerySheet, html: Path, library: Path, *, json: bool) -> None:
    from facesearch.api.values import write_page

    write_page(html, sheet.render(library), "--html")
    if not json:
        say()
        say(f"page: {shown_path(html)}")


def _tell_all(answers: Iterable[QueryAnswer | FailedProbe], rows: Rows, *, json: bool) -> bool:
    """Print the answers as they come, or all as one JSON. False where a photo that was named has none, or none at all
    has one."""
    from facesearch.api.values import QueryAnswer

    answered: list[QueryAnswer] = []
    unanswered: list[FailedProbe] = []
    for answer in answers:
        if not isinstance(answer, QueryAnswer):
            complain(f"{shown_path(answer.photo)}: {answer.reason}")
            unanswered.append(answer)
            continue
        if not json:
            if answered:
                say()
            report_answer(answer, rows)
        answered.append(answer)
    if json:
        say_json(
            {
                "answers": answered,
                "unanswered": [{"photo": each.photo, "reason": each.reason} for each in unanswered],
            }
        )
    return not (any(each.is_named for each in unanswered) or (unanswered and not answered))
