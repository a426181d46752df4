"""Photos in MXNet's RecordIO, in which InsightFace publishes face sets: `train.rec`, `train.idx`, `property`.

A record is a magic number, three bits of flag with 29 bits of length, and data padded to four bytes. The data begin
with flag, label and two ids (`<IfQQ`), then `flag` labels where flag is not 0. Record 0 and the records of identities
hold ranges of records and no photo. Only labels and offsets are kept, never a photo. Sources: dmlc-core's `recordio.h`,
MXNet's `recordio.py`, InsightFace's `arcface_torch/dataset.py`.
"""

from __future__ import annotations

import io
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from facesearch.errors import TrainingDataError
from facesearch.records import Ints

MAGIC = 0xCED7230A
_FLAG_SHIFT, _LENGTH_MASK = 29, (1 << 29) - 1
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)  # a record that holds the magic number is split there, and joined again
_PREFIX = struct.Struct("<II")
_HEADER = struct.Struct("<IfQQ")
_HEAD_BYTES = _PREFIX.size + _HEADER.size + 4  # with the first of several labels
_AT_ONCE = 1 << 16

ReadRecord = Callable[[int], bytes]


@dataclass(frozen=True, eq=False)
class Records:
    """The N photos of a record file: arrays of N."""

    keys: Ints  # their numbers in the index
    labels: Ints  # the person in each
    offsets: Ints  # where their records begin
    sizes: Ints  # of the photos, in bytes; where a record is split, of its first part
    damaged: int  # records that are not photos
    cut_off: int  # records in the index that lie beyond the file's end


@dataclass(frozen=True)
class RecordFile:
    """`train.rec` with its index beside it."""

    path: Path

    @property
    def index(self) -> Path:
        """The file that says where each record begins, a line `key<TAB>offset`."""
        return self.path.with_suffix(".idx")

    def photos(self) -> Records:
        """All photos, in the order of the index.

        Raises TrainingDataError where a file is missing or cannot be read, or the index is of another form.
        """
        keys, offsets = _read_index(self.index)
        try:
            size = self.path.stat().st_size
            within = (offsets >= 0) & (offsets + _PREFIX.size + _HEADER.size <= size)
            heads = _Heads.read(self.path, offsets[within]) if within.any() else _Heads.none()
        except OSError as error:
            raise TrainingDataError(f"{self.path} cannot be read ({error.strerror}). Copy it again.") from error
        keys, offsets = keys[within], offsets[within]
        ends = offsets + _PREFIX.size + heads.lengths
        whole = ends <= size
        intact = heads.intact
        shows = (heads.sizes > 0) & intact & whole
        return Records(
            keys=keys[shows],
            labels=heads.labels[shows].astype(np.int64),
            offsets=offsets[shows],
            sizes=heads.sizes[shows],
            damaged=int((~intact).sum()),
            cut_off=int((~within).sum() + (intact & ~whole).sum()),
        )

    def announced(self) -> tuple[int, tuple[int, int]] | None:
        """What `property` says: people, and the photos' height and width in px; None where there is no such file."""
        try:
            fields = [int(field) for field in (self.path.parent / "property").read_text(encoding="ascii").split(",")]
        except (OSError, ValueError):
            return None
        return (fields[0], (fields[1], fields[2])) if len(fields) == 3 else None

    @contextmanager
    def opened(self) -> Iterator[ReadRecord]:
        """A function from a record's offset to its photo's bytes, for any thread; it raises OSError for damage."""
        lock = threading.Lock()
        with self.path.open("rb") as stream:

            def read(offset: int) -> bytes:
                with lock:
                    stream.seek(offset)
                    record = read_record(stream)
                return _content(record)

            yield read


def read_record(stream: BinaryIO) -> bytes:
    """The record that begins here, its parts joined. Raises OSError where it is damaged or cut off."""
    parts: list[bytes] = []
    while True:
        prefix = stream.read(_PREFIX.size)
        if len(prefix) < _PREFIX.size:
            raise OSError("the record file ends too early")
        magic, word = _PREFIX.unpack(prefix)
        flag, length = word >> _FLAG_SHIFT, word & _LENGTH_MASK
        expected = (_WHOLE, _FIRST) if not parts else (_MIDDLE, _LAST)
        if magic != MAGIC or flag not in expected:
            raise OSError("no record begins where the index says so")
        part = stream.read(length)
        if len(part) < length:
            raise OSError("the record file ends too early")
        parts.append(part)
        if flag in (_WHOLE, _LAST):
            return struct.pack("<I", MAGIC).join(parts)
        stream.seek(-length % 4, io.SEEK_CUR)


def _content(record: bytes) -> bytes:
    """A record without its header and labels."""
    if len(record) < _HEADER.size:
        raise OSError("the record is too short for a photo")
    flag = _HEADER.unpack_from(record)[0]
    return record[_HEADER.size + 4 * flag :]


@dataclass(frozen=True, eq=False)
class _Heads:
    """The first bytes of N records, as arrays of N."""

    lengths: Ints  # of a record's first part, in bytes
    sizes: Ints  # of what follows the labels in it, in bytes
    labels: NDArray[np.float64]
    intact: NDArray[np.bool_]  # whether a record begins there at all, with a whole number as its label

    @classmethod
    def none(cls) -> _Heads:
        nothing = np.zeros(0, np.int64)
        return cls(nothing, nothing, nothing.astype(np.float64), nothing.astype(bool))

    @classmethod
    def read(cls, path: Path, offsets: Ints) -> _Heads:
        """Look at `offsets`, all of which leave room for a header, in blocks: the file is mapped, not read."""
        mapped = np.memmap(path, np.uint8, mode="r")
        blocks = [_head_bytes(mapped, offsets[at : at + _AT_ONCE]) for at in range(0, len(offsets), _AT_ONCE)]
        parts = [_parse(block) for block in blocks]
        lengths, sizes, labels, intact = (np.concatenate(column) for column in zip(*parts, strict=True))
        return cls(lengths, sizes, labels, intact)


def _head_bytes(mapped: NDArray[np.uint8], offsets: Ints) -> NDArray[np.uint8]:
    """uint8 (len(offsets), _HEAD_BYTES). Where the file ends within the last four bytes, its last ones stand there."""
    places = offsets[:, None] + np.arange(_HEAD_BYTES)
    return np.asarray(mapped[np.minimum(places, len(mapped) - 1)])


def _parse(heads: NDArray[np.uint8]) -> tuple[Ints, Ints, NDArray[np.float64], NDArray[np.bool_]]:
    """lengths, sizes, labels and intact of _Heads."""
    words = np.ascontiguousarray(heads).view("<u4")
    values = words.view("<f4").astype(np.float64)
    lengths = (words[:, 1] & _LENGTH_MASK).astype(np.int64)
    flags = words[:, 2].astype(np.int64)
    labels = np.where(flags > 0, values[:, 8], values[:, 3])
    begins = (words[:, 0] == MAGIC) & np.isin(words[:, 1] >> _FLAG_SHIFT, (_WHOLE, _FIRST))
    with np.errstate(invalid="ignore"):
        sound = np.isfinite(labels) & (np.abs(labels) < 2**31) & (labels == np.floor(labels))
    sizes = lengths - _HEADER.size - 4 * flags
    sizes += np.where((sizes >= 0) & (words[:, 1] >> _FLAG_SHIFT == _FIRST), 4, 0)  # the magic number that splits it
    return lengths, sizes, labels, np.asarray(begins & sound & (sizes >= 0))


def _read_index(path: Path) -> tuple[Ints, Ints]:
    """Keys and offsets, in the order of the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # NumPy's error for any other text
            numbers = np.fromfile(path, np.int64, sep=" ")
    except OSError as error:
        raise TrainingDataError(
            f"{path} cannot be read ({error.strerror}). It says where each photo begins in train.rec: copy it there."
        ) from error
    except (DeprecationWarning, ValueError) as error:
        raise TrainingDataError(f"{path} is not an index of lines 'key<TAB>offset'. Copy it again.") from error
    if len(numbers) % 2 or not len(numbers):
        raise TrainingDataError(f"{path} is empty or cut off in its last line. Copy it again.")
    pairs = numbers.reshape(-1, 2)
    return pairs[:, 0].copy(), pairs[:, 1].copy()
