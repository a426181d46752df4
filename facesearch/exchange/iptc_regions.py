"""The image regions of the IPTC, the newest form of regions in XMP: those that show one person with a name.

A rectangle begins at its top left corner; a circle, and a polygon, stand for the rectangle around them. Refuses regions
of anything but people, and those that show several.

Sources: IPTC Photo Metadata Standard 2019.1 and later, Image Region; ExifTool's convert_regions.config, by which the
numbers are those of the stored photo, as the Metadata Working Group's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from facesearch.exchange.areas import Area
from facesearch.exchange.packets import Element, Packet
from facesearch.exchange.structures import (
    as_name,
    field_of,
    items_of,
    number_of,
    resource_of,
    sound_area,
    text_of,
    value_of,
)

_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_XMP = "http://ns.adobe.com/xap/1.0/"
_OF_PEOPLE = ("human", "person", "face", "people")


@dataclass(frozen=True)
class IptcRegion:
    """A region of a person."""

    name: str
    area: Area | None  # None where it has none that can be used


def iptc_regions(packet: Packet, size_px: tuple[int, int]) -> Iterator[IptcRegion]:
    """The regions of one person each. size_px: width and height of the photo as it is stored."""
    for regions in packet.properties(_IPTC, "ImageRegion"):
        for item in items_of(regions):
            name = only_person(item) or (_own_name(item) if _shows_a_person(item) else "")
            if name:
                yield IptcRegion(name, _area(field_of(item, _IPTC, "RegionBoundary"), size_px))


def only_person(holder: Element | None) -> str:
    """The one person in the PersonInImage of a structure; "" where there are several or none."""
    person = field_of(holder, _IPTC, "PersonInImage")
    if person is None:
        return ""
    people = [as_name(text_of(item)) for item in items_of(person)] or [as_name(text_of(person))]
    return people[0] if len(people) == 1 else ""


def _own_name(region: Element) -> str:
    """The name of the region itself: a text in several languages, or one."""
    name = field_of(region, _IPTC, "Name")
    if name is None:
        return as_name(value_of(region, _IPTC, "Name"))
    return as_name(text_of(next(iter(items_of(name)), name)))


def _shows_a_person(region: Element) -> bool:
    """By its content type: a name, or an address as of the IPTC's NewsCodes."""
    said = [
        f"{value_of(kind, _XMP, 'Identifier')} {text_in(kind)}".lower()
        for kind in items_of(field_of(region, _IPTC, "rCtype"))
    ]
    return any(word in each for each in said for word in _OF_PEOPLE)


def text_in(element: Element) -> str:
    """All text below an element."""
    return " ".join([element.text, *(text_in(child) for child in element.children)]).strip()


def _area(boundary: Element | None, size_px: tuple[int, int]) -> Area | None:
    if boundary is None:
        return None
    shape = value_of(boundary, _IPTC, "rbShape").strip().lower()
    unit_x, unit_y = size_px if value_of(boundary, _IPTC, "rbUnit").strip().lower() == "pixel" else (1, 1)
    x, y, w, h, radius = (_number(boundary, name) for name in ("rbX", "rbY", "rbW", "rbH", "rbRx"))
    if shape == "polygon":
        corners = [resource_of(each) for each in items_of(field_of(boundary, _IPTC, "rbVertices"))]
        across, down = ([_number(each, name) for each in corners] for name in ("rbX", "rbY"))
        if len(corners) < 3 or any(map(math.isnan, [*across, *down])):
            return None
        x, y, w, h = min(across), min(down), max(across) - min(across), max(down) - min(down)
    elif shape == "circle":  # its radius is a share of the photo's width
        share = radius if unit_x > 1 else radius * size_px[0]
        w, h = 2 * share / size_px[0] * unit_x, 2 * share / size_px[1] * unit_y
        x, y = x - w / 2, y - h / 2
    x, y, w, h = x / unit_x, y / unit_y, w / unit_x, h / unit_y
    return sound_area(x + w / 2, y + h / 2, w, h)


def _number(element: Element, name: str) -> float:
    return number_of(value_of(element, _IPTC, name))
