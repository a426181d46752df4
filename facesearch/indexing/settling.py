"""After a whole walk: what was moved, what is missing, and what nothing shows any more."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from facesearch.indexing.summary import AbsentFolder, LostNames
from facesearch.indexing.survey import Survey
from facesearch.indexing.whereabouts import Whereabouts, exists, is_absent, is_within
from facesearch.library import Library
from facesearch.paths import stored_path
from facesearch.records import KnownFile


@dataclass(frozen=True)
class Settled:
    """What became of the files that were not found where they lay."""

    moved: int  # their photo lies elsewhere now
    missing: int  # since this run
    absent: tuple[AbsentFolder, ...]  # former folders of photos that were found elsewhere, which are not there today
    names_lost: tuple[LostNames, ...]  # of photos that were edited or replaced


NOTHING_SETTLED = Settled(0, 0, (), ())


def settle(library: Library, survey: Survey) -> Settled:
    """Bring the rows of files up to date.

    The former path of a photo that was found under another one (in this run, or in one that was cut short) is dropped
    when nothing is there any more. Any other file that is gone is kept, as missing; so is such a former path where its
    whole root is absent today, which may be a drive, or a folder that was renamed, as is a drive below a root.
    """
    files = library.files
    whereabouts = Whereabouts(library.roots.all(), library.drives.all())
    gone, moved, elsewhere = dict[int, KnownFile](), set[int](), dict[int, bytes]()
    for path, known in survey.known.items():
        if path not in survey.seen and not exists(path):
            drive = whereabouts.absent_drive(path)
            if drive is None:
                gone[known.file_id] = known
            else:
                elsewhere[known.file_id] = drive
    for path, file_id, _, _ in files.of(files.unsettled_photos()):
        if file_id in gone:
            moved.add(file_id)
        elif not exists(path):
            root = whereabouts.absent_root(path)
            if root is None:
                moved.add(file_id)
            else:
                elsewhere[file_id] = root
    missing = [file_id for file_id, known in gone.items() if file_id not in moved and known.photo_id is not None]
    with library.changing():
        files.forget(moved | {file_id for file_id, known in gone.items() if known.photo_id is None})
        files.set_missing([*missing, *elsewhere], missing=True)
        files.settle()
        names_lost = _names_lost(library, survey)
        library.catalog.drop_unshown()
        library.roots.put(survey.roots)
        library.drives.put(survey.drives)
        library.drives.forget(_unmounted(library, survey))
    said = {folder.path for folder in survey.absent}
    roots = {Path(os.fsdecode(root)): count for root, count in sorted(Counter(elsewhere.values()).items())}
    absent = tuple(AbsentFolder(root, count) for root, count in roots.items() if root not in said)
    return Settled(len(moved), sum(not gone[file_id].missing for file_id in missing), absent, names_lost)


def _names_lost(library: Library, survey: Survey) -> tuple[LostNames, ...]:
    """The names that leave with photos which nothing shows any more, as the new content of their files did not get
    them."""
    unshown = library.files.unshown_photos()
    replaced = {path: known.photo_id for path, known in survey.known.items() if known.photo_id in unshown}
    lost = []
    for path, photo_id in sorted(replaced.items()):
        now = library.files.at(Path(os.fsdecode(path)))
        names = _names_on(library, photo_id) - _names_on(library, None if now is None else now.photo_id)
        if names:
            lost.append(LostNames(Path(os.fsdecode(path)), tuple(sorted(names.elements()))))
    return tuple(lost)


def _names_on(library: Library, photo_id: int | None) -> Counter[str]:
    faces = [] if photo_id is None else library.catalog.faces_in([photo_id])
    return Counter(face.name for face in faces if face.name is not None)


def _unmounted(library: Library, survey: Survey) -> list[bytes]:
    """Folders below what was walked that held a drive once, and now hold files of the drive that they lie on."""
    drives, roots = set(map(stored_path, survey.drives)), list(map(stored_path, survey.roots))
    return [
        drive
        for drive in library.drives.all()
        if drive not in drives and not is_absent(drive) and any(is_within(drive, root) for root in roots)
    ]
