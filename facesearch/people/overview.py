"""Who is in a library, and on which photos: for the eyes. Changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from facesearch.library import Library, nobody
from facesearch.people.cover import cover_faces
from facesearch.records import FoundBy, Span, StoredFace, Taken


@dataclass(frozen=True)
class PersonEntry:
    """A person, or an unnamed group."""

    person_id: int
    name: str | None  # None for a group
    born: str | None  # an ISO date
    faces: int
    photos: int
    rejected: int  # faces that are known not to be theirs
    hidden: bool = False  # left out of lists, sheets and answers
    cover_face_id: int | None = None  # the face that stands for them (people.cover); None for somebody without a face


@dataclass(frozen=True)
class PeopleList:
    """Everybody: those with a name by name, then the groups, the largest first."""

    people: tuple[PersonEntry, ...]
    faces_without_person: int
    hidden: int = 0  # people who are not listed because they are hidden


@dataclass(frozen=True)
class FaceEntry:
    """A face on a photo."""

    face_id: int
    photo: Path | None
    missing: bool  # the photo was gone when its folder was last indexed
    box: tuple[float, float, float, float]  # x1 y1 x2 y2 px
    source: str | None  # who said whose it is: "user", "folder" and so on; None for a rejected face
    quality: float | None  # how well it can be recognised, 0 to 1; None for a face from before there was one
    photo_id: int | None = None
    found_by: FoundBy = "detector"  # as in FaceOnPhoto
    embedded: bool = True  # as in FaceOnPhoto
    span: Span | None = None  # when it is seen, if the photo is a video


@dataclass(frozen=True)
class YearCount:
    """How many photos were taken in a year."""

    year: int
    photos: int


@dataclass(frozen=True)
class PersonShown:
    """A person with every face, by photo, and the faces that are known not to be theirs."""

    person: PersonEntry
    faces: tuple[FaceEntry, ...]
    rejected: tuple[FaceEntry, ...]
    first_taken: str | None = None  # when the oldest of their photos was taken, ISO 8601; None where nothing says
    last_taken: str | None = None  # the same of the newest
    photos_by_year: tuple[YearCount, ...] = ()  # the years from the first to the last, also those without a photo
    cover_chosen: bool = False  # by `people cover`, not the best of the typical ones


def list_people(library: Library, *, covers: bool = True, hidden: bool = False) -> PeopleList:
    """Everybody in a library. covers: choose a cover for each, which reads up to 127 embeddings of every person.
    hidden: also people who are hidden."""
    with library.snapshot():
        everybody = library.people.overview()
        rows = [row for row in everybody if hidden or not row[6]]
        chosen = cover_faces(library, [row[0] for row in rows]) if covers else {}
        people = [PersonEntry(*row[:6], bool(row[6]), chosen.get(row[0])) for row in rows]
        without = library.people.faces_without_person()
    people.sort(key=lambda each: (each.name is None, (each.name or "").casefold(), -each.faces, each.person_id))
    return PeopleList(tuple(people), without, len(everybody) - len(rows))


def show_person(library: Library, person_id: int) -> PersonShown:
    """A person with their faces. Raises UsageError where there is no such person."""
    with library.snapshot():
        row = library.people.row(person_id)
        if row is None:
            raise nobody(library, person_id)
        sources = library.people.sources_of(person_id)
        theirs = library.catalog.faces(sources)
        rejected = library.catalog.faces(library.people.rejected_from(person_id))
        faces = _entries(library, theirs.values(), sources)
        others = _entries(library, rejected.values(), {})
        cover = cover_faces(library, [person_id]).get(person_id)
        is_chosen = person_id in library.people.chosen_covers([person_id])
        over_time = _over_time(library.dates.of({face.photo_id for face in theirs.values()}).values())
    photos = len({face.photo_id for face in theirs.values()})
    person = PersonEntry(person_id, row.name, row.born, len(faces), photos, len(others), row.hidden, cover)
    return PersonShown(person, faces, others, *over_time, cover_chosen=is_chosen)


def _over_time(taken: Iterable[Taken]) -> tuple[str | None, str | None, tuple[YearCount, ...]]:
    """The first and the last date of some photos, and how many there are of each year between. The time of a file says
    when it was copied, mostly, and does not count."""
    dates = sorted(each.at for each in taken if each.source != "file")
    if not dates:
        return None, None, ()
    years = Counter(int(date[:4]) for date in dates)
    return dates[0], dates[-1], tuple(YearCount(year, years[year]) for year in range(min(years), max(years) + 1))


def _entries(library: Library, faces: Iterable[StoredFace], sources: dict[int, str]) -> tuple[FaceEntry, ...]:
    faces = list(faces)
    paths = library.catalog.photo_paths(face.photo_id for face in faces)
    entries = []
    for face in faces:
        where = paths.get(face.photo_id)
        left, top, right, bottom = (round(side, 1) for side in face.box.tolist())
        path, missing = (None, True) if where is None else (where.path, where.missing)
        box, source = (left, top, right, bottom), sources.get(face.face_id)
        found = face.photo_id, face.found_by, face.is_embedded, face.span
        entries.append(FaceEntry(face.face_id, path, missing, box, source, face.quality, *found))
    return tuple(sorted(entries, key=lambda entry: (str(entry.photo), entry.face_id)))
