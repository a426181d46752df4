"""Merges the named faces of a photo into an XMP packet, beside all that is there already.

A region that facesearch wrote follows the library. One that another program wrote stays as it is: where it overlaps a
face it may get the name that it lacks; where it has another name that is a conflict, which is reported, and the region
kept unless it is forced. Every other property, comment and byte stays. Refuses a packet whose structure it does not
understand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from facesearch.exchange.areas import Area, Frame, pair_up
from facesearch.exchange.editing import Editor
from facesearch.exchange.fragments import EMPTY_PACKET, Writer
from facesearch.exchange.packets import Packet, PacketError
from facesearch.exchange.regions import Region, face_regions
from facesearch.exchange.structures import as_name
from facesearch.records import Floats
from facesearch.vision.boxes import NAMED_ALIKE, overlap


@dataclass(frozen=True, eq=False)
class NamedFace:
    """A named face."""

    name: str
    box: Floats  # float32 (4,) x1 y1 x2 y2 in px of the upright photo


@dataclass(frozen=True)
class NameConflict:
    """A face that is `name` in the library and `other` in the metadata."""

    box: tuple[float, ...]  # as NamedFace has it
    name: str
    other: str


@dataclass
class Merged:
    """What a merge did."""

    content: bytes | None = None  # the packet's bytes afterwards, None where nothing had to be changed
    added: int = 0  # regions that are new
    updated: int = 0  # regions whose name or area changed
    removed: int = 0  # regions that facesearch had written and the library no longer has
    kept: int = 0  # regions that said the same already
    conflicts: list[NameConflict] = field(default_factory=list)


def merge(
    packet: Packet | None,
    faces: Sequence[NamedFace],
    frame: Frame,
    *,
    embedded: Sequence[Packet] = (),
    keywords: bool = False,
    withdraw: bool = False,
    force: bool = False,
) -> Merged:
    """Merge named faces into a packet, or into a new one where `packet` is None.

    frame: how the photo lies. embedded: the packets in the photo itself. Programs no longer see their regions and
    keywords once a sidecar has its own: where it has none, theirs are copied. keywords: add the names as keywords too.
    withdraw: take out what facesearch has written and the library no longer has. force: other names give way. Raises
    PacketError where the packet is of a form that cannot be edited safely.
    """
    base = Packet(EMPTY_PACKET) if packet is None else packet
    work = _Merge(base, frame, embedded, force=force)
    pairs = work.pairs([replace(face, name=as_name(face.name)) for face in faces])
    for face, region in pairs:
        work.take(face, region)
    if withdraw:
        work.withdraw([region for _, region in pairs if region is not None])
    work.write(keywords=keywords)
    if work.editor.has_edits:
        utf8 = work.editor.result()
        Packet(utf8)  # an edit of ours that breaks the XML must not reach a disk
        work.merged.content = base.as_content(utf8)
    return work.merged


class _Merge:
    """One merge: `take` decides face by face, `write` adds what is new."""

    def __init__(self, packet: Packet, frame: Frame, embedded: Sequence[Packet], *, force: bool) -> None:
        self.editor = Editor(packet)
        self.merged = Merged()
        self._writer = Writer(packet, self.editor)
        self._frame = frame
        self._force = force
        self._embedded = embedded
        found = face_regions(packet, frame.stored_size_px)
        self._there, self._stale = found.usable, _own(found.stale)
        self._copied: list[Region] = []
        if not self._there:
            regions = [
                replace(region, item=None, holder=None)
                for other in embedded
                for region in face_regions(other, frame.stored_size_px).usable
            ]
            self._copied = _once([region for region in regions if region.name], frame)
        self._withdrawn: list[Region] = []
        self._new: list[tuple[str, Area]] = []
        self._names: list[str] = []

    def pairs(self, faces: Sequence[NamedFace]) -> list[tuple[NamedFace, Region | None]]:
        """Every face with the region that is of it, if there is one."""
        regions = [*self._there, *self._copied]
        boxes = [self._frame.box_of(region.area) for region in regions]
        found = _by_name(faces, regions, boxes)
        rest = [row for row in range(len(faces)) if row not in found]
        free = [column for column in range(len(regions)) if column not in found.values()]
        for row, column in pair_up([faces[row].box for row in rest], [boxes[column] for column in free]):
            found[rest[row]] = free[column]
        return [(face, regions[found[row]] if row in found else None) for row, face in enumerate(faces)]

    def take(self, face: NamedFace, region: Region | None) -> None:
        """Decide about a face: add it, update its region, or leave things as they are."""
        area = self._frame.area_of(face.box)
        if region is None:
            self._add(face, area)
        elif region.name == face.name:
            self._confirm(face, region, area)
        elif region.name and not region.is_named and not self._force:
            self.merged.conflicts.append(NameConflict(tuple(map(float, face.box)), face.name, region.name))
        elif region.holder is None:  # in the photo, or Microsoft's: the new region stands beside it
            self._copied = [copied for copied in self._copied if copied is not region]
            self._add(face, area)
        else:
            self._writer.rename(region.holder, face.name)
            self._rename_twin(region, face.name)
            if region.is_drawn and not region.area.is_at(area.x, area.y, area.w, area.h):
                self._writer.move(region.holder, area)
            self.merged.updated += 1
            self._names.append(face.name)

    def withdraw(self, kept: Sequence[Region]) -> None:
        """Take out the regions that facesearch drew, and the names that it gave, but for some that are kept."""
        for region in self._there:
            if not region.is_named or region.holder is None or any(region is other for other in kept):
                continue
            if region.is_drawn:
                self._withdrawn.append(region)
            else:
                self._writer.rename(region.holder, "")
            self.merged.removed += 1

    def write(self, *, keywords: bool) -> None:
        """Write the new regions, with those that are copied from the photo, and the keywords."""
        withdrawn = [region.item for region in self._withdrawn if region.item is not None]
        if self._stale:  # the size that they are for goes with them
            self._writer.remove_regions([region.item for region in self._stale if region.item is not None])
            self.merged.removed += len(self._stale)
        else:
            self._writer.remove_regions(withdrawn, is_followed=bool(self._new))
        if self._new:
            copied = [(region.name, region.area) for region in self._copied]
            self._writer.add_regions(self._new, copied, self._frame.stored_size_px, anew=bool(self._stale))
        if keywords and self._names:
            self._writer.add_keywords(self._names, self._embedded)
        self._writer.finish()

    def _add(self, face: NamedFace, area: Area) -> None:
        self._new.append((face.name, area))
        self._names.append(face.name)
        self.merged.added += 1

    def _rename_twin(self, region: Region, name: str) -> None:
        """Microsoft's region that says the same as another, as digiKam writes both, says the same afterwards."""
        box = self._frame.box_of(region.area)
        for other in self._there:
            is_microsofts = other.holder is None and other.name == region.name != ""
            if is_microsofts and other.item is not None and pair_up([box], [self._frame.box_of(other.area)]):
                self._writer.rename_microsofts(other.item, name)

    def _confirm(self, face: NamedFace, region: Region, area: Area) -> None:
        """The region has the face's name already."""
        is_microsofts = region.holder is None and not any(region is copied for copied in self._copied)
        if is_microsofts:
            self._add(face, area)
            return
        self._names.append(face.name)
        has_moved = region.is_drawn and not region.area.is_at(area.x, area.y, area.w, area.h)
        if has_moved and region.holder is not None:
            self._writer.move(region.holder, area)
            self.merged.updated += 1
        else:
            self.merged.kept += 1


def _own(stale: Sequence[Region]) -> Sequence[Region]:
    """The regions for another picture than the photo is now, if all are facesearch's, and so are replaced.

    Raises PacketError where others are among them: regions for this picture cannot stand in one list with those.
    """
    if not all(region.is_named and region.is_drawn for region in stale):
        raise PacketError(
            "has another program's face regions for the photo as it was before cropping or turning: "
            "save them again with that program"
        )
    return stale


def _by_name(faces: Sequence[NamedFace], regions: Sequence[Region], boxes: Sequence[Floats]) -> dict[int, int]:
    """The regions that have a face's name and lie about where it is, however another program draws faces."""
    found: dict[int, int] = {}
    for row, face in enumerate(faces):
        columns = [
            column for column, region in enumerate(regions) if region.name == face.name and column not in found.values()
        ]
        if columns:
            shared = overlap(face.box[None], np.stack([boxes[column] for column in columns]), "min")[0]
            if shared.max() >= NAMED_ALIKE:
                found[row] = columns[int(shared.argmax())]
    return found


def _once(regions: Sequence[Region], frame: Frame) -> list[Region]:
    """The regions without those that say again what an earlier one says, as programs write them in two forms."""
    kept: list[Region] = []
    for region in regions:
        box = frame.box_of(region.area)
        if not pair_up([box], [frame.box_of(other.area) for other in kept if other.name == region.name]):
            kept.append(region)
    return kept
