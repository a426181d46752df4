"""The photos of a person with their face on each, the latest first, a part at a time."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from facesearch.text import shown, time_span

if TYPE_CHECKING:
    from facesearch.api.library import FaceLibrary
    from facesearch.api.values import FaceEntry, PersonShown
    from facesearch.records import Taken
    from facesearch.web.library_threads import LibraryThreads

_REMEMBERED = 4  # people


@dataclass(frozen=True)
class Shot:
    """A photo of a person, with their face on it."""

    photo_id: int
    face_id: int
    box: tuple[float, float, float, float]  # x1 y1 x2 y2 px
    size: tuple[int, int] | None  # of the photo, px; None for a video, of which the face is shown
    path: Path
    taken: Taken | None
    time: str  # when the face is seen in a video
    face_ids: tuple[int, ...]  # that one, and in a video the others of the same track

    @property
    def file(self) -> str:
        return self.path.name

    @property
    def day(self) -> str | None:
        return None if self.taken is None else self.taken.at[:10]

    @property
    def label(self) -> str:
        when = f"{date(self.taken) or 'undated'}{f', {self.time}' if self.time else ''}"
        return shown(f"{when}: {self.path.name}")


@dataclass(frozen=True)
class PersonPhotos:
    """A person, and their faces that a file shows, the latest first; those without a date come last."""

    known: PersonShown
    faces: tuple[FaceEntry, ...]
    tracks: Mapping[
        tuple[int, int], tuple[int, ...]
    ]  # the faces of a track in a video, the best first, by photo and track

    def part(self, library: FaceLibrary, start: int, count: int) -> list[tuple[int, Shot]]:
        """Some of the photos, each with its place."""
        faces = self.faces[start : start + count]
        photo_ids = [face.photo_id for face in faces if face.photo_id is not None]
        sizes, dates = library.views.sizes(photo_ids), library.views.taken(photo_ids)
        return list(enumerate((_shot(face, sizes, dates, self.tracks) for face in faces), start=start))


class PeoplesPhotos:
    """Finds the photos of a person. Remembers the last people: a page asks for one part after the other."""

    def __init__(self, threads: LibraryThreads) -> None:
        self._threads = threads
        self._known: OrderedDict[tuple[str, int], PersonPhotos] = OrderedDict()

    async def of(self, person_id: int) -> PersonPhotos:
        """Raises UsageError where there is no such person."""
        key = self._threads.stamp(), person_id
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = await self._threads.read(lambda library: _photos(library, person_id))
        self._known.move_to_end(key)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found

    async def part(self, found: PersonPhotos, start: int, count: int) -> list[tuple[int, Shot]]:
        """Some of the photos, each with its place."""
        return await self._threads.read(lambda library: found.part(library, start, count))


def date(taken: Taken | None) -> str:
    """When a photo was taken, to the minute, in words."""
    if taken is None:
        return ""
    return taken.at[:16].replace("T", " ") + (" (time of the file)" if taken.source == "file" else "")


def _photos(library: FaceLibrary, person_id: int) -> PersonPhotos:
    known = library.people.show(person_id)
    faces: list[FaceEntry] = []
    tracks: defaultdict[tuple[int, int], list[FaceEntry]] = defaultdict(list)
    for face in known.faces:
        if face.photo is None or face.photo_id is None:
            continue
        if face.span is None:
            faces.append(face)
        else:
            tracks[face.photo_id, face.span.track].append(face)
    for track in tracks.values():
        track.sort(key=lambda face: -(face.quality or 0.0))
        faces.append(track[0])
    dates = library.views.taken([face.photo_id for face in faces if face.photo_id is not None])
    at = {photo_id: taken.at for photo_id, taken in dates.items()}
    faces.sort(key=lambda face: at.get(face.photo_id or 0, ""), reverse=True)
    numbers = {key: tuple(face.face_id for face in track) for key, track in tracks.items()}
    return PersonPhotos(known, tuple(faces), numbers)


def _shot(
    face: FaceEntry,
    sizes: Mapping[int, tuple[int, int]],
    dates: Mapping[int, Taken],
    tracks: Mapping[tuple[int, int], tuple[int, ...]],
) -> Shot:
    assert face.photo is not None and face.photo_id is not None
    return Shot(
        face.photo_id,
        face.face_id,
        face.box,
        None if face.span is not None else sizes.get(face.photo_id),
        face.photo,
        dates.get(face.photo_id),
        time_span(face.span),
        (face.face_id,) if face.span is None else tracks[face.photo_id, face.span.track],
    )
