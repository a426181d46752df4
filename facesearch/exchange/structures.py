"""What XMP's structures, arrays and values hold, in every form that RDF/XML allows, and numbers as programs write them.

Source: XMP Specification, Part 1 (ISO 16684-1), clause 7: serialization in RDF/XML.
"""

from __future__ import annotations

import math
import re

from facesearch.exchange.areas import Area
from facesearch.exchange.packets import RDF, Element, xml_text
from facesearch.names import name_key

# Shares of the photo; a box may reach beyond the edge, but one that is mostly elsewhere is not a box.
_LEAST, _MOST = -0.5, 1.5
_DECIMAL_COMMA = re.compile(r"([+-]?\d*),(\d+)")


def as_name(text: str) -> str:
    """A name as it is compared: by the rule for names, without what XML cannot hold."""
    return name_key(xml_text(text))


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


def field_of(element: Element | None, namespace: str, name: str) -> Element | None:
    return None if element is None else resource_of(element).child(namespace, name)


def number_of(text: str) -> float:
    """A number, with a point or a comma before its decimals; NaN for what is none."""
    text = text.strip()
    comma = _DECIMAL_COMMA.fullmatch(text)
    try:
        return float(text if comma is None else f"{comma[1]}.{comma[2]}")
    except ValueError:
        return math.nan


def sound_area(x: float, y: float, w: float, h: float) -> Area | None:
    """The area, if it is one in the photo: of NaN and infinity neither comparison is true."""
    within = all(_LEAST <= value <= _MOST for value in (x, y)) and all(0 < value <= _MOST for value in (w, h))
    return Area(x, y, w, h) if within else None
