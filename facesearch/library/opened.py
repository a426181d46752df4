"""An open library: its rows, its vectors, and whether it may be written. Refuses to mix detectors or towers."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Self

from facesearch.errors import LibraryError, LibraryExistsError, LibraryLockedError
from facesearch.first_use import made_at_first_use
from facesearch.library.built_with import (
    lacks_cohort,
    models_in,
    origin_of,
    refuse_other_models,
    refuse_other_tower,
    warn_of_cohort,
    warn_of_precision,
)
from facesearch.library.face_places import FacePlaces
from facesearch.library.folder import DATABASE_NAME, LOCK_NAME, is_library, refuse_taken_folder
from facesearch.library.index.vectors import Vectors
from facesearch.library.library_vectors import LibraryVectors, NearestFaces
from facesearch.library.parts import LibraryParts
from facesearch.library.private import make_private_folder
from facesearch.library.rows import schema
from facesearch.library.rows.database import COHORT_SETTING, Database, now
from facesearch.library.scales import Scales
from facesearch.library.space import Space
from facesearch.library.spaces import Spaces
from facesearch.records import Device, Embedder, Models, cohort_text

if TYPE_CHECKING:
    from facesearch.library.care.purge import Purge
    from facesearch.library.lock import WriterLock
    from facesearch.library.status import LibraryStatus

log = logging.getLogger(__name__)


class Library(LibraryParts):
    """An open library: `catalog`, `people` and others read and change the rows, `places` says where faces lie, and
    `vectors()` finds the nearest.

    A writable library holds the writer lock until it is closed; a reader needs no lock and leaves the folder
    as it is. Use it as a context manager, from one thread.
    """

    purge: Purge = made_at_first_use(
        "facesearch.library.care.purge",
        "Purge",
        lambda library: (library.path, library._database, library._vectors, library._refuse_reader),
    )

    def __init__(self, path: Path, database: Database, lock: WriterLock | None) -> None:
        super().__init__(database)
        self.path = path
        self._lock = lock
        self.library_id, self.created_at = origin_of(path, database)
        self._spaces = Spaces(database)
        self._scales = Scales(database, self._spaces)
        self.places = FacePlaces(database, self._spaces, self._scales)
        self._vectors = LibraryVectors(path, database, self._spaces, self.library_id, writable=lock is not None)
        self._elsewhere: NearestFaces | None = None

    @classmethod
    def create(cls, path: Path, models: Models, *, wait: bool = False) -> Self:
        """Create a library in a new or empty folder, and open it for writing.

        wait: for another process that holds the lock. Raises LibraryExistsError when there is a library already, and
        LibraryError when there is anything else, or the folder cannot be written.
        """
        refuse_taken_folder(path)
        make_private_folder(path)
        from facesearch.library.lock import WriterLock

        with ExitStack() as undo:
            lock = undo.enter_context(WriterLock(path / LOCK_NAME, wait=wait))
            refuse_taken_folder(path)  # once more: another process may have been faster
            import uuid

            settings = {"library_id": uuid.uuid4().hex, "created_at": now()}
            schema.create(path / DATABASE_NAME, settings | {key: str(value) for key, value in asdict(models).items()})
            library = cls._connected(path, models, lock)
            undo.pop_all()
        return library

    @classmethod
    def open(cls, path: Path, models: Models | None = None, *, writable: bool = False, wait: bool = False) -> Self:
        """Open a library for reading, or for writing as its only writer; an older version is migrated first.

        models: what the caller will work with; another tower than the library's is refused, and for writing another
        detector too: a reader compares faces, whoever found them. wait: for another writer to end.
        Raises LibraryError (missing, damaged, of a newer version, not writable, built with another detector),
        LibraryLockedError (another writer) and TowerError (built with another tower).
        """
        if not is_library(path):
            raise LibraryError(f"there is no library in {path}; index some photos first, or choose another --library")
        outdated = schema.version(path / DATABASE_NAME) < schema.current_version()
        if not writable and not outdated:
            library = cls._connected(path, models, None)
            if models is None or not lacks_cohort(library.models, models.tower, models.cohort):
                return library
            library.close()
            cls._record_cohort(path, models)
            return cls._connected(path, models, None)
        from facesearch.library.lock import WriterLock

        with ExitStack() as undo:
            lock = undo.enter_context(WriterLock(path / LOCK_NAME, wait=wait))
            backup = schema.migrate(path / DATABASE_NAME)
            if backup is not None:
                log.warning("brought the library in %s up to date; a copy of the former one is in %s", path, backup)
            if writable:
                library = cls._connected(path, models, lock)
                undo.callback(library.close)
                if library.purge.is_pending and not library.purge.run():
                    log.warning("what was forgotten in %s is still in its log, because another process reads it", path)
                undo.pop_all()
                return library
        return cls.open(path, models)

    @classmethod
    def _record_cohort(cls, path: Path, models: Models) -> None:
        """Record the tower's cohort. If another process is writing, or the library is read-only, leave it for later."""
        try:
            with cls.open(path, writable=True) as library:
                library._adopt_cohort(models.tower, models.threshold, models.cohort)
        except LibraryLockedError as error:
            log.info("the tower's cohort will be recorded later: %s", error)
        except LibraryError as error:
            log.warning("distances in %s are plain, because the tower's cohort cannot be recorded: %s", path, error)

    @classmethod
    def open_or_create(cls, path: Path, models: Models, *, wait: bool = False) -> Self:
        """Open a library for writing; where there is none yet, create it. wait: for another writer to end."""
        if not is_library(path):
            with suppress(LibraryExistsError):  # another process was faster
                return cls.create(path, models, wait=wait)
        return cls.open(path, models, writable=True, wait=wait)

    @classmethod
    def _connected(cls, path: Path, models: Models | None, lock: WriterLock | None) -> Self:
        database = Database(schema.connect(path / DATABASE_NAME, writable=lock is not None))
        with ExitStack() as undo:
            undo.callback(database.close)
            library = cls(path, database, lock)
            if models is not None:
                if lock is None:
                    library.check_tower(models.tower, models.tower_name)
                else:
                    library.check_models(models)
                    library._adopt_cohort(models.tower, models.threshold, models.cohort)
                warn_of_precision(path, library.models, models)
            undo.pop_all()
        return library

    def close(self) -> None:
        """Close the database and give up the writer lock. Unsaved vectors are rebuilt by whoever opens it next."""
        if self._elsewhere is not None:
            self._elsewhere.close()
        self._vectors.close()
        self._database.close()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def models(self) -> Models:
        """The detector and the tower that the faces come from now: a reindex by another process can change them."""
        return models_in(self._database.settings())

    def use_tower(self, tower: Embedder) -> None:
        """Get ready to compare faces by a tower's calibration and cohort: where the library is open for writing, its
        rows take the cohort, if that is new. Raises TowerError when the library was built with another tower."""
        self.check_tower(tower.identity, tower.card.name)
        if self._lock is not None:
            self._adopt_cohort(tower.identity, float(tower.card.threshold), cohort_text(tower.card))

    def check_tower(self, tower: str, name: str) -> None:
        """Raise TowerError when the library was built with another tower. tower: SHA-256 of its weights."""
        refuse_other_tower(self.path, self.models, tower, name)

    def check_models(self, given: Models) -> None:
        """Raise TowerError or LibraryError when the library was built with another tower or detector."""
        refuse_other_models(self.path, self.models, given)

    def _adopt_cohort(self, tower: str, threshold: float, cohort: str) -> None:
        """Record the cohort of the library's tower, where it is new, and compute the local scales of all faces by it,
        from the stored embeddings. threshold: the tower's, of plain distances, which was fitted again with it."""
        if not lacks_cohort(self.models, tower, cohort):
            return
        was_taught = self.space.is_taught
        was_calibrated = self.own_calibration.read(self.models.tower, self.space.measure) is not None
        with self.changing():
            self._database.set_settings({COHORT_SETTING: cohort, "threshold": str(threshold)})
        warn_of_cohort(self.path, self.space, was_taught=was_taught, was_calibrated=was_calibrated)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """A transaction: all of the changes to `catalog` and `people` inside are committed, or none.

        Vectors that are in memory follow; the file of vectors follows with `save_vectors`.
        """
        self._refuse_reader()
        with self._database.transaction() as changes:
            yield
            self._scales.settle()
        if changes.concern_vectors:
            self._vectors.follow(changes)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """One view of the library for all the reading inside, while a writer may go on."""
        with self._database.snapshot():
            yield

    def vectors(self) -> Vectors:
        """The vectors of exactly the faces that are in the rows, from the file if it fits, else from the rows.

        Not to be called inside `changing`.
        """
        return self._vectors.current()

    def search_in(self, elsewhere: NearestFaces) -> None:
        """Let `nearest` search there from now on, until the library is closed, which closes that too."""
        self._elsewhere = elsewhere

    def nearest(self) -> NearestFaces:
        """What questions search in: `vectors()`, or what `search_in` was given. Not to be called inside `changing`."""
        return self.vectors() if self._elsewhere is None else self._elsewhere

    @property
    def space(self) -> Space:
        """What maps the embeddings of the rows, and of probes, to where distances are taken: the identity until the
        library is taught. Read it inside a `snapshot` with what it is applied to."""
        return self._spaces.current()

    @property
    def threshold(self) -> float:
        """Up to which distance in `space` two faces count as one person, unless the library was calibrated."""
        cohort = self.space.cohort
        return self.models.threshold if cohort is None else cohort.threshold

    def search_on(self, device: Device) -> None:
        """Where `vectors` search from now on: "cpu", "gpu", or "auto" for what suits. Raises LibraryError later on,
        where a GPU is asked for and missing."""
        self._vectors.device = device

    def train_vectors(self) -> None:
        """Begin to train others in the background where the faces have outgrown them: `save_vectors` takes those."""
        self._refuse_reader()
        self._vectors.begin_training()

    def save_vectors(self, *, finish_training: bool = False) -> None:
        """Write the file of vectors if it is not that of the rows already."""
        self._refuse_reader()
        self._vectors.save(finish_training=finish_training)

    def note_run(self, run: Mapping[str, object]) -> None:
        """Note how far the run is that writes to the library, for its readers. run: fields of WriterAtWork."""
        self._refuse_reader()
        assert self._lock is not None
        self._lock.note(run)

    def _refuse_reader(self) -> None:
        if self._lock is None:
            raise LibraryError(f"the library in {self.path} was opened for reading only")

    def status(self) -> LibraryStatus:
        """What the library holds now."""
        from facesearch.library.status import status_of

        with self._database.snapshot():
            vectors, search = self._vectors.state()
            return status_of(self, self._database.generation(), vectors, search)
