"""Reads what sidecars, photos, Picasa and lists say about the faces on each photo.

Finds for each file the library's photo, and puts every region into px of it. Never guesses which of two photos a file
beside them is for: reports that file, with the reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from facesearch.errors import PhotoError, UsageError
from facesearch.exchange.areas import Frame
from facesearch.exchange.exporting import readable
from facesearch.exchange.faces_file import read_listing
from facesearch.exchange.gathering import is_unchanged
from facesearch.exchange.import_summary import ImportSummary, UnusableName
from facesearch.exchange.packets import Packet
from facesearch.exchange.picasa import INI_NAMES, PicasaError, PicasaFaces, PicasaFolder, read_contacts, read_ini
from facesearch.exchange.regions import UnusableRegion, face_regions, names_anybody
from facesearch.exchange.sidecars import SUFFIX, SidecarError, SidecarNames, read_sidecar
from facesearch.exchange.structures import as_name
from facesearch.library import Library
from facesearch.names import person_name
from facesearch.paths import address, is_in_bucket, whole_path
from facesearch.photos import RAW_SUFFIXES, fingerprint, photo_file, read_embedded, walk
from facesearch.photos.files import is_stream
from facesearch.records import Floats, PhotoFile, SkippedFile, Span

LISTINGS = frozenset({".json", ".csv"})
_CONTACTS_SUFFIX = ".xml"


class Claim(NamedTuple):
    """What a source says of a face."""

    name: str
    box: Floats  # float32 (4,) x1 y1 x2 y2 px
    span: Span | None = None  # when it is seen in a video, or in the film of a motion photo


@dataclass(frozen=True, eq=False)
class Claims:
    """What the metadata says of a photo, from each source; the source that counts most comes first."""

    path: Path
    photo_id: int
    sources: Sequence[Sequence[Claim]]


class ClaimReader:
    """Reads the claims about photos, and finds each photo in the library."""

    def __init__(self, library: Library, summary: ImportSummary) -> None:
        self._library = library
        self._summary = summary
        self._names = SidecarNames()
        self._is_alone = False  # whether one path alone was given: what is wrong with that is an error
        self._disputed: set[Path] = set()
        self._contacts: dict[str, str] = {}  # Picasa's, by number
        self._picasa: tuple[Path, dict[str, PicasaFaces]] = (Path(), {})  # of the folder that was read last

    def work(self, paths: Sequence[Path]) -> list[Callable[[], Iterable[Claims]]]:
        """What is to be read, in order: lists, sidecars, photos. Each gives the claims about its photos.

        Raises PhotoError where a path does not exist."""
        paths = [whole_path(path) for path in paths]
        for path in filter(is_in_bucket, paths):
            raise UsageError(f"{address(path)} is in a bucket: import reads names from folders on disk")
        listings = [path for path in paths if path.suffix.lower() in LISTINGS or is_stream(path)]
        sidecars = [path for path in paths if path.suffix.lower() == SUFFIX]
        contacts = [path for path in paths if path.suffix.lower() == _CONTACTS_SUFFIX]
        inis = [path for path in paths if path.name in INI_NAMES]
        self._is_alone = len(paths) == 1
        for path in (*listings, *sidecars, *contacts, *inis):
            if not is_stream(path):
                photo_file(path)
        found = list(walk([path for path in paths if path not in {*listings, *sidecars, *contacts, *inis}]))
        self._summary.skipped += [file for file in found if isinstance(file, SkippedFile)]
        for path in contacts:
            self._read_contacts(path)
        return [
            *(partial(self._of_listing, listing) for listing in listings),
            *(partial(self._of_sidecar, sidecar) for sidecar in sidecars),
            *(partial(self._of_ini, ini) for ini in inis),
            *(partial(self._of_photo, file.path) for file in found if isinstance(file, PhotoFile)),
        ]

    def _of_sidecar(self, sidecar: Path) -> Iterator[Claims]:
        photos = self._names.photos_of(sidecar)
        if not photos:
            self._skip(sidecar, "has no photo beside it that it belongs to")
        packet = self._packet(sidecar) if photos else None
        for photo in photos:
            if packet is not None:
                yield from self._claims(photo, [packet], PicasaFaces())

    def _of_ini(self, ini: Path) -> Iterator[Claims]:
        for name, faces in self._picasas(ini.parent).items():
            yield from self._claims(ini.parent / name, [], faces)

    def _of_photo(self, path: Path) -> Iterator[Claims]:
        """What the sidecars of a photo say, then itself, then Picasa."""
        for sidecar in self._names.disputed(path):
            if sidecar not in self._disputed:
                self._disputed.add(sidecar)
                self._skip(
                    sidecar, f"may belong to more than one photo: rename it to {path.name}{SUFFIX} if it is this one's"
                )
        packets = [packet for sidecar in self._names.of(path) if (packet := self._packet(sidecar)) is not None]
        yield from self._claims(path, packets, self._picasas(path.parent).get(path.name, PicasaFaces()), embedded=True)

    def _claims(
        self, path: Path, packets: Sequence[Packet], picasa: PicasaFaces, *, embedded: bool = False
    ) -> Iterator[Claims]:
        """The claims about one photo. embedded: also what is in the photo itself."""
        try:
            inside = read_embedded(path)
            packets = [*packets, *(readable(inside.packets) if embedded else ())]
            if not (any(map(names_anybody, packets)) or picasa.named or picasa.unusable):
                return
            photo_id = self._photo_id(path)
        except PhotoError as error:
            self._skip(path, error.reason)
            return
        if photo_id is None:
            self._summary.photos_unknown.append(path)
            return
        size_px = self._library.catalog.photo_sizes([photo_id])[photo_id]
        frame = Frame(*size_px, inside.orientation)
        regions = [face_regions(packet, frame.stored_size_px) for packet in packets]
        sources = [[Claim(each.name, frame.box_of(each.area)) for each in some.usable if each.name] for some in regions]
        shown = Frame(*size_px) if path.suffix.lower() in RAW_SUFFIXES else frame  # see picasa
        sources.append([Claim(name, shown.box_of(area)) for name, area in picasa.named])
        self._note(path, [*(each for some in regions for each in some.unusable), *picasa.unusable], sources)
        yield Claims(path, photo_id, self._with_names(path, sources))

    def _with_names(self, path: Path, sources: Sequence[Sequence[Claim]]) -> list[list[Claim]]:
        """The claims of each source without those whose name is none, which are noted."""
        refused: dict[str, str] = {}
        for name in {claim.name for source in sources for claim in source}:
            try:
                person_name(name)
            except UsageError as error:
                refused[name] = str(error)
        self._summary.unusable += [
            UnusableName(path, name, f"cannot be used ({reason})") for name, reason in sorted(refused.items())
        ]
        return [[claim for claim in source if claim.name not in refused] for source in sources]

    def _note(self, path: Path, unusable: Sequence[UnusableRegion], sources: Sequence[Sequence[Claim]]) -> None:
        """Note the names that cannot be used, each once, and none that another source gives with a region."""
        said = {claim.name for source in sources for claim in source}
        reasons = {each.name: each.reason for each in reversed(unusable) if each.name not in said}
        self._summary.unusable += [UnusableName(path, name, reason) for name, reason in sorted(reasons.items())]

    def _picasas(self, folder: Path) -> dict[str, PicasaFaces]:
        """What Picasa says of the photos in a folder, by the name of each."""
        if self._picasa[0] != folder:
            found: dict[str, PicasaFaces] = {}
            for ini in (folder / name for name in INI_NAMES):
                if ini.is_file():
                    try:
                        found = self._of_folder(folder, read_ini(ini))
                    except PicasaError as error:
                        self._skip(ini, str(error))
            self._picasa = (folder, found)
        return self._picasa[1]

    def _of_folder(self, folder: Path, said: PicasaFolder) -> dict[str, PicasaFaces]:
        return {
            photo.name: said.faces_of(name, self._contacts)
            for name in said.photos
            for photo in self._names.photos_called(folder / name)
        }

    def _read_contacts(self, path: Path) -> None:
        try:
            self._contacts |= read_contacts(path)
        except PicasaError as error:
            self._skip(path, str(error))

    def _packet(self, sidecar: Path) -> Packet | None:
        try:
            return read_sidecar(sidecar).packet
        except SidecarError as error:
            self._skip(sidecar, str(error))
            return None

    def _photo_id(self, path: Path) -> int | None:
        """The library's photo in a file; None where it does not hold it."""
        known = self._library.files.at(path)
        if known is not None and known.photo_id is not None and is_unchanged(path, known, ""):
            return known.photo_id
        return self._library.catalog.photo_with(fingerprint(path))

    def _of_listing(self, listing: Path) -> Iterator[Claims]:
        by_photo: defaultdict[tuple[str, str], list[Claim]] = defaultdict(list)
        try:
            faces = read_listing(listing)
        except UsageError as error:
            if self._is_alone:
                raise
            self._skip(listing, str(error).removeprefix(f"{listing} "))
            return
        for face in faces:
            by_photo[face.photo, face.sha256].append(Claim(as_name(face.name), face.box, face.span))
        for (photo, sha256), named in by_photo.items():
            path = Path(photo)
            photo_id = self._library.catalog.photo_with(sha256)
            if photo_id is None and not sha256:
                known = self._library.files.at(path)
                photo_id = None if known is None else known.photo_id
            if photo_id is None:
                self._summary.photos_unknown.append(path)
            else:
                yield Claims(path, photo_id, self._with_names(path, [named]))

    def _skip(self, path: Path, reason: str) -> None:
        self._summary.skipped.append(SkippedFile(path, reason))
