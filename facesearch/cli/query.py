"""`facesearch query`: who is on a photo, and where else they appear."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facesearch.cli.options import (
    CollectionOption,
    DeviceOption,
    ForceOption,
    JsonOption,
    LibraryOption,
    PicturesOption,
    PriorOption,
    ThresholdOption,
    TowerOption,
)
from facesearch.cli.row_pictures import PicturesChoice
from facesearch.errors import PhotoError


def query(
    photos: Annotated[
        list[Path],
        typer.Argument(metavar="PHOTO", help="Photos with one face or several, and folders of photos.", readable=False),
    ],
    *,
    k: Annotated[int, typer.Option("--k", "-k", metavar="N", min=1, help="People to show for each face.")] = 5,
    faces: Annotated[
        bool, typer.Option("--faces", help="List the nearest faces, with their photos, instead of people.")
    ] = False,
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
    """Tell who is on a photo.

    Prints one answer for each face, with its probability, or says that the face probably belongs to nobody in the
    library. Below it come the nearest people, each with the distance to their nearest face; unnamed people have a
    number. Does not store the photo. Reports photos that it cannot read, and goes on with the others. The page shows
    faces, and only you can read it. Terminals such as kitty and iTerm2 show the faces beside the rows.
    """
    from facesearch.cli.question import answer_question

    if not answer_question(
        photos,
        k=k,
        faces=faces,
        threshold=threshold,
        prior=prior,
        html=html,
        force=force,
        pictures=pictures,
        milvus=milvus,
        collection=collection,
        library=library,
        tower=tower,
        device=device,
        json=json,
    ):
        raise typer.Exit(PhotoError.exit_code)
