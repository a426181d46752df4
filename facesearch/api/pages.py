"""Answers and people as self-contained HTML. `library.pages` of a FaceLibrary.

`write_page` of `facesearch.api.values` writes a page, readable by its owner only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from facesearch.api.session import Session

if TYPE_CHECKING:
    from facesearch.pages.person_faces import Everybody, Order, PersonFaces
    from facesearch.pages.query_sheet import QuerySheet
    from facesearch.people import PhotoList
    from facesearch.query import Probe, QueryAnswer
    from facesearch.query.why import Explanation

OnPhoto = Callable[[int, int], None]  # how many photos are done, and of how many


class Pages:
    """The pages of a library. Reads photos again for them; a photo that cannot be read leaves an empty frame."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add_to_sheet(self, sheet: QuerySheet, probe: Probe, answer: QueryAnswer) -> None:
        """Draw a probe and its answer on a contact sheet; `sheet.render(library.path)` then makes the page."""
        sheet.add(self._session.open(), probe, answer)

    def explanation(self, found: Explanation) -> str:
        """What `why` found, as a page."""
        from facesearch.pages.explanation import render_explanation

        return render_explanation(found, self._session.open())

    def person(
        self, who: str | int, order: Order = "doubtful", limit: int = 500, on_photo: OnPhoto | None = None
    ) -> tuple[PersonFaces, str]:
        """All faces of a person, `limit` at most, and the page. Raises UsageError for an unknown person."""
        from facesearch.pages.people_sheet import render_person
        from facesearch.pages.person_faces import faces_of_person
        from facesearch.people import find_person

        with self._session.opened() as library:
            person_id = find_person(library, who)
            found = faces_of_person(library, person_id, order, limit)
            return found, render_person(library, found, on_photo)

    def everybody(self, limit: int = 500, on_photo: OnPhoto | None = None) -> tuple[Everybody, str]:
        """Everybody with one face each, `limit` at most, and the page."""
        from facesearch.pages.people_sheet import render_everybody
        from facesearch.pages.person_faces import everybody

        with self._session.opened() as library:
            found = everybody(library, limit)
            return found, render_everybody(library, found, on_photo)

    def photos(self, found: PhotoList, title: str, limit: int = 500, on_photo: OnPhoto | None = None) -> str:
        """The photos that `library.photos` found, `limit` at most, with their dates and people, as a page."""
        from facesearch.pages.photo_sheet import render_photos

        with self._session.opened() as library:
            return render_photos(library, found, title, limit, on_photo)

    def face_pictures(self, face_ids: Sequence[int]) -> dict[int, bytes | None]:
        """Each face as a JPEG; None where its photo is gone, cannot be read or has changed."""
        from facesearch.pages.face_pictures import cut_faces

        with self._session.reading() as library:
            return {face_id: cut.face for face_id, cut in cut_faces(library, face_ids).items()}
