"""The face regions in an XMP packet: those of the Metadata Working Group, Windows Photo Gallery, ACDSee, and the IPTC.

Reads every form that RDF/XML allows for a structure, and what programs write beside the standard: decimal commas,
percent, circles. A region without an area that can be used, or drawn on another picture than the photo is now, is named
with the reason. Never guesses where a face was before a photo was cropped.

Sources: Metadata Working Group, Guidelines for Handling Image Metadata 2.0, 5.9 (mwg-rs:Regions). Microsoft, Photo
metadata: people tagging overview (MP:RegionInfo). ExifTool's tag names (acdsee-rs:Regions).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from facesearch.exchange.areas import Area
from facesearch.exchange.iptc_regions import iptc_regions, only_person
from facesearch.exchange.packets import Element, Packet
from facesearch.exchange.structures import as_name, field_of, items_of, number_of, resource_of, sound_area, value_of

MWG = "http://www.metadataworkinggroup.com/schemas/regions/"
AREA = "http://ns.adobe.com/xmp/sType/Area#"
DIMENSIONS = "http://ns.adobe.com/xap/1.0/sType/Dimensions#"
OWN = "urn:x-facesearch:1.0/"
"""The namespace of facesearch's mark on regions, in mwg-rs:Extensions: facesearch:Name is the name that it gave, and
facesearch:Area where it drew a region of its own. As long as a region has these still, nobody has changed it since."""

_MP = "http://ns.microsoft.com/photo/1.2/"
_MP_INFO = "http://ns.microsoft.com/photo/1.2/t/RegionInfo#"
MP_REGION = "http://ns.microsoft.com/photo/1.2/t/Region#"
_ACDSEE = "http://ns.acdsee.com/regions/"
_ACDSEE_AREA = "http://ns.acdsee.com/sType/Area#"
_ACDSEE_DIMENSIONS = "http://ns.acdsee.com/sType/Dimensions#"

_SAME_SHAPE = 0.02  # RAW developers and previews differ by some rows and columns; a crop by less moves no name
_NO_AREA = "has no area that can be read"
_BEFORE_THE_CROP = "is for the photo before it was cropped or turned, as other regions here say"


@dataclass(frozen=True)
class Region:
    """A face region."""

    name: str  # "" where it has none
    area: Area
    item: Element | None = None  # its place in the list
    # the element with its fields; both None for forms that facesearch does not write to, holder also for Microsoft's
    holder: Element | None = None
    # is_named, is_drawn: facesearch named it, and drew it, and nobody has changed that since
    is_named: bool = False
    is_drawn: bool = False


@dataclass(frozen=True)
class UnusableRegion:
    """A region with a name that cannot be used, and why: the reason continues a sentence about the region."""

    name: str
    reason: str


@dataclass
class FaceRegions:
    """What a packet says of faces."""

    usable: list[Region] = field(default_factory=list)
    unusable: list[UnusableRegion] = field(default_factory=list)
    # regions for another picture than the photo is now, as before it was cropped; those with a name are among the
    # unusable too
    stale: list[Region] = field(default_factory=list)


def face_regions(packet: Packet, size_px: tuple[int, int]) -> FaceRegions:
    """The face regions of a packet, those of the Metadata Working Group first.

    size_px: width and height of the photo as it is stored, which the regions' own AppliedToDimensions must have the
    shape of.
    """
    found = FaceRegions()
    for dialect in (_MWG_DIALECT, _ACDSEE_DIALECT):
        for regions in packet.properties(dialect.namespace, "Regions"):
            _read(dialect, regions, size_px, found)
    of_no_size = [(each.name, each.area, None) for each in iptc_regions(packet, size_px)]
    for name, area, item in [*of_no_size, *_microsoft_regions(packet)]:
        if area is None:
            _note(found, name, _NO_AREA)
        elif found.stale:  # of the same program, which has not followed the crop here either, and says no size
            _note(found, name, _BEFORE_THE_CROP)
        else:
            found.usable.append(Region(name, area, item))
    return found


def names_anybody(packet: Packet) -> bool:
    """Whether a packet has a region with a name, usable or not."""
    found = face_regions(packet, (1, 1))
    return bool(found.unusable) or any(region.name for region in found.usable)


@dataclass(frozen=True)
class _Dialect:
    """Where a form of regions keeps things: namespaces, and the fields with the area, the first that is there."""

    namespace: str
    area: str
    dimensions: str
    areas: tuple[str, ...]


_MWG_DIALECT = _Dialect(MWG, AREA, DIMENSIONS, ("Area",))
# DLYArea: as it is displayed, the user's; ALGArea: as ACDSee's own detection found it.
_ACDSEE_DIALECT = _Dialect(_ACDSEE, _ACDSEE_AREA, _ACDSEE_DIMENSIONS, ("DLYArea", "ALGArea"))


def _read(dialect: _Dialect, regions: Element, size_px: tuple[int, int], found: FaceRegions) -> None:
    """Add the regions of type Face, and those without a type."""
    size = _size_of(dialect, field_of(resource_of(regions), dialect.namespace, "AppliedToDimensions"))
    is_stale = size is not None and not _has_shape(size, size_px)
    for item in items_of(field_of(resource_of(regions), dialect.namespace, "RegionList")):
        region = resource_of(item)
        if value_of(region, dialect.namespace, "Type").strip().lower() not in {"face", ""}:
            continue
        name = _name_of(dialect, region)
        fields = [field_of(region, dialect.namespace, each) for each in dialect.areas]
        area = next((_area(dialect, each, size, size_px) for each in fields if each is not None), None)
        if area is None:
            _note(found, name, _NO_AREA)
            continue
        read = _marked(name, area, item, region) if dialect is _MWG_DIALECT else Region(name, area)
        if is_stale:
            assert size is not None
            found.stale.append(read)
            drawn, now = (f"{width:.0f} x {height:.0f}" for width, height in (size, size_px))
            _note(found, name, f"is for a picture of {drawn} px, and the photo has {now}: it was cropped or turned")
        else:
            found.usable.append(read)


def _marked(name: str, area: Area, item: Element, region: Element) -> Region:
    """A region of the Metadata Working Group, with what facesearch's mark on it says."""
    mark = field_of(region, MWG, "Extensions")
    is_named = bool(name) and as_name(value_of(mark, OWN, "Name")) == name
    drawn = [number_of(part) for part in value_of(mark, OWN, "Area").split()]
    return Region(name, area, item, region, is_named, len(drawn) == 4 and area.is_at(*drawn))


def _note(found: FaceRegions, name: str, reason: str) -> None:
    if name:
        found.unusable.append(UnusableRegion(name, reason))


def _name_of(dialect: _Dialect, region: Element) -> str:
    """A region's name; where it has none, the name of the one person in its Extensions (MWG 2.0, 5.9.2)."""
    name = as_name(value_of(region, dialect.namespace, "Name"))
    if name:
        return name
    return only_person(field_of(region, dialect.namespace, "Extensions"))


def _microsoft_regions(packet: Packet) -> Iterator[tuple[str, Area | None, Element]]:
    for info in packet.properties(_MP, "RegionInfo"):
        for item in items_of(field_of(resource_of(info), _MP_INFO, "Regions")):
            numbers = _four_numbers(value_of(item, MP_REGION, "Rectangle"))
            area = None
            if len(numbers) == 4:
                left, top, width, height = numbers
                area = sound_area(left + width / 2, top + height / 2, width, height)
            yield as_name(value_of(item, MP_REGION, "PersonDisplayName")), area, item


def _size_of(dialect: _Dialect, element: Element | None) -> tuple[float, float] | None:
    """Width and height of the picture that regions were drawn on, in whatever unit; None where that is not said."""
    width, height = (number_of(value_of(element, dialect.dimensions, name)) for name in "wh")
    return (width, height) if width > 0 and height > 0 and math.isfinite(width * height) else None


def _has_shape(size: tuple[float, float], size_px: tuple[int, int]) -> bool:
    """Whether one picture may be the other at another scale."""
    across, down = size[0] * size_px[1], size[1] * size_px[0]
    return abs(across - down) <= _SAME_SHAPE * max(across, down)


def _area(
    dialect: _Dialect, element: Element, size: tuple[float, float] | None, size_px: tuple[int, int]
) -> Area | None:
    """A rectangle by its centre and sides, or the square around a circle, whose diameter `d` is a share of the photo's
    shorter side."""
    unit = value_of(element, dialect.area, "unit").strip().lower()
    texts = {name: value_of(element, dialect.area, name).strip() for name in "xywhd"}
    is_percent = unit in {"percent", "%"} or any(text.endswith("%") for text in texts.values())
    x, y, w, h, d = (number_of(text.removesuffix("%")) for text in texts.values())
    if unit in {"pixel", "pixels", "px"}:
        if size is None:
            return None
        x, y, w, h, d = x / size[0], y / size[1], w / size[0], h / size[1], d / min(size)
    elif is_percent:
        x, y, w, h, d = (number / 100 for number in (x, y, w, h, d))
    if math.isnan(w) and math.isnan(h) and d > 0:
        shorter = min(size or size_px)
        w, h = (d * shorter / side for side in size or size_px)
    return sound_area(x, y, w, h)


def _four_numbers(text: str) -> list[float]:
    """x y width height from `0.1, 0.2, 0.3, 0.4`, or as a program writes them whose decimals have commas."""
    parts = text.split(",")
    if len(parts) == 8:  # each number in two parts, whatever stands between the numbers
        parts = [f"{whole}.{decimals.strip()}" for whole, decimals in zip(parts[::2], parts[1::2], strict=True)]
    elif len(parts) != 4:
        parts = re.split(r"[;\s]+", text.strip())
    return [number_of(part) for part in parts]
