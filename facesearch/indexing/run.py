"""One run of the indexer: look around, read what is new, take it in, settle what is gone, name after folders.

Decoding, detection and alignment run in lanes ahead; in one thread, faces are embedded and rows committed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from facesearch.errors import PhotoError
from facesearch.evaluation.calibration import Calibration
from facesearch.indexing.intake import Intake
from facesearch.indexing.reading import AHEAD_A_LANE, Known, Seer, seer_here, work_ahead
from facesearch.indexing.settling import NOTHING_SETTLED, Settled, settle
from facesearch.indexing.summary import DEFAULT_OPTIONS, IndexInterrupted, IndexOptions, IndexProgress, IndexSummary
from facesearch.indexing.survey import NOTHING_SEEN, Survey, look_around, software_of
from facesearch.library import Library
from facesearch.paths import whole_path
from facesearch.people import FaceReader, FolderNames, GroupSummary, group_people, name_by_folder
from facesearch.photos import is_named_as_photo, is_named_as_video, photo_file, when_taken
from facesearch.records import Embedder, FaceDetector, Models, PhotoFile, Taken
from facesearch.vision.faces import SeenPhoto

_PHOTOS_A_DATING = 1000  # committed together
_NOBODY_NAMED = FolderNames(0, ())


def index_photos(
    library: Library,
    paths: Iterable[Path],
    detector: FaceDetector,
    tower: Embedder,
    options: IndexOptions = DEFAULT_OPTIONS,
    *,
    seer: Callable[[], Seer[SeenPhoto]] | None = None,
    on_progress: Callable[[IndexProgress], None] | None = None,
) -> IndexSummary:
    """Bring a writable library up to date with the photos in some files and folders.

    seer: what a lane works with, by default a process on this machine with the detector; another one also hashes the
    photos that it reads, so that none goes through this machine. A folder that is not there
    today but that the library knows is passed over, and everything about it kept. on_progress is called in this thread
    after every file. Raises IndexInterrupted (a KeyboardInterrupt) on Ctrl-C, PhotoError when another of `paths` does
    not exist, LibraryError, TowerError, and what a seer raises.
    """
    library.check_models(Models.of(detector, tower))
    reader = FaceReader(detector, tower)
    started_s, software = time.monotonic(), software_of(detector)
    try:
        if options.codes is not None:
            with library.changing():
                library.search_codes.want(options.codes)
        survey = look_around(library, [whole_path(path) for path in paths], software, options)
    except KeyboardInterrupt:
        nothing_taken = Intake(library, reader, {}, software, [])
        raise IndexInterrupted(
            _summary(NOTHING_SEEN, nothing_taken, NOTHING_SETTLED, _NOBODY_NAMED, started_s, interrupted=True)
        ) from None
    intake = Intake(library, reader, survey.known, software, list(survey.skipped))
    settled, names = NOTHING_SETTLED, None
    try:
        _read_all(survey.work, intake, seer, options, on_progress or (lambda progress: None))
        settled = settle(library, survey)
        _date_photos(library, [*survey.unchanged, *intake.shown], options.lanes)
        names = _folder_names(survey, intake, options)
        groups = _grouped(library, tower, options)
        library.save_vectors(finish_training=True)
    except KeyboardInterrupt:
        intake.finish_batch()
        names = names or _folder_names(survey, intake, options)
        library.save_vectors()
        raise IndexInterrupted(_summary(survey, intake, settled, names, started_s, interrupted=True)) from None
    return _with_groups(_summary(survey, intake, settled, names, started_s, interrupted=False), groups)


def _read_all(
    work: Sequence[PhotoFile],
    intake: Intake,
    seer: Callable[[], Seer[SeenPhoto]] | None,
    options: IndexOptions,
    on_progress: Callable[[IndexProgress], None],
) -> None:
    """Decode, detect and align every file that needs it, and take it in."""
    on_progress(IndexProgress(0, len(work), 0, len(intake.skipped), None))
    library = intake.library
    if not work:
        library.train_vectors()
        return
    saved_s = time.monotonic()
    known = _maybe_copies(library, work) if seer is None else Known(set(), set())
    lanes = options.lanes_for(len(work))
    reading = work_ahead(
        work, known, seer or seer_here(intake.reader.detector), lanes=lanes, ahead=AHEAD_A_LANE * lanes
    )
    with closing(reading) as results:
        for done, (file, result) in enumerate(results, start=1):
            if done == 1:  # and not before: FAISS is imported while the lanes work on the next photos
                library.train_vectors()
                library.vectors()  # from here on they follow every commit
            intake.take(file, result)
            if intake.is_full(options.batch_faces):
                intake.finish_batch()
                if time.monotonic() - saved_s > options.save_every_s:
                    library.save_vectors()
                    saved_s = time.monotonic()
            faces = intake.counts["faces_new"] + intake.faces_waiting
            on_progress(IndexProgress(done, len(work), faces, len(intake.skipped), file.path))
    intake.finish_batch()


def _maybe_copies(library: Library, work: Sequence[PhotoFile]) -> Known:
    """What may be a copy of a photo that the library knows, or of another file."""
    lengths = Counter(file.size_bytes for file in work)
    known_sizes = library.files.sizes_among(lengths)
    maybe_copies = {size for size, count in lengths.items() if count > 1} | known_sizes
    in_doubt = library.catalog.photo_contents(library.doubts.photos())  # they are to be read again
    return Known(maybe_copies, library.files.contents_of(known_sizes) - {*in_doubt.values()})


def _folder_names(survey: Survey, intake: Intake, options: IndexOptions) -> FolderNames:
    """Name people after the folders of the photos that were seen, where that is asked for. Only once all are known can
    it be told which photo lies in several people's folders."""
    if not options.people_from_folders:
        return _NOBODY_NAMED
    return name_by_folder(intake.library, [*survey.unchanged, *intake.shown])


def _date_photos(library: Library, shown: Iterable[tuple[Path, int]], threads: int) -> None:
    """Note the dates of photos that a former version indexed without one. shown: paths, with the photo ids at them."""
    undated = library.dates.undated()
    if not undated:
        return
    files = sorted({photo_id: path for path, photo_id in shown if photo_id in undated}.items())
    with ThreadPoolExecutor(threads, thread_name_prefix="dates") as pool:
        for start in range(0, len(files), _PHOTOS_A_DATING):
            piece = files[start : start + _PHOTOS_A_DATING]
            dates = list(pool.map(_dated, (path for _, path in piece)))
            with library.changing():
                for (photo_id, _), taken in zip(piece, dates, strict=True):
                    if taken is not None:
                        library.dates.put(photo_id, taken)


def _dated(path: Path) -> Taken | None:
    """The date of one photo; None where the file cannot be read now."""
    try:
        return when_taken(photo_file(path))
    except PhotoError:
        return None


def _grouped(library: Library, tower: Embedder, options: IndexOptions) -> GroupSummary | None:
    """Put the faces that came since the last grouping into groups, or with their people: also those of a run that was
    interrupted before grouping. None where that is not wanted, or nothing is new."""
    wanted = library.grouped.by_itself if options.group is None else options.group
    if not wanted or library.grouped.up_to == library.grouped.newest():
        return None
    return group_people(library, Calibration.from_card(tower.card.calibration), only_new=True)


def _with_groups(summary: IndexSummary, groups: GroupSummary | None) -> IndexSummary:
    if groups is None:
        return summary
    return replace(
        summary,
        groups_new=sum(each.is_new for each in groups.people),
        faces_grouped=groups.grouped,
        faces_joined=groups.joined,
        group_change=groups.change,
        grouped=True,
    )


def _misnamed(survey: Survey, intake: Intake) -> tuple[Path, ...]:
    """Files that are photos by their first bytes alone."""
    skipped = {file.path for file in intake.skipped}
    return tuple(
        file.path
        for file in survey.work
        if not (is_named_as_photo(file.path.name) or is_named_as_video(file.path.name)) and file.path not in skipped
    )


def _summary(
    survey: Survey, intake: Intake, settled: Settled, names: FolderNames, started_s: float, *, interrupted: bool
) -> IndexSummary:
    counts, library = intake.counts, intake.library
    return IndexSummary(
        photos_new=counts["new"],
        photos_changed=counts["changed"],
        photos_unchanged=len(survey.unchanged) + counts["unchanged"],
        photos_copied=max(0, counts["linked"] - settled.moved),
        photos_moved=settled.moved,
        photos_missing=settled.missing,
        skipped=tuple(intake.skipped),
        skipped_known=survey.skipped_known,
        absent=(*survey.absent, *settled.absent),
        names_lost=settled.names_lost,
        other_files=survey.other_files,
        videos_left_out=survey.videos_left_out,
        folders_left_out=survey.folders_left_out,
        photos_misnamed=_misnamed(survey, intake),
        photos_damaged=tuple(intake.damaged),
        faces_new=counts["faces_new"],
        faces_named=names.named,
        unnamed=names.unnamed,
        faces_kept=counts["faces_kept"],
        faces_without_person=library.people.faces_without_person(),
        photos_without_faces=library.catalog.present_photo_count(without_faces=True),
        photos_present=library.catalog.present_photo_count(),
        elapsed_s=time.monotonic() - started_s,
        interrupted=interrupted,
    )
