"""`facesearch reindex`: move the library to another tower or detector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.cli.options import (
    DeviceOption,
    JsonOption,
    LibraryOption,
    RayOption,
    SmallestFaceOption,
    TowerOption,
    WorkersOption,
)
from facesearch.cli.output import (
    complain,
    end_interrupted,
    report_absent,
    report_nodes,
    say,
    say_json,
    shown_path,
)
from facesearch.cli.progress import Progress
from facesearch.errors import LibraryError
from facesearch.text import shown

if TYPE_CHECKING:
    from facesearch.api.values import ReindexSummary

_REASONS_SHOWN = 20


def reindex(
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Drop photos that cannot be reached or read, with their names.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait while another process is writing to the library.")] = False,
    workers: WorkersOption = 0,
    ray: RayOption = None,
    smallest_face: SmallestFaceOption = None,
    library: LibraryOption = None,
    tower: TowerOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Move the library to the installed tower and detector, to --tower, or to another --smallest-face.

    Reads every photo again. Until all are read, queries answer as before; the next run continues an interrupted
    one. Faces keep their people, on edited photos too. The former embeddings are deleted after the switch.
    """
    from facesearch.api.library import open_library
    from facesearch.api.values import ReindexInterrupted

    with open_library(library, tower=tower, device=device) as opened, Progress("reading", "photos") as progress:
        try:
            summary = opened.reindex(
                force=force,
                wait=wait,
                workers=workers,
                ray=ray,
                smallest_face=smallest_face,
                on_progress=progress.show,
            )
        except ReindexInterrupted as interruption:
            summary = interruption.summary
    if json:
        say_json(summary)
    else:
        _report(summary)
    if summary.interrupted:
        end_interrupted()
    if not summary.switched:
        if summary.unread:
            complain("mend these photos, or drop them: facesearch forget PHOTO")
        remedy = "connect these folders and " if summary.waiting else ""
        complain(f"queries answer as before: {remedy}run it again, or drop all of these photos with --force")
        raise typer.Exit(LibraryError.exit_code)


def _report(summary: ReindexSummary) -> None:
    report_absent(summary.waiting, "not read yet")
    for photo in summary.unread[:_REASONS_SHOWN]:
        complain(f"not read {shown_path(photo.path)}: {photo.reason}")
    if len(summary.unread) > _REASONS_SHOWN:
        complain(f"and {len(summary.unread) - _REASONS_SHOWN:,} more; --json lists them all")
    failed = f", {summary.photos_failed:,} that cannot be read" if summary.photos_failed else ""
    edited = f", {summary.photos_edited:,} of them edited since they were indexed" if summary.photos_edited else ""
    changed = f", {summary.photos_changed:,} changed: index them again" if summary.photos_changed else ""
    if summary.switched and not (summary.photos or summary.photos_failed):
        say(f"nothing to do: the library already uses the tower {shown(summary.tower)}")
        return
    say(f"photos   {summary.photos:,} read{edited}{failed}{changed}")
    report_nodes(summary.nodes)
    say(f"faces    {summary.faces:,}, {summary.faces_kept:,} of them known before")
    say(f"tower    {shown(summary.tower)}{'' if summary.switched else ', not yet'}")
    if summary.heads_dropped:
        complain("dropped what the library was taught with the former tower; run facesearch teach again")
    if summary.calibration_dropped:
        complain("dropped the library's calibration, because distances have changed; run facesearch calibrate again")
    for lost in summary.lost[:_REASONS_SHOWN]:
        complain(f"dropped from {shown_path(lost.path)}: {', '.join(map(shown, lost.names))}")
    if len(summary.lost) > _REASONS_SHOWN:
        complain(f"and from {len(summary.lost) - _REASONS_SHOWN:,} more; --json lists them all")
    say(f"seconds  {summary.elapsed_s:.1f}")
