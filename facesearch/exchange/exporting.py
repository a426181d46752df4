"""Named faces out of a library: into XMP sidecars beside the photos, or as one listing. No photo is ever written to."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from facesearch.errors import PhotoError, UsageError
from facesearch.exchange.areas import Frame
from facesearch.exchange.faces_file import ListingSummary, as_csv, as_json, photos_there
from facesearch.exchange.gathering import PhotoFaces, gather, is_gone, is_unchanged
from facesearch.exchange.packet_merge import Merged, NamedFace, merge
from facesearch.exchange.packets import Packet, PacketError
from facesearch.exchange.sidecars import (
    Sidecar,
    SidecarError,
    SidecarNames,
    read_sidecar,
    sidecar_path,
    write_sidecar,
)
from facesearch.library import Library
from facesearch.paths import is_in_bucket
from facesearch.photos import is_video, read_embedded
from facesearch.records import SkippedFile

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SidecarOptions:
    """How an export writes sidecars."""

    short: bool = False  # new sidecars are IMG.xmp instead of IMG.jpg.xmp
    keywords: bool = False  # also write names as keywords
    withdraw: bool = False  # remove what facesearch has written and the library no longer has
    force: bool = False  # replace other names in the metadata
    dry_run: bool = False  # write nothing


@dataclass(frozen=True)
class ExportConflict:
    """A face that is `name` in the library and `other` in the photo's metadata, which was kept."""

    photo: Path
    box: tuple[float, ...]
    name: str
    other: str


@dataclass
class SidecarSummary:
    """What an export to sidecars did."""

    photos: int = 0  # files with named faces; each copy counts
    faces: int = 0
    people: int = 0  # who are on them
    sidecars_new: int = 0  # files, as the next two
    sidecars_changed: int = 0
    sidecars_unchanged: int = 0
    regions_added: int = 0  # in the sidecars, as the next three
    regions_updated: int = 0
    regions_removed: int = 0
    regions_kept: int = 0
    conflicts: list[ExportConflict] = field(default_factory=list)  # regions with another name
    missing: list[Path] = field(default_factory=list)  # photos that are not there
    # photos and sidecars that were left alone, with the reason
    skipped: list[SkippedFile] = field(default_factory=list)
    dry_run: bool = False


def export_sidecars(
    library: Library,
    people: Sequence[str] = (),
    options: SidecarOptions | None = None,
    on_progress: Progress | None = None,
) -> SidecarSummary:
    """Write the named faces of a library into the sidecars of their photos; of several copies each gets its own.

    people: only these, by name or as `#12`. Raises UsageError and LibraryError; what is wrong with one photo or sidecar
    is in the summary.
    """
    options = options or SidecarOptions()
    if options.withdraw and people:
        raise UsageError("--withdraw applies to everybody: leave --person out")
    photos = gather(library, people, every_photo=options.withdraw)
    summary = SidecarSummary(dry_run=options.dry_run)
    summary.people = len({face.person_id for photo in photos for face in photo.faces if face.name is not None})
    names = SidecarNames()
    total = sum(len(photo.files) for photo in photos)
    done = 0
    for photo in photos:
        for path, _ in photo.files:
            _export(photo, path, names, options, summary)
            done += 1
            if on_progress is not None:
                on_progress(done, total)
    return summary


def export_listing(
    library: Library, form: Literal["json", "csv"], people: Sequence[str] = (), *, unnamed: bool = False
) -> tuple[bytes, ListingSummary]:
    """The faces of a library and their people as the content of one file.

    people: only these, by name or as `#12`. unnamed: the groups without a name too. Raises UsageError, LibraryError.
    """
    summary = ListingSummary()
    photos = photos_there(gather(library, people, unnamed=unnamed), summary)
    return (as_csv if form == "csv" else as_json)(photos), summary


def _export(
    photo: PhotoFaces, path: Path, names: SidecarNames, options: SidecarOptions, summary: SidecarSummary
) -> None:
    """One file of a photo, or the reason why not."""
    if is_in_bucket(path):
        summary.skipped.append(SkippedFile(path, "is in a bucket, where facesearch writes nothing: export a list"))
        return
    known = dict(photo.files)[path]
    sidecar = sidecar_path(path, names, short=options.short)
    if not photo.faces and not os.path.lexists(sidecar):
        return
    if is_gone(path):
        summary.missing.append(path)
        return
    try:
        if not is_unchanged(path, known, photo.sha256):
            summary.skipped.append(SkippedFile(path, "has changed since it was indexed: run facesearch index"))
            return
        if is_video(path):
            summary.skipped.append(SkippedFile(path, "is a video: XMP has no place for when a face is seen"))
            return
        embedded = read_embedded(path)
        frame = Frame(*photo.size_px, embedded.orientation)
        faces = [NamedFace(face.name, face.box) for face in photo.faces if face.name and face.span is None]
        current = read_sidecar(sidecar)
        merged = merge(
            current.packet,
            faces,
            frame,
            embedded=readable(embedded.packets),
            keywords=options.keywords,
            withdraw=options.withdraw,
            force=options.force,
        )
        if merged.content is not None and not options.dry_run:
            write_sidecar(current, merged.content, path)
    except PhotoError as error:
        summary.skipped.append(SkippedFile(path, error.reason))
    except (SidecarError, PacketError) as error:
        summary.skipped.append(SkippedFile(sidecar, f"{error}; it was left unchanged"))
    else:
        _count(summary, current, merged, path, len(faces))


def readable(packets: Sequence[bytes]) -> list[Packet]:
    """Those of some packets in a photo that are XMP: one that is damaged says nothing to any program."""
    found = []
    for packet in packets:
        try:
            found.append(Packet(packet))
        except PacketError:
            continue
    return found


def _count(summary: SidecarSummary, sidecar: Sidecar, merged: Merged, path: Path, faces: int) -> None:
    summary.photos += faces > 0
    summary.faces += faces
    summary.regions_added += merged.added
    summary.regions_updated += merged.updated
    summary.regions_removed += merged.removed
    summary.regions_kept += merged.kept
    summary.conflicts += [ExportConflict(path, each.box, each.name, each.other) for each in merged.conflicts]
    if merged.content is not None:
        summary.sidecars_new += sidecar.packet is None
        summary.sidecars_changed += sidecar.packet is not None
    else:
        summary.sidecars_unchanged += sidecar.packet is not None
