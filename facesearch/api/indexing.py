"""Indexing and reindexing by a session: its detector and tower, the library open for writing, and a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from facesearch.api.session import Folder, Session
from facesearch.indexing import IndexOptions, IndexProgress, IndexSummary, ReindexSummary, index_photos, reindex
from facesearch.library import Library
from facesearch.records import Models

if TYPE_CHECKING:
    from facesearch.cluster import ClusterWorkers
    from facesearch.vision.detector.detector import Detector

Listener = Callable[[IndexProgress], None]

_NOTED_EVERY_S = 1.0  # how far a run is, for `status`


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
    detector = _detector(session, smallest_face, options.workers, ray)
    models = Models.of(detector, session.tower)
    with (
        Library.open_or_create(session.path, models, wait=wait) as library,
        _workers(session, ray, detector, options.workers) as cluster,
    ):
        summary = index_photos(
            library,
            [Path(path) for path in paths],
            detector,
            session.tower,
            options=options if cluster is None else replace(options, workers=cluster.count),
            seer=None if cluster is None else cluster.seer,
            on_progress=_noting(library, "index", cluster, on_progress),
        )
        return replace(summary, nodes=_photos(cluster))


def reindex_all(
    session: Session,
    smallest_face: str | None,
    ray: str | None,
    *,
    workers: int,
    force: bool,
    wait: bool,
    on_progress: Listener | None,
) -> ReindexSummary:
    """What `FaceLibrary.reindex` does. Errors as there."""
    session.close()
    detector, tower = _detector(session, smallest_face, workers, ray), session.tower
    tower.prepare()
    with (
        Library.open(session.path, writable=True, wait=wait) as library,
        _workers(session, ray, detector, workers) as cluster,
    ):
        summary = reindex(
            library,
            detector,
            tower,
            force=force,
            workers=workers if cluster is None else cluster.count,
            seer=None if cluster is None else cluster.seer,
            on_progress=_noting(library, "reindex", cluster, on_progress),
        )
        return replace(summary, nodes=_photos(cluster))


def _detector(session: Session, smallest_face: str | None, workers: int, ray: str | None) -> Detector:
    here = session.device if ray is None else "cpu"  # the nodes of a cluster have devices of their own
    return session.load_detector_for(smallest_face, IndexOptions(workers=workers).lanes, here)


@contextmanager
def _workers(session: Session, ray: str | None, detector: Detector, workers: int) -> Iterator[ClusterWorkers | None]:
    """Workers on a cluster; None for those of this machine."""
    if ray is None:
        yield None
        return
    with session.cluster(ray, detector, workers) as cluster:
        yield cluster


def _photos(cluster: ClusterWorkers | None) -> dict[str, int]:
    """How many photos each node has read."""
    return {} if cluster is None else {node.name: node.photos for node in cluster.tally.nodes()}


def _noting(library: Library, action: str, cluster: ClusterWorkers | None, on_progress: Listener | None) -> Listener:
    """What passes on how far a run is: to the caller with what the nodes do, and now and then to readers of the
    library."""
    started_s, noted_s = time.monotonic(), 0.0

    def note(now: IndexProgress) -> None:
        nonlocal noted_s
        if cluster is not None:
            now = replace(now, nodes=cluster.tally.nodes())
        now_s = time.monotonic()
        if now_s - noted_s >= _NOTED_EVERY_S or now.done in (0, now.total):
            noted_s = now_s
            library.note_run(
                {
                    "action": action,
                    "done": now.done,
                    "total": now.total,
                    "photos_a_second": now.done / max(now_s - started_s, 1e-9),
                    "nodes": [asdict(node) for node in now.nodes],
                }
            )
        if on_progress is not None:
            on_progress(now)

    return note
