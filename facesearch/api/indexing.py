"""Indexing and reindexing by a session: its detector and tower, the library open for writing, and a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from facesearch.api.session import Folder, Session
from facesearch.indexing import IndexOptions, IndexProgress, IndexSummary, ReindexSummary, index_photos, reindex
from facesearch.library import Library
from facesearch.records import Models

Listener = Callable[[IndexProgress], None]


def index_into(
    session: Session,
    paths: Sequence[Folder],
    options: IndexOptions,
    smallest_face: str | None,
    ray: str | None,
    *,
    wait: bool,
    on_progress: Listener | None,
) -> IndexSummary:
    """What `FaceLibrary.index` does, once its arguments are options. Errors as there."""
    session.close()
    if not session.exists:
        session.tower.prepare()  # no library is begun with a tower that does not run
    here = session.device if ray is None else "cpu"  # the nodes of a cluster have devices of their own
    detector = session.load_detector_for(smallest_face, options.lanes, here)
    models = Models.of(detector, session.tower)
    with Library.open_or_create(session.path, models, wait=wait) as library, ExitStack() as stack:
        cluster = None if ray is None else stack.enter_context(session.cluster(ray, detector, options.workers))
        if cluster is not None:
            options = replace(options, workers=cluster.count)
        summary = index_photos(
            library,
            [Path(path) for path in paths],
            detector,
            session.tower,
            options=options,
            seer=None if cluster is None else cluster.seer,
            on_progress=on_progress,
        )
        return summary if cluster is None else replace(summary, nodes=dict(sorted(cluster.photos.items())))


def reindex_all(
    session: Session, smallest_face: str | None, *, force: bool, wait: bool, on_progress: Listener | None
) -> ReindexSummary:
    """What `FaceLibrary.reindex` does. Errors as there."""
    session.close()
    detector, tower = session.load_detector_for(smallest_face, device=session.device), session.tower
    tower.prepare()
    with Library.open(session.path, writable=True, wait=wait) as library:
        return reindex(library, detector, tower, force=force, on_progress=on_progress)
