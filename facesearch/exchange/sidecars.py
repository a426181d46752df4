"""XMP files beside photos: which belongs to which photo, reading them, and replacing them as a whole.

digiKam, Immich and darktable call the sidecar of IMG.jpg IMG.jpg.xmp; Adobe's programs call it IMG.xmp. A file is
written beside its place and renamed over it. Refuses to touch a photo, and to replace a sidecar that another program
has changed since it was read.

Sources: Immich's and digiKam's manuals on XMP sidecars; XMP Specification, Part 3, on the names of external files.
"""

from __future__ import annotations

import os
import unicodedata
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from facesearch.exchange.packets import MAX_PACKET_BYTES, Packet, PacketError
from facesearch.exchange.replacing import replace_file
from facesearch.photos import PHOTO_SUFFIXES, RAW_SUFFIXES

SUFFIX = ".xmp"
_FOLDERS_KEPT = 64
_LONGEST_NAME_BYTES = 255
_EFFECTIVE_IDS = os.access in os.supports_effective_ids


class SidecarError(Exception):
    """A sidecar that cannot be read or written. The message continues a sentence that the file's name begins."""


@dataclass(frozen=True)
class Sidecar:
    """A sidecar as it was read."""

    path: Path
    packet: Packet | None = None  # None where there is no such file yet
    status: os.stat_result | None = None  # of the file at that time
    content: bytes | None = None  # the file's


class SidecarNames:
    """Finds sidecars by their names. Remembers the folders that it has listed last.

    A name in another case, or in another Unicode form, as copying between systems makes of one, is the same name where
    no photo is called exactly so: `img.jpg.xmp` belongs to IMG.JPG, unless img.jpg lies beside it.
    """

    def __init__(self) -> None:
        self._folders: OrderedDict[Path, _Folder] = OrderedDict()

    def of(self, photo: Path) -> list[Path]:
        """The sidecars that are there for a photo: the one of its whole name first."""
        folder = self._listed(photo.parent)
        found = [name for name in folder.called(f"{photo.name}{SUFFIX}") if photo.name in folder.named_in_full(name)]
        short = [name for name in folder.called(f"{photo.stem}{SUFFIX}") if photo.name in folder.named_in_short(name)]
        return [photo.parent / name for name in dict.fromkeys([*found, *short])]

    def owns_short_name(self, photo: Path) -> bool:
        """Whether IMG.xmp may be made for this photo. Of IMG.cr2 and IMG.jpg it belongs to the RAW photo; of two
        others, or of two whose names differ only in case, to neither."""
        same = self._listed(photo.parent).with_stem(photo.stem)
        return (_raw_first(same) or [photo.name]) == [photo.name]

    def photos_of(self, sidecar: Path) -> list[Path]:
        """The photos that are there for a sidecar."""
        folder = self._listed(sidecar.parent)
        names = dict.fromkeys([*folder.named_in_full(sidecar.name), *folder.named_in_short(sidecar.name)])
        return [sidecar.parent / name for name in names]

    def disputed(self, photo: Path) -> list[Path]:
        """The sidecars that may be this photo's or another's, and so count for neither."""
        folder = self._listed(photo.parent)
        found = [*folder.called(f"{photo.name}{SUFFIX}"), *folder.called(f"{photo.stem}{SUFFIX}")]
        return [photo.parent / name for name in dict.fromkeys(found) if not self.photos_of(photo.parent / name)]

    def photos_called(self, path: Path) -> list[Path]:
        """The photo of that name, else the only one but for case and Unicode form: one or none."""
        return [path.parent / name for name in self._listed(path.parent).named_in_full(f"{path.name}{SUFFIX}")]

    def _listed(self, folder: Path) -> _Folder:
        if folder not in self._folders:
            self._folders[folder] = _Folder(folder)
            if len(self._folders) > _FOLDERS_KEPT:
                self._folders.popitem(last=False)
        return self._folders[folder]


class _Folder:
    """The names in a folder, found by what they have in common with others but for case and Unicode form."""

    def __init__(self, folder: Path) -> None:
        self._names: dict[str, list[str]] = {}
        self._photos_by_stem: dict[str, list[str]] = {}
        with suppress(OSError):
            for name in sorted(os.listdir(folder)):  # noqa: PTH208 - names are all that is needed
                self._names.setdefault(_alike(name), []).append(name)
                if _is_photo(name):
                    self._photos_by_stem.setdefault(_alike(Path(name).stem), []).append(name)

    def called(self, name: str) -> list[str]:
        """The names that are this one but for case and Unicode form, itself first."""
        return sorted(self._names.get(_alike(name), []), key=lambda other: other != name)

    def with_stem(self, stem: str) -> list[str]:
        """The photos of that name without their suffix, but for case and Unicode form."""
        return self._photos_by_stem.get(_alike(stem), [])

    def named_in_full(self, sidecar: str) -> list[str]:
        """Whose IMG.jpg.xmp is: the photo of exactly that name, else the only one but for case and Unicode form."""
        photos = [photo for photo in self.called(Path(sidecar).stem) if _is_photo(photo)]
        exact = [photo for photo in photos if photo == Path(sidecar).stem]
        return exact or _the_only(photos)

    def named_in_short(self, sidecar: str) -> list[str]:
        """Whose IMG.xmp is, likewise; of a RAW photo and others it is the RAW photo's."""
        stem = Path(sidecar).stem
        photos = self.with_stem(stem)
        return _the_only(_raw_first([photo for photo in photos if Path(photo).stem == stem] or photos))


def _alike(name: str) -> str:
    """What names have in common that differ in case or Unicode form alone."""
    return unicodedata.normalize("NFC", name).lower()


def _is_photo(name: str) -> bool:
    return Path(name).suffix.lower() in PHOTO_SUFFIXES


def _raw_first(photos: list[str]) -> list[str]:
    """The RAW photos where there are any, else all."""
    return [name for name in photos if Path(name).suffix.lower() in RAW_SUFFIXES] or photos


def _the_only(photos: list[str]) -> list[str]:
    """The only one; of several that may be meant none is."""
    return photos if len(photos) == 1 else []


def sidecar_path(photo: Path, names: SidecarNames, *, short: bool = False) -> Path:
    """The sidecar that is there for a photo, of the wanted kind where both are; else the one to make.

    short: IMG.xmp, where it is the photo's alone; otherwise IMG.jpg.xmp, or IMG.xmp likewise where that is longer than
    a file's name may be.
    """
    there = names.of(photo)
    short_name = _alike(f"{photo.stem}{SUFFIX}")
    wanted = [path for path in there if (_alike(path.name) == short_name) == short]
    if wanted or there:
        return (wanted or there)[0]
    full = photo.with_name(f"{photo.name}{SUFFIX}")
    is_too_long = len(os.fsencode(full.name)) > _LONGEST_NAME_BYTES
    if (short or is_too_long) and names.owns_short_name(photo):
        return photo.with_name(f"{photo.stem}{SUFFIX}")
    return full


def read_sidecar(path: Path) -> Sidecar:
    """Read a sidecar. Raises SidecarError where it is not a file, cannot be read, or is not XMP."""
    try:
        status = path.stat()
        if not path.is_file():
            raise SidecarError("is not a regular file")
        if status.st_size > MAX_PACKET_BYTES:
            raise SidecarError(f"is larger than {MAX_PACKET_BYTES >> 20} MB, too large for XMP")
        content = path.read_bytes()
        return Sidecar(path, Packet(content), status, content)
    except FileNotFoundError:
        return Sidecar(path)
    except OSError as error:
        raise SidecarError(f"cannot be read ({(error.strerror or str(error)).lower()})") from error
    except PacketError as error:
        raise SidecarError(str(error)) from error


def write_sidecar(sidecar: Sidecar, content: bytes, photo: Path) -> None:
    """Replace a sidecar, or make it: after a power cut it is the old one or the new one.

    It keeps its mode and owner; a new one has those of the photo, without the right to execute. Raises SidecarError
    where it cannot be written, or has changed since it was read.
    """
    target = Path(os.path.realpath(sidecar.path))  # a link stays one
    if target.exists() and not os.access(target, os.W_OK, effective_ids=_EFFECTIVE_IDS):
        raise SidecarError("is write-protected")
    try:
        model = sidecar.status or photo.stat()
        owner = (model.st_uid, model.st_gid)
        replace_file(
            target, content, model.st_mode & 0o666, owner, just_before=lambda: _refuse_changed(sidecar, target)
        )
    except OSError as error:
        said = (error.strerror or str(error)).lower()
        raise SidecarError(f"cannot be written ({said}): make its folder writable, or free disk space") from error


def _refuse_changed(sidecar: Sidecar, target: Path) -> None:
    """By content: union and network file systems give several files one number, and one file several."""
    try:
        now = target.read_bytes()
    except FileNotFoundError:
        now = None
    if now != sidecar.content:
        raise SidecarError("was changed by another program meanwhile: export again")
