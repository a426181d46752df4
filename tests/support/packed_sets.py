"""Packed sets written byte by byte: tar (POSIX.1-2017, pax interchange format) and InsightFace's RecordIO."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from facesearch.records import Pixels

MAGIC = b"\x0a\x23\xd7\xce"
END = bytes(1024)  # of a tar


def pictures(count: int, side: int = 112, seed: int = 0) -> Pixels:
    """Noise, in which no detector finds a face: uint8 (count, side, side, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def png(picture: Pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()


def tar_member(name: bytes, content: bytes, kind: bytes = b"0") -> bytes:
    """A ustar header of 512 bytes and the content, padded to 512."""
    fields = [
        name.ljust(100, b"\0"),
        b"0000644\0" + b"0000000\0" * 2,
        b"%011o\0" % len(content),
        b"%011o\0" % 0,
        b" " * 8,
        kind,
        bytes(100),
        b"ustar\x0000",
        bytes(247),
    ]
    header = b"".join(fields)
    assert len(header) == 512
    header = header[:148] + b"%06o\0 " % sum(header) + header[156:]
    return header + content + bytes(-len(content) % 512)


def tar(files: dict[str, bytes]) -> bytes:
    """All files, and the end mark."""
    return b"".join(tar_member(name.encode(), content) for name, content in files.items()) + END


def image_record(label: float | Sequence[float], key: int, content: bytes) -> bytes:
    """The data of a record: flag, label, two ids, and the labels where there are several."""
    if isinstance(label, Sequence):
        return struct.pack("<IfQQ", len(label), 0, key, 0) + struct.pack(f"<{len(label)}f", *label) + content
    return struct.pack("<IfQQ", 0, label, key, 0) + content


def record(data: bytes) -> bytes:
    """The record as MXNet's writer stores it: split wherever the magic number stands at a multiple of four."""
    cuts = [at for at in range(0, len(data) - 3, 4) if data[at : at + 4] == MAGIC]
    starts, ends = [0, *(at + 4 for at in cuts)], [*cuts, len(data)]
    stored = b""
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        flag = 0 if not cuts else 1 if number == 0 else 3 if number == len(cuts) else 2
        part = data[start:end]
        stored += MAGIC + struct.pack("<I", flag << 29 | len(part)) + part + bytes(-len(part) % 4)
    return stored


def write_records(folder: Path, records: Sequence[tuple[int, bytes]], people: int) -> Path:
    """`train.rec`, `train.idx` and `property` of records (key, data)."""
    folder.mkdir(parents=True)
    stored, index = b"", ""
    for key, data in records:
        index += f"{key}\t{len(stored)}\n"
        stored += record(data)
    (folder / "train.rec").write_bytes(stored)
    (folder / "train.idx").write_text(index)
    (folder / "property").write_text(f"{people},112,112\n")
    return folder


def insightface(folder: Path, labels: Sequence[int], contents: Sequence[bytes]) -> Path:
    """A set as InsightFace writes it: record 0 says where the identities' records lie, those where their photos do."""
    count, people = len(labels), len(set(labels))
    records = [(0, image_record([count + 1, count + 1 + people], 0, b""))]
    records += [
        (key, image_record(float(label), key, content))
        for key, (label, content) in enumerate(zip(labels, contents, strict=True), start=1)
    ]
    for number, label in enumerate(sorted(set(labels))):
        own = [key for key, whose in enumerate(labels, start=1) if whose == label]
        key = count + 1 + number
        records.append((key, image_record([own[0], own[-1] + 1], key, b"")))
    return write_records(folder, records, people)
