"""`facesearch people group`: find the people who have no name yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.cli.options import JsonOption, LibraryOption, TowerOption
from facesearch.cli.output import counted, say, say_json, shown, table
from facesearch.cli.people_options import say_change
from facesearch.cli.progress import Progress
from facesearch.text import addressed

if TYPE_CHECKING:
    from facesearch.api.values import GroupedPerson, GroupSummary

_ROWS_SHOWN = 20  # the rest is in --json, and in people list


def group(
    *,
    min_size: Annotated[int, typer.Option("--min-size", metavar="N", min=2, help="Fewest faces of a new group.")] = 3,
    min_quality: Annotated[
        float,
        typer.Option(
            "--min-quality",
            metavar="QUALITY",
            min=0,
            max=1,
            help="Leave out faces of lower quality: small, blurred or turned away. 0 takes all.",
        ),
    ] = 0.35,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")] = False,
    automatic: Annotated[
        bool | None,
        typer.Option(
            "--automatic/--manual",
            help="Group nothing now; set whether index groups new faces in this library. By default it does.",
            show_default=False,
        ),
    ] = None,
    library: LibraryOption = None,
    tower: TowerOption = None,
    json: JsonOption = False,
) -> None:
    """Group all faces that have no person. index groups only new faces and those near them.

    Faces that very likely show one person become an unnamed group; faces that very likely show a known person join that
    person. Doubtful faces wait, because a wrong face in a group costs more than a missing one. Faces that have a person
    stay, rejected faces stay rejected, and nobody is named or merged. Run it again when photos were added; undo undoes
    a run.
    """
    from facesearch.api.library import open_library

    if automatic is not None:
        with open_library(library) as opened:
            opened.people.group_automatically(wanted=automatic)
        if json:
            say_json({"automatic": automatic})
            return
        manual = "no longer groups new faces: facesearch people group does"
        say(f"index {'groups new faces from now on' if automatic else manual}")
        return
    with open_library(library, tower=tower) as opened, Progress("grouping", "faces") as progress:
        summary = opened.people.group(
            least_faces=min_size, least_quality=min_quality, dry_run=dry_run, on_progress=progress.update
        )
    if json:
        say_json(summary)
    else:
        _report(summary)


def _report(summary: GroupSummary) -> None:
    new = [person for person in summary.people if person.is_new]
    known = [person for person in summary.people if not person.is_new]
    for title, people in (("new group", new), ("known", known)):
        if people:
            rows = [(_who(person), f"{person.faces:,}", f"{person.total:,}") for person in people[:_ROWS_SHOWN]]
            for line in table((title, "faces", "now"), rows, ("faces", "now")):
                say(line)
            if len(people) > _ROWS_SHOWN:
                say(f"and {len(people) - _ROWS_SHOWN:,} more; --json lists them all")
            say()
    waiting = f"{counted(summary.waiting, 'face')} left without a person"
    if summary.poor:
        waiting += f" ({summary.poor:,} too small, blurred or turned away)"
    would = "would be " if summary.dry_run else ""
    text = (
        f"{counted(len(new), 'new group')} of {counted(summary.grouped, 'face')}, "
        f"{counted(summary.joined, 'face')} {would}added to {counted(len(known), 'known person', 'known people')}, "
        f"{waiting}; {summary.known:,} had a person before"
    )
    if summary.dry_run:
        say(text)
    else:
        say_change(summary.change, text)
        if summary.change is None:
            say(f"{waiting}; {summary.known:,} of {summary.faces:,} have a person")
        if new:
            say("to see them: facesearch people sheet --all --out people.html")
            say(f"to name one: facesearch people name {new[0].person_id} NAME")


def _who(person: GroupedPerson) -> str:
    is_new = person.name is None and person.person_id is None
    return "(new)" if is_new else shown(addressed(person.name, person.person_id))
