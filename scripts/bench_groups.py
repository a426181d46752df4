"""Which cohort of strangers, how many centres and neighbours: false matches by group against true matches on LFW.

    python scripts/bench_groups.py split groups/utk.tar.gz DIR
    python scripts/bench_groups.py sweep DIR --lfw lfw --cohort DIR/utk-cohort.tar --cohort packed/celeba_more.tar.gz

split: half of UTKFace's people (by a hash of the folder's name) makes utk-cohort.tar, the other half utk-judged.tar,
with its groups in groups.csv: those of 13 years and more by group and sex, and children. sweep: judges the second half,
at the threshold that 1 % of pairs of strangers of LFW's folds 6 and 7 pass, for several numbers of centres and of
neighbours.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

GROUPS = ("White", "Black", "Asian", "Indian", "other")
SEXES = ("men", "women")
CHILD_BELOW_YEARS = 13
CENTRES = (0, 50, 100, 300, 500)  # 0: each person a point, which never ships
NEIGHBOURS = (2, 3, 5, 10, 50)


def split(archive: Path, folder: Path) -> None:
    """Write the two halves and the list of groups."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tarfile.open(archive) as source,
        tarfile.open(folder / "utk-cohort.tar", "w") as cohort,
        tarfile.open(folder / "utk-judged.tar", "w") as judged,
        (folder / "groups.csv").open("w", newline="", encoding="utf-8") as stream,
    ):
        lines = csv.writer(stream)
        lines.writerow(["photo", "group"])
        for member in source:
            if not member.isfile():
                continue
            person, name = member.name.split("/")[-2:]
            in_cohort = hashlib.sha256(person.encode()).digest()[0] % 2 == 0
            (cohort if in_cohort else judged).addfile(member, source.extractfile(member))
            if not in_cohort:
                lines.writerow([f"{person}/{name}", _group(name)])


def _group(name: str) -> str:
    age, sex, group = (int(part) for part in name.split("_")[:3])
    return "children" if age < CHILD_BELOW_YEARS else f"{GROUPS[group]} {SEXES[sex]}"


def sweep(folder: Path, lfw: Path, cohort: list[Path]) -> None:
    """Print a line for each number of centres and neighbours."""
    from facesearch.evaluation import metrics
    from facesearch.evaluation.cohort import Cohort
    from facesearch.evaluation.groups import GroupedFaces, report_groups
    from facesearch.vision.tower.tower import Tower
    from facesearch_train.cohort import cohort_embeddings, gather_centres, validating
    from facesearch_train.data.crops import prepare_crops
    from facesearch_train.data.datasets import list_photos
    from facesearch_train.data.pairs import number_identities
    from facesearch_train.evaluation.evaluate import embed_rows, found_rows
    from facesearch_train.evaluation.group_list import read_groups
    from facesearch_train.export import pairs_roc

    tower = Tower.load(device="cpu")
    known = validating(lfw, (6, 7))
    people = number_identities([known.identities[row] for row in found_rows(known)])
    genuine = embed_rows(known, found_rows(known), tower.embed).astype(np.float32)
    crops = prepare_crops(list_photos(folder / "utk-judged.tar"))
    rows = found_rows(crops)
    listed = read_groups(folder / "groups.csv")
    members: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        (group,) = listed["/".join(crops.paths[row].parts[-2:])]
        members.setdefault(group, []).append(place)
    judged = GroupedFaces(
        embed_rows(crops, rows, tower.embed).astype(np.float32), [crops.identities[row] for row in rows], members
    )
    strangers = cohort_embeddings(cohort, tower.embed)

    def line(name: str, scales: tuple[Any, Any]) -> None:
        roc = pairs_roc(genuine, people, scales[0])
        accepts = [metrics.tar_at_far(roc, far) for far in (0.01, 0.001)]
        assert accepts[0] is not None and accepts[1] is not None
        report = report_groups(judged, accepts[0].threshold, scales[1])
        rates = [each.false_matches.share for each in report.groups if each.false_matches]
        assert report.everybody.false_matches is not None
        everybody = report.everybody.false_matches.share
        print(
            f"{name:<28} worst {max(rates):6.2%}  best {min(rates):6.2%}  all {everybody:6.2%}  "
            f"LFW TAR at FAR 1 % {accepts[0].tar:.1%}, 0.1 % {accepts[1].tar:.1%}",
            flush=True,
        )

    line("plain", (None, None))
    for count in CENTRES:
        centres = gather_centres(strangers, count) if count else strangers
        for neighbours in NEIGHBOURS:
            scaled = Cohort(centres, min(neighbours, len(centres)), 1.0, 1.0)
            scales = scaled.local_scale(genuine), scaled.local_scale(judged.embeddings)
            line(f"{len(centres)} {'centres' if count else 'people'}, {neighbours} nearest", scales)


def main() -> None:
    """See the script's first lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    halves = commands.add_parser("split")
    halves.add_argument("archive", type=Path)
    halves.add_argument("folder", type=Path)
    tried = commands.add_parser("sweep")
    tried.add_argument("folder", type=Path)
    tried.add_argument("--lfw", type=Path, required=True)
    tried.add_argument("--cohort", type=Path, action="append", required=True)
    given = parser.parse_args()
    if given.command == "split":
        split(given.archive, given.folder)
    else:
        sweep(given.folder, given.lfw, given.cohort)


if __name__ == "__main__":
    main()
