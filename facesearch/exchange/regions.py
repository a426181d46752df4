"""The face regions in an XMP packet: those of the Metadata Working Group, and those of Windows Photo Gallery.

Reads every form that RDF/XML allows for a structure. Refuses nothing: a region without a usable area is left out.

Sources: Metadata Working Group, Guidelines for Handling Image Metadata 2.0, 5.9 (mwg-rs:Regions). Microsoft, Photo
metadata: people tagging overview (MP:RegionInfo).
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from facesearch.exchange.areas import Area
from facesearch.exchange.packets import RDF, Element, Packet, xml_text

MWG = "http://www.metadataworkinggroup.com/schemas/regions/"
AREA = "http://ns.adobe.com/xmp/sType/Area#"
DIMENSIONS = "http://ns.adobe.com/xap/1.0/sType/Dimensions#"
OWN = "urn:x-facesearch:1.0/"
"""The namespace of facesearch's mark on regions, in mwg-rs:Extensions: facesearch:Name is the name that it gave, and
facesearch:Area where it drew a region of its own. As long as a region has these still, nobody has changed it since."""

_MP = "http://ns.microsoft.com/photo/1.2/"
_MP_INFO = "http://ns.microsoft.com/photo/1.2/t/RegionInfo#"
MP_REGION = "http://ns.microsoft.com/photo/1.2/t/Region#"
# Shares of the photo; a box may reach beyond the edge, but one that is mostly elsewhere is no box.
_LEAST, _MOST = -0.5, 1.5


@dataclass(frozen=True)
class Region:
    """A face region. name: "" where it has none. item: its place in the list. holder: the element with its fields,
    None for Microsoft's. is_named, is_drawn: facesearch named it, and drew it, and nobody has changed that since."""

    name: str
    area: Area
    item: Element | None = None
    holder: Element | None = None
    is_named: bool = False
    is_drawn: bool = False


def face_regions(packet: Packet) -> list[Region]:
    """The face regions of a packet, those of the Metadata Working Group first."""
    return [*mwg_regions(packet), *_microsoft_regions(packet)]


def mwg_regions(packet: Packet) -> list[Region]:
    """The regions of type Face, and those without a type, in mwg-rs:Regions."""
    found = []
    for regions in packet.properties(MWG, "Regions"):
        size = _field(resource_of(regions), MWG, "AppliedToDimensions")
        for item in items_of(_field(resource_of(regions), MWG, "RegionList")):
            region = resource_of(item)
            area = _mwg_area(_field(region, MWG, "Area"), size)
            if area is not None and value_of(region, MWG, "Type").lower() in {"face", ""}:
                name = as_name(value_of(region, MWG, "Name"))
                mark = _field(region, MWG, "Extensions")
                is_named = bool(name) and as_name(value_of(mark, OWN, "Name")) == name
                drawn = [_number(part) for part in value_of(mark, OWN, "Area").split()]
                found.append(Region(name, area, item, region, is_named, len(drawn) == 4 and area.is_at(*drawn)))
    return found


def _microsoft_regions(packet: Packet) -> Iterator[Region]:
    for info in packet.properties(_MP, "RegionInfo"):
        for item in items_of(_field(resource_of(info), _MP_INFO, "Regions")):
            numbers = [_number(part) for part in value_of(item, MP_REGION, "Rectangle").split(",")]
            if len(numbers) == 4:
                left, top, width, height = numbers
                area = _sound(left + width / 2, top + height / 2, width, height)
                if area is not None:
                    yield Region(as_name(value_of(item, MP_REGION, "PersonDisplayName")), area, item)


def as_name(text: str) -> str:
    """A name as it is compared: in Unicode's NFC form, on one line, without what XML cannot hold."""
    return unicodedata.normalize("NFC", " ".join(xml_text(text).split()))


def resource_of(element: Element) -> Element:
    """The element that holds a structure's fields: the rdf:Description in it, or itself."""
    return element.child(RDF, "Description") or element


def items_of(array: Element | None) -> list[Element]:
    """The items of an array: rdf:Bag, rdf:Seq or rdf:Alt."""
    items = array_of(array)
    return [] if items is None else list(items.named(RDF, "li"))


def array_of(element: Element | None) -> Element | None:
    """The rdf:Bag, rdf:Seq or rdf:Alt in a property."""
    return None if element is None else element.child(RDF, "Bag", "Seq", "Alt")


def value_of(element: Element | None, namespace: str, name: str) -> str:
    """A simple field of a structure, as attribute or element; "" where there is none."""
    if element is None:
        return ""
    holder = resource_of(element)
    if (namespace, name) in holder.attributes:
        return holder.attributes[namespace, name]
    found = holder.child(namespace, name)
    return "" if found is None else text_of(found)


def text_of(element: Element) -> str:
    """The text of a simple value, which is in rdf:value where it has qualifiers."""
    qualified = resource_of(element).child(RDF, "value")
    return (element if qualified is None else qualified).text


def _field(element: Element | None, namespace: str, name: str) -> Element | None:
    return None if element is None else resource_of(element).child(namespace, name)


def _mwg_area(element: Element | None, size: Element | None) -> Area | None:
    if element is None:
        return None
    x, y, w, h = (_number(value_of(element, AREA, name)) for name in "xywh")
    if value_of(element, AREA, "unit") == "pixel":
        width, height = (_number(value_of(size, DIMENSIONS, name)) for name in "wh")
        if not (width > 0 and height > 0):
            return None
        x, y, w, h = x / width, y / height, w / width, h / height
    return _sound(x, y, w, h)


def _number(text: str) -> float:
    """NaN for what is no number."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _sound(x: float, y: float, w: float, h: float) -> Area | None:
    """The area, if it is one in the photo: of NaN and infinity neither comparison is true."""
    within = all(_LEAST <= value <= _MOST for value in (x, y)) and all(0 < value <= _MOST for value in (w, h))
    return Area(x, y, w, h) if within else None
