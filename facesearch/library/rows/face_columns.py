"""How a face stands in the columns of its row, and how it is read back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple
from typing import Any

import numpy as np

from facesearch.records import EMBEDDING_SIZE, DetectedFace, EmbeddedFace, Floats, Span, StoredFace

STORED = np.dtype("<f4")  # of boxes, landmarks and embeddings: float32, little-endian

SELECT_FACES = (
    "SELECT faces.id, photo_id, box, score, quality, person_id, name, local_scale, found_by, embedding IS NOT NULL, "
    "start_s, end_s, at_s, track FROM faces LEFT JOIN people ON people.id = person_id"
)


def as_face(row: Sequence[Any]) -> StoredFace:
    """A row of SELECT_FACES, whose first columns stand in the order of StoredFace's fields."""
    face_id, photo_id, box, *columns, is_embedded = row[:10]
    values = (face_id, photo_id, from_blob(box), *columns, bool(is_embedded), as_span(*row[10:]))
    return StoredFace(*values)


def as_detected(box: bytes, landmarks: bytes, score: float) -> DetectedFace:
    """A face as the detector found it, from the columns of the same names."""
    return DetectedFace(from_blob(box), from_blob(landmarks).reshape(5, 2), score)


def span_values(span: Span | None) -> tuple[float | int | None, ...]:
    """The columns start_s, end_s, at_s and track of a face."""
    return (None, None, None, None) if span is None else astuple(span)


def found_values(embedded: EmbeddedFace) -> tuple[Any, ...]:
    """The columns box, landmarks, score, quality and embedding, and those of the span, of a face that was found."""
    face, embedding = embedded.face, as_blob(embedded.embedding)
    numbers = (as_blob(face.box), as_blob(face.landmarks), float(face.score), embedded.quality, embedding)
    return (*numbers, *span_values(embedded.span))


def as_span(start_s: float | None, end_s: float | None, at_s: float | None, track: int | None) -> Span | None:
    """The same read; None for a face in a photo."""
    if start_s is None or end_s is None or at_s is None or track is None:
        return None
    return Span(start_s, end_s, at_s, track)


def as_blob(values: Floats) -> bytes:
    """Numbers as a row keeps them: float32, little-endian."""
    return np.ascontiguousarray(values, STORED).tobytes()


def from_blob(blob: bytes) -> Floats:
    """The same read, float32 (N,)."""
    return np.frombuffer(blob, STORED).astype(np.float32)


def embeddings_from(blobs: Iterable[bytes]) -> Floats:
    """The embeddings of N rows, float32 (N, 32)."""
    return from_blob(b"".join(blobs)).reshape(-1, EMBEDDING_SIZE)
