"""List, name, correct and group the people of a library: `library.people` of a FaceLibrary.

Each method opens the library, finds who is meant, and asks the room `people`. Every change is one line of the journal
and can be undone.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facesearch.api.session import Folder, Session

if TYPE_CHECKING:
    from facesearch.exchange import ListSummary
    from facesearch.library import Library
    from facesearch.people import (
        CoverSet,
        FaceAdded,
        GroupSummary,
        LoggedChange,
        Pair,
        PeopleChanged,
        PeopleHidden,
        PeopleList,
        PersonShown,
        SuspectList,
        Undone,
    )

Who = str | int
"""A person: by name, or by number as 12 or "#12"."""

Face = int | Folder
"""A face: by number as 3 or "face:3", or the photo that shows it."""


class People:
    """The people of a library. All methods raise LibraryError, LibraryLockedError if they change something while
    another process is writing, and UsageError for unknown people, faces and photos."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self) -> PeopleList:
        """Everybody, as `list` gives them; deprecated, and gone with 1.1."""
        warnings.warn("library.people() is now library.people.list()", DeprecationWarning, stacklevel=2)
        return self.list()

    def list(self, *, covers: bool = True, hidden: bool = False) -> PeopleList:
        """List everybody: people with a name, then groups without one, the largest first.

        covers: choose a cover for each person; without, `cover_face_id` is None, and a large library answers sooner.
        hidden: also list hidden people.
        """
        from facesearch.people import list_people

        with self._session.reading() as library:
            return list_people(library, covers=covers, hidden=hidden)

    def covers(self, person_ids: Sequence[int]) -> dict[int, int]:
        """The cover of each person: person id -> face id. Leaves out people without a face."""
        from facesearch.people.cover import cover_faces

        with self._session.reading() as library, library.snapshot():
            return cover_faces(library, person_ids)

    def show(self, who: Who) -> PersonShown:
        """A person with all their faces, the photos, who named each face, and the faces rejected for this person."""
        from facesearch.people import show_person

        with self._session.reading() as library:
            return show_person(library, _person(library, who))

    def group(
        self,
        *,
        least_faces: int | None = None,
        least_quality: float | None = None,
        dry_run: bool = False,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> GroupSummary:
        """Group the faces without a person, and add faces to known people; leave doubtful faces alone.

        least_faces: of a new group, by default three. least_quality: leave out faces of lower quality, by default 0.35.
        dry_run: change nothing. on_progress: called with the number of faces compared, and of all faces. Raises
        UsageError for a quality outside 0 to 1, and TowerError if the library was built with another tower.
        """
        from facesearch.evaluation.calibration import Calibration
        from facesearch.people import group_people

        with self._session.opened(writable=not dry_run) as library:
            tower = self._session.tower
            library.use_tower(tower)
            return group_people(
                library,
                Calibration.from_card(tower.card.calibration),
                least_faces,
                least_quality=least_quality,
                dry_run=dry_run,
                on_progress=on_progress,
            )

    def name(
        self,
        who: Who | Path,
        name: str,
        *,
        born: str | None = None,
        face: int | None = None,
        box: Sequence[float] | None = None,
    ) -> PeopleChanged:
        """Name a group or one face, or rename a person.

        who: a person by name or number, a face as "face:3", or a photo. face: which of several faces on the photo,
        numbered as in a query; or box: the face there, x1 y1 x2 y2 px. born: a date of birth, as 1984-05-17. A face
        goes to the person of that name, who is created if new. Raises UsageError if somebody else has the name (`merge`
        makes two people one), or if the face belongs to a person already (`split` moves it).
        """
        from facesearch.people import faces_meant, name_faces, name_person

        with self._session.opened(writable=True) as library:
            face_ids = [] if isinstance(who, int) else faces_meant(library, who, face, box)
            if face_ids:
                return name_faces(library, face_ids, name, born)
            return name_person(library, _person(library, who if isinstance(who, int) else str(who)), name, born)

    def name_faces(self, faces: Iterable[Face], name: str, *, born: str | None = None) -> PeopleChanged:
        """Give faces without a person to the person of that name, who is created if new. A photo means its only face.

        Raises UsageError if a face belongs to a person already (`split` moves it).
        """
        from facesearch.people import find_faces, name_faces

        with self._session.opened(writable=True) as library:
            return name_faces(library, find_faces(library, map(_word, faces)), name, born)

    def add_face(self, photo: Folder, box: Sequence[float], name: str | None = None) -> FaceAdded:
        """Add a face that the detector missed. box: x1 y1 x2 y2 px of the upright photo. name: the person's name.

        The face is embedded if the detector sees one at or around the box, and otherwise kept as a box with a name.
        Raises PhotoError if the photo cannot be read, UsageError if the box is too small, outside the photo, or on a
        face that the library has, and TowerError if the library was built with another tower.
        """
        from facesearch.people import FaceReader, add_face

        detector, tower = self._session.detector, self._session.tower
        with self._session.opened(writable=True) as library:
            return add_face(library, Path(photo), box, FaceReader(detector, tower), name)

    def group_automatically(self, *, wanted: bool) -> None:
        """Set whether `index` groups new faces in this library from now on; in a new library it does."""
        with self._session.opened(writable=True) as library, library.changing():
            library.grouped.set_by_itself(wanted=wanted)

    def import_csv(self, file: Folder, *, root: Folder | None = None, dry_run: bool = False) -> ListSummary:
        """Name faces from a CSV file of paths, people and boxes, as one change (`facesearch people import-csv`).

        root: where relative paths begin, by default the file's folder. dry_run: change nothing.
        """
        from facesearch.exchange import name_by_list

        with self._session.opened(writable=not dry_run) as library:
            return name_by_list(library, Path(file), root=None if root is None else Path(root), dry_run=dry_run)

    def set_born(self, who: Who, born: str | None) -> PeopleChanged:
        """Set a person's date of birth, as 1984-05-17; None if it is not known."""
        from facesearch.people import set_born

        with self._session.opened(writable=True) as library:
            return set_born(library, _person(library, who), born)

    def merge(self, who: Who, *others: Who) -> PeopleChanged:
        """Merge people into the first, who keeps their name, or takes the next name if they have none."""
        from facesearch.people import merge_people

        with self._session.opened(writable=True) as library:
            first, *rest = [_person(library, each) for each in (who, *others)]
            return merge_people(library, first, rest)

    def split(self, who: Who, faces: Iterable[Face], to: Who | None = None) -> PeopleChanged:
        """Move some of a person's faces to `to`, a person or a new name, or else to a new group without a name.

        The faces are rejected for the person they leave. A photo means the person's face on it.
        """
        from facesearch.people import find_faces, split_faces

        with self._session.opened(writable=True) as library:
            person_id = _person(library, who)
            is_number = isinstance(to, int) or (to is not None and to.startswith("#"))
            whose = _person(library, to) if to is not None and is_number else to
            return split_faces(library, person_id, find_faces(library, map(_word, faces), person_id), whose)

    def reject(self, who: Who, faces: Iterable[Face]) -> PeopleChanged:
        """Record that faces do not show a person: they leave the person, until you name them by hand."""
        from facesearch.people import find_faces, reject_faces

        with self._session.opened(writable=True) as library:
            person_id = _person(library, who)
            return reject_faces(library, person_id, find_faces(library, map(_word, faces), person_id))

    def hide(self, *who: Who) -> PeopleHidden:
        """Leave people, such as strangers and posters, out of lists, sheets and queries. They keep their faces."""
        return self._hide(who, hidden=True)

    def unhide(self, *who: Who) -> PeopleHidden:
        """Show people again."""
        return self._hide(who, hidden=False)

    def _hide(self, who: Iterable[Who], *, hidden: bool) -> PeopleHidden:
        from facesearch.people import hide_people

        with self._session.opened(writable=True) as library:
            return hide_people(library, [_person(library, each) for each in who], hidden=hidden)

    def set_cover(self, who: Who, face: Face | None = None) -> CoverSet:
        """Choose a person's cover; a photo means the person's face on it. None lets facesearch choose again."""
        from facesearch.people import find_faces, set_cover

        with self._session.opened(writable=True) as library:
            person_id = _person(library, who)
            faces = [None] if face is None else find_faces(library, [_word(face)], person_id)
            return set_cover(library, person_id, faces[0])

    def together(self, who: Who | None = None, *, top: int | None = 20) -> tuple[Pair, ...]:
        """Pairs of people on photos together, most photos first; `top` of them, or all. who: only with this person."""
        from facesearch.people import seen_together

        with self._session.reading() as library:
            return seen_together(library, who, top)

    def confirm(self, who: Who, faces: Iterable[Face]) -> PeopleChanged:
        """Confirm that faces show the person who has them, so that `review` no longer doubts them."""
        from facesearch.people import confirm_faces, find_faces

        with self._session.opened(writable=True) as library:
            person_id = _person(library, who)
            return confirm_faces(library, person_id, find_faces(library, map(_word, faces), person_id))

    def review(self, top: int | None = 20) -> SuspectList:
        """The `top` likeliest mistakes, or all of them. Changes nothing."""
        from facesearch.people import find_suspects

        with self._session.reading() as library:
            return find_suspects(library, top)

    def log(self, last: int | None = None) -> tuple[LoggedChange, ...]:
        """The `last` changes to people, or all, the latest first."""
        from facesearch.people import change_log

        with self._session.reading() as library:
            return change_log(library, last)

    def undo(self, change: int | None = None) -> Undone:
        """Undo a change by number, or the latest that still holds. Undoing an undo does the change again.

        Raises UsageError, which names them, if later changes stand in the way.
        """
        from facesearch.people import undo_change

        with self._session.opened(writable=True) as library:
            return undo_change(library, change)

    def undo_since(self, change: int) -> tuple[Undone, ...]:
        """Undo a change and all later ones that still hold: all of them or none."""
        from facesearch.people import undo_since

        with self._session.opened(writable=True) as library:
            return undo_since(library, change)


def _person(library: Library, who: Who) -> int:
    from facesearch.people import find_person

    return find_person(library, who)


def _word(face: Face) -> str:
    return f"face:{face}" if isinstance(face, int) else str(face)
