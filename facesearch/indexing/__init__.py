"""Photos into a library: walk, pass over what is known, decode ahead, detect, align, embed in batches, commit.

A batch is committed whole, so that whatever ends the run, finished photos stay and half-done ones are not seen. A photo
that cannot be read becomes a row with its reason, never an abort. Refuses to mix towers or detectors, and to touch the
photos themselves. The outcome depends on the photos and their order only, not on timing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from facesearch.indexing.pruning import PruneSummary, prune
from facesearch.indexing.reindexing import ReindexInterrupted, ReindexSummary, reindex
from facesearch.indexing.run import Run
from facesearch.indexing.summary import (
    DEFAULT_OPTIONS,
    AbsentFolder,
    DamagedPhoto,
    IndexInterrupted,
    IndexOptions,
    IndexProgress,
    IndexSummary,
)
from facesearch.library import Library
from facesearch.records import Embedder, FaceDetector, Models

__all__ = [
    "DEFAULT_OPTIONS",
    "AbsentFolder",
    "DamagedPhoto",
    "IndexInterrupted",
    "IndexOptions",
    "IndexProgress",
    "IndexSummary",
    "PruneSummary",
    "ReindexInterrupted",
    "ReindexSummary",
    "index_photos",
    "prune",
    "reindex",
]


def index_photos(
    library: Library,
    paths: Iterable[Path],
    detector: FaceDetector,
    tower: Embedder,
    options: IndexOptions = DEFAULT_OPTIONS,
    *,
    on_progress: Callable[[IndexProgress], None] | None = None,
) -> IndexSummary:
    """Bring a writable library up to date with the photos in some files and folders.

    A folder that is not there today but that the library knows is passed over, and everything about it kept.
    on_progress is called in this thread after every file. Raises IndexInterrupted (a KeyboardInterrupt) on Ctrl-C,
    PhotoError when another of `paths` does not exist, LibraryError and TowerError.
    """
    library.check_models(Models.of(detector, tower))
    run = Run(library, [_absolute(path) for path in paths], detector, tower, options)
    try:
        library.train_vectors()
        run.look_around()
        run.work_through(on_progress or (lambda progress: None))
        run.settle()
        run.name_by_folder()
        library.save_vectors(finish_training=True)
    except KeyboardInterrupt:
        run.finish_batch()
        run.name_by_folder()
        library.save_vectors()
        raise IndexInterrupted(run.summary(interrupted=True)) from None
    return run.summary(interrupted=False)


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links: the user's own path is kept
