"""`facesearch why`: what the distance between a face and a person rests on."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.cli.completing import complete_person
from facesearch.cli.options import (
    DeviceOption,
    ForceOption,
    JsonOption,
    LibraryOption,
    PriorOption,
    ThresholdOption,
    TowerOption,
)
from facesearch.cli.output import counted, say, say_json, shown, shown_path, table
from facesearch.text import called, time_span

if TYPE_CHECKING:
    from facesearch.api.values import Explanation


class CoverChoice(StrEnum):
    """What a covered part of a face shows."""

    MEAN = "mean"
    BLUR = "blur"


def why(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="A photo with the face to explain.", readable=False)],
    person: Annotated[
        str | None,
        typer.Argument(
            metavar="PERSON",
            help="A name, or '#12' for a person by number; by default the nearest person.",
            show_default=False,
            autocompletion=complete_person,
        ),
    ] = None,
    *,
    face: Annotated[
        int, typer.Option(min=1, metavar="K", help="Number of the face on the photo, as query prints it.")
    ] = 1,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the page here; by default why-PHOTO.html in the working directory.",
            show_default=False,
            readable=False,
        ),
    ] = None,
    force: ForceOption = False,
    patch: Annotated[int, typer.Option(min=1, metavar="PX", help="Side of the patches that cover the face.")] = 24,
    stride: Annotated[int, typer.Option(min=1, metavar="PX", help="Step from one patch to the next.")] = 8,
    cover: Annotated[
        CoverChoice, typer.Option(help="What a patch shows: the face's mean colour, or the face blurred.")
    ] = CoverChoice.BLUR,
    threshold: ThresholdOption = None,
    prior: PriorOption = 0.5,
    library: LibraryOption = None,
    tower: TowerOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Explain the distance between a face and a person.

    Repeats the answer of query and writes a page: the nearest faces, the runner-up, where the distance lies among pairs
    of the same person and of different people, and a heat map of the parts of the face that it depends on. The page
    shows faces, and only you can read it. With --json, writes a page only if --out names one.
    """
    from facesearch.api.library import open_library
    from facesearch.api.values import Patches, QueryOptions, WhyOptions, check_page_file, write_page

    page = out if out is not None or json else Path(f"why-{photo.stem}.html")
    query = QueryOptions(threshold=threshold, prior=prior)
    options = WhyOptions(person, face, query, Patches(patch, stride, cover.value))
    if page is not None:
        check_page_file(page, "--out", force=force)
    with open_library(library, tower=tower, device=device) as opened:
        found = opened.why(photo, options)
        if page is not None:
            write_page(page, opened.pages.explanation(found), "--out")
    if json:
        say_json({**found.to_json(), "page": page})
    else:
        _report(found)
        if page is not None:
            say()
            say(f"page: {shown_path(page)}")


def _report(found: Explanation) -> None:
    from facesearch.api.values import SAME_PHOTO, SET_APART, asked_about, hanging, rivalry, standing, verdict

    say(f"{counted(len(found.probe.faces), 'face')} in {shown_path(found.probe.path)}")
    say(shown(verdict(found)), bold=True)
    if found.found.set_apart:
        say(SET_APART)
    say(shown(asked_about(found)))
    if found.same_photo:
        say(SAME_PHOTO)
    for sentence in (rivalry(found), standing(found), hanging(found)):
        say(shown(sentence))
    say()
    rows = [
        (
            str(near.face_id),
            f"{near.distance:.3f}",
            _whose(near.name, near.person_id),
            "(photo gone)" if near.photo is None else f"{shown_path(near.photo)} {time_span(near.span)}".rstrip(),
        )
        for near in found.nearest
    ]
    for line in table(("face", "distance", "person", "photo"), rows, ("face", "distance")):
        say(f"  {line}")


def _whose(name: str | None, person_id: int | None) -> str:
    return "nobody yet" if person_id is None else shown(called(name, person_id))
