"""`facesearch prune`: drop the photos that are gone for good."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facesearch.cli.options import JsonOption, LibraryOption
from facesearch.cli.output import counted, report_absent, say, say_json
from facesearch.errors import UsageError


def prune(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FOLDER", help="Only photos from these folders; by default from all.", readable=False),
    ] = None,
    *,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Also drop photos of folders that are missing today, such as on an unplugged drive."
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be dropped, and change nothing.")] = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Drop photos that were gone when their folder was last indexed, with their faces and names.

    Keeps photos from a folder that is missing or empty today: it may be on an unmounted drive. If you renamed the
    folder, name its former path and use --force.
    """
    if force and not paths:
        raise UsageError("--force needs the folders to drop: facesearch prune FOLDER --force")
    from facesearch.api.library import open_library

    with open_library(library) as opened:
        summary = opened.prune(*(paths or ()), force=force, dry_run=dry_run)
    if json:
        say_json(summary)
        return
    report_absent(summary.kept, "kept; to drop them: facesearch prune FOLDER --force")
    groups = f" and {counted(summary.people, 'unnamed group')}" if summary.people else ""
    say(
        f"{'would drop' if dry_run else 'dropped'} {counted(summary.files, 'file')}: "
        f"{counted(summary.photos, 'photo')} with {counted(summary.faces, 'face')}{groups}"
    )
