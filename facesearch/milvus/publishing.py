"""A library's faces to a Milvus collection: what changed since the last time, and nothing else.

Blocks of faces are compared by their digests, and the faces of a block that differs by theirs. A block counts as sent
once all of it is there, so that a run that was killed goes on with the next one. Reads the library and holds no lock.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from facesearch.errors import TowerError, UsageError
from facesearch.evaluation.distance import pair_distances
from facesearch.library import Library
from facesearch.library.rows.published import FaceBlock
from facesearch.milvus.collection import INDEXES, Collection, Published
from facesearch.milvus.connection import Connection, MilvusPlace
from facesearch.milvus.nearest_faces import MilvusSearch
from facesearch.records import Floats, Ints

_PROBES = 100  # faces whose ten nearest are looked for, to measure recall
_NEAREST = 10
_FACES_COMPARED = 2048  # with all probes at once: a block of 1.6 MB of float64


@dataclass(frozen=True)
class PublishSummary:
    """What was published. Plain values only, ready for JSON."""

    uri: str
    collection: str
    index: str
    """Milvus's name of the index."""
    faces: int
    """Of this library, that are there now."""
    added: int
    changed: int
    """With another person, quality or embedding than before."""
    removed: int
    """Deleted there, and looked for in vain afterwards."""
    generation: int
    """Of the library, that all faces are of at least."""
    recall: float | None
    """recall@10 of a search there, against comparing all faces; 1.0 for an exact index, None without faces."""
    elapsed_s: float


def check_place(place: MilvusPlace, index: str = "hnsw") -> None:
    """Whether something could be published there: a server answers and takes the credentials. Sends nothing. Raises
    UsageError and ClusterError."""
    if index not in INDEXES:
        raise UsageError(f"{index} is not a kind of index: choose one of {', '.join(INDEXES)}")
    Connection(place).close()


def publish(
    library: Library,
    place: MilvusPlace,
    index: str = "hnsw",
    on_progress: Callable[[int, int], None] | None = None,
) -> PublishSummary:
    """Bring a library's partition of a collection up to date; creates what is missing.

    index: of a new collection, one of INDEXES. on_progress: called with the faces compared so far, and all. Raises
    UsageError, ClusterError, LibraryError, and TowerError where the collection holds faces of another tower.
    """
    if index not in INDEXES:
        raise UsageError(f"{index} is not a kind of index: choose one of {', '.join(INDEXES)}")
    began = time.monotonic()
    connection = Connection(place)
    try:
        collection = Collection(connection, library.library_id)
        if not collection.exists:
            collection.create(index)
        state = _begun(library, collection, place)
        sent = _Sent()
        total, seen = library.catalog.embedded_count(), 0
        digests = collection.block_digests()
        is_new = not digests and not collection.count()
        for block in library.published.blocks(library.space.map):
            seen += len(block.face_ids)
            _send_block(block, digests.pop(block.number, None), collection, state.number, sent, is_new=is_new)
            if on_progress is not None:
                on_progress(min(seen, total), total)
        for number in digests:  # of which no face is left
            _remove(list(collection.faces_of(number)), collection, state.number, sent)
            collection.finish_block(number, None)
        collection.settle(purge=sent.removed > 0)
        kind, faces = collection.index_kind(), collection.count()
        state = replace(state, complete=True)
        collection.record(state)
        is_same = not (sent.added or sent.changed or sent.removed)
        recall = state.recall if is_same and state.recall is not None else _recall(library, place, kind, faces)
        collection.record(replace(state, recall=recall))
    finally:
        connection.close()
    return PublishSummary(
        place.uri,
        place.collection,
        kind,
        faces,
        sent.added,
        sent.changed,
        sent.removed,
        state.generation,
        recall,
        round(time.monotonic() - began, 2),
    )


def withdraw(library: Library, place: MilvusPlace) -> int:
    """Delete a library's faces and its partition from a collection; returns how many faces there were. Raises
    ClusterError."""
    connection = Connection(place)
    try:
        collection = Collection(connection, library.library_id)
        known = collection.published() if collection.exists else {}
        if library.library_id not in known:
            return 0
        count = collection.count()
        collection.empty_partition(known[library.library_id].number)
        collection.settle(purge=True)
        collection.drop_partition()
    finally:
        connection.close()
    return count


@dataclass
class _Sent:
    added: int = 0
    changed: int = 0
    removed: int = 0


def _begun(library: Library, collection: Collection, place: MilvusPlace) -> Published:
    """The record of a publication that has begun; the partition is empty where it held faces of another space."""
    known = collection.published()
    with library.snapshot():
        models, space, generation = library.models, library.space.digest, library.published.generation()
    before = known.pop(library.library_id, None)
    for other in known.values():
        if other.tower != models.tower:
            raise TowerError(
                f"{place} holds faces of the tower {other.tower_name} ({other.tower[:12]}), and this library is of "
                f"{models.tower_name} ({models.tower[:12]}): name another collection with --collection, or reindex"
            )
    number = collection.free_number(each.number for each in known.values()) if before is None else before.number
    state = Published(number, models.tower, models.tower_name, space, generation, complete=False)
    is_other = before is not None and (before.tower, before.space) != (state.tower, state.space)
    if before is not None and not is_other:
        state = replace(state, recall=before.recall)
    collection.open_partition(number, empty=is_other)
    collection.record(state)
    return state


def _send_block(
    block: FaceBlock, digest: str | None, collection: Collection, number: int, sent: _Sent, *, is_new: bool
) -> None:
    """Bring one block up to date. digest: what it was when it was last finished. is_new: the partition was empty, so
    that nobody need ask what is there, which Milvus Lite finds by looking at all faces."""
    digests = _row_digests(block)
    now = hashlib.sha256(block.face_ids.astype("<i8").tobytes() + digests.astype("<i8").tobytes()).hexdigest()
    if digest == now:
        return
    there = {} if is_new else collection.faces_of(block.number)
    new: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    rows = zip(
        block.face_ids.tolist(),
        block.photo_ids.tolist(),
        block.person_ids.tolist(),
        block.qualities.tolist(),
        digests.tolist(),
        block.points,
        strict=True,
    )
    for face, photo, person, quality, own, point in rows:
        before = there.pop(face, None)
        if before != own:
            row = {"face": face, "photo": photo, "person": person, "quality": quality, "digest": own}
            (new if before is None else changed).append(row | {"embedding": point})
    _remove(list(there), collection, number, sent)
    collection.send(new, number, replace=False)
    collection.send(changed, number, replace=True)
    sent.added += len(new)
    sent.changed += len(changed)
    collection.finish_block(block.number, now)


def _remove(face_ids: list[int], collection: Collection, number: int, sent: _Sent) -> None:
    if face_ids:
        collection.delete(face_ids, number)
        sent.removed += len(face_ids)


def _row_digests(block: FaceBlock) -> Ints:
    """64 bits of what is published of each face: int64 (N,)."""
    others = np.stack([block.photo_ids, block.person_ids], axis=1).astype("<i8")
    numbers = np.concatenate([block.qualities[:, None], block.points], axis=1).astype("<f4")
    digests = (
        hashlib.blake2b(one.tobytes() + two.tobytes(), digest_size=8).digest()
        for one, two in zip(others, numbers, strict=True)
    )
    return np.frombuffer(b"".join(digests), "<i8").astype(np.int64)


def _recall(library: Library, place: MilvusPlace, kind: str, faces: int) -> float | None:
    """Of the ten faces nearest to each of some faces, besides itself, the share that a search there finds."""
    if kind == "FLAT" or not faces:
        return 1.0 if faces else None
    with MilvusSearch(library, place) as search, library.snapshot():
        stored = library.catalog.embeddings_by_id(library.published.sampled_ids(_PROBES))
        probes = library.space.map(np.stack(list(stored.values())))
        nearest = _nearest(library, probes)
        found = [[each.face_id for each in search.search(probe, nearest.shape[1])] for probe in probes]
    shares = [
        np.isin(right[right != own], here).mean()
        for own, right, here in zip(stored, nearest, found, strict=True)
        if (right != own).any()
    ]
    return round(float(np.mean(shares)), 4) if shares else 1.0


def _nearest(library: Library, probes: Floats) -> Ints:
    """The ids of the faces nearest to each probe, itself among them, by comparing with all: int64 (P, 11)."""
    ids, near = np.empty((len(probes), 0), np.int64), np.empty((len(probes), 0), np.float32)
    for block in library.published.blocks(library.space.map):
        for start in range(0, len(block.face_ids), _FACES_COMPARED):
            distances = pair_distances(probes, block.points[start : start + _FACES_COMPARED])
            near = np.concatenate([near, distances], axis=1)
            own = block.face_ids[start : start + _FACES_COMPARED]
            ids = np.concatenate([ids, np.broadcast_to(own, distances.shape)], axis=1)
            order = np.argsort(near, axis=1, kind="stable")[:, : _NEAREST + 1]
            near, ids = np.take_along_axis(near, order, 1), np.take_along_axis(ids, order, 1)
    return ids
