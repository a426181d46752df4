"""The options that several commands share, each written once.

Every path of every command is `readable=False`, so Typer does not check it: the room that reads the path reports an
unreadable one, with its own exit code and advice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from facesearch.cli.row_pictures import PicturesChoice

LibraryOption = Annotated[
    Path | None,
    typer.Option(
        "--library",
        metavar="DIR",
        help="The library's folder; by default FACESEARCH_LIBRARY, or a folder in your user data directory.",
        show_default=False,
        readable=False,
    ),
]
TowerOption = Annotated[
    Path | None,
    typer.Option(
        "--tower",
        metavar="DIR",
        help="The folder of a trained tower; by default FACESEARCH_TOWER, or the one that comes with facesearch.",
        show_default=False,
        readable=False,
    ),
]
DeviceOption = Annotated[
    Literal["auto", "cpu", "gpu", "npu"],  # records.Device, whose module takes 10 ms to import
    typer.Option(
        "--device",
        help="Where faces are found, recognised and searched; auto uses a GPU if there is one. npu: an Intel NPU "
        "recognises, the CPU does the rest.",
    ),
]
CollectionOption = Annotated[
    str | None,
    typer.Option(
        "--collection", metavar="NAME", help="The Milvus collection; by default facesearch.", show_default=False
    ),
]
WorkersOption = Annotated[
    int, typer.Option("--workers", metavar="N", min=0, help="Photos processed at once; 0: one for each processor core.")
]
RayOption = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Find and embed faces on the machines of a Ray cluster. All must see the photos under the same paths. "
        "local: start Ray on this machine. --workers sets how many processors to use. Needs the extra `cluster`.",
        show_default=False,
    ),
]
CodesOption = Annotated[
    Literal["auto", "float32", "float16", "8bit"] | None,
    typer.Option(
        "--codes",
        help="How precisely the search of a million faces or more keeps them in memory. The library remembers it. "
        "auto: as precisely as fits in half of the memory. Distances are exact in any case.",
        show_default=False,
    ),
]
SmallestFaceOption = Annotated[
    str | None,
    typer.Option(
        "--smallest-face",
        metavar="PX|%",
        help="Skip smaller faces. In pixels, after the photo is shrunk to 1024 px (40), or as a share of the photo's "
        "longer side (4%). A larger size is faster. By default the library's; a new library skips none.",
        show_default=False,
    ),
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        metavar="DISTANCE",
        min=0.0,
        help="Largest distance of a match. By default the probability decides; without a calibration, the threshold "
        "of the library or the tower.",
        show_default=False,
    ),
]
PriorOption = Annotated[
    float,
    typer.Option(
        metavar="PROBABILITY", help="Probability, before looking at a face, that its person is in the library."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, as docs/reference/json.md describes it.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace FILE even if facesearch did not write it.")]
PicturesOption = Annotated[
    PicturesChoice,
    typer.Option(help="Draw faces beside the rows; auto: if the terminal is known to show pictures."),
]
