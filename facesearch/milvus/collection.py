"""The collection that holds the faces of libraries, a partition each, and beside it what is known of each partition.

A row is a face: its library's number and its own make the key. The records say of each library which space its faces
lie in and which generation they are of, and of each block of faces what it holds, so that a later publication compares
blocks and not faces. Refuses a collection that is not facesearch's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from facesearch.errors import ClusterError
from facesearch.library.rows.published import FACES_A_BLOCK
from facesearch.milvus.connection import Connection
from facesearch.records import EMBEDDING_SIZE

# Kinds of index: Milvus's name, what it is built with, and for a search that wants n faces. Measured on 32 numbers.
INDEXES: dict[str, tuple[str, dict[str, int]]] = {
    "hnsw": ("HNSW", {"M": 16, "efConstruction": 200}),
    "sq8": ("IVF_SQ8", {"nlist": 1024}),
    "flat": ("FLAT", {}),
}
MOST_NEIGHBOURS = 16_384  # that Milvus gives to one search
_LEAST_EF = 128
_PROBED = 96  # of 1,024 cells
_FACE_BITS = 40  # of a key: 10^12 faces a library
_LIBRARY_BITS = 23
_ROWS_AT_ONCE = 4096
_WHOLE_LIBRARY = -1  # instead of a block's number
_FIELDS = {"key", "face", "photo", "person", "quality", "digest", "embedding"}


@dataclass(frozen=True)
class Published:
    """What is known of a library's faces in a collection."""

    number: int
    """The library's own in this collection, part of its faces' keys."""
    tower: str
    """SHA-256 of the tower's weights."""
    tower_name: str
    space: str
    """The digest of the library's space, '' for the tower's own."""
    generation: int
    """The library's, that all of its faces were sent of at least."""
    complete: bool
    """Whether the last publication was finished."""
    recall: float | None = None
    """recall@10 as it was measured then; None where it was not."""


def search_settings(kind: str, count: int) -> dict[str, Any]:
    """How to search an index for so many faces. kind: Milvus's name of it."""
    if kind == "HNSW":
        return {"params": {"ef": max(_LEAST_EF, 2 * count)}}
    if kind.startswith("IVF"):
        return {"params": {"nprobe": max(_PROBED, min(1024, count // 4))}}
    return {}


class Collection:
    """A collection and its records, through a connection."""

    def __init__(self, connection: Connection, library_id: str) -> None:
        self._connection = connection
        self._call = connection.call
        self._name = connection.place.collection
        self._records = f"{self._name}_records"
        self._library_id = library_id
        self.partition = f"library_{library_id}"

    @property
    def exists(self) -> bool:
        """Whether it is there, and then loaded. Raises ClusterError where something else bears its name."""
        has = partial(self._call, "cannot be looked for", "has_collection")
        if not has(self._name):
            return False
        self._refuse_foreign()
        is_whole = bool(has(self._records))
        if is_whole:
            self._connection.load(self._records, self._name)
        return is_whole

    def create(self, index: str) -> None:
        """Create what is missing. index: one of INDEXES, of a new collection."""
        from pymilvus import DataType

        kind, built_with = INDEXES[index]
        if not self._call("cannot be looked for", "has_collection", self._records):
            fields = [("key", DataType.VARCHAR, {"is_primary": True, "max_length": 64})]
            fields += [("library", DataType.VARCHAR, {"max_length": 64}), ("block", DataType.INT64, {})]
            fields += [("value", DataType.VARCHAR, {"max_length": 4096})]
            fields += [("nothing", DataType.FLOAT_VECTOR, {"dim": 2})]  # a collection without a vector cannot be
            self._create(self._records, fields, "nothing", "FLAT", {})
        if not self._call("cannot be looked for", "has_collection", self._name):
            fields = [("key", DataType.INT64, {"is_primary": True})]
            fields += [(name, DataType.INT64, {}) for name in ("face", "photo", "person", "digest")]
            fields += [("quality", DataType.FLOAT, {})]
            fields += [("embedding", DataType.FLOAT_VECTOR, {"dim": EMBEDDING_SIZE})]
            self._create(self._name, fields, "embedding", kind, built_with)

    def _create(
        self,
        name: str,
        fields: Iterable[tuple[str, Any, dict[str, Any]]],
        vector: str,
        kind: str,
        built: dict[str, int],
    ) -> None:
        from pymilvus import MilvusClient

        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        for field, type_, options in fields:
            schema.add_field(field, type_, **options)
        index = MilvusClient.prepare_index_params()
        index.add_index(vector, index_type=kind, metric_type="L2", params=built)
        self._call(
            "cannot be created",
            "create_collection",
            name,
            schema=schema,
            index_params=index,
            consistency_level="Strong",
        )

    def _refuse_foreign(self) -> None:
        fields = self._call("cannot be read", "describe_collection", self._name)["fields"]
        named = {field["name"]: field for field in fields}
        dimension = int(named.get("embedding", {}).get("params", {}).get("dim", 0))
        if dimension not in (0, EMBEDDING_SIZE):
            raise ClusterError(
                f"{self._connection.place} holds vectors of {dimension} numbers, and a face has {EMBEDDING_SIZE}: "
                "name another one with --collection"
            )
        if set(named) != _FIELDS:
            raise ClusterError(
                f"{self._connection.place} was not made by facesearch: name another one with --collection"
            )

    def index_kind(self) -> str:
        """Milvus's name of the index of the faces."""
        return str(self._call("cannot be read", "describe_index", self._name, "embedding")["index_type"])

    def open_partition(self, number: int, *, empty: bool) -> None:
        """Create the library's partition where there is none; empty: without what was in it. number: the library's."""
        for name in (self._records, self._name):
            self._call("cannot be loaded", "load_collection", name)
        is_there = self._call("cannot be read", "has_partition", self._name, self.partition)
        if empty or not is_there:  # records can be there of a collection that somebody has dropped
            self.empty_partition(number)
        if not is_there:
            self._call("cannot be written", "create_partition", self._name, self.partition)

    def empty_partition(self, number: int) -> None:
        """Delete the library's faces and what is known of them. The partition stays, for the library's next faces."""
        self._call("cannot be written", "delete", self._records, filter=f'library == "{self._library_id}"')
        if self._call("cannot be read", "has_partition", self._name, self.partition):
            # By key: Milvus Lite deletes what a filter says from all partitions.
            keys = f"key >= {number << _FACE_BITS} and key < {number + 1 << _FACE_BITS}"
            self._call("cannot be written", "delete", self._name, filter=keys, partition_name=self.partition)

    def drop_partition(self) -> None:
        """Drop the empty partition, since a collection holds 1,024; it stays where Milvus does not let it go."""
        for method, names in (("release_partitions", [self.partition]), ("drop_partition", self.partition)):
            with suppress(ClusterError):  # Milvus Lite releases none, but drops loaded ones, too
                self._call("cannot be written", method, self._name, names)

    # What is known of libraries and blocks

    def published(self) -> dict[str, Published]:
        """What is known of each library in the collection, by its id."""
        rows = self._known(f"block == {_WHOLE_LIBRARY}", "library", "value")
        return {row["library"]: Published(**json.loads(row["value"])) for row in rows}

    def record(self, published: Published) -> None:
        """Keep what is known of this library."""
        self._write_records([(_WHOLE_LIBRARY, json.dumps(asdict(published)))])

    def free_number(self, taken: Iterable[int]) -> int:
        """A number for this library that no other has: from its id, the next free one."""
        digest = hashlib.sha256(self._library_id.encode()).digest()
        number, taken = int.from_bytes(digest[:8], "big") % (1 << _LIBRARY_BITS), set(taken)
        while number in taken:
            number = (number + 1) % (1 << _LIBRARY_BITS)
        return number

    def block_digests(self) -> dict[int, str]:
        """What each block of this library held when it was last finished, by its number."""
        found: dict[int, str] = {}
        while True:
            last = max(found, default=_WHOLE_LIBRARY)
            blocks = f'library == "{self._library_id}" and block > {last} and block <= {last + MOST_NEIGHBOURS}'
            rows = self._known(blocks, "block", "value")
            if not rows:
                return found
            found |= {int(row["block"]): row["value"] for row in rows}

    def finish_block(self, block: int, digest: str | None) -> None:
        """Keep what a block holds; None for nothing."""
        if digest is None:
            self._call("cannot be written", "delete", self._records, ids=[self._record_key(block)])
        else:
            self._write_records([(block, digest)])

    def _known(self, wanted: str, *fields: str) -> list[dict[str, Any]]:
        """These fields of the records that are wanted. wanted: Milvus's filter."""
        rows: list[dict[str, Any]] = self._call(
            "cannot be read", "query", self._records, filter=wanted, output_fields=list(fields), limit=MOST_NEIGHBOURS
        )
        return rows

    def _record_key(self, block: int) -> str:
        return f"{self._library_id}/{block}"

    def _write_records(self, records: Iterable[tuple[int, str]]) -> None:
        same = {"library": self._library_id, "nothing": [0.0, 0.0]}
        rows = [same | {"key": self._record_key(block), "block": block, "value": value} for block, value in records]
        self._call("cannot be written", "upsert", self._records, rows)

    # Faces

    def faces_of(self, block: int) -> dict[int, int]:
        """The faces of a block that are there, each with the digest of its row."""
        first = block * FACES_A_BLOCK
        rows = self._call(
            "cannot be read",
            "query",
            self._name,
            filter=f"face >= {first} and face < {first + FACES_A_BLOCK}",
            output_fields=["face", "digest"],
            partition_names=[self.partition],
            limit=FACES_A_BLOCK,
        )
        return {int(row["face"]): int(row["digest"]) for row in rows}

    def send(self, rows: Sequence[dict[str, Any]], number: int, *, replace: bool) -> None:
        """Insert faces, or replace those that are there."""
        keyed = [row | {"key": number << _FACE_BITS | row["face"]} for row in rows]
        for start in range(0, len(keyed), _ROWS_AT_ONCE):
            self._call(
                "cannot be written",
                "upsert" if replace else "insert",
                self._name,
                keyed[start : start + _ROWS_AT_ONCE],
                partition_name=self.partition,
            )

    def delete(self, face_ids: Sequence[int], number: int) -> None:
        """Delete faces, and make sure that they are gone. Raises ClusterError where they are not."""
        keys = [number << _FACE_BITS | face_id for face_id in face_ids]
        for start in range(0, len(keys), _ROWS_AT_ONCE):
            piece = keys[start : start + _ROWS_AT_ONCE]
            self._call("cannot be written", "delete", self._name, ids=piece, partition_name=self.partition)
            if left := self._call("cannot be read", "get", self._name, ids=piece, output_fields=["face"]):
                raise ClusterError(
                    f"{len(left)} deleted faces are still in {self._connection.place}: publish once more"
                )

    def settle(self, *, purge: bool) -> None:
        """Write what was sent to the server's disk; purge: without the bytes of what was deleted, as far as the server
        does so by itself (a cluster keeps old files for its garbage collector)."""
        self._call("cannot be written", "flush", self._name)
        if purge:
            self._call("cannot be compacted", "compact", self._name)

    def count(self) -> int:
        """How many faces of this library are there."""
        (row,) = self._call(
            "cannot be read",
            "query",
            self._name,
            filter="face >= 0",  # without one, Milvus Lite counts all partitions
            output_fields=["count(*)"],
            partition_names=[self.partition],
        )
        return int(row["count(*)"])

    def nearest(self, probe: Sequence[float], count: int, kind: str) -> list[int]:
        """The ids of the `count` faces nearest to a probe, the nearest first. kind: as `index_kind` says."""
        (hits,) = self._call(
            "cannot be searched",
            "search",
            self._name,
            data=[probe],
            anns_field="embedding",
            limit=count,
            search_params=search_settings(kind, count),
            partition_names=[self.partition],
            output_fields=["face"],
        )
        return [int(hit["entity"]["face"]) for hit in hits]
