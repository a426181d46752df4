"""An XMP packet with a map of its bytes: where each element begins and ends, so that an edit leaves all others alone.

Expat parses; nothing is ever rewritten from a tree, so comments, prefixes, processing instructions, the order and the
spacing of what other programs wrote stay as they are, byte for byte. Refuses what XMP never has and what could do harm:
document type declarations (and with them custom entities), deep nesting, very large files.

Source: XMP Specification, Part 1 (ISO 16684-1), clause 7: serialization in RDF/XML.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

MAX_PACKET_BYTES = 64 << 20
"""Lightroom's largest sidecars, with hundreds of brush masks, have some 20 MB."""

_MAX_DEPTH = 100
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XML = "http://www.w3.org/XML/1998/namespace"

_TAG = re.compile(rb"""<(?:[^"'>]|"[^"]*"|'[^']*')*>""")
_DECLARED = re.compile(rb"""^(?:\xef\xbb\xbf)?<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
# Encodings that do not begin with ASCII's bytes, by their first ones: a byte order mark, or "<" without one.
_WIDE = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class PacketError(ValueError):
    """These bytes are not XMP, or cannot be read or edited safely. The message continues a sentence about the file."""


@dataclass(eq=False)
class Element:
    """An element: its name, what it holds, and where it stands in the packet's UTF-8 bytes."""

    namespace: str
    name: str
    attributes: Mapping[tuple[str, str], str]  # by namespace and local name, without the declarations of namespaces
    scope: Mapping[str, str]  # namespaces by prefix
    # start to inner: the start tag; outer to end: the end tag. For `<a/>` inner, outer and end are one place
    start: int
    inner: int
    outer: int = 0
    end: int = 0
    text: str = ""
    children: list[Element] = field(default_factory=list)

    @property
    def is_empty_tag(self) -> bool:
        return self.inner == self.outer == self.end

    def is_a(self, namespace: str, *names: str) -> bool:
        return self.namespace == namespace and self.name in names

    def named(self, namespace: str, *names: str) -> Iterator[Element]:
        """The children of that name."""
        return (child for child in self.children if child.is_a(namespace, *names))

    def child(self, namespace: str, *names: str) -> Element | None:
        return next(self.named(namespace, *names), None)


class Packet:
    """A parsed packet. `descriptions` are the top-level rdf:Description elements, which hold the properties."""

    def __init__(self, content: bytes) -> None:
        """content: a sidecar's bytes, or a packet out of a photo. Raises PacketError."""
        if len(content) > MAX_PACKET_BYTES:
            raise PacketError(f"is larger than {MAX_PACKET_BYTES >> 20} MB, too large for XMP")
        self.encoding = _encoding_of(content)
        try:
            text = content if self.encoding == "utf-8" else content.decode(self.encoding).encode("utf-8")
        except (UnicodeError, LookupError) as error:
            raise PacketError(f"is not in the encoding that it declares ({self.encoding})") from error
        self.utf8 = text.rstrip(b"\0")  # packets in photos are padded
        root = _Parser(self.utf8).root
        rdf = root if root.is_a(RDF, "RDF") else root.child(RDF, "RDF")
        if rdf is None:
            raise PacketError("is XML but not XMP: it has no rdf:RDF")
        self.rdf = rdf
        self.descriptions = list(rdf.named(RDF, "Description"))

    def properties(self, namespace: str, name: str) -> list[Element]:
        """The property elements of that name; in a sound packet it is one at most."""
        return [found for description in self.descriptions for found in description.named(namespace, name)]

    def as_content(self, utf8: bytes) -> bytes:
        """UTF-8 bytes in this packet's own encoding."""
        if self.encoding == "utf-8":
            return utf8
        return utf8.decode("utf-8").encode(self.encoding, "xmlcharrefreplace")


def xml_text(value: str) -> str:
    """The same without the characters that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", value)


def _encoding_of(content: bytes) -> str:
    for beginning, encoding in _WIDE:
        if content.startswith(beginning):
            return encoding
    declared = _DECLARED.match(content)
    if declared is None:
        return "utf-8"
    encoding = declared[1].decode("ascii").lower()
    return "utf-8" if encoding in {"utf-8", "utf8", "us-ascii", "ascii"} else encoding


class _Parser:
    """Runs expat over UTF-8 bytes; the outermost element is `root`."""

    def __init__(self, utf8: bytes) -> None:
        self._utf8 = utf8
        self._open: list[Element] = []
        self._scopes: list[dict[str, str]] = [{"xml": _XML}]
        self._declared: dict[str, str] = {}
        self._texts: list[list[str]] = []
        self.root: Element
        parser = self._expat = expat.ParserCreate("utf-8", namespace_separator="\n")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.StartNamespaceDeclHandler = self._declare
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        try:
            parser.Parse(utf8, True)
        except expat.ExpatError as error:
            raise PacketError(f"is not well-formed XML ({error})") from error

    def _refuse_doctype(self, *_: object) -> None:
        raise PacketError("has a document type declaration, which XMP never has and which can do harm")

    def _declare(self, prefix: str | None, namespace: str | None) -> None:
        self._declared[prefix or ""] = namespace or ""

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= _MAX_DEPTH:
            raise PacketError(f"is nested more than {_MAX_DEPTH} deep, too deep for XMP")
        scope = self._scopes[-1]
        if self._declared:
            scope = scope | self._declared
            self._declared = {}
        start = self._expat.CurrentByteIndex
        tag = _TAG.match(self._utf8, start)
        assert tag is not None
        named = {_split(key): value for key, value in attributes.items()}
        element = Element(*_split(name), named, scope, start, tag.end())
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._scopes.append(scope)
        self._texts.append([])

    def _end(self, _: str) -> None:
        element = self._open.pop()
        self._scopes.pop()
        element.text = "".join(self._texts.pop())
        if self._utf8[element.inner - 2 : element.inner] == b"/>":
            element.outer = element.end = element.inner
        else:
            element.outer = self._expat.CurrentByteIndex
            element.end = self._utf8.index(b">", element.outer) + 1

    def _text(self, text: str) -> None:
        if self._texts:
            self._texts[-1].append(text)


def _split(name: str) -> tuple[str, str]:
    namespace, _, local = name.rpartition("\n")
    return namespace, local
