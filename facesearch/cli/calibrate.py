"""`facesearch calibrate`: threshold and probabilities from the people that a library's owner has named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from facesearch.cli.options import JsonOption, LibraryOption, TowerOption
from facesearch.cli.output import complain, counted, say, say_json
from facesearch.errors import UsageError


def calibrate(
    *,
    far: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="The share of false matches to allow, of all pairs of different people; by default 0.01.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the result, and change nothing.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Show the library's own calibration.")] = False,
    reset: Annotated[bool, typer.Option("--reset", help="Drop the library's calibration and use the tower's.")] = False,
    library: LibraryOption = None,
    tower: TowerOption = None,
    json: JsonOption = False,
) -> None:
    """Fit threshold and probabilities to the people you named, and use them for this library.

    Uses all pairs of different photos of named people. Leaves people out to estimate the error, compares it with
    the former calibration, and resamples people for the intervals. With too few names it says what is missing and
    changes nothing. Run it again after naming more people. A reindex to another tower, teach, and forget drop the
    calibration.
    """
    from facesearch.api.library import open_library

    if show + reset + dry_run > 1 or (far is not None and (show or reset)):
        raise UsageError("use --show or --reset without other options")
    with open_library(library, tower=tower) as opened:
        if reset:
            dropped = opened.tuning.reset_calibration()
            say_json(_result(None, None, dropped=dropped)) if json else _report_reset(dropped)
        elif show:
            kept = opened.tuning.own_calibration()
            figures = None if kept is None else {**kept.figures, "calibration": kept.calibration.to_card()}
            at = None if kept is None else kept.fitted_at
            say_json(_result(figures, at)) if json else _report_kept(figures, at)
        else:
            fit = opened.tuning.calibrate(0.01 if far is None else far, dry_run=dry_run)
            kept = None if dry_run else opened.tuning.own_calibration()
            at = None if kept is None else kept.fitted_at
            say_json(_result(fit.to_json(), at, applied=not dry_run)) if json else _report_fit(fit.to_json(), dry_run)


def _result(
    figures: Mapping[str, Any] | None, fitted_at: str | None, *, applied: bool = False, dropped: bool = False
) -> dict[str, Any]:
    return {"applied": applied, "dropped": dropped, "fitted_at": fitted_at, "fit": figures}


def _report_reset(dropped: bool) -> None:
    say("dropped: the tower's calibration is used again" if dropped else "the library has no calibration of its own")


def _report_kept(figures: Mapping[str, Any] | None, fitted_at: str | None) -> None:
    if figures is None:
        say("the library has no calibration of its own: the tower's is used")
        return
    say(f"fitted               {fitted_at}")
    _report(figures)


def _report_fit(figures: Mapping[str, Any], dry_run: bool) -> None:
    _report(figures)
    if 2 * figures["faces_grouped"] > figures["faces"]:
        complain("grouping assigned most of these faces, the most alike ones: expect worse figures for other photos")
    own, before = figures["own"], figures["tower"]
    if own["accuracy"] < before["accuracy"] and (own["calibration_error"] or 0) > (before["calibration_error"] or 1):
        complain("it is no better than before for people it was not fitted to; name more people")
    if dry_run:
        say("nothing was changed")
    else:
        say("now used for this library; facesearch calibrate --reset returns to the tower's")


def _report(figures: Mapping[str, Any]) -> None:
    faces = counted(figures["faces"], "face")
    used = "" if figures["faces_used"] == figures["faces"] else f", {figures['faces_used']:,} of them used"
    people = f"{figures['people']:,}, {figures['people_with_two']:,} of them on two photos or more"
    lines = {
        "named people": f"{people}; {faces}{used}",
        "pairs": f"{figures['genuine_pairs']:,} of one person, {figures['impostor_pairs']:,} of two people",
        "threshold": f"{figures['threshold']:.3f} ({_span(figures['threshold_interval'], '.3f')}); "
        f"before {figures['tower_threshold']:.3f}",
        "false matches": f"{figures['far']:.1%} ({_span(figures['far_interval'], '.1%')})",
        "matches found": f"{figures['tar']:.1%} ({_span(figures['tar_interval'], '.1%')})",
        "on people left out": _judged(figures["own"]),
        "before, same people": _judged(figures["tower"]),
    }
    for name, value in lines.items():
        say(f"{name:<20} {value}")


def _span(interval: tuple[float, float], form: str) -> str:
    return f"{interval[0]:{form}} to {interval[1]:{form}}"


def _judged(values: Mapping[str, Any]) -> str:
    error = values["calibration_error"]
    said = "no probabilities" if error is None else f"probabilities off by {error:.1%}"
    matches = f"{values['far']:.1%} false matches, {values['tar']:.1%} found"
    return f"{matches}, {values['accuracy']:.1%} judged correctly, {said}"
