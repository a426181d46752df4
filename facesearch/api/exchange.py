"""Names to and from other programs. `library.exchange` of a FaceLibrary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from facesearch.api.session import Folder, Session

if TYPE_CHECKING:
    from facesearch.exchange import ImportSummary, ListingSummary, SidecarOptions, SidecarSummary

OnFile = Callable[[int, int], None]  # how many files are done, and of how many


class Exchange:
    """XMP sidecars, JSON and CSV. All methods raise LibraryError, and UsageError for unknown people."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def import_names(
        self,
        paths: Sequence[Folder],
        *,
        dry_run: bool = False,
        wait: bool = False,
        new_faces: bool = True,
        on_file: OnFile | None = None,
    ) -> ImportSummary:
        """Name faces as other programs have named them, as one change.

        paths: photos, folders of photos, sidecars, .picasa.ini, and lists that facesearch exported. dry_run: change
        nothing. wait: wait while another process is writing, instead of raising LibraryLockedError. new_faces: add a
        face for a named region where the detector found none, if the tower is the library's.
        """
        from facesearch.exchange import import_names
        from facesearch.people import FaceReader

        def reader() -> FaceReader:
            return FaceReader(self._session.detector, self._session.tower)

        with self._session.opened(writable=not dry_run, wait=wait) as library:
            return import_names(
                library,
                [Path(path) for path in paths],
                dry_run=dry_run,
                reader=reader if new_faces else None,
                on_progress=on_file,
            )

    def export_sidecars(
        self, people: Sequence[str] = (), options: SidecarOptions | None = None, on_file: OnFile | None = None
    ) -> SidecarSummary:
        """Write the named faces into XMP files beside the photos. people: only these, by name or number."""
        from facesearch.exchange import SidecarOptions, export_sidecars

        with self._session.opened() as library:
            return export_sidecars(library, people, SidecarOptions() if options is None else options, on_file)

    def export_listing(
        self, form: Literal["json", "csv"], people: Sequence[str] = (), *, unnamed: bool = False
    ) -> tuple[bytes, ListingSummary]:
        """One list of all named faces, and a summary. unnamed: include groups without a name."""
        from facesearch.exchange import export_listing

        with self._session.opened() as library:
            return export_listing(library, form, people, unnamed=unnamed)
