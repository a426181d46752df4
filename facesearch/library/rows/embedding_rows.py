"""All embeddings of one moment, read from the rows in pieces, because all at once may not fit in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from facesearch.library.rows import schema
from facesearch.library.rows.database import Database
from facesearch.library.rows.face_columns import embeddings_from
from facesearch.records import Chunk, Chunks

_FACES_A_PIECE = 65_536


@contextmanager
def stored_embeddings(path: Path) -> Iterator[Chunks]:
    """The faces with an embedding in a library's database as they are now, ids ascending, whatever a writer commits
    meanwhile.

    Opens a connection of its own, for the thread that calls. Raises LibraryError.
    """
    with closing(Database(schema.connect(path, writable=False))) as database, database.snapshot():
        database.generation()  # SQLite's snapshot begins with the first reading
        yield lambda: embedding_pieces(database)


def embedding_pieces(database: Database) -> Iterator[Chunk]:
    """The same through a connection that there is, inside a snapshot of it."""
    last = -1
    while True:
        rows = database.rows(
            "SELECT id, embedding FROM faces WHERE id > ? AND embedding IS NOT NULL ORDER BY id LIMIT ?",
            (last, _FACES_A_PIECE),
        )
        if not rows:
            return
        last = rows[-1][0]
        ids = np.fromiter((row[0] for row in rows), np.int64, len(rows))
        yield ids, embeddings_from(row[1] for row in rows)
