"""Regions and keywords as RDF/XML, put into a packet: the one place that knows how facesearch writes XMP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

from facesearch.exchange.areas import Area
from facesearch.exchange.editing import Editor, Prefixes
from facesearch.exchange.packets import RDF, Element, Packet, PacketError
from facesearch.exchange.regions import AREA, DIMENSIONS, MP_REGION, MWG, OWN
from facesearch.exchange.structures import array_of, items_of, resource_of, text_of

# Without a packet's wrapper: programs that write sidecars leave it out, and a packet in a sidecar never grows in place.
EMPTY_PACKET = f"""\
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="facesearch">
 <rdf:RDF xmlns:rdf="{RDF}">
 </rdf:RDF>
</x:xmpmeta>
""".encode()

_USUAL = {
    "rdf": RDF,
    "mwg-rs": MWG,
    "stArea": AREA,
    "stDim": DIMENSIONS,
    "facesearch": OWN,
    "MPReg": MP_REGION,
    "dc": "http://purl.org/dc/elements/1.1/",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
}


class Writer:
    """Puts fragments into a packet through its editor. What needs a new rdf:Description waits for `finish`."""

    def __init__(self, packet: Packet, editor: Editor) -> None:
        self._packet = packet
        self._editor = editor
        self._properties: list[str] = []

    def add_regions(
        self,
        own: Sequence[tuple[str, Area]],
        copied: Sequence[tuple[str, Area]],
        size_px: tuple[int, int],
        *,
        anew: bool = False,
    ) -> None:
        """Add regions by name and area. copied: they are not facesearch's. size_px: of the photo as it is stored. anew:
        all that were there are removed."""
        there = [] if anew else self._packet.properties(MWG, "Regions")
        structure = resource_of(there[0]) if there else None
        region_list = None if structure is None else structure.child(MWG, "RegionList")
        array = array_of(region_list)
        if region_list is not None and array is None:
            raise PacketError("has face regions in a form that facesearch does not add to")
        prefixes = Prefixes((array or structure or self._packet.rdf).scope, _USUAL)
        items = [_region(prefixes, name, area, is_own=True) for name, area in own]
        items += [_region(prefixes, name, area, is_own=False) for name, area in copied]
        size = _size(prefixes, size_px)
        if structure is None:
            m, r = prefixes["mwg-rs"], prefixes["rdf"]
            inside = _indented(f"{size}\n{_array(prefixes, 'mwg-rs:RegionList', 'Bag', items)}")
            self._properties.append(f'<{m}:Regions {r}:parseType="Resource">\n{inside}\n</{m}:Regions>')
            return
        if array is None:
            self._editor.append(structure, prefixes.declared(_array(prefixes, "mwg-rs:RegionList", "Bag", items)))
        else:
            for item in items:
                self._editor.append(array, prefixes.declared(item))
        if structure.child(MWG, "AppliedToDimensions") is None:
            self._editor.append(structure, prefixes.declared(size))

    def rename(self, region: Element, name: str) -> None:
        """Give a region another name, and facesearch's mark with it."""
        self._set(region, "mwg-rs", "Name", name)
        extensions = region.child(MWG, "Extensions")
        if extensions is None:
            prefixes = Prefixes(region.scope, _USUAL)
            self._editor.append(region, prefixes.declared(_mark(prefixes, name, None)))
        else:
            self._set(resource_of(extensions), "facesearch", "Name", name)

    def rename_microsofts(self, item: Element, name: str) -> None:
        """Give a region of Microsoft's another name."""
        self._set(resource_of(item), "MPReg", "PersonDisplayName", name)

    def move(self, region: Element, area: Area) -> None:
        """Give a region of facesearch's another area."""
        element = region.child(MWG, "Area")
        assert element is not None
        for name, value in _numbers(area).items():
            self._set(resource_of(element), "stArea", name, value)
        extensions = region.child(MWG, "Extensions")
        assert extensions is not None
        self._set(resource_of(extensions), "facesearch", "Area", " ".join(_numbers(area).values()))

    def remove_regions(self, items: Sequence[Element], *, is_followed: bool = False) -> None:
        """Take items out of the list of regions. is_followed: others are added. A list that is left empty goes as a
        whole, with what only speaks of it: programs stumble over an empty one."""
        emptied: Element | None = None
        for description in self._packet.descriptions:
            for regions in description.named(MWG, "Regions"):
                left = items_of(resource_of(regions).child(MWG, "RegionList"))
                if left and not is_followed and all(any(item is gone for gone in items) for item in left):
                    emptied = _outermost(description, regions)
                    self._editor.remove(emptied)
        for item in items:
            if emptied is None or not emptied.start <= item.start < emptied.end:
                self._editor.remove(item)

    def add_keywords(self, names: Sequence[str], embedded: Sequence[Packet]) -> None:
        """Add names to the three lists of keywords that programs read: flat, digiKam's and Lightroom's.

        Where the packet lacks a list it gets what that list has in the photo, which it will hide, too.
        """
        flat = list(dict.fromkeys(names))
        # As digiKam itself writes a name with its separator in it.
        digikam = [f"People/{name.replace('/', chr(92))}" for name in flat]
        lightroom = [f"People|{name.replace('|', '/')}" for name in flat]
        for prefix, name, kind, values in (
            ("dc", "subject", "Bag", flat),
            ("digiKam", "TagsList", "Seq", digikam),
            ("lr", "hierarchicalSubject", "Bag", lightroom),
        ):
            self._add_to_list(prefix, name, kind, values, embedded)

    def finish(self) -> None:
        """Append the properties that the packet did not have, in an rdf:Description of their own."""
        if not self._properties:
            return
        rdf = self._packet.rdf
        prefixes = Prefixes(rdf.scope, _USUAL)
        r = prefixes["rdf"]
        about = next((_about(description) for description in self._packet.descriptions), "")
        inside = _indented("\n".join(self._properties))
        whole = f"<{r}:Description {r}:about={quoteattr(about)}>\n{inside}\n</{r}:Description>"
        self._editor.append(rdf, prefixes.declared(whole))

    def _add_to_list(
        self, prefix: str, name: str, kind: str, values: Sequence[str], embedded: Sequence[Packet]
    ) -> None:
        there = self._packet.properties(_USUAL[prefix], name)
        if there:
            array = array_of(there[0])
            if array is None:
                raise PacketError(f"has {name} in a form that facesearch does not add to")
            known = {text_of(item) for item in items_of(there[0])}
            prefixes = Prefixes(array.scope, _USUAL)
            for item in _items(prefixes, [value for value in values if value not in known]):
                self._editor.append(array, prefixes.declared(item))
            return
        found = [
            text_of(item)
            for packet in embedded
            for element in packet.properties(_USUAL[prefix], name)
            for item in items_of(element)
        ]
        prefixes = Prefixes(self._packet.rdf.scope, _USUAL)
        every = list(dict.fromkeys([*found, *values]))
        self._properties.append(_array(prefixes, f"{prefix}:{name}", kind, _items(prefixes, every)))

    def _set(self, holder: Element, prefix: str, name: str, value: str) -> None:
        """Give a structure's field a value, in the form that it has there already."""
        namespace = _USUAL[prefix]
        element = holder.child(namespace, name)
        if (namespace, name) in holder.attributes:
            self._editor.set_attribute(holder, namespace, name, value)
        elif element is not None:
            self._editor.set_text(element, value)
        else:
            prefixes = Prefixes(holder.scope, _USUAL)
            qualified = f"{prefixes[prefix]}:{name}"
            if holder.is_empty_tag and holder.attributes:  # a structure with its fields as attributes
                self._editor.add_attribute(holder, prefixes.declaration(prefix) + f"{qualified}={quoteattr(value)}")
            else:
                self._editor.append(holder, prefixes.declared(f"<{qualified}>{escape(value)}</{qualified}>"))


def _region(prefixes: Prefixes, name: str, area: Area, *, is_own: bool) -> str:
    m, r, a = prefixes["mwg-rs"], prefixes["rdf"], prefixes["stArea"]
    numbers = " ".join(f'{a}:{field}="{value}"' for field, value in _numbers(area).items())
    lines = [
        f"<{m}:Name>{escape(name)}</{m}:Name>",
        f"<{m}:Type>Face</{m}:Type>",
        f'<{m}:Area {numbers} {a}:unit="normalized"/>',
        *([_mark(prefixes, name, area)] if is_own else []),
    ]
    return f'<{r}:li {r}:parseType="Resource">\n{_indented(chr(10).join(lines))}\n</{r}:li>'


def _mark(prefixes: Prefixes, name: str, area: Area | None) -> str:
    """area: where facesearch drew the region; None where another program did."""
    f = prefixes["facesearch"]
    drawn = "" if area is None else f' {f}:Area="{" ".join(_numbers(area).values())}"'
    return f"<{prefixes['mwg-rs']}:Extensions {f}:Name={quoteattr(name)}{drawn}/>"


def _size(prefixes: Prefixes, size_px: tuple[int, int]) -> str:
    m, d = prefixes["mwg-rs"], prefixes["stDim"]
    return f'<{m}:AppliedToDimensions {d}:w="{size_px[0]}" {d}:h="{size_px[1]}" {d}:unit="pixel"/>'


def _numbers(area: Area) -> Mapping[str, str]:
    return {name: f"{getattr(area, name):.6f}" for name in "xywh"}


def _array(prefixes: Prefixes, qualified: str, kind: str, items: Sequence[str]) -> str:
    prefix, _, local = qualified.partition(":")
    name, r = f"{prefixes[prefix]}:{local}", prefixes["rdf"]
    inside = _indented("\n".join(items))
    return f"<{name}>\n <{r}:{kind}>\n{_indented(inside)}\n </{r}:{kind}>\n</{name}>"


def _items(prefixes: Prefixes, values: Sequence[str]) -> list[str]:
    r = prefixes["rdf"]
    return [f"<{r}:li>{escape(value, {chr(10): '&#10;'})}</{r}:li>" for value in values]


def _indented(text: str) -> str:
    return "\n".join(f" {line}" for line in text.split("\n"))


def _about(description: Element) -> str:
    attributes = description.attributes
    return attributes.get((RDF, "about"), attributes.get(("", "about"), ""))


def _outermost(description: Element, regions: Element) -> Element:
    """What goes with the last region: the property with nothing else in it, or its list, or their own description."""
    structure = resource_of(regions)
    if any(not child.is_a(MWG, "AppliedToDimensions", "RegionList") for child in structure.children):
        return next(structure.named(MWG, "RegionList"))
    is_alone = len(description.children) == 1 and all(name == "about" for _, name in description.attributes)
    return description if is_alone else regions
