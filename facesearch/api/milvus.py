"""A library's faces on a Milvus server: publish, search and withdraw them. Needs the extra `milvus`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from facesearch.api.session import Session

if TYPE_CHECKING:
    from facesearch.milvus import MilvusPlace, PublishSummary


class Milvus:
    """Part of a FaceLibrary: `library.milvus`. An address is "http://host:19530" or "https://host:19530"; user and
    password come from the environment variable FACESEARCH_MILVUS_TOKEN or from the file, readable by its owner only,
    that FACESEARCH_MILVUS_TOKEN_FILE names. collection: by default "facesearch"."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def publish(
        self,
        uri: str,
        collection: str | None = None,
        *,
        index: str = "hnsw",
        wait: bool = False,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> PublishSummary:
        """Bring the library's faces in a collection up to date: send what changed, delete what the library dropped.

        index: of a new collection, "hnsw", "sq8" (8 bits a number) or "flat" (exact). wait: if this is the first
        publication to this place, wait while another process is writing to the library. on_progress: called with the
        number of faces compared, and of all. Raises UsageError, ClusterError, LibraryError, and TowerError if the
        collection holds faces of another tower.
        """
        from facesearch.milvus import check_place, publish

        place = self._place(uri, collection)
        with self._session.opened() as library:
            is_known = str(place) in library.published.places()
        if not is_known:  # before the first face is there: `forget` must know
            check_place(place, index)  # a wrong address is none to remember
            with self._session.opened(writable=True, wait=wait) as library, library.changing():
                library.published.remember(str(place))
        with self._session.opened() as library:
            return publish(library, place, index, on_progress)

    def withdraw(self, uri: str, collection: str | None = None, *, wait: bool = False) -> int:
        """Delete the library's faces from a collection; returns how many there were. wait: wait while another
        process is writing to the library. Raises UsageError, ClusterError and LibraryError."""
        from facesearch.milvus import withdraw

        place = self._place(uri, collection)
        with self._session.opened(writable=True, wait=wait) as library:
            count = withdraw(library, place)
            with library.changing():
                library.published.drop(str(place))
        return count

    def search_there(self, uri: str, collection: str | None = None) -> None:
        """Let `ask` and `query` search in a collection from now on, instead of in the library. Raises UsageError; the
        first search raises errors of the server."""
        self._session.search_in(self._place(uri, collection))

    @staticmethod
    def _place(uri: str, collection: str | None) -> MilvusPlace:
        from facesearch.milvus import MilvusPlace

        return MilvusPlace(uri) if collection is None else MilvusPlace(uri, collection)
