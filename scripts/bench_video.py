"""Measures how long `index` takes for videos, and what it finds in them, on films of drawn people.

    python scripts/bench_video.py --films 2 --seconds 60 --hours 10

Draws the films first: 1080p at 25 frames a second, each with a dozen appearances of six people, and one long film at
1 frame a second in which hardly anything moves, as of a surveillance camera. Indexes each kind in a process of its
own, without grouping. Nothing but a temporary folder is written.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import av

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.films import Appearance, write_film

from facesearch.api.library import open_library

_CODER = {"preset": "ultrafast", "crf": "23"}


def appearances(seconds: float, number: int) -> list[Appearance]:
    """Two people at a time, side by side, six times in a film; nobody twice in a row."""
    part = seconds / 6
    return [
        Appearance((2 * turn + side + number) % 6, turn * part, turn * part + 0.8 * part, 0.02 + 0.5 * side)
        for turn in range(6)
        for side in (0, 1)
    ]


def rare(hours: int) -> list[Appearance]:
    """Somebody for half a minute every hour."""
    return [Appearance(0, 3600 * hour + 1000, 3600 * hour + 1030, 0.3, speed=0.01) for hour in range(hours)]


def repeated(film: Path, hour: Path, hours: int) -> Path:
    """Write a film that repeats an hour, without encoding it again."""
    film.parent.mkdir(parents=True)
    with av.open(str(hour)) as source, av.open(str(film), "w") as target:
        into = target.add_stream_from_template(source.streams.video[0])
        for number in range(hours):
            source.seek(0)
            for packet in source.demux(video=0):
                if packet.dts is None or packet.pts is None:
                    continue
                shift = round(3600 * number / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, into
                target.mux(packet)
    return film


def measured(films: Path, library: Path) -> dict[str, float]:
    """What one run of `index` took, and its processes: seconds, their processor time, and the most memory of one."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [
        sys.executable,
        "-m",
        "facesearch",
        "index",
        str(films),
        "--library",
        str(library),
        "--no-group",
        "--json",
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    summary = json.loads(ran.stdout)
    assert not summary["skipped"], summary["skipped"]
    processor_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "seconds": summary["elapsed_s"],
        "processor_s": processor_s,
        "faces": summary["faces_new"],
        "largest_mb": after.ru_maxrss / 1024,
    }


def spans(library: Path, film: Path) -> set[tuple[int, float, float]]:
    """The tracks that were found in a film."""
    with open_library(library) as opened:
        reader = opened.reader
        known = reader.files.under([film])[os.fsencode(film)]
        assert known.photo_id is not None
        faces = reader.catalog.faces_in([known.photo_id])
    return {(each.span.track, each.span.start_s, each.span.end_s) for each in faces if each.span is not None}


def found(drawn: list[Appearance], tracks: set[tuple[int, float, float]]) -> int:
    """How many appearances some track covers for half of their time or more. A track is not used twice at one time."""
    count, left = 0, sorted(tracks)
    for each in drawn:
        for track in left:
            shared = min(each.end_s, track[2] + 1) - max(each.start_s, track[1])
            if shared >= 0.5 * (each.end_s - each.start_s):
                count += 1
                if track[2] - track[1] <= 1.5 * (each.end_s - each.start_s):
                    left.remove(track)
                break
    return count


def report(name: str, films: list[tuple[Path, list[Appearance]]], seconds: float, library: Path) -> None:
    """Index some films and print a line."""
    took = measured(films[0][0].parent, library)
    tracks = [(spans(library, path), drawn) for path, drawn in films]
    hits, drawn = sum(found(each, seen) for seen, each in tracks), sum(len(each) for _, each in films)
    minutes = len(films) * seconds / 60
    print(
        f"{name}: {minutes:,.1f} minutes of video; {took['seconds']:.1f} s, {took['processor_s']:.1f} s of processors; "
        f"{60 * minutes / took['seconds']:.1f} minutes a minute, "
        f"{60 * minutes / took['processor_s']:.1f} a minute and core; "
        f"{hits} of {drawn} appearances found, {sum(len(seen) for seen, _ in tracks)} tracks, "
        f"{took['faces']:.0f} faces kept; largest process {took['largest_mb']:.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=2, help="0 leaves them out")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--hours", type=int, default=10, help="of the long film; 0 leaves it out")
    parser.add_argument("--rate", type=int, default=1, help="frames a second of the long film")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        films = []
        for number in range(args.films):
            cast = appearances(args.seconds, number)
            path = folder / "films" / f"{number}.mp4"
            films.append((write_film(path, cast, args.seconds, size=(1920, 1080), rate=25, options=_CODER), cast))
        if films:
            report("1080p", films, args.seconds, folder / "library")
        if args.hours:
            hour = write_film(folder / "hour.mp4", rare(1), 3600, size=(640, 360), rate=args.rate, options=_CODER)
            film = repeated(folder / "long" / "long.mp4", hour, args.hours)
            report("surveillance", [(film, rare(args.hours))], 3600 * args.hours, folder / "library-long")


if __name__ == "__main__":
    main()
