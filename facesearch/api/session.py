"""A library with the detector and the tower that it works with, each opened or loaded when it is first needed.

Knows nothing of what is asked of them. Not for two threads at once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from facesearch.errors import FacesearchError, TowerError
from facesearch.first_use import made_at_first_use
from facesearch.records import Device, Models

if TYPE_CHECKING:
    from concurrent.futures import Future

    from facesearch.cluster import ClusterWorkers
    from facesearch.library import Library
    from facesearch.milvus import MilvusPlace
    from facesearch.query import Probe
    from facesearch.vision.detector.detector import Detector
    from facesearch.vision.tower.tower import Tower

Folder = str | PathLike[str]
T = TypeVar("T")


class Session:
    """A library's folder, its detector, its tower and, between `open` and `close`, the library open for reading.

    The parts of a FaceLibrary share one.
    """

    def __init__(self, path: Path, tower: Folder | None = None, device: Device = "auto") -> None:
        self.path = path
        self._tower_path = tower
        self.device = device
        self.milvus: MilvusPlace | None = None
        """Where questions search, instead of in the library's own vectors."""
        self._reader: Library | None = None
        self._held = 0  # inode of the database that `hold` opened
        self._loads_ahead = False

    def is_for(self, path: Path, tower: Folder | None, device: Device) -> bool:
        """Whether it was made for these."""
        towers = [None if each is None else os.fspath(each) for each in (self._tower_path, tower)]
        return (self.path, towers[0], self.device) == (path, towers[1], device)

    @property
    def exists(self) -> bool:
        """Whether there is a library in the folder."""
        from facesearch.library import is_library

        return is_library(self.path)

    @cached_property
    def tower(self) -> Tower:
        """The tower that embeds the faces, in the precision of the library's; for a new one the processor's fastest.

        Raises TowerError. Its network is loaded when it is needed: a run that finds nothing new needs none.
        """
        from facesearch.library import recorded_precision
        from facesearch.vision.tower.tower import Tower, usable_precision

        path = None if self._tower_path is None else Path(self._tower_path)
        return Tower.load(path, self.device, usable_precision(recorded_precision(self.path)), prepared=False)

    @cached_property
    def detector(self) -> Detector:
        """What finds the faces, from the smallest on that the library was built for."""
        return self.load_detector_for()

    def load_detector_for(self, smallest: str | None = None, lanes: int = 1, device: Device = "cpu") -> Detector:
        """A detector of its own. smallest: the smallest face; None for the library's. device: where it is to run; for
        a single photo a GPU is not worth the loading."""
        from facesearch.library import recorded_detector
        from facesearch.vision.detector.detector import load_detector, settings_of, smallest_face

        settings = settings_of(recorded_detector(self.path)) if smallest is None else smallest_face(smallest)
        return load_detector(settings, lanes=lanes, device=device)

    def cluster(self, address: str, detector: Detector, workers: int = 0) -> ClusterWorkers:
        """Workers on a Ray cluster with this detector and the library's tower, to be entered. Raises ClusterError."""
        from facesearch.cluster import ClusterWorkers

        folder = None if self._tower_path is None else Path(self._tower_path)
        return ClusterWorkers(address, detector, self.tower, folder=folder, device=self.device, workers=workers)

    def installed_models(self) -> Models | str:
        """The detector and the tower, loaded; or why the tower cannot be used."""
        try:
            self.tower.prepare()
            return Models.of(self.detector, self.tower)
        except TowerError as error:
            return str(error)

    def load_ahead(self) -> None:
        """Begin to load what a question needs, beside what the caller does next. Raises TowerError and LibraryError.

        The tower's network takes longest by far, so that all that is not needed to find it comes after it.
        """
        from facesearch.photos import start_reading

        start_reading()  # before NumPy is imported, which takes one core alone: the process has the other meanwhile
        from facesearch.library import is_library

        if not self._loads_ahead and is_library(self.path):
            self._loads_ahead = True
            from facesearch.vision.detector import centerface
            from facesearch.vision.runtime import load_runtime

            load_runtime()  # here: two threads that import take turns, and the networks wait for this
            _begin_loading(lambda: centerface.load(centerface.fastest()))
            _begin_loading(self.tower.prepare)
        _ = self.detector, self.tower

    def search_in(self, place: MilvusPlace) -> None:
        """Let questions search there from now on."""
        self.milvus = place
        if self._reader is not None:
            self.close()

    def open(self) -> Library:
        """The library for reading, checked against the tower; kept open for the next question."""
        if self._reader is None:
            self.load_ahead()
            from facesearch.library import Library, load_search

            reader = Library.open(self.path, Models.of(self.detector, self.tower))
            if self.milvus is None:
                reader.search_on(self.device)
                threading.Thread(target=load_search, args=(reader.catalog.embedded_count(),), name="search").start()
            else:
                from facesearch.milvus import MilvusSearch

                try:
                    reader.search_in(MilvusSearch(reader, self.milvus))
                except FacesearchError:
                    reader.close()
                    raise
            self._reader = reader
        return self._reader

    def probe(self, photo: Path) -> Probe:
        """A photo with its faces, found and embedded, for the library that is open then.

        Where it is not open yet, the photo is looked at in another thread meanwhile: both take equally long. What is
        wrong with the library is said before what is wrong with the photo. Raises PhotoError, LibraryError, TowerError.
        """
        from facesearch.query import probe_photo

        if self._reader is not None or not self.exists:
            self.open()
            return probe_photo(photo, self.detector, self.tower)
        self.load_ahead()
        detector, tower = self.detector, self.tower
        found = _beside(lambda: probe_photo(photo, detector, tower))
        self.open()
        from facesearch.query import ask  # noqa: F401 - which is asked next

        return found.result()

    @contextmanager
    def opened(self, *, writable: bool = False, wait: bool = False) -> Iterator[Library]:
        """The library for one call, with no other opened beside it. Raises LibraryError, and LibraryLockedError where
        it cannot be taken for writing."""
        from facesearch.library import Library

        self.close()
        with Library.open(self.path, writable=writable, wait=wait) as library:
            yield library

    @contextmanager
    def reading(self) -> Iterator[Library]:
        """The library for reading, without tower and detector: the one that is open, or one for this call."""
        from facesearch.library import Library

        if self._reader is not None:
            yield self._reader
            return
        with Library.open(self.path) as library:
            yield library

    def hold(self) -> None:
        """Open the library for reading and keep it open for `reading`, without tower and detector; opens it again where
        another file bears its name now, as after a repair. Raises LibraryError."""
        from facesearch.library import DATABASE_NAME, Library

        try:
            inode = (self.path / DATABASE_NAME).stat().st_ino
        except OSError:
            inode = 0
        if self._reader is not None and inode == self._held:
            return
        self.close()
        self._reader, self._held = Library.open(self.path), inode

    def close(self) -> None:
        """Close the library's files; the next call opens them and asks which detector the library was built with."""
        self.__dict__.pop("detector", None)
        self._loads_ahead = False
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def part(module: str, name: str) -> Any:
    """A part of a FaceLibrary, which is imported when it is asked for."""
    return made_at_first_use(f"facesearch.api.{module}", name, lambda library: (library._session,))


# The one begun, until it is asked for; and again from then on, for the process's end need not take its networks apart.
_begun: list[Session] = []
_kept: list[Session] = []


def begin(path: Folder | None, tower: Folder | None, device: Device) -> None:
    """Begin to load what a question about a library needs, for the `begun_or_new` of the same that follows: whatever
    else is loaded meanwhile, such as the command line, then costs no time. What fails here fails again there."""
    from facesearch.library import is_library

    with suppress(FacesearchError, ImportError):
        folder = library_folder(path)
        if is_library(folder):
            session = Session(folder, tower, device)
            session.load_ahead()
            _begun[:] = _kept[:] = [session]


def begun_or_new(path: Path, tower: Folder | None, device: Device) -> Session:
    """The session that `begin` has begun, once and for the same library, tower and device only; else a new one."""
    session = _begun.pop() if _begun else None
    return session if session is not None and session.is_for(path, tower, device) else Session(path, tower, device)


def library_folder(path: Folder | None) -> Path:
    """The folder of a library; None: of the one that is used where none is named. Raises LibraryError where the user's
    home folder is not known."""
    if path is not None:
        return Path(path)
    from facesearch.library import default_library_path

    return default_library_path()


def _beside(work: Callable[[], T]) -> Future[T]:
    """Begin some work in a thread of its own, for which the end of the process does not wait."""
    from concurrent.futures import Future

    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again for whoever asks for the outcome
            outcome.set_exception(error)

    threading.Thread(target=run, name="work", daemon=True).start()
    return outcome


def _begin_loading(load: Callable[[], object]) -> None:
    """Load a network in a thread of its own."""

    def try_to_load() -> None:
        with suppress(FacesearchError):  # raised again where it is needed
            load()

    threading.Thread(target=try_to_load, name="load").start()
