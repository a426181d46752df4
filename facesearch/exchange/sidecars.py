"""XMP files beside photos: which belongs to which photo, reading them, and replacing them as a whole.

digiKam, Immich and darktable call the sidecar of IMG.jpg IMG.jpg.xmp; Adobe's programs call it IMG.xmp. A file is
written beside its place and renamed over it. Refuses to touch a photo, and to replace a sidecar that another program
has changed since it was read.

Sources: Immich's and digiKam's manuals on XMP sidecars; XMP Specification, Part 3, on the names of external files.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from facesearch.exchange.files import replace_file
from facesearch.exchange.packets import MAX_PACKET_BYTES, Packet, PacketError
from facesearch.photos import PHOTO_SUFFIXES, RAW_SUFFIXES

SUFFIX = ".xmp"
_FOLDERS_KEPT = 64
_EFFECTIVE_IDS = os.access in os.supports_effective_ids


class SidecarError(Exception):
    """A sidecar that cannot be read or written. The message continues a sentence that the file's name begins."""


@dataclass(frozen=True)
class Sidecar:
    """A sidecar as it was read. packet: None where there is no such file yet. status: of the file at that time."""

    path: Path
    packet: Packet | None = None
    status: os.stat_result | None = None


class SidecarNames:
    """Finds sidecars by their names, whatever their case. Remembers the folders that it has listed last."""

    def __init__(self) -> None:
        self._folders: OrderedDict[Path, _Folder] = OrderedDict()

    def of(self, photo: Path) -> list[Path]:
        """The sidecars that are there for a photo: the one of its whole name first."""
        found = self._listed(photo.parent).called(f"{photo.name}{SUFFIX}")
        if self.owns_short_name(photo):
            found = [*found, *self._listed(photo.parent).called(f"{photo.stem}{SUFFIX}")]
        return [photo.parent / name for name in found]

    def owns_short_name(self, photo: Path) -> bool:
        """Whether IMG.xmp is this photo's: of IMG.cr2 and IMG.jpg it is the RAW photo's, of two others nobody's."""
        same = self._listed(photo.parent).photos.get(photo.stem.lower(), [])
        raw = [name for name in same if Path(name).suffix.lower() in RAW_SUFFIXES]
        return (raw or same or [photo.name]) == [photo.name]

    def photos_of(self, sidecar: Path) -> list[Path]:
        """The photos that are there for a sidecar."""
        folder = self._listed(sidecar.parent)
        names = [*folder.called(sidecar.stem), *folder.photos.get(sidecar.stem.lower(), [])]
        photos = [sidecar.parent / name for name in names if Path(name).suffix.lower() in PHOTO_SUFFIXES]
        return [photo for photo in photos if sidecar in self.of(photo)]

    def _listed(self, folder: Path) -> _Folder:
        if folder not in self._folders:
            self._folders[folder] = _Folder(folder)
            if len(self._folders) > _FOLDERS_KEPT:
                self._folders.popitem(last=False)
        return self._folders[folder]


class _Folder:
    """The names in a folder. photos: those of photos, by what stands before the last dot, in lower case."""

    def __init__(self, folder: Path) -> None:
        self._names: dict[str, list[str]] = {}
        self.photos: dict[str, list[str]] = {}
        with suppress(OSError):
            for name in sorted(os.listdir(folder)):  # noqa: PTH208 - names are all that is needed
                self._names.setdefault(name.lower(), []).append(name)
                if Path(name).suffix.lower() in PHOTO_SUFFIXES:
                    self.photos.setdefault(Path(name).stem.lower(), []).append(name)

    def called(self, name: str) -> list[str]:
        """The names that are this one but for their case, itself first."""
        return sorted(self._names.get(name.lower(), []), key=lambda other: other != name)


def sidecar_path(photo: Path, names: SidecarNames, *, short: bool = False) -> Path:
    """The sidecar that is there for a photo, of the wanted kind where both are; else the one to make.

    short: IMG.xmp, where it is the photo's alone; otherwise IMG.jpg.xmp.
    """
    there = names.of(photo)
    short_name = f"{photo.stem}{SUFFIX}".lower()
    wanted = [path for path in there if (path.name.lower() == short_name) == short]
    if wanted or there:
        return (wanted or there)[0]
    if short and names.owns_short_name(photo):
        return photo.with_name(f"{photo.stem}{SUFFIX}")
    return photo.with_name(f"{photo.name}{SUFFIX}")


def read_sidecar(path: Path) -> Sidecar:
    """Read a sidecar. Raises SidecarError where it is no file, cannot be read, or is no XMP."""
    try:
        status = path.stat()
        if not path.is_file():
            raise SidecarError("is no regular file")
        if status.st_size > MAX_PACKET_BYTES:
            raise SidecarError(f"is larger than {MAX_PACKET_BYTES >> 20} MB, which no XMP is")
        return Sidecar(path, Packet(path.read_bytes()), status)
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
    try:
        now = target.stat()
    except FileNotFoundError:
        now = None
    if _version(now) != _version(sidecar.status):
        raise SidecarError("was changed by another program meanwhile: export again")


def _version(status: os.stat_result | None) -> tuple[int, ...] | None:
    return None if status is None else (status.st_ino, status.st_size, status.st_mtime_ns)
