"""Proof of absence: searches the bytes of files for embeddings, in whatever form, and for names.

An embedding is looked for in pieces of 16 bytes, at every byte, as float32, float16, float64 and the codes of the file
of vectors: a torn remnant is found as well as the whole. Ignores what a file means: bytes may still hold what SQLite or
FAISS no longer shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesearch.records import Floats

_PIECE_BYTES = 16
_READ_BYTES = 8 << 20
_FACES_AT_ONCE = 20_000
_FORMS = ("<f4", "<f2", "<f8")
Encode = Callable[[Floats], NDArray[np.uint8]]  # embeddings (N, 32) to bytes (N, 16 * M)
Pieces = NDArray[np.uint64]  # (N, 2): the 16 bytes of a piece, little-endian


@dataclass(frozen=True)
class Traces:
    """What a search found: per file how many pieces of embeddings, and how often the texts."""

    pieces: dict[str, int]
    texts: dict[str, int]
    size_bytes: int  # searched


def search_files(
    files: Sequence[Path],
    embeddings: Floats,
    kept: Iterable[Floats],
    texts: Sequence[bytes] = (),
    encode: Encode | None = None,
) -> Traces:
    """Search files for embeddings, float32 (N, 32), and for texts.

    kept: the embeddings that belong there. Skips pieces that prove nothing: those that kept embeddings have too, and
    those whose numbers are all equal. encode: gives other bytes in which embeddings are kept.
    """
    pieces: dict[str, int] = {}
    for start in range(0, len(embeddings), _FACES_AT_ONCE):
        wanted = _telling(pieces_of(embeddings[start : start + _FACES_AT_ONCE], encode), (), encode)
        in_files = _pieces_in(files, wanted)
        if in_files:  # seldom: those that kept embeddings have too are told apart only then
            kept = kept if isinstance(kept, list) else list(kept)
            in_files = _pieces_in(files, _telling(wanted, kept, encode))
        for name, count in in_files.items():
            pieces[name] = pieces.get(name, 0) + count
    counts: dict[str, int] = {}
    for file in files:
        for text in texts:
            found = sum(window.count(text) for window in _windows(file, len(text)))
            if found:
                counts[file.name] = counts.get(file.name, 0) + found
    return Traces(pieces, counts, sum(file.stat().st_size for file in files))


def pieces_of(embeddings: Floats, encode: Encode | None = None) -> Pieces:
    """Every piece of 16 bytes of some embeddings, float32 (N, 32), in all forms."""
    with np.errstate(over="ignore"):
        forms: list[NDArray[Any]] = [np.ascontiguousarray(embeddings, form) for form in _FORMS]
    if encode is not None:
        forms.append(encode(embeddings))
    return np.concatenate([form.view("<u8").reshape(-1, 2).astype(np.uint64) for form in forms])


def _pieces_in(files: Sequence[Path], wanted: Pieces) -> dict[str, int]:
    """How many of the wanted pieces stand in which file, without files that have none."""
    counts = {
        file.name: sum(_count_pieces(window, wanted) for window in _windows(file, _PIECE_BYTES)) for file in files
    }
    return {name: count for name, count in counts.items() if count}


def _telling(pieces: Pieces, kept: Iterable[Floats], encode: Encode | None) -> Pieces:
    """The pieces that only the forgotten faces have."""
    words = pieces.view("<u2").reshape(len(pieces), -1)
    numbers = pieces.view("<u4").reshape(len(pieces), -1)
    dull = (words == words[:, :1]).all(axis=1) | (numbers == numbers[:, :1]).all(axis=1)
    pieces = np.unique(pieces[~dull & (pieces[:, 0] != pieces[:, 1])], axis=0)
    buckets = np.zeros(1 << 16, bool)
    buckets[_bucket(pieces)] = True
    for others in kept:
        if len(pieces):
            others_pieces = pieces_of(others, encode)
            alike = others_pieces[buckets[_bucket(others_pieces)]]  # few, and quickly told
            pieces = pieces[~np.isin(_as_one(pieces), _as_one(alike))]
    return pieces


def _bucket(pieces: Pieces) -> NDArray[np.uint64]:
    """16 bits of each piece: of a number that was a float32, the last of a float64 are all zeros."""
    return (pieces[:, 0] ^ (pieces[:, 0] >> np.uint64(32))) & np.uint64(0xFFFF)


def _as_one(pieces: Pieces) -> NDArray[np.void]:
    return np.ascontiguousarray(pieces).view([("first", "<u8"), ("second", "<u8")]).ravel()


def _windows(file: Path, overlap_of: int) -> Iterator[bytes]:
    """The file's bytes in large pieces, each beginning with the last `overlap_of` - 1 bytes of the one before."""
    tail = b""
    with file.open("rb") as stream:
        while data := stream.read(_READ_BYTES):
            yield tail + data
            tail = (tail + data)[-(overlap_of - 1) :] if overlap_of > 1 else b""


def _count_pieces(window: bytes, wanted: Pieces) -> int:
    """How many of the wanted pieces begin anywhere in the window."""
    if not len(wanted):
        return 0
    firsts = np.sort(wanted[:, 0])
    low = np.zeros(1 << 16, bool)
    low[firsts & 0xFFFF] = True
    whole = {row.tobytes() for row in wanted}
    found = 0
    for offset in range(8):
        values = np.frombuffer(window, "<u8", (len(window) - offset) // 8, offset)
        maybe = np.flatnonzero(low[values & 0xFFFF])
        maybe = maybe[np.isin(values[maybe], firsts)]
        found += sum(window[place : place + _PIECE_BYTES] in whole for place in (8 * maybe + offset).tolist())
    return found
