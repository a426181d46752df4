"""What `facesearch query` does, without Typer: who is on a photo, and where else they appear."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facesearch.cli.output import complain, say, say_json, shown_path
from facesearch.cli.query_text import report_answer
from facesearch.cli.row_pictures import PicturesChoice, Rows, rows_for

if TYPE_CHECKING:
    from facesearch.api.library import FaceLibrary
    from facesearch.api.values import FailedProbe, Probe, QueryAnswer, QueryOptions, QuerySheet
    from facesearch.records import Device


def answer_question(
    photos: Sequence[Path],
    *,
    k: int = 5,
    faces: bool = False,
    threshold: float | None = None,
    prior: float = 0.5,
    html: Path | None = None,
    force: bool = False,
    pictures: PicturesChoice = PicturesChoice.AUTO,
    milvus: str | None = None,
    collection: str | None = None,
    library: Path | None = None,
    tower: Path | None = None,
    device: Device = "auto",
    json: bool = False,
) -> bool:
    """Print who each face in the photos is; takes the parameters of `query.query`. Returns False if a photo given by
    name has no answer, or no photo has one."""
    from facesearch.api.library import open_library

    sheet = None if html is None else _begun_sheet(html, force)
    with open_library(library, tower=tower, device=device) as opened:
        if milvus is not None:
            opened.milvus.search_there(milvus, collection)
        opened.load_ahead()
        from facesearch.api.values import QueryOptions, is_one_photo

        options = QueryOptions(k, threshold, prior, faces)
        rows = rows_for(pictures, opened.pages.face_pictures)
        all_answered = True
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
    return all_answered


def _answer(opened: FaceLibrary, probe: Probe, options: QueryOptions, sheet: QuerySheet | None) -> QueryAnswer:
    answer = opened.ask(probe, options)
    if sheet is not None:
        opened.pages.add_to_sheet(sheet, probe, answer)
    return answer


def _answers(
    opened: FaceLibrary, photos: Iterable[Path], options: QueryOptions, sheet: QuerySheet | None
) -> Iterator[QueryAnswer | FailedProbe]:
    """Yield the answer to each photo as soon as it is ready, or the reason why there is none."""
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
    """Print the answers as they come, or all of them as one JSON. Returns False if a photo given by name has no answer,
    or no photo has one."""
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
