"""`facesearch import`: names from other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.cli.export import report_more, report_skipped
from facesearch.cli.options import JsonOption, LibraryOption, TowerOption
from facesearch.cli.output import complain, counted, say, say_json, shown_path
from facesearch.cli.people_import import offer_grouping
from facesearch.cli.progress import Progress

if TYPE_CHECKING:
    from facesearch.api.values import ImportSummary

_LINES_SHOWN = 20  # the rest is in --json


def import_names(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH",
            help="Photos, folders of photos, XMP sidecars, .picasa.ini, and JSON or CSV lists of facesearch export.",
            readable=False,
        ),
    ],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show who would be named, and change nothing.")] = False,
    new_faces: Annotated[
        bool,
        typer.Option(
            "--new-faces/--no-new-faces",
            help="Add a face for a named region where index found none, or only report the region.",
        ),
    ] = True,
    wait: Annotated[bool, typer.Option("--wait", help="Wait while another process is writing to the library.")] = False,
    library: LibraryOption = None,
    tower: TowerOption = None,
    json: JsonOption = False,
) -> None:
    """Import the names that digiKam, Lightroom, Picasa and others gave to faces.

    Reads face regions from sidecars, from the photos themselves and from Picasa's .picasa.ini (and its contacts.xml). A
    region names the face that it overlaps. Where index found no face, import adds one; it is compared with others if
    the detector sees a face there. Existing names stay, and conflicts are reported, as are regions that cannot be used,
    such as one drawn before the photo was cropped. facesearch people undo undoes an import.
    """
    from facesearch.api.library import open_library

    with open_library(library, tower=tower) as opened:
        with Progress("importing", "files") as progress:
            summary = opened.exchange.import_names(
                paths, dry_run=dry_run, wait=wait, new_faces=new_faces, on_file=progress.update
            )
        if json:
            say_json(summary)
            return
        _report(summary)
        if summary.faces_named and not dry_run:
            offer_grouping(opened)


def _report(summary: ImportSummary) -> None:
    report_skipped(summary.skipped)
    for path in summary.photos_unknown[:_LINES_SHOWN]:
        complain(f"{shown_path(path)} has names, but is not in the library: run facesearch index first")
    report_more(summary.photos_unknown)
    for conflict in summary.conflicts[:_LINES_SHOWN]:
        complain(
            f"{shown_path(conflict.photo)}: face #{conflict.face_id} is {conflict.name} in the library, "
            f"kept; {conflict.other} in the photo's metadata"
        )
    report_more(summary.conflicts)
    for rejected in summary.rejected[:_LINES_SHOWN]:
        complain(f"{shown_path(rejected.photo)}: face #{rejected.face_id} was rejected for {rejected.name}")
    report_more(summary.rejected)
    for region in summary.unusable[:_LINES_SHOWN]:
        complain(f"{shown_path(region.photo)}: the region of {region.name} {region.reason}; not used")
    report_more(summary.unusable)
    if summary.not_added is not None:
        complain(f"no face was added: {summary.not_added}")
    would = "would be " if summary.dry_run else ""
    new = f", {counted(summary.people_new, 'new person', 'new people')}" if summary.people_new else ""
    say(f"faces    {would}{summary.faces_named:,} named{new}; {summary.faces_same:,} already had that name")
    if summary.faces_added:
        unseen = f", {summary.faces_unseen:,} of them without a visible face" if summary.faces_unseen else ""
        say(f"         {would}{summary.faces_added:,} added where index found none{unseen}")
    unmatched = f"; {len(summary.unmatched):,} without a face in the library" if summary.unmatched else ""
    unusable = f"; {len(summary.unusable):,} could not be used" if summary.unusable else ""
    say(f"regions  {summary.regions:,} with a name on {counted(summary.photos, 'photo')}{unmatched}{unusable}")
