"""`facesearch compare`: how alike the faces on two photos are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facesearch.cli.options import DeviceOption, JsonOption, TowerOption
from facesearch.cli.output import say, say_json, shown_path


def compare(
    first: Annotated[Path, typer.Argument(metavar="PHOTO", help="A photo.", readable=False)],
    second: Annotated[Path, typer.Argument(metavar="OTHER", help="Another photo.", readable=False)],
    *,
    library: Annotated[
        Path | None,
        typer.Option(
            "--library",
            metavar="DIR",
            help="Use this library's distances and calibration; by default the tower's.",
            show_default=False,
            readable=False,
        ),
    ] = None,
    tower: TowerOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Compare the most prominent faces of two photos. Needs no library, and stores nothing.

    Where a photo shows several faces, the answer says which one was compared.
    """
    from facesearch.api import standalone as api

    comparison = api.compare(first, second, tower=tower, device=device, library=library)
    if json:
        say_json(comparison)
        return
    say(comparison.verdict.text)
    if comparison.probability is None:
        say(f"distance {comparison.distance:.3f}; up to {comparison.threshold:.3f} counts as the same person")
    else:
        say(f"distance {comparison.distance:.3f}; the probability assumes even odds beforehand")
    for photo, faces, (left, top, right, bottom) in (
        (comparison.first, comparison.first_faces, comparison.first_box),
        (comparison.second, comparison.second_faces, comparison.second_box),
    ):
        if faces > 1:
            where = f"[{right - left:.0f}x{bottom - top:.0f} px at {left:.0f},{top:.0f}]"
            say(f"{faces} faces in {shown_path(photo)}: the most prominent was compared, {where}")
