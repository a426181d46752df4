"""`facesearch export`: named faces for other programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.cli.completing import complete_person
from facesearch.cli.options import JsonOption, LibraryOption
from facesearch.cli.output import complain, counted, say, say_json, shown, shown_path
from facesearch.cli.progress import Progress
from facesearch.errors import UsageError

if TYPE_CHECKING:
    from facesearch.api.library import FaceLibrary
    from facesearch.api.values import ListingSummary, SidecarOptions, SidecarSummary, SkippedFile

_LINES_SHOWN = 20  # the rest is in --json


class Format(StrEnum):
    """What is written."""

    XMP = "xmp"
    JSON = "json"
    CSV = "csv"


class SidecarName(StrEnum):
    """What a new sidecar of IMG.jpg is called."""

    FULL = "IMG.jpg.xmp"
    SHORT = "IMG.xmp"


def export(
    *,
    form: Annotated[
        Format, typer.Option("--format", help="xmp: a sidecar beside each photo; json, csv: one list of all faces.")
    ] = Format.XMP,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write the list to FILE instead of stdout.", readable=False),
    ] = None,
    person: Annotated[
        list[str] | None,
        typer.Option(
            "--person",
            metavar="NAME",
            help="Only this person, by name or number. Repeatable.",
            autocompletion=complete_person,
        ),
    ] = None,
    unnamed: Annotated[
        bool, typer.Option("--unnamed", help="Include groups without a name; json and csv only.")
    ] = False,
    sidecar_name: Annotated[
        SidecarName,
        typer.Option(
            "--sidecar-name",
            help="Name new sidecars as digiKam, Immich and darktable do, or as Adobe's programs do.",
        ),
    ] = SidecarName.FULL,
    keywords: Annotated[
        bool, typer.Option("--keywords", help="Also add names to the photo's keywords; xmp only.")
    ] = False,
    withdraw: Annotated[
        bool,
        typer.Option(
            "--withdraw",
            help="Remove names from sidecars that facesearch wrote and the library no longer has; xmp only.",
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace other names in sidecars, and an existing FILE.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written, and write nothing.")] = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Write the named faces where digiKam, Immich and Lightroom read them, or into one list.

    Never writes to photos. Merges into an existing sidecar and leaves everything else in it unchanged, byte for
    byte. If another program named a face differently, keeps and reports the existing name. Lists are private.
    """
    from facesearch.api.library import open_library
    from facesearch.api.values import SidecarOptions

    if form is Format.XMP and (out is not None or unnamed):
        raise UsageError("--out and --unnamed need --format json or csv: sidecars lie beside their photos")
    if form is not Format.XMP and (keywords or withdraw):
        raise UsageError("--keywords and --withdraw need --format xmp")
    if form is not Format.XMP and json and out is None:
        raise UsageError("--json prints a summary on stdout, where the list would go: name a file for that with --out")
    with open_library(library) as opened:
        if form is Format.XMP:
            options = SidecarOptions(sidecar_name is SidecarName.SHORT, keywords, withdraw, force, dry_run)
            _sidecars(opened, person or [], options, json=json)
        else:
            _listing(opened, form, person or [], out, unnamed=unnamed, force=force, dry_run=dry_run, json=json)


def _sidecars(opened: FaceLibrary, people: Sequence[str], options: SidecarOptions, *, json: bool) -> None:
    with Progress("exporting", "files") as progress:
        summary = opened.exchange.export_sidecars(people, options, progress.update)
    if json:
        say_json(summary)
    else:
        _report(summary)


def _listing(
    opened: FaceLibrary,
    form: Format,
    people: Sequence[str],
    out: Path | None,
    *,
    unnamed: bool,
    force: bool,
    dry_run: bool,
    json: bool,
) -> None:
    from facesearch.api.values import refuse_taken, write_listing

    if out is not None:
        refuse_taken(out, force=force)
    content, summary = opened.exchange.export_listing("csv" if form is Format.CSV else "json", people, unnamed=unnamed)
    if out is not None and not dry_run:
        write_listing(out, content, force=force)
    if json:
        say_json({"format": form.value, "out": out, **vars(summary), "dry_run": dry_run})
        return
    report_missing(summary.missing)
    if out is None and not dry_run:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
    else:
        say(_listed(summary, out, dry_run=dry_run))


def _listed(summary: ListingSummary, out: Path | None, *, dry_run: bool) -> str:
    what = (
        f"{counted(summary.faces, 'face')} of {counted(summary.people, 'person', 'people')} "
        f"on {counted(summary.photos, 'photo')}"
    )
    where = "" if out is None else f" to {shown_path(out)}"
    return f"{'would write' if dry_run else 'wrote'} {what}{where}"


def _report(summary: SidecarSummary) -> None:
    report_missing(summary.missing)
    report_skipped(summary.skipped)
    for conflict in summary.conflicts[:_LINES_SHOWN]:
        complain(
            f"{shown_path(conflict.photo)}: the face at {conflict.box[0]:.0f},{conflict.box[1]:.0f} is {conflict.name} "
            f"in the library and {conflict.other} in the photo's metadata; kept the latter (--force replaces it)"
        )
    report_more(summary.conflicts)
    would = "would be " if summary.dry_run else ""
    say(
        f"sidecars  {would}{summary.sidecars_new:,} new, {summary.sidecars_changed:,} changed, "
        f"{summary.sidecars_unchanged:,} unchanged"
    )
    removed = f"{summary.regions_removed:,} removed, " if summary.regions_removed else ""
    say(
        f"regions   {would}{summary.regions_added:,} added, {summary.regions_updated:,} updated, {removed}"
        f"{summary.regions_kept:,} unchanged"
    )
    faces = f"{counted(summary.faces, 'face')} of {counted(summary.people, 'person', 'people')}"
    say(f"total     {faces} on {counted(summary.photos, 'photo')}")


def report_missing(paths: Sequence[Path]) -> None:
    """A line on stderr for each photo that is not there."""
    for path in paths[:_LINES_SHOWN]:
        complain(f"left out {shown_path(path)}: it is missing")
    report_more(paths)


def report_skipped(files: Sequence[SkippedFile]) -> None:
    """A line on stderr for each file that was left alone, with its reason."""
    for file in files[:_LINES_SHOWN]:
        complain(f"skipped {shown_path(file.path)}: {shown(file.reason)}")
    report_more(files)


def report_more(lines: Sequence[object]) -> None:
    """How many of a long list were not shown."""
    if len(lines) > _LINES_SHOWN:
        complain(f"and {len(lines) - _LINES_SHOWN:,} more; --json lists them all")
