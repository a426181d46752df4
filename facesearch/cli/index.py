"""`facesearch index`: photos into the library."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facesearch.cli.options import (
    CodesOption,
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
    counted,
    end_interrupted,
    report_absent,
    report_nodes,
    say,
    say_json,
    shown_path,
)
from facesearch.cli.progress import Progress
from facesearch.text import shown

if TYPE_CHECKING:
    from facesearch.api.library import FaceLibrary
    from facesearch.api.values import IndexSummary

_REASONS_SHOWN = 20  # the rest is in --json
_NAMES_SHOWN = 5


def index(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH", help="Photos, and folders of photos at any depth; s3:// and gs:// too.", readable=False
        ),
    ],
    *,
    people_from_folders: Annotated[
        bool, typer.Option("--people-from-folders", help="Name people after their folders, one folder for each person.")
    ] = False,
    rehash: Annotated[
        bool, typer.Option("--rehash", help="Read every photo again, even if its time and size are unchanged.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait while another process is writing to the library.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep running, and index again whenever photos change, until Ctrl-C.")
    ] = False,
    workers: WorkersOption = 0,
    foreign_folders: Annotated[
        bool,
        typer.Option(
            "--foreign-folders",
            help="Also index folders that NAS systems and photo programs use internally: thumbnails, deleted files, "
            "the contents of *.photoslibrary.",
        ),
    ] = False,
    group: Annotated[
        bool | None,
        typer.Option(
            "--group/--no-group",
            help="Put new faces into groups at the end. By default the library's setting: facesearch people group "
            "--automatic, or --manual.",
            show_default=False,
        ),
    ] = None,
    codes: CodesOption = None,
    ray: RayOption = None,
    smallest_face: SmallestFaceOption = None,
    library: LibraryOption = None,
    tower: TowerOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Find the faces in a photo collection and add them to the library.

    Run it again whenever photos were added: only changed photos are read. Ctrl-C loses nothing that was finished.
    The photos themselves are never changed.
    """
    from facesearch.api.library import open_library

    with open_library(library, tower=tower, device=device) as opened:
        how = {
            "people_from_folders": people_from_folders,
            "workers": workers,
            "smallest_face": smallest_face,
            "foreign_folders": foreign_folders,
            "group": group,
            "codes": codes,
            "ray": ray,
        }
        run = partial(_run, opened, paths, how=how, json=json)
        if watch:
            again, first = partial(run, rehash=False, wait=True), partial(run, rehash=rehash, wait=True)
            _watch(paths, opened, again, first, foreign_folders=foreign_folders)
        else:
            run(rehash=rehash, wait=wait)


def _run(
    opened: FaceLibrary,
    paths: list[Path],
    *,
    how: Mapping[str, Any],
    rehash: bool,
    wait: bool,
    json: bool,
    leave_out: Iterable[Path] = (),
    quiet: bool = False,
) -> None:
    """Index once and print a summary. how: the options of every run. quiet: print only if something was done.

    Exits with 130 if interrupted.
    """
    from facesearch.api.values import IndexInterrupted

    with Progress("indexing", "photos") as progress:
        try:
            summary = opened.index(
                *paths,
                **how,
                rehash=rehash,
                wait=wait,
                leave_out=leave_out,
                on_progress=progress.show,
            )
        except IndexInterrupted as interruption:
            summary = interruption.summary
    if not quiet or summary.interrupted or _did_something(summary):
        if json:
            say_json(summary)
        else:
            _report(summary)
    if summary.interrupted:
        end_interrupted()


def _watch(
    paths: list[Path],
    opened: FaceLibrary,
    run: Callable[..., None],
    first_run: Callable[..., None],
    *,
    foreign_folders: bool,
) -> None:
    """Index now and after every change. Ctrl-C ends it; between runs that is not an error.

    Reports a run that fails and tries again, unless it was the first run or the library is gone."""
    from facesearch.api.values import watch
    from facesearch.errors import FacesearchError, LibraryError, LibraryLockedError

    has_run = False

    def index_again(unfinished: frozenset[Path]) -> bool:
        nonlocal has_run
        if has_run and not opened.exists:
            raise LibraryError(f"the library in {opened.path} is gone: stopped watching")
        try:
            if has_run:
                run(leave_out=unfinished, quiet=True)
            else:  # of which a wrong name is an error
                first_run(leave_out=unfinished)
            has_run = True
        except FacesearchError as error:
            if not (has_run or isinstance(error, LibraryLockedError)):
                raise
            complain(f"{error}; still watching")
            return False
        return True

    complain("watching for changes; press Ctrl-C to stop")
    try:
        watch(paths, index_again, foreign_folders=foreign_folders)
    except KeyboardInterrupt:
        complain("stopped watching")


def _did_something(summary: IndexSummary) -> bool:
    return any(
        (
            summary.photos_new,
            summary.photos_changed,
            summary.photos_copied,
            summary.photos_moved,
            summary.photos_missing,
            summary.faces_named,
            summary.group_change,
        )
    )


def _found(summary: IndexSummary) -> int:
    """How many photos and videos were found, whatever their outcome, and how many folders could not be reached."""
    known = summary.photos_new + summary.photos_changed + summary.photos_unchanged
    paths = summary.photos_copied + summary.photos_moved + summary.photos_missing
    return known + paths + len(summary.skipped) + summary.skipped_known + summary.videos_left_out + len(summary.absent)


def _complaints(summary: IndexSummary) -> None:
    """List on stderr each file that was skipped or is damaged, with its reason, and each photo without a name."""
    if not summary.interrupted and not _found(summary):
        complain("no photos found: check the name of the folder; facesearch doctor lists the formats that are read")
    report_absent(summary.absent, "kept; if you renamed the folder, run facesearch prune FOLDER --force")
    for file in summary.skipped[:_REASONS_SHOWN]:
        complain(f"skipped {shown_path(file.path)}: {file.reason}")
    if len(summary.skipped) > _REASONS_SHOWN:
        complain(f"and {len(summary.skipped) - _REASONS_SHOWN:,} more; --json lists them all")
    for photo in summary.photos_damaged[:_REASONS_SHOWN]:
        complain(f"damaged {shown_path(photo.path)}: {photo.damage}; {counted(photo.faces, 'face')} found")
    if len(summary.photos_damaged) > _REASONS_SHOWN:
        complain(
            f"and {len(summary.photos_damaged) - _REASONS_SHOWN:,} more: facesearch photos --damaged lists them all"
        )
    for each in summary.unnamed[:_REASONS_SHOWN]:
        complain(f"{shown_path(each.path)}: {each.reason}")
    if len(summary.unnamed) > _REASONS_SHOWN:
        complain(f"and {len(summary.unnamed) - _REASONS_SHOWN:,} more without a name; --json lists them all")
    for lost in summary.names_lost[:_REASONS_SHOWN]:
        complain(f"{shown_path(lost.path)} was edited or replaced: {', '.join(map(shown, lost.names))} not found on it")
    if len(summary.names_lost) > _REASONS_SHOWN:
        complain(f"and {len(summary.names_lost) - _REASONS_SHOWN:,} more such photos; --json lists them all")
    if summary.videos_left_out:
        from facesearch.import_path import how_to_add

        complain(f"{counted(summary.videos_left_out, 'video')} left out; to read them: {how_to_add('video')}")


def _report(summary: IndexSummary) -> None:
    """Print the summary, after the complaints."""
    _complaints(summary)
    skipped = len(summary.skipped) + summary.skipped_known
    before = f" ({summary.skipped_known:,} as before; --rehash tries them again)" if summary.skipped_known else ""
    parts = [
        f"{summary.photos_new:,} new",
        f"{summary.photos_changed:,} changed" if summary.photos_changed else "",
        f"{summary.photos_copied:,} copied" if summary.photos_copied else "",
        f"{summary.photos_moved:,} moved" if summary.photos_moved else "",
        f"{summary.photos_unchanged:,} unchanged",
        f"{summary.photos_missing:,} missing" if summary.photos_missing else "",
        f"{skipped:,} skipped{before}" if skipped else "",
        f"{len(summary.photos_damaged):,} damaged but readable" if summary.photos_damaged else "",
    ]
    strange = counted(summary.other_files, "file that is not a photo", "files that are not photos")
    others = f"; {strange}" if summary.other_files else ""
    if summary.folders_left_out:
        others += f"; {counted(summary.folders_left_out, 'folder')} of other programs left out"
    say(f"photos   {', '.join(part for part in parts if part)}{others}")
    report_nodes(summary.nodes)
    if misnamed := summary.photos_misnamed:
        shown_names = ", ".join(shown_path(path) for path in misnamed[:_NAMES_SHOWN])
        more = f" and {len(misnamed) - _NAMES_SHOWN:,} more" if len(misnamed) > _NAMES_SHOWN else ""
        say(f"names    {counted(len(misnamed), 'photo')} without a photo's suffix: {shown_names}{more}")
    named = f", {summary.faces_named:,} of them named after their folders" if summary.faces_named else ""
    kept = f", {summary.faces_kept:,} of them kept their person after an edit" if summary.faces_kept else ""
    say(f"faces    {summary.faces_new:,} new{named}{kept}")
    if summary.grouped:
        say(f"people   {_grouped(summary)}")
    elif summary.faces_new and summary.faces_without_person:
        nobody = counted(summary.faces_without_person, "face has", "faces have")
        say(f"people   {nobody} no person yet: run facesearch people group")
    if summary.photos_without_faces and (summary.photos_new or summary.photos_changed):
        share = f"{summary.photos_without_faces:,} of {counted(summary.photos_present, 'photo')}"
        say(f"no face  {share}: facesearch photos --without-faces lists them")
    say(f"seconds  {summary.elapsed_s:.1f}")


def _grouped(summary: IndexSummary) -> str:
    """What the grouping at the end of a run did, and how to undo it."""
    joined = f", {counted(summary.faces_joined, 'face')} joined known people" if summary.faces_joined else ""
    waiting = f", {summary.faces_without_person:,} not grouped yet" if summary.faces_without_person else ""
    undo = "" if summary.group_change is None else f" (to undo: facesearch people undo {summary.group_change})"
    return f"{counted(summary.groups_new, 'new group')}{joined}{waiting}{undo}"
