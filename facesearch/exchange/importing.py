"""Names out of photos' metadata into a library: from sidecars, from photos, and from listings of facesearch's own.

A region names the face that it overlaps. Refuses to rename a face that has a name, and to name a face whom somebody
said it is not: both are said. Faces that the detector did not find get no name.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from pathlib import Path

from facesearch.errors import PhotoError
from facesearch.exchange.areas import Frame, pair_up
from facesearch.exchange.exporting import readable
from facesearch.exchange.gathering import is_unchanged
from facesearch.exchange.listing import read_listing
from facesearch.exchange.packets import Packet
from facesearch.exchange.regions import as_name, face_regions
from facesearch.exchange.sidecars import SUFFIX, SidecarError, SidecarNames, read_sidecar
from facesearch.library import Library
from facesearch.people import name_after_source
from facesearch.photos import fingerprint, photo_file, read_embedded, walk
from facesearch.records import Floats, PhotoFile, SkippedFile, StoredFace

SOURCE = "xmp"
LISTINGS = frozenset({".json", ".csv"})
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ImportConflict:
    """A face that has the name `name` in the library, and `other` in the metadata."""

    photo: Path
    face_id: int
    name: str
    other: str


@dataclass(frozen=True)
class NotThisPerson:
    """A face of whom the metadata says `name`, and of whom somebody said that it is not that person."""

    photo: Path
    face_id: int
    name: str


@dataclass(frozen=True)
class Unmatched:
    """A named region without a face of the library's."""

    photo: Path
    name: str


@dataclass
class ImportSummary:
    """What an import did. photos: with names in their metadata; regions: with a name.

    faces_named: that got a name; people_new: created for it; faces_same: that had it already. conflicts, rejected,
    unmatched: what was not taken. photos_unknown: photos with names that the library does not hold. skipped: files
    that could not be used, with the reason.
    """

    photos: int = 0
    regions: int = 0
    faces_named: int = 0
    people_new: int = 0
    faces_same: int = 0
    conflicts: list[ImportConflict] = field(default_factory=list)
    rejected: list[NotThisPerson] = field(default_factory=list)
    unmatched: list[Unmatched] = field(default_factory=list)
    photos_unknown: list[Path] = field(default_factory=list)
    skipped: list[SkippedFile] = field(default_factory=list)
    dry_run: bool = False


@dataclass(frozen=True, eq=False)
class _Claims:
    """What the metadata says of a photo: from each source names with their boxes, the source that counts most first."""

    path: Path
    photo_id: int
    sources: Sequence[Sequence[tuple[str, Floats]]]


def import_names(
    library: Library, paths: Iterable[Path], *, dry_run: bool = False, on_progress: Progress | None = None
) -> ImportSummary:
    """Name faces after what the metadata of photos says.

    paths: photos, folders of photos, sidecars, and JSON or CSV files that `export` wrote. A sidecar counts more than
    what is in the photo, as it does for other programs. Raises PhotoError where a path does not exist, UsageError where
    a listing is none, and LibraryError.
    """
    summary = ImportSummary(dry_run=dry_run)
    bearers = _Bearers(library)
    verdicts = _Verdicts(library, summary, bearers)
    work = _Reader(library, summary).work(list(paths))
    for done, read in enumerate(work, 1):
        for claims in read():
            verdicts.take(claims)
        if on_progress is not None:
            on_progress(done, len(work))
    summary.faces_named = len(verdicts.names)
    summary.people_new = sum(bearers.of(name) is None for name in set(verdicts.names.values()))
    if verdicts.names and not dry_run:
        with library.changing():
            names = dict(sorted(verdicts.names.items(), key=itemgetter(1)))
            name_after_source(library, names, {name: bearers.of(name) for name in names.values()}, SOURCE)
    return summary


class _Bearers:
    """Who bears a name in the library, or bore it before they were renamed or merged."""

    def __init__(self, library: Library) -> None:
        self._library = library
        people = library.people.names().items()
        self._known: dict[str, int | None] = {as_name(name): person for person, name in people if name is not None}

    def of(self, name: str) -> int | None:
        """The person's id, None where it would be somebody new. name: as `as_name` gives it."""
        if name not in self._known:
            self._known[name] = self._library.people.bearer(name)
        return self._known[name]


class _Verdicts:
    """Decides which face each claim is of, and whether it may have the name. names: the outcome, by face id."""

    def __init__(self, library: Library, summary: ImportSummary, bearers: _Bearers) -> None:
        self.names: dict[int, str] = {}
        self._library = library
        self._summary = summary
        self._bearers = bearers
        self._rejections = library.people.rejections()

    def take(self, claims: _Claims) -> None:
        """Decide about a photo. Where two sources speak of one face the first counts."""
        faces = self._library.catalog.faces_in([claims.photo_id])
        taken: dict[int, str] = {}
        said: list[tuple[str, Floats]] = []
        self._summary.photos += 1
        for source in claims.sources:
            fresh: list[tuple[str, Floats]] = []
            for claim in source:
                if not _is_said(claim, [*said, *fresh]):
                    fresh.append(claim)
            free = [face for face in faces if face.face_id not in taken]
            pairs = dict(pair_up([box for _, box in fresh], [face.box for face in free]))
            for row, (name, box) in enumerate(fresh):
                if row in pairs:
                    taken[free[pairs[row]].face_id] = name
                    self._judge(claims.path, free[pairs[row]], name)
                elif not pair_up([box], [other for _, other in said]):
                    self._summary.unmatched.append(Unmatched(claims.path, name))
            self._summary.regions += len(fresh)
            said += fresh

    def _judge(self, path: Path, face: StoredFace, name: str) -> None:
        """One face and the name that the metadata gives it. A copy of the photo may have said another before."""
        bearer = self._bearers.of(name)
        said = self.names.get(face.face_id, name)
        if face.name is not None and bearer == face.person_id:
            self._summary.faces_same += 1
        elif face.name is not None or said != name:
            self._summary.conflicts.append(ImportConflict(path, face.face_id, face.name or said, name))
        elif bearer is not None and (face.face_id, bearer) in self._rejections:
            self._summary.rejected.append(NotThisPerson(path, face.face_id, name))
        else:
            self.names[face.face_id] = name


def _is_said(claim: tuple[str, Floats], said: Sequence[tuple[str, Floats]]) -> bool:
    """Whether a region says again what an earlier one says, as programs write them in two forms."""
    return bool(pair_up([claim[1]], [box for name, box in said if name == claim[0]]))


class _Reader:
    """Reads what is said of photos, and finds each photo in the library."""

    def __init__(self, library: Library, summary: ImportSummary) -> None:
        self._library = library
        self._summary = summary
        self._names = SidecarNames()

    def work(self, paths: Sequence[Path]) -> list[Callable[[], Iterable[_Claims]]]:
        """What is to be read, in order: lists, sidecars, photos. Each gives the claims about its photos.

        Raises PhotoError where a path does not exist."""
        paths = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100 - a library's paths follow no links
        listings = [path for path in paths if path.suffix.lower() in LISTINGS]
        sidecars = [path for path in paths if path.suffix.lower() == SUFFIX]
        for path in (*listings, *sidecars):
            photo_file(path)
        found = list(walk([path for path in paths if path not in {*listings, *sidecars}]))
        self._summary.skipped += [file for file in found if isinstance(file, SkippedFile)]
        return [
            *(partial(self._of_listing, listing) for listing in listings),
            *(partial(self._of_sidecar, sidecar) for sidecar in sidecars),
            *(partial(self._of_photo, file.path) for file in found if isinstance(file, PhotoFile)),
        ]

    def _of_sidecar(self, sidecar: Path) -> Iterator[_Claims]:
        photos = self._names.photos_of(sidecar)
        if not photos:
            self._skip(sidecar, "has no photo beside it that it belongs to")
        for photo in photos:
            yield from self._of_photo(photo, sidecar)

    def _of_photo(self, path: Path, only: Path | None = None) -> Iterator[_Claims]:
        """What the sidecars of a photo say, and then itself; only: nothing but what this sidecar says."""
        sidecars = self._names.of(path) if only is None else [only]
        packets = [packet for sidecar in sidecars if (packet := self._packet(sidecar)) is not None]
        try:
            embedded = read_embedded(path)
            if only is None:
                packets += readable(embedded.packets)
            regions = [[region for region in face_regions(packet) if region.name] for packet in packets]
            photo_id = self._photo_id(path) if any(regions) else None
        except PhotoError as error:
            self._skip(path, error.reason)
            return
        if photo_id is not None:
            frame = Frame(*self._library.catalog.photo_sizes([photo_id])[photo_id], embedded.orientation)
            sources = [[(region.name, frame.box_of(region.area)) for region in some] for some in regions]
            yield _Claims(path, photo_id, sources)
        elif any(regions):
            self._summary.photos_unknown.append(path)

    def _packet(self, sidecar: Path) -> Packet | None:
        try:
            return read_sidecar(sidecar).packet
        except SidecarError as error:
            self._skip(sidecar, str(error))
            return None

    def _photo_id(self, path: Path) -> int | None:
        """The library's photo in a file; None where it does not hold it."""
        known = self._library.catalog.files_under([path]).get(os.fsencode(path))
        if known is not None and known.photo_id is not None and is_unchanged(path, known, ""):
            return known.photo_id
        return self._library.catalog.photo_with(fingerprint(path))

    def _of_listing(self, listing: Path) -> Iterator[_Claims]:
        by_photo: defaultdict[tuple[str, str], list[tuple[str, Floats]]] = defaultdict(list)
        for face in read_listing(listing):
            by_photo[face.photo, face.sha256].append((as_name(face.name), face.box))
        for (photo, sha256), named in by_photo.items():
            path = Path(photo)
            photo_id = self._library.catalog.photo_with(sha256)
            if photo_id is None and not sha256:
                known = self._library.catalog.files_under([path]).get(os.fsencode(path))
                photo_id = None if known is None else known.photo_id
            if photo_id is None:
                self._summary.photos_unknown.append(path)
            else:
                yield _Claims(path, photo_id, [named])

    def _skip(self, path: Path, reason: str) -> None:
        self._summary.skipped.append(SkippedFile(path, reason))
