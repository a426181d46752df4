"""`facesearch compare`: how alike the faces on two photos are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facesearch.cli.options import DeviceOption, JsonOption, TowerOption
from facesearch.cli.output import say, say_json


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
    """Compare the most prominent faces of two photos. Needs no library, and stores nothing."""
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
