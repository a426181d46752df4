"""`facesearch photos`: the photos of the library, chosen by people and dates, as a list, a page or an album."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.cli.completing import complete_person
from facesearch.cli.options import ForceOption, JsonOption, LibraryOption
from facesearch.cli.output import complain, counted, say, say_json, shown, shown_path
from facesearch.cli.progress import Progress
from facesearch.errors import UsageError
from facesearch.text import called, time_span

if TYPE_CHECKING:
    from facesearch.api.library import FaceLibrary
    from facesearch.api.values import PhotoEntry, PhotoList

_SKIPPED_SHOWN = 20
_ON_A_PAGE = 500


class SortChoice(StrEnum):
    """In which order photos come."""

    PATH = "path"
    DATE = "date"
    LATEST = "latest"
    QUALITY = "quality"


def photos(
    people: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PERSON",
            help="Photos of all these people together: names, or '#12' for a person by number.",
            show_default=False,
            autocompletion=complete_person,
        ),
    ] = None,
    *,
    any_of: Annotated[bool, typer.Option("--any", help="Photos of any of the people.")] = False,
    without: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PERSON", help="Leave out photos of this person. Repeatable.", autocompletion=complete_person
        ),
    ] = None,
    only: Annotated[
        bool, typer.Option("--only", help="Only photos without anybody else, named or not; hidden people do not count.")
    ] = False,
    damaged: Annotated[
        bool, typer.Option("--damaged", help="Only photos with a missing part; says what is missing.")
    ] = False,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Taken on this day or later: 2019-07-04, 2019-07 or 2019.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="Taken on this day or earlier: 2019-07-04, 2019-07 or 2019.")
    ] = None,
    under: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Only photos in this folder, at any depth.", readable=False),
    ] = None,
    unknown: Annotated[bool, typer.Option("--unknown", help="Only photos with a face that has no person.")] = False,
    without_faces: Annotated[
        bool, typer.Option("--without-faces", help="Only photos in which no face was found.")
    ] = False,
    sort: Annotated[
        SortChoice,
        typer.Option(help="path; date: oldest first; latest: newest first; quality: people's best faces first."),
    ] = SortChoice.PATH,
    null: Annotated[
        bool, typer.Option("--null", "-0", help="Print paths only, each ended by a NUL byte, as xargs -0 reads them.")
    ] = False,
    json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with dates and people.")] = False,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a page with small pictures of the photos. Only you can read it.", readable=False
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=5000, help="Most photos that the page shows.", show_default=str(_ON_A_PAGE)
        ),
    ] = None,
    link: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Fill a new folder with symbolic links to the photos, as for a slide show.",
            readable=False,
        ),
    ] = None,
    copy: Annotated[bool, typer.Option("--copy", help="With --link: copies instead of links.")] = False,
    force: ForceOption = False,
    library: LibraryOption = None,
) -> None:
    """List the photos of some people, or all photos of the library.

    Dates come from the camera, XMP, the file's name, or the file's time; --json says from which. Files with the same
    content count as one photo. Leaves out photos that were gone when their folder was last indexed. Photos are never
    changed.
    """
    from facesearch.api.library import open_library

    _refuse_several(null=null, json=json, csv=as_csv)
    if copy and link is None:
        raise UsageError("--copy says how --link DIR fills a folder: give --link too")
    if limit is not None and html is None:
        raise UsageError("--limit says how many photos the page of --html FILE shows: give --html too")
    if any_of and not people:
        raise UsageError("--any needs people: name two or more, and photos of any of them are listed")
    with open_library(library) as opened:
        found = opened.photos(
            *(people or ()),
            any_of=any_of,
            without=without or (),
            only=only,
            since=since,
            until=until,
            under=under,
            unknown=unknown,
            without_faces=without_faces,
            damaged=damaged,
            sort=sort.value,
        )
        done = []
        if html is not None:
            done.append(_write_page(opened, found, html, people or [], limit=limit or _ON_A_PAGE, force=force))
    if link is not None:
        done.append(_fill(found, link, copy=copy))
    if json:
        say_json(found)
    elif null:
        for entry in found.photos:
            typer.echo(os.fsencode(entry.photo) + b"\0", nl=False)
    elif as_csv:
        from facesearch.api.values import photos_csv

        typer.echo(photos_csv(found.photos), nl=False)
    elif done:
        for line in done:
            say(line)
    else:
        _report(found, people or [], without_faces=without_faces, damaged=damaged)


def _refuse_several(**forms: bool) -> None:
    wanted = [f"--{form}" for form, is_wanted in forms.items() if is_wanted]
    if len(wanted) > 1:
        raise UsageError(f"{' and '.join(wanted)} are two formats: give one of them")


def _write_page(
    opened: FaceLibrary, found: PhotoList, path: Path, people: list[str], *, limit: int, force: bool
) -> str:
    """The line that says what was written."""
    from facesearch.api.values import check_page_file, write_page

    check_page_file(path, "--html", force=force)
    with Progress("reading photos", "photos") as progress:
        page = opened.pages.photos(found, ", ".join(people) or "Photos", limit, progress.update)
    write_page(path, page, "--html")
    return f"page: {shown_path(path)}"


def _fill(found: PhotoList, folder: Path, *, copy: bool) -> str:
    """The line that says what was put into the folder. Names photos that cannot be copied on stderr."""
    from facesearch.api.values import make_album

    if not found.photos:
        return "album: there is no such photo, so no folder was made"
    made = make_album([entry.photo for entry in found.photos], folder, copy=copy)
    for photo in made.skipped[:_SKIPPED_SHOWN]:
        complain(f"not copied {shown_path(photo)}: it is not there, or cannot be read")
    if len(made.skipped) > _SKIPPED_SHOWN:
        complain(f"and {len(made.skipped) - _SKIPPED_SHOWN:,} more")
    what = counted(made.photos, "copy", "copies") if copy else counted(made.photos, "link")
    return f"album: {what} in {shown_path(folder)}"


def _report(found: PhotoList, people: list[str], *, without_faces: bool, damaged: bool) -> None:
    for entry in found.photos:
        times = _times(entry, people)
        say(shown_path(entry.photo) + (f" {times}" if times else "") + (f": {entry.damage}" if damaged else ""))
    if found.photos:
        say()
    what = ("without a face, " if without_faces else "") + ("damaged, " if damaged else "")
    say(f"{counted(len(found.photos), 'photo')} {what}of {found.total:,} in the library")


def _times(entry: PhotoEntry, people: list[str]) -> str:
    """When a video shows the people asked for, and, if there are several, who is seen when."""
    asked = {name.casefold() for name in people}
    times = []
    for each in entry.people:
        if each.spans and {(each.name or "").casefold(), f"#{each.person_id}", str(each.person_id)} & asked:
            who = f"{shown(called(each.name, each.person_id))} " if len(people) > 1 else ""
            times.append(who + ", ".join(map(time_span, each.spans)))
    return ", ".join(times)
