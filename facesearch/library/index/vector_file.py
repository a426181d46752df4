"""The file of vectors and the description beside it: which library and moment they belong to, and whether they are
whole.

`faces.faiss` is FAISS's own file; `faces.json` says of which library and generation it is, with its size and checksum.
The file is used only if all of that agrees, or if the library remembers every change since. Nothing is unpickled, and
FAISS never gets a file with a wrong checksum; the checksum of a large file with the right size and time is left to
`verify`. Reading and writing are streams, without a second copy of the vectors.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from facesearch.library.index.codes import Codes, codes_of
from facesearch.library.private import replace_private_file, replacing_private_file
from facesearch.library.recent_changes import FaceChanges, RecentChanges
from facesearch.records import EMBEDDING_SIZE

INDEX_NAME = "faces.faiss"
DESCRIPTION_NAME = "faces.json"
_FORMAT = 2
_PIECE_BYTES = 1 << 20
_LARGE_BYTES = 64 << 20  # whose checksum takes 40 ms or more


class VectorsUnusableError(Exception):
    """The cached vectors cannot be used, and why; never leaves the store: the answer is to rebuild."""


@dataclass(frozen=True)
class Stamp:
    """Whose vectors, of when, and in which space: they are those of the rows when library, generation, number of faces
    and the digest of the head (see facesearch.library.space) agree."""

    library_id: str
    generation: int
    faces: int
    head: str = ""
    mark: str = ""
    """The library's after its last transaction (see facesearch.library.recent_changes); '' where there is none."""


@dataclass(frozen=True)
class Training:
    """What the partitions of an index were trained on, and how many of the ten nearest faces they find."""

    faces: int  # how many there were then
    recall: float  # measured then, on the library's own vectors, against the exact answer
    codes: Codes = "float32"  # in which the faces are kept


@dataclass(frozen=True)
class Found:
    """A file that fits."""

    mapped: NDArray[np.uint8]
    """Its bytes, which stay on disk until they are touched."""
    training: Training | None
    generation: int
    """The library's, when it was written."""
    later: Sequence[FaceChanges] = ()
    """What was changed since."""


def write_index(folder: Path, stamp: Stamp, index: Any, training: Training | None) -> None:
    """Write a FAISS index and its description, durably.

    A crash in between leaves a description that does not fit: a rebuild, no harm. Raises LibraryError (disk full).
    """
    import faiss

    with replacing_private_file(folder / INDEX_NAME) as file:
        summed = _Summed(file)
        faiss.write_index(index, faiss.PyCallbackIOWriter(summed.write, _PIECE_BYTES))
    description = {
        "format": _FORMAT,
        **asdict(stamp),
        "training": None if training is None else asdict(training),
        "size_bytes": summed.size_bytes,
        "crc32": summed.crc32,
        "mtime_ns": (folder / INDEX_NAME).stat().st_mtime_ns,
    }
    replace_private_file(folder / DESCRIPTION_NAME, [json.dumps(description, indent=1).encode()])


class _Summed:
    """Writes to a file, and keeps the checksum of what went through."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size_bytes = 0
        self.crc32 = 0

    def write(self, piece: bytes) -> int:
        self._file.write(piece)
        self.size_bytes += len(piece)
        self.crc32 = zlib.crc32(piece, self.crc32)
        return len(piece)


def find_index(folder: Path, stamp: Stamp, recent: RecentChanges | None = None, *, thorough: bool = False) -> Found:
    """The file of vectors in a library's folder; raises VectorsUnusableError unless it is exactly that of `stamp`, or
    was before changes that are in `recent`. thorough: read all of it, also where its size and time are right."""
    try:
        # A file from before there were heads and marks says nothing of them.
        description = {"head": "", "mark": "", **json.loads((folder / DESCRIPTION_NAME).read_bytes())}
        later = _changes_since(description, stamp, recent)
        then = _before(stamp, later)
        if description != {**description, **asdict(then), "format": _FORMAT}:
            raise VectorsUnusableError("it belongs to another state of the library")
        training = None if description["training"] is None else Training(**description["training"])
        with (folder / INDEX_NAME).open("rb") as file:  # what is mapped stays valid when a writer replaces the file
            # Windows lets nobody replace a file that is mapped.
            is_mapped = sys.platform != "win32"
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if is_mapped else file.read()
            mapped = np.frombuffer(content, np.uint8)
            is_as_written = os.fstat(file.fileno()).st_mtime_ns == description.get("mtime_ns")
        if description["size_bytes"] != mapped.size:
            raise VectorsUnusableError("its size is wrong")
        is_trusted = is_as_written and mapped.size >= _LARGE_BYTES and not thorough
        if not is_trusted and description["crc32"] != zlib.crc32(mapped.data):
            raise VectorsUnusableError("its checksum is wrong")
    except FileNotFoundError as error:
        raise VectorsUnusableError("it is not there") from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise VectorsUnusableError(f"it cannot be read ({error})") from error
    return Found(mapped, training, then.generation, later)


def _changes_since(description: Mapping[str, Any], stamp: Stamp, recent: RecentChanges | None) -> Sequence[FaceChanges]:
    """What was changed since a file was written, as far as is known."""
    if recent is None or recent.generation != stamp.generation or not isinstance(description["generation"], int):
        return ()
    return recent.since(description["generation"]) or ()


def _before(stamp: Stamp, later: Sequence[FaceChanges]) -> Stamp:
    """Of the rows before some changes."""
    growth = sum(len(change.added) - len(change.removed) for change in later)
    mark = later[0].before if later else stamp.mark
    return replace(stamp, generation=stamp.generation - len(later), faces=stamp.faces - growth, mark=mark)


def parse_index(mapped: NDArray[np.uint8], *, in_place: bool) -> Any:
    """A FAISS index from the bytes of its file.

    in_place: it only looks at `mapped`, which has to outlive it, costs no memory, and must never be changed: FAISS
    ends the process then. Raises VectorsUnusableError when it is not a library's index.
    """
    import faiss

    position = 0

    def read(count: int) -> bytes:
        nonlocal position
        piece = mapped[position : position + count].tobytes()
        position += len(piece)
        return piece

    if in_place:
        reader = faiss.ZeroCopyIOReader(faiss.swig_ptr(mapped), mapped.size)
    else:
        reader = faiss.PyCallbackIOReader(read, _PIECE_BYTES)
    try:
        index = faiss.read_index(reader)
    except RuntimeError as error:
        raise VectorsUnusableError("FAISS cannot read it") from error
    if codes_of(index) is None or (not hasattr(index, "nlist") and not isinstance(index, faiss.IndexIDMap)):
        raise VectorsUnusableError("it is another kind of index")
    if index.d != EMBEDDING_SIZE:
        raise VectorsUnusableError("it is another kind of index")
    return index
