"""`facesearch status`: what the library holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facesearch.cli.options import DeviceOption, JsonOption, LibraryOption, TowerOption
from facesearch.cli.output import counted, say, say_json, shown
from facesearch.cli.progress import how_far, node_work

if TYPE_CHECKING:
    from facesearch.api.values import LibraryStatus
    from facesearch.records import WriterAtWork


def status(
    *,
    library: LibraryOption = None,
    tower: TowerOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Show what the library holds, which tower and detector built it, and on which device they run."""
    import dataclasses

    from facesearch.api.library import open_library

    with open_library(library, tower=tower, device=device) as opened:
        now = opened.status()
        runs_on, installed = opened.tower.device, opened.detector.identity
    if json:
        say_json({**dataclasses.asdict(now), "device": runs_on, "detector_installed": installed})
    else:
        _report(now, runs_on, installed)


def _report(now: LibraryStatus, runs_on: str, installed: str) -> None:
    missing = f", {now.files_missing:,} of them missing" if now.files_missing else ""
    damaged = f"; {now.photos_damaged:,} damaged" if now.photos_damaged else ""
    failed = f"; {now.files_failed:,} more could not be read" if now.files_failed else ""
    videos = f" ({now.videos:,} of them {'a video' if now.videos == 1 else 'videos'})" if now.videos else ""
    files = counted(now.files - now.files_failed, "file")
    unnamed = now.people - now.people_named
    manual = "" if now.groups_by_itself else "; index does not group: facesearch people group does"
    own = "the tower's"
    if now.calibrated_at and now.own_threshold is not None:
        own = f"its own, fitted on {now.calibrated_at[:10]}: threshold {now.own_threshold:.3f}"
    outdated = "" if now.detector == installed else f"; to move to {installed}: facesearch reindex"
    lines = {
        "library": f"{shown(now.path)}, {now.size_bytes / 1e6:.1f} MB, created {now.created_at[:10]}",
        "photos": f"{now.photos:,}{videos} in {files}{missing}{damaged}{failed}",
        "faces": f"{now.faces:,}" + (f", {now.faces_added:,} of them added" if now.faces_added else ""),
        "people": f"{now.people_named:,} named" + (f", {unnamed:,} unnamed" if unnamed else "") + manual,
        "tower": f"{shown(now.tower_name)} ({now.tower[:12]}), threshold {now.threshold:.3f}",
        "taught": f"on {now.taught_at[:10]}" if now.taught_at else "nothing",
        "distances": _distances(now),
        "calibration": own,
        "detector": shown(now.detector) + outdated,
        "vectors": shown(now.vectors),
        "search": now.search,
        "runs on": runs_on,
    } | ({"published": shown("; ".join(now.published))} if now.published else {})
    if now.writer is not None:
        lines["writing"] = _writing(now.writer)
        if now.writer.nodes:
            lines["nodes"] = shown(node_work(now.writer.nodes))
    for name, value in lines.items():
        say(f"{name:<11} {value}")


def _writing(writer: WriterAtWork) -> str:
    process = f"process {writer.pid} since {writer.since}"
    if writer.action is None:
        return process
    return f"{writer.action}: {how_far(writer.done, writer.total, 'photos', writer.photos_a_second)} ({process})"


def _distances(now: LibraryStatus) -> str:
    if now.distances == "judged":
        return f"judged, by the cohort of strangers {(now.cohort or '')[:12]}"
    if now.taught_at:
        return "plain; for judged ones, run facesearch teach again with a tower that has a cohort"
    return "plain; the tower has no cohort, so false matches are more frequent in some groups of people"
