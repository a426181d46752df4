"""Edits an XMP packet in its bytes, and leaves everything else as it is.

Refuses an edit that would not leave valid RDF.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from xml.sax.saxutils import escape, quoteattr

from facesearch.exchange.packets import RDF, Element, Packet, PacketError, xml_text

_TAG_NAME = re.compile(rb"""</?([^\s/>]+)""")
_ATTRIBUTE = re.compile(rb"""([^\s"'=<>/]+)\s*=\s*("[^"]*"|'[^']*')""")


class Editor:
    """Collects edits to a packet and makes them at once."""

    def __init__(self, packet: Packet) -> None:
        self._utf8 = packet.utf8
        self._edits: list[tuple[int, int, bytes]] = []
        self._appended: dict[int, tuple[Element, list[str]]] = {}

    @property
    def has_edits(self) -> bool:
        return bool(self._edits or self._appended)

    def append(self, parent: Element, fragment: str) -> None:
        """Put XML after the last child of an array or a structure, as its own lines.

        Raises PacketError where that would not be RDF: a property with text, or with its fields as attributes.
        """
        is_node = parent.is_a(RDF, "RDF", "Description", "Bag", "Seq", "Alt")
        if parent.text.strip() or not (is_node or parent.attributes.get((RDF, "parseType")) == "Resource"):
            raise PacketError(f"has {parent.name} in a form that facesearch does not add to")
        self._appended.setdefault(id(parent), (parent, []))[1].append(fragment)

    def add_attribute(self, element: Element, attribute: str) -> None:
        """Put an attribute, as `name="value"`, at the end of an element's start tag."""
        end = element.inner - (2 if element.is_empty_tag else 1)
        self._edits.append((end, end, b" " + _bytes(attribute)))

    def remove(self, element: Element) -> None:
        """Take an element out, with the line break and the spaces before it."""
        before = self._utf8[: element.start].rstrip(b" \t")
        start = len(before) - (2 if before.endswith(b"\r\n") else 1) if before.endswith(b"\n") else element.start
        self._edits.append((start, element.end, b""))

    def set_text(self, element: Element, text: str) -> None:
        """Give an element without children another text."""
        if element.children:
            raise PacketError("holds a name in a form that facesearch does not edit")
        if element.is_empty_tag:
            self._edits.append((element.start, element.end, self._opened(element) + _bytes(escape(text))))
            self._edits.append((element.end, element.end, self._closing(element)))
        else:
            self._edits.append((element.inner, element.outer, _bytes(escape(text))))

    def set_attribute(self, element: Element, namespace: str, name: str, value: str) -> None:
        """Give an attribute that is there another value."""
        tag = self._utf8[element.start : element.inner]
        for found in _ATTRIBUTE.finditer(tag):
            prefix, _, local = found[1].decode("utf-8").rpartition(":")
            if local == name and element.scope.get(prefix) == namespace:
                start, end = (element.start + place for place in found.span(2))
                self._edits.append((start, end, _bytes(quoteattr(value))))
                return
        raise KeyError((namespace, name))

    def result(self) -> bytes:
        """The packet's UTF-8 bytes with all edits; those that were not edited are the same."""
        edits = list(self._edits)
        for parent, fragments in self._appended.values():
            edits += self._appending(parent, fragments)
        pieces = []
        done = 0
        for start, end, new in sorted(edits, key=lambda edit: edit[:2]):
            if start < done:
                raise PacketError("needs two edits in one place, which facesearch does not do")
            pieces += [self._utf8[done:start], new]
            done = end
        return b"".join([*pieces, self._utf8[done:]])

    def _appending(self, parent: Element, fragments: list[str]) -> Iterator[tuple[int, int, bytes]]:
        if parent.children:
            last = parent.children[-1]
            indent = self._indent(last.start)
            yield last.end, last.end, b"".join(_lines(fragment, indent) for fragment in fragments)
            return
        indent = self._indent(parent.start)
        lines = b"".join(_lines(fragment, indent + b" ") for fragment in fragments)
        if parent.is_empty_tag:
            closed = b"\n" + indent + self._closing(parent)
            yield parent.start, parent.end, self._opened(parent) + lines + closed
        else:
            yield parent.inner, parent.inner, lines

    def _indent(self, place: int) -> bytes:
        """The spaces that the line of a place begins with, if nothing else stands before it."""
        line = self._utf8[self._utf8.rfind(b"\n", 0, place) + 1 : place]
        return line if not line.strip() else b""

    def _opened(self, element: Element) -> bytes:
        """`<a b="c"/>` as `<a b="c">`."""
        return self._utf8[element.start : element.end - 2].rstrip() + b">"

    def _closing(self, element: Element) -> bytes:
        name = _TAG_NAME.match(self._utf8, element.start)
        assert name is not None
        return b"</" + name[1] + b">"


class Prefixes:
    """Namespaces for a fragment: prefixes that are declared where it goes, and declarations of those that are not."""

    def __init__(self, scope: Mapping[str, str], usual: Mapping[str, str]) -> None:
        """usual: namespaces by the prefixes that they usually have."""
        known = {namespace: prefix for prefix, namespace in scope.items() if prefix}
        self._usual = usual
        self._prefix = {usual_prefix: known.get(namespace, usual_prefix) for usual_prefix, namespace in usual.items()}
        self._missing = [prefix for prefix, namespace in usual.items() if namespace not in known]

    def __getitem__(self, usual: str) -> str:
        return self._prefix[usual]

    def declared(self, fragment: str) -> str:
        """A fragment with those declarations in its first start tag that it needs and that are not in force."""
        end = min(place for mark in " />" if (place := fragment.find(mark, 1)) > 0)
        needed = [prefix for prefix in self._missing if re.search(rf"[</ ]{prefix}:", fragment)]
        declarations = "".join(f" {self.declaration(prefix)}".rstrip() for prefix in needed)
        return fragment[:end] + declarations + fragment[end:]

    def declaration(self, usual: str) -> str:
        """The declaration of a namespace, with a space behind it, if it is not in force."""
        return f'xmlns:{usual}="{self._usual[usual]}" ' if usual in self._missing else ""


def _bytes(text: str) -> bytes:
    return xml_text(text).encode("utf-8")


def _lines(fragment: str, indent: bytes) -> bytes:
    return b"".join(b"\n" + indent + _bytes(line) for line in fragment.split("\n"))
