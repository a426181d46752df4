"""What a service shows of a library: photos, faces and their pictures, by number and never by path.

`library.views` of a FaceLibrary. Pictures are made once and kept in the library's folder, until `forget` deletes them.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from facesearch.api.session import Session
from facesearch.errors import PhotoError

if TYPE_CHECKING:
    from facesearch.library import Library
    from facesearch.library.picture_cache import PictureCache
    from facesearch.people import PhotoEntry, PhotoShown, PhotoWish
    from facesearch.query import Probe
    from facesearch.query.lookalikes import Lookalike
    from facesearch.query.why.named_pairs import PairsAround
    from facesearch.records import EmbeddedFace, Ints, Photo, Taken

LARGE_PX = 1600
"""Longer side of a photo that is looked at by itself."""

FRAME_PX = 800
"""Longer side of a frame of a video that is asked about."""

_MOST_FRAMES = 12  # of a video that is asked about: each is read by seeking in the file

_making = threading.Lock()  # photos are decoded one after the other anyway


@dataclass(frozen=True)
class ProbePicture:
    """A photo that is asked about, or a frame of a film."""

    jpeg: bytes  # reduced to what a page shows
    size_px: tuple[int, int]  # upright, in the file: boxes of faces lie on that


class Views:
    """Photos and faces by number. Raises LibraryError, and UsageError for what is not there."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def hold(self) -> None:
        """Keep the library open for what is read next. Raises LibraryError."""
        self._session.hold()

    def is_there(self) -> bool:
        """Whether there is a library, whatever its state."""
        from facesearch.library import DATABASE_NAME

        return (self._session.path / DATABASE_NAME).exists()

    def stamp(self) -> str:
        """Another text once somebody may have changed the library; costs three looks at files.

        A change is in the files before readers see it, while it is brought to the disk. Whether somebody is writing is
        part of the text, so that what was read too early does not pass for what is there when they have done.
        """
        from facesearch.library import DATABASE_NAME, LOCK_NAME

        found = []
        for name in (DATABASE_NAME, f"{DATABASE_NAME}-wal"):
            try:
                stat = (self._session.path / name).stat()
                found.append(f"{stat.st_ino}.{stat.st_mtime_ns}.{stat.st_size}")
            except OSError:
                found.append("-")
        try:  # a writer notes in it who they are, and empties it in the end
            found.append("written" if (self._session.path / LOCK_NAME).stat().st_size else "-")
        except OSError:
            found.append("-")
        return " ".join(found)

    def writer(self) -> str | None:
        """Who is writing to the library now, in words; None for nobody, as far as can be told."""
        from facesearch.library import LOCK_NAME
        from facesearch.library.lock import writer_at_work

        return writer_at_work(self._session.path / LOCK_NAME)

    def roots(self) -> tuple[Path, ...]:
        """The folders that were ever given to `index`."""
        with self._session.reading() as library:
            return tuple(Path(os.fsdecode(path)) for path in library.roots.all())

    def unreadable(self, most: int) -> tuple[tuple[Path, str], ...]:
        """Files that could not be used when they were last read, in the order of their paths, each with the reason."""
        with self._session.reading() as library:
            return tuple((Path(os.fsdecode(path)), reason) for path, reason in library.files.unreadable(most))

    def photo(self, photo_id: int) -> PhotoShown:
        """A photo with its faces."""
        from facesearch.people import show_photo

        with self._session.reading() as library:
            return show_photo(library, photo_id)

    def original(self, photo_id: int) -> Path | None:
        """A file that shows a photo as it was indexed; None where there is none any more."""
        from facesearch.exchange.gathering import is_unchanged

        with self._session.reading() as library:
            content = library.catalog.photo_contents([photo_id]).get(photo_id, "")
            paths = [path for path, _, _, missing in library.files.of([photo_id]) if not missing]
            known = library.files.under(Path(os.fsdecode(path)) for path in paths)
        for path in paths:
            with suppress(PhotoError):
                if is_unchanged(Path(os.fsdecode(path)), known[path], content):
                    return Path(os.fsdecode(path))
        return None

    def photo_of_face(self, face_id: int) -> int:
        """The number of the photo that shows a face."""
        from facesearch.errors import UsageError

        with self._session.reading() as library:
            face = library.catalog.faces([face_id]).get(face_id)
        if face is None:
            raise UsageError(f"there is no face #{face_id} in {self._session.path}")
        return face.photo_id

    def taken(self, photo_ids: Sequence[int]) -> dict[int, Taken]:
        """When photos were taken, as `photos` says it; nothing for those of a former version until the next index."""
        with self._session.reading() as library:
            return library.dates.of(photo_ids)

    def sizes(self, photo_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
        """Width and height of upright photos, in pixels."""
        with self._session.reading() as library:
            return library.catalog.photo_sizes(photo_ids)

    def find_photos(self, wish: PhotoWish) -> tuple[Ints, int]:
        """The numbers of the photos that are as wished, (N,), in order, and how many photos there are: for who shows
        one part after the other. Raises UsageError as `photos` of the library does."""
        from facesearch.people import number_photos

        with self._session.reading() as library:
            return number_photos(library, wish)

    def some_photos(self, photo_ids: Sequence[int]) -> tuple[PhotoEntry, ...]:
        """Photos by number, in that order, without those that are gone."""
        from facesearch.people import some_photos

        with self._session.reading() as library:
            return some_photos(library, photo_ids)

    def pairs(self, bins: int = 120) -> tuple[float, PairsAround | None]:
        """The threshold in force, and the distances of all pairs of named faces, of 2,000 at most, as histograms; None
        where there are too few pairs."""
        from facesearch.query.why.named_pairs import pairs_around
        from facesearch.tuning.calibration import judge_in

        with self._session.reading() as library, library.snapshot():
            threshold = judge_in(library, library.space, library.models.threshold, None).threshold
            return threshold, pairs_around(library, threshold, bins)

    def some_faces(self, person_ids: Sequence[int], most: int = 6) -> dict[int, list[int]]:
        """Faces of each person, evenly through all of theirs; nothing for people without a face."""
        with self._session.reading() as library:
            owned: dict[int, list[int]] = {}
            for face_id, person_id in library.people.faces_of(person_ids):
                owned.setdefault(person_id, []).append(face_id)
        return {
            person_id: [faces[place * len(faces) // min(most, len(faces))] for place in range(min(most, len(faces)))]
            for person_id, faces in owned.items()
        }

    def likely(self, person_id: int) -> tuple[Lookalike, ...]:
        """Named people who a group without a name may be, the likeliest first."""
        from facesearch.query.lookalikes import lookalikes

        with self._session.reading() as library:
            return lookalikes(library, person_id)

    def face_picture(self, face_id: int, *, make: bool = True) -> bytes | None:
        """A face as a square JPEG; None where its photo is gone, cannot be read or has changed. make: also where that
        takes reading the photo."""
        begun = self._pictures.begin()
        with self._session.reading() as library:
            face = library.catalog.faces([face_id]).get(face_id)
            if face is None:
                return None
            key = _face_key(library.catalog.photo_contents([face.photo_id])[face.photo_id], face.box.tobytes())
            found = self._pictures.get(key)
            if found is not None or not make:
                return found
            with _making:
                return self._pictures.get(key) or self._made(library, face.photo_id, begun).get(key)

    def photo_picture(self, photo_id: int, *, large: bool = False, make: bool = True) -> bytes | None:
        """A photo as a JPEG of 400 px, or 1600 px, at most; None as for faces."""
        begun = self._pictures.begin()
        with self._session.reading() as library:
            content = library.catalog.photo_contents([photo_id]).get(photo_id)
            if content is None:
                return None
            key = _photo_key(content, large=large)
            found = self._pictures.get(key)
            if found is not None or not make:
                return found
            with _making:
                return self._pictures.get(key) or self._made(library, photo_id, begun, large=large).get(key)

    def probe_pictures(self, probe: Probe) -> dict[float | None, ProbePicture]:
        """What is asked about: a photo under None, and the frames of a film that show its first faces, by their times
        in s."""
        pictures: dict[float | None, ProbePicture] = {}
        if probe.duration_s is None:
            pictures[None] = _probe_picture(probe.photo, LARGE_PX)
        frames: dict[float, EmbeddedFace] = {}
        for face in probe.faces:
            if face.span is not None:
                frames.setdefault(face.span.at_s, face)
        for at_s, face in islice(frames.items(), _MOST_FRAMES):
            with suppress(PhotoError):  # a frame that cannot be read again
                pictures[at_s] = _probe_picture(probe.picture_of(face), FRAME_PX)
        return pictures

    @property
    def _pictures(self) -> PictureCache:
        return _pictures_of(self._session.path)

    def _made(self, library: Library, photo_id: int, begun: str, *, large: bool = False) -> dict[bytes, bytes]:
        """All pictures that one reading of a photo gives, kept for the next time."""
        from facesearch.pages.face_pictures import PHOTO_PX, cut_photo

        with library.snapshot():
            content = library.catalog.photo_contents([photo_id]).get(photo_id, "")
            boxes = {face.face_id: face.box.tobytes() for face in library.catalog.faces_in([photo_id])}
        cuts = cut_photo(library, photo_id, LARGE_PX if large else PHOTO_PX)
        made = {_face_key(content, boxes[face_id]): cut for face_id, cut in cuts.faces.items() if face_id in boxes}
        if cuts.photo is not None:
            made[_photo_key(content, large=large)] = cuts.photo
        for key, picture in made.items():
            self._pictures.put(key, picture, begun)
        return made


def _probe_picture(photo: Photo, longest_px: int) -> ProbePicture:
    from facesearch.pages.face_pictures import framed_photo

    size_px = photo.original_size_px or (photo.width_px, photo.height_px)
    return ProbePicture(framed_photo(photo.pixels, [], longest_px=longest_px), size_px)


def _face_key(content: str, box: bytes) -> bytes:
    return hashlib.sha256(b"face" + content.encode() + box).digest()[:16]


def _photo_key(content: str, *, large: bool) -> bytes:
    return hashlib.sha256((b"large" if large else b"photo") + content.encode()).digest()[:16]


@lru_cache(maxsize=8)
def _pictures_of(path: Path) -> PictureCache:
    """One for all threads of the process."""
    from facesearch.library.picture_cache import PictureCache

    return PictureCache(path)
