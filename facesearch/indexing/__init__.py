"""Photos into a library: walk, pass over what is known, decode ahead, detect, align, embed in batches, commit.

A batch is committed whole, so that whatever ends the run, finished photos stay and half-done ones are not seen. A photo
that cannot be read becomes a row with its reason, never an abort. Refuses to mix towers or detectors, and to touch the
photos themselves. The outcome depends on the photos and their order only, not on timing.
"""

from __future__ import annotations

from facesearch.indexing.pruning import PruneSummary, prune
from facesearch.indexing.reindexing import reindex
from facesearch.indexing.run import index_photos
from facesearch.indexing.summary import (
    DEFAULT_OPTIONS,
    AbsentFolder,
    DamagedPhoto,
    IndexInterrupted,
    IndexOptions,
    IndexProgress,
    IndexSummary,
    ReindexInterrupted,
    ReindexSummary,
)

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
