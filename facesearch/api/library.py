"""The Python interface: open a library, index photos, and ask who is on one.

`import facesearch` gives these names, and loads what they need at first use. Use a FaceLibrary in one thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from facesearch.api.session import Folder, begun_or_new, library_folder, part
from facesearch.records import Device

if TYPE_CHECKING:
    from facesearch.api.exchange import Exchange
    from facesearch.api.milvus import Milvus
    from facesearch.api.pages import Pages
    from facesearch.api.people import People
    from facesearch.api.tuning import Tuning
    from facesearch.api.views import Views
    from facesearch.indexing import IndexProgress, IndexSummary, PruneSummary, ReindexSummary
    from facesearch.library import ForgetSummary, Library, LibraryStatus, VerifyReport
    from facesearch.library.rows.photo_search import Sort
    from facesearch.people import PhotoList
    from facesearch.query import Comparison, FailedProbe, Probe, QueryAnswer, QueryOptions
    from facesearch.query.why import Explanation, WhyOptions
    from facesearch.vision.detector.detector import Detector
    from facesearch.vision.tower.tower import Tower


class FaceLibrary:
    """A library of faces, with the detector and the tower that it works with; use it as a context manager.

    Nothing is opened or loaded before it is needed: a library that is not there yet is created by the first `index`.
    Between calls it is open for reading only, so that other processes can index.

    people: naming, correcting and listing people, such as `library.people.name("#3", "Anna")`.
    tuning: what the library learns from its names, such as `library.tuning.calibrate()`. exchange: names to and from
    other programs. milvus: the faces on a Milvus server, to be searched there. pages: answers and people as HTML.
    views: photos, faces and their pictures by number, for a service.
    """

    people: People = part("people", "People")
    tuning: Tuning = part("tuning", "Tuning")
    exchange: Exchange = part("exchange", "Exchange")
    milvus: Milvus = part("milvus", "Milvus")
    pages: Pages = part("pages", "Pages")
    views: Views = part("views", "Views")

    def __init__(self, path: Path, tower: Folder | None = None, device: Device = "auto") -> None:
        self._session = begun_or_new(path, tower, device)

    if not TYPE_CHECKING:  # a type checker is to see that these names are gone

        def __getattr__(self, name: str) -> Any:
            """The methods of before 1.0 that moved to a part, with a DeprecationWarning."""
            from facesearch.api.former import former_method

            return former_method(self, name)

    @property
    def path(self) -> Path:
        """The library's folder."""
        return self._session.path

    @property
    def exists(self) -> bool:
        """Whether there is a library in the folder."""
        return self._session.exists

    @property
    def tower(self) -> Tower:
        """The tower that embeds the faces. Raises TowerError."""
        return self._session.tower

    @property
    def detector(self) -> Detector:
        """Finds faces, down to the size that the library was built for."""
        return self._session.detector

    @property
    def reader(self) -> Library:
        """The library itself, open for reading until `close`. Raises LibraryError and TowerError."""
        return self._session.open()

    def load_ahead(self) -> None:
        """Start loading in the background what `query` needs. Raises TowerError and LibraryError."""
        self._session.load_ahead()

    def close(self) -> None:
        """Close the library's files; the next call opens them again."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def index(
        self,
        *paths: Folder,
        people_from_folders: bool = False,
        rehash: bool = False,
        wait: bool = False,
        leave_out: Iterable[Path] = (),
        workers: int = 0,
        smallest_face: str | None = None,
        foreign_folders: bool = False,
        group: bool | None = None,
        codes: str | None = None,
        ray: str | None = None,
        on_progress: Callable[[IndexProgress], None] | None = None,
    ) -> IndexSummary:
        """Bring the library up to date with photos and folders of photos; only what changed costs time.

        people_from_folders: name the person on a photo after its folder. rehash: read every photo again. wait: wait
        while another process is writing to the library, instead of raising LibraryLockedError. leave_out: files to skip
        this time. workers: photos processed at once, 0 for one per core; the result is the same. smallest_face: skip
        smaller faces, "40" in pixels after the photo is shrunk to 1024 px, or "4%" of its longer side; only for a new
        library. foreign_folders: also read folders that NAS systems and photo programs use internally. group: put faces
        that are new since the last grouping into groups, as one change; None follows `people.group_automatically`, and
        groups nothing if files are left out. codes: how precisely the search of a million faces or more keeps them from
        now on, "float32", "float16", "8bit", or "auto" for the most precise that fits in half of the memory. ray: the
        address of a Ray cluster whose machines see the photos under the same paths, or "local" to start one here (extra
        `cluster`); `workers` is then how many of its processors to use, 0 for all. on_progress: called after every
        file. Raises PhotoError when one of `paths` does not exist, LibraryError, TowerError, ClusterError, and
        IndexInterrupted (a KeyboardInterrupt) on Ctrl-C; finished work is kept.
        """
        from facesearch.api.indexing import index_into
        from facesearch.indexing import IndexOptions

        out = frozenset(leave_out)
        group = False if group is None and out else group
        options = IndexOptions(
            people_from_folders, rehash, out, workers=workers, foreign_folders=foreign_folders, codes=codes, group=group
        )
        return index_into(self._session, paths, options, smallest_face, ray, wait=wait, on_progress=on_progress)

    def reindex(
        self,
        *,
        force: bool = False,
        wait: bool = False,
        workers: int = 0,
        smallest_face: str | None = None,
        ray: str | None = None,
        on_progress: Callable[[IndexProgress], None] | None = None,
    ) -> ReindexSummary:
        """Move the library to this tower and detector: reads every photo again; faces keep their people.

        Until it is done, queries use the old tower and detector; the next run continues an interrupted one. force: drop
        photos that cannot be reached or read. smallest_face: as in `index`; None keeps the library's. workers, ray: as
        in `index`. Raises LibraryError, TowerError, ClusterError, and ReindexInterrupted on Ctrl-C.
        """
        from facesearch.api.indexing import reindex_all

        return reindex_all(
            self._session, smallest_face, ray, workers=workers, force=force, wait=wait, on_progress=on_progress
        )

    def photos(
        self,
        *people: str | int,
        any_of: bool = False,
        without: Iterable[str | int] = (),
        only: bool = False,
        since: str | None = None,
        until: str | None = None,
        under: Folder | None = None,
        unknown: bool = False,
        without_faces: bool = False,
        damaged: bool = False,
        sort: Sort = "path",
    ) -> PhotoList:
        """List photos that show all these people, by name or number, and meet the other conditions; without people,
        any photos. Leaves out photos that were missing when their folder was last indexed.

        any_of: one of the people is enough. without: leave out photos of these people. only: nobody else is on them;
        hidden people do not count. since, until: taken from and up to "2019-07-04", "2019-07" or "2019", inclusive.
        under: only in this folder, at any depth. unknown: with a face that has no person. without_faces: only photos in
        which no face was found. damaged: only photos with a missing part. sort: "path", "date" (oldest first), "latest"
        (newest first) or "quality" (best faces of these people first). Raises LibraryError, and UsageError for unknown
        people or folders and for conditions that contradict each other.
        """
        from facesearch.people import PhotoWish, list_photos

        with self._session.reading() as library:
            folder = None if under is None else Path(under)
            wish = PhotoWish(
                folder, without_faces, damaged, people, any_of, tuple(without), only, since, until, unknown, sort
            )
            return list_photos(library, wish)

    def prune(self, *paths: Folder, force: bool = False, dry_run: bool = False) -> PruneSummary:
        """Drop the photos that were missing when their folder was last indexed, with their faces.

        paths: only photos from these folders, by default from all. force: also photos of folders that are missing
        today, such as on an unmounted drive. dry_run: change nothing. Raises LibraryError.
        """
        from facesearch.indexing import prune

        with self._session.opened(writable=True) as library:
            return prune(library, map(Path, paths), force=force, dry_run=dry_run)

    def verify(self, *, repair: bool = False) -> VerifyReport:
        """Check everything in the library; with `repair`, repair what can be repaired.

        Raises LibraryError when there is none, it is of a newer version, or nothing in it can be read.
        """
        from facesearch.library import verify

        self.close()
        return verify(self.path, self._session.installed_models(), repair=repair)

    def forget(self, wanted: Folder | None) -> ForgetSummary:
        """Forget a person (by name, or `#12`), a photo (by path), or everything where `wanted` is None.

        Searches the bytes of every file of the library afterwards, to prove that no trace of their faces is left.
        Raises UsageError when there is no such person or photo, and LibraryError.
        """
        from facesearch.library import forget

        self.close()
        return forget(self.path, None if wanted is None else str(wanted))

    def compare(self, first: Folder, second: Folder) -> Comparison:
        """The distance of the most prominent faces of two photos, with this library's distances and calibration.

        Raises PhotoError (unreadable, no face), LibraryError and TowerError.
        """
        from facesearch.query import compare_photos

        return compare_photos(Path(first), Path(second), library=self.reader, detector=self.detector, tower=self.tower)

    def query(
        self, photo: Folder, k: int = 5, threshold: float | None = None, prior: float = 0.5, *, faces: bool = False
    ) -> QueryAnswer:
        """The k nearest people of every face in a photo: `probe`, then `ask`. Nothing of the photo is stored.

        threshold: the distance up to which two faces count as one person; by default the library's own, or the tower's.
        prior: the probability, before looking, that somebody on the photo is in the library. faces: list the
        nearest faces, whoever they are, instead of people. Raises PhotoError (unreadable, no face), LibraryError and
        TowerError.
        """
        from facesearch.query import QueryOptions

        return self.ask(self.probe(photo), QueryOptions(k, threshold, prior, faces))

    def probe(self, photo: Folder) -> Probe:
        """Find and embed the faces of a photo, for `ask` and for contact sheets.

        Raises PhotoError (unreadable, no face), LibraryError and TowerError.
        """
        return self._session.probe(Path(photo))

    def probes(self, photos: Iterable[Folder]) -> Iterator[Probe | FailedProbe]:
        """Probe several photos, and the photos in folders; yields each in order as soon as it is done.

        A photo that cannot be read, or shows no face, is a FailedProbe with the reason. Raises LibraryError and
        TowerError.
        """
        from facesearch.query import probe_each

        self._session.open()
        return probe_each(map(Path, photos), self.detector, self.tower)

    def ask(self, probe: Probe, options: QueryOptions | None = None) -> QueryAnswer:
        """The people, or faces, nearest to every face of a probe. Raises LibraryError and TowerError."""
        from facesearch.query import DEFAULT_OPTIONS, ask

        return ask(self.reader, probe, DEFAULT_OPTIONS if options is None else options)

    def why(self, photo: Folder, options: WhyOptions | None = None) -> Explanation:
        """Explain the distance between a face on a photo and a person.

        Raises PhotoError (unreadable, no face), LibraryError, TowerError, and UsageError for a person or a face that is
        not there.
        """
        from facesearch.query.why import WhyOptions, explain

        seen, chosen = self.probe(photo), WhyOptions() if options is None else options
        return explain(self.reader, seen, self.tower, chosen)

    def status(self) -> LibraryStatus:
        """What the library holds. Raises LibraryError."""
        from facesearch.library import Library

        with Library.open(self.path) as library:
            library.search_on(self._session.device)
            return library.status()


def open_library(path: Folder | None = None, *, tower: Folder | None = None, device: Device = "auto") -> FaceLibrary:
    """Open the library in a folder, by default FACESEARCH_LIBRARY or the user's data directory. It need not exist yet.

    tower: the folder of a trained tower, by default the one that comes with facesearch.
    """
    return FaceLibrary(library_folder(path), tower, device)
