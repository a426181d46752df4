"""The vectors of an open library: from their file or from the rows, always of exactly the faces that are in the rows.

They lie in the library's space, follow every transaction, and are trained again in the background when the faces have
outgrown them. Refuses to write a file for a reader.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from facesearch.errors import LibraryError
from facesearch.library.folder import DATABASE_NAME
from facesearch.library.index.training import BackgroundTraining
from facesearch.library.index.vector_file import find_index
from facesearch.library.index.vectors import DESCRIPTION_NAME, INDEX_NAME, Stamp, Vectors, VectorsUnusableError
from facesearch.library.rows.catalog import Catalog
from facesearch.library.rows.database import Database, VectorChanges
from facesearch.library.rows.embedding_rows import embedding_pieces, stored_embeddings
from facesearch.library.search_codes import SearchCodes
from facesearch.library.space import Space
from facesearch.library.spaces import Spaces, mapped
from facesearch.records import Chunks, Device, Floats, Neighbour

log = logging.getLogger(__name__)


class NearestFaces(Protocol):
    """A search among the faces of a library: its own `Vectors`, or one on another server."""

    most: int
    """How many faces one search can give."""

    def __len__(self) -> int: ...

    def search(self, probe: Floats, k: int) -> list[Neighbour]:
        """The k faces nearest to a probe, float32 (32,) in the library's space, nearest first; of equally near ones the
        lower id first."""

    def close(self) -> None:
        """Give up connections, if there are any."""


class LibraryVectors:
    """What is in memory, and of which generation of the rows. device: where searches run."""

    def __init__(self, path: Path, database: Database, spaces: Spaces, library_id: str, *, writable: bool) -> None:
        self._path = path
        self._database = database
        self._spaces = spaces
        self._catalog = Catalog(database)
        self._codes = SearchCodes(database)
        self._library_id = library_id
        self._writable = writable
        self.device: Device = "cpu"
        self._vectors: Vectors | None = None
        self._generation = -1  # what the vectors in memory hold
        self._saved_generation = -1  # what the vectors on disk hold, as far as known
        self._training: BackgroundTraining | None = None
        self._training_generation = -1  # up to where the training has followed

    def current(self) -> Vectors:
        """Those of the rows as they are now. Not to be called inside a transaction."""
        with self._database.snapshot():
            generation = self._database.generation()
            if self._vectors is None or self._generation != generation:
                self._vectors = self._loaded(self.stamp())
                self._vectors.run_on(self.device)
                self._generation = generation
        return self._vectors

    def _loaded(self, stamp: Stamp) -> Vectors:
        try:
            found = find_index(self._path, stamp, self._database.recent_changes())
            vectors = Vectors.of_file(found, stamp, self._embeddings_of)
        except VectorsUnusableError as error:
            if stamp.faces:
                log.info("rebuilding the file of vectors in %s from the rows: %s", self._path, error)
            vectors = self._gathered(stamp.faces)
            if not self._writable:
                return vectors
            # At once, and not after the next change: a foreign file must not come to fit by its number alone.
            vectors.save(self._path, stamp)
            self._saved_generation = stamp.generation
        else:
            self._saved_generation = found.generation
        return vectors

    def _embeddings_of(self, face_ids: Sequence[int]) -> dict[int, Floats]:
        """Where some faces lie in the library's space, by id."""
        stored, space = self._catalog.embeddings_by_id(face_ids), self._spaces.current()
        if not stored:
            return {}
        return dict(zip(stored, space.map(np.stack(list(stored.values()))), strict=True))

    def _gathered(self, faces: int) -> Vectors:
        """A search that compares a probe with all the rows as they are now."""
        space = self._spaces.current()
        return Vectors.gathered(
            lambda: mapped(space, embedding_pieces(self._database)),
            faces,
            self._codes.of(faces),
            self._embeddings_of,
        )

    @contextmanager
    def _source(self, space: Space) -> Iterator[Chunks]:
        """All the vectors of one moment, for another thread: through a connection of its own."""
        with stored_embeddings(self._path / DATABASE_NAME) as chunks:
            yield lambda: mapped(space, chunks())

    def follow(self, changes: VectorChanges) -> None:
        """Do what a transaction did. changes: after it has been committed."""
        vectors, training, before = self._vectors, self._training, changes.generation - 1
        self._vectors = self._training = None  # should Ctrl-C come before they have followed, they are made again
        if changes.remapped:
            if training is not None:
                training.cancel()
            return
        space = self._spaces.current()
        added = [(face_id, space.map(embedding)) for face_id, embedding in changes.added]
        if training is not None and self._training_generation == before:
            training.follow(changes.removed, added)
            self._training_generation = changes.generation
            self._training = training
        if vectors is not None and self._generation == before:
            vectors.follow(changes.removed, added)
            self._generation = changes.generation
            self._vectors = vectors

    def begin_training(self) -> None:
        """If the faces have outgrown the vectors, start training new ones in the background."""
        vectors = self.current()
        codes = self._codes.of(len(vectors), vectors.codes)
        if self._training is None and vectors.wants_training(codes):
            space = self._spaces.current()
            source = partial(self._source, space)
            self._training = BackgroundTraining(source, len(vectors), codes, self._embeddings_of)
            self._training_generation = self._generation

    def save(self, *, finish_training: bool) -> None:
        """Write the file if it is not that of the rows already, or that and a few changes that the rows remember; with
        trained vectors if those are done, or waited for.

        Raises LibraryError when it cannot be written.
        """
        vectors = self.current()
        if self._training is not None and (finish_training or self._training.is_done):
            vectors = self._trained() or vectors
        if self._saved_generation != self._generation and not self._is_found_again(vectors):
            vectors.save(self._path, self.stamp())
            self._saved_generation = self._generation

    def _is_found_again(self, vectors: Vectors) -> bool:
        """Whether the next process to open the library gets these vectors from the file."""
        recent = self._database.recent_changes()
        return vectors.is_file and recent is not None and recent.since(self._saved_generation) is not None

    def purge(self) -> None:
        """Delete the file and write it again, so that nothing in it stems from faces that are gone. Partitions stay."""
        self.close()
        vectors = self.current()
        vectors.centre()
        for name in (INDEX_NAME, DESCRIPTION_NAME):
            (self._path / name).unlink(missing_ok=True)
        if not vectors.training:
            self._vectors = None  # from the rows
        self._saved_generation = -1
        self.save(finish_training=False)

    def _trained(self) -> Vectors | None:
        """The vectors trained in the background, now in use; None if training failed, and the old ones stay in use."""
        training, self._training = self._training, None
        assert training is not None
        try:
            trained = training.result()
        except (LibraryError, MemoryError, RuntimeError) as error:
            log.warning("search stays as it was: its training failed (%s); the next index run tries again", error)
            return None
        if self._training_generation != self._generation:
            return None
        trained.run_on(self.device)
        self._vectors = trained
        self._saved_generation = -1
        return trained

    def state(self) -> tuple[str, str]:
        """Of the file: "current", or why it would be rebuilt; and how a search runs, in words."""
        stamp = self.stamp()
        try:
            found = find_index(self._path, stamp, self._database.recent_changes())
            vectors = Vectors.of_file(found, stamp, self._embeddings_of)
        except VectorsUnusableError as error:
            vectors = self._gathered(stamp.faces)
            state = f"to be rebuilt: {error}" if stamp.faces else "current"
        else:
            state = "current"
        vectors.run_on(self.device)
        return state, vectors.description

    def stamp(self) -> Stamp:
        """Whose and of when the rows are, and in which space their vectors lie."""
        recent = self._database.recent_changes()
        return Stamp(
            self._library_id,
            self._database.generation(),
            self._catalog.embedded_count(),
            self._spaces.current().digest,
            "" if recent is None else recent.mark,
        )

    def close(self) -> None:
        """Stop a training that is still at work."""
        if self._training is not None:
            self._training.cancel()
            self._training = None
