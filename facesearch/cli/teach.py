"""`facesearch teach`: the library learns from the names of its people and from corrections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.cli.options import JsonOption, LibraryOption, TowerOption
from facesearch.cli.output import complain, counted, say, say_json, table
from facesearch.cli.progress import Progress
from facesearch.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from facesearch.api.values import Measured, TeachSummary, UntaughtSummary


def teach(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Learn and measure, but change nothing.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Undo the last lesson.")] = False,
    reset: Annotated[bool, typer.Option("--reset", help="Undo all lessons.")] = False,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Random seed.")] = 0,
    library: LibraryOption = None,
    tower: TowerOption = None,
    json: JsonOption = False,
) -> None:
    """Teach the library your people: learn distances that tell them apart better.

    Learns a linear map over the tower's 32 numbers, in seconds, from named faces, rejected faces, and faces on the
    same photo. Tests it on photos and people left out, and keeps it only if it helps. Tower and photos stay as they
    are; --undo undoes a lesson.

    Needs five named people with five faces each. Faces of a group count once the group has a name; faces that
    grouping added to a named person do not.
    """
    from facesearch.api.library import open_library

    if dry_run + undo + reset > 1:
        raise UsageError("give only one of --dry-run, --undo and --reset")
    with open_library(library, tower=tower) as opened:
        if undo or reset:
            untaught = opened.tuning.unteach(everything=reset)
            say_json(untaught) if json else _report_untaught(untaught)
            return
        with Progress("learning", "heads") as progress:
            had_its_own = opened.tuning.own_calibration() is not None
            summary = opened.tuning.teach(seed=seed, dry_run=dry_run, on_run=progress.update)
        if had_its_own and opened.tuning.own_calibration() is None:
            complain("the library's calibration does not apply to the new distances; run facesearch calibrate again")
    if summary.learned_anew:
        complain("names changed while it learned, so it learned again from the current names")
    if json:
        from dataclasses import asdict

        say_json(asdict(summary))
    else:
        _report(summary)


def _report_untaught(untaught: UntaughtSummary) -> None:
    if not untaught.dropped:
        say("nothing to undo: distances are the tower's own")
    elif untaught.taught_at is None:
        say("distances are the tower's own again")
    else:
        say(f"distances are those taught on {untaught.taught_at[:10]} again")


def _report(summary: TeachSummary) -> None:
    from textwrap import wrap

    from facesearch.api.values import RULE

    beside = f", and from {counted(summary.apart, 'pair')} of faces of different people" if summary.apart else ""
    say(f"learned from {counted(summary.faces, 'face')} of {counted(summary.people, 'person', 'people')}{beside}")
    say()
    heads = ("held-out photos", "best accuracy", "AUC", "found at 1 % false", "false matches", "rank 1")
    rows = [*_rows("new photos of named people", summary.known), *_rows("people left out", summary.left_out)]
    for line in table(heads, rows, right=heads[1:]):
        say(line)
    say()
    for what, part in (("new photos of named people", summary.known), ("people left out", summary.left_out)):
        gain = part.gain
        say(f"AUC of {what}: {gain.gain:+.4f} (95 % interval {gain.low:+.4f} to {gain.high:+.4f})")
    say("found at 1 % false: matches found where 1 % of the pairs of different people match by mistake")
    say(f"false matches: share of those pairs within the threshold of {summary.threshold:.3f}")
    for line in wrap(RULE, 100):
        say(line)
    say()
    _conclude(summary)


def _conclude(summary: TeachSummary) -> None:
    if summary.taught:
        say("kept: the library now uses what it learned; to undo: facesearch teach --undo", bold=True)
    elif summary.kept:
        say("would be kept; nothing was changed", bold=True)
    else:
        say("not kept: no certain improvement; nothing was changed", bold=True)
        if summary.was_taught:
            complain("what the library learned before stays in use; to undo that: facesearch teach --undo")


def _rows(what: str, part: Measured) -> list[Sequence[str]]:
    return [
        [
            f"{what}, {when}",
            f"{figures.accuracy:.1%}",
            f"{figures.auc:.4f}",
            "-" if figures.tar_at_far is None else f"{figures.tar_at_far:.1%}",
            f"{figures.far:.2%}",
            "-" if figures.rank_1 is None else f"{figures.rank_1:.1%}",
        ]
        for when, figures in (("before", part.before), ("after", part.after))
    ]
