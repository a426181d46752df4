"""Which photos of a library answer a wish: who is on them, when they were taken, where they lie; and who is together.

Reads rows only, never a photo.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from facesearch.errors import UsageError
from facesearch.library import Library, find_person
from facesearch.library.rows.photo_search import FoundPhoto, PhotoQuery, Sort
from facesearch.paths import whole_path
from facesearch.records import Ints, Span
from facesearch.text import called

SORTS: tuple[Sort, ...] = ("path", "date", "latest", "quality")
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)


@dataclass(frozen=True)
class PhotoWish:
    """Which photos to list: those that meet every wish."""

    under: Path | None = None  # a file, or a folder at any depth
    without_faces: bool = False  # no face was found in it
    damaged: bool = False  # only a part of it can be seen
    people: tuple[str | int, ...] = ()  # who is on them, by name or number: all of these
    any_of: bool = False  # one of them is enough
    without: tuple[str | int, ...] = ()  # who is not
    only: bool = False  # nobody else is on them; people who are hidden do not count
    since: str | None = None  # taken on this day or later: 2019-07-04, 2019-07 or 2019
    until: str | None = None  # taken on this day, in this month or year, or before
    unknown: bool = False  # with a face that has no person
    sort: Sort = "path"  # or "date", the oldest first, "latest", the newest first, or "quality", the best faces first


@dataclass(frozen=True)
class PhotoPerson:
    """Somebody on a photo."""

    person_id: int
    name: str | None  # None for an unnamed group
    spans: tuple[Span, ...] = ()  # when they are seen in a video, or in the film of a motion photo


@dataclass(frozen=True)
class PhotoEntry:
    """A photo of a library."""

    photo_id: int
    photo: Path  # the first of its files, by path, that is as wished
    copies: tuple[Path, ...]  # its other files
    width_px: int  # of the upright photo
    height_px: int
    faces: int
    damage: str | None = None  # what is missing of it, in words, where only a part can be seen
    taken: str | None = None  # local time, ISO 8601; None for a photo of a former version until the next index
    taken_zone_min: int | None = None  # minutes ahead of UTC, where that is known
    taken_source: str | None = None  # "exif", "xmp", "video", "name" or "file": who says so
    people: tuple[PhotoPerson, ...] = ()  # the known people on it, by number; hidden ones if they were asked for
    duration_s: float | None = None  # of a video


@dataclass(frozen=True)
class PhotoList:
    """Photos in the order that was wished."""

    photos: tuple[PhotoEntry, ...]
    total: int  # photos in the library, as wished or not


@dataclass(frozen=True)
class Pair:
    """Two people, and on how many photos they are together."""

    person_id: int
    name: str | None
    other_person_id: int
    other_name: str | None
    photos: int


def list_photos(library: Library, wish: PhotoWish) -> PhotoList:
    """The photos of a library that are as wished. Leaves out photos that were gone when their folder was last indexed.

    Raises UsageError for somebody who is not there, for a date that is none, for wishes that contradict each other, and
    where the library knows no file in `wish.under`.
    """
    with library.snapshot():
        query = _query(library, wish)
        found = library.photo_search.find(query)
        return PhotoList(_entries(library, found, query.people), library.photo_search.total())


def number_photos(library: Library, wish: PhotoWish) -> tuple[Ints, int]:
    """The numbers of the photos that `list_photos` lists, (N,), in its order, and how many photos the library has.
    Raises UsageError as it does."""
    with library.snapshot():
        return library.photo_search.numbers(_query(library, wish)), library.photo_search.total()


def some_photos(library: Library, photo_ids: Sequence[int]) -> tuple[PhotoEntry, ...]:
    """Photos by number, in that order, without those that are gone."""
    with library.snapshot():
        return _entries(library, library.photo_search.some(photo_ids))


def _entries(library: Library, found: Sequence[FoundPhoto], asked: Sequence[int] = ()) -> tuple[PhotoEntry, ...]:
    """asked: people who are said to be on a photo although they are hidden."""
    photo_ids = [photo.photo_id for photo in found]
    copies = _copies(library, found)
    on = defaultdict[int, list[PhotoPerson]](list)
    people = sorted(library.photo_search.people_on(photo_ids, asked))
    names = library.people.names_of(person_id for _, person_id in people)
    spans = defaultdict[tuple[int, int], list[Span]](list)
    for photo_id, person_id, span in library.photo_search.spans(photo_ids):
        spans[photo_id, person_id].append(span)
    for photo_id, person_id in people:
        own = tuple(spans.get((photo_id, person_id), ()))
        on[photo_id].append(PhotoPerson(person_id, names[person_id], own))
    return tuple(
        PhotoEntry(
            photo.photo_id,
            Path(os.fsdecode(photo.path)),
            copies.get(photo.photo_id, ()),
            photo.width_px,
            photo.height_px,
            photo.faces,
            photo.damage,
            photo.taken_at,
            photo.taken_zone_min,
            photo.taken_source,
            tuple(on.get(photo.photo_id, ())),
            photo.duration_s,
        )
        for photo in found
    )


def seen_together(library: Library, who: str | int | None = None, top: int | None = None) -> tuple[Pair, ...]:
    """Pairs of people on photos together, most photos first; with `who` only with them. top: how many pairs at most.
    Leaves out people who are hidden. Raises UsageError for somebody who is not there."""
    with library.snapshot():
        person_id = None if who is None else find_person(library, who)
        pairs = library.photo_search.together(person_id, top)
        names = library.people.names_of(each for pair in pairs for each in pair[:2])
    return tuple(Pair(first, names[first], other, names[other], photos) for first, other, photos in pairs)


def _query(library: Library, wish: PhotoWish) -> PhotoQuery:
    """The wish in numbers, checked."""
    people = tuple(dict.fromkeys(find_person(library, who) for who in wish.people))
    without = tuple(dict.fromkeys(find_person(library, who) for who in wish.without))
    if wish.only and not people:
        raise UsageError("name a person: --only lists photos with nobody else on them")
    if wish.only and wish.unknown:
        raise UsageError("--only and --unknown contradict each other: a face without a person is somebody else")
    twice = () if wish.any_of else [person_id for person_id in people if person_id in without]
    if twice:
        who = called(library.people.names_of(twice)[twice[0]], twice[0])
        raise UsageError(f"{who} cannot be on the photos and not on them: leave one of the two out")
    if wish.without_faces and people:
        raise UsageError("a photo without a face shows nobody: ask for people, or for photos without faces")
    if wish.without_faces and wish.unknown:
        raise UsageError("a photo without a face has no face without a person: ask for one of the two")
    under = None if wish.under is None else library.files.spelled(whole_path(wish.under))
    if under is not None and not library.files.under([under]):
        raise UsageError(f"the library in {library.path} has no photo in {wish.under}: index it first")
    since, until = _checked_date(wish.since), _checked_date(wish.until)
    if since and until and since[: len(until)] > until[: len(since)]:
        raise UsageError(f"no photo is from {since} or later and from {until} or before: swap the two dates")
    if wish.sort not in SORTS:
        raise UsageError(f"photos are sorted by {', '.join(SORTS)}, not by {wish.sort}")
    return PhotoQuery(
        people,
        wish.any_of,
        without,
        wish.only,
        since,
        until,
        under,
        wish.unknown,
        wish.without_faces,
        wish.damaged,
        wish.sort,
    )


def _checked_date(text: str | None) -> str | None:
    """A day, month or year as ISO 8601 writes it. Raises UsageError."""
    if text is None:
        return None
    found = _DATE.fullmatch(text)
    try:
        if found is not None:
            date(int(found[1]), int(found[2] or 1), int(found[3] or 1))
            return text
    except ValueError:
        pass
    raise UsageError(f"{text} is not a date: write a day as 2019-07-04, a month as 2019-07, or a year as 2019")


def _copies(library: Library, found: Sequence[FoundPhoto]) -> dict[int, tuple[Path, ...]]:
    """The other files of each photo that has several."""
    first = {photo.photo_id: photo.path for photo in found}
    others: defaultdict[int, list[Path]] = defaultdict(list)
    for name, _, photo_id, missing in library.files.of(library.files.with_copies(first)):
        if not missing and name != first[photo_id]:
            others[photo_id].append(Path(os.fsdecode(name)))
    return {photo_id: tuple(paths) for photo_id, paths in others.items()}
