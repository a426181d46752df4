"""The faces that Picasa keeps in `.picasa.ini`, a file in each folder of photos, and the names in its contacts.

A face is four numbers of 16 bits in one of 64, left, top, right and bottom as shares of 65,535, and the number of a
contact. Refuses to use the faces of a photo that was cropped or turned in Picasa: whether they are for the photo before
or after that, the file does not say.

Sources: the notes of Google's help forum on .picasa.ini, and ExifTool's picasa_faces.config, from which it is known
that the numbers are for JPEG and its like shares of the stored picture, and for RAW photos of the upright one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from facesearch.exchange.areas import Area
from facesearch.exchange.regions import UnusableRegion
from facesearch.exchange.structures import as_name

INI_NAMES = (".picasa.ini", "Picasa.ini")
_LARGEST_BYTES = 64 << 20
_NOBODY = "ffffffffffffffff"
_FACE = re.compile(r"rect64\(([0-9a-f]{1,16})\),([0-9a-f]{1,16})", re.IGNORECASE)
_CONTACTS = ("contacts", "contacts2")
_UNKNOWN = "has its name only in Picasa's contacts.xml: give that file to import too"
_CHANGED = "was drawn on a photo that Picasa shows cropped or turned"


class PicasaError(Exception):
    """A file of Picasa's that cannot be read. The message continues a sentence that the file's name begins."""


@dataclass
class PicasaFaces:
    """What Picasa says of one photo: names with areas, and what cannot be used."""

    named: list[tuple[str, Area]] = field(default_factory=list)
    unusable: list[UnusableRegion] = field(default_factory=list)


@dataclass(frozen=True)
class PicasaFolder:
    """One `.picasa.ini`."""

    photos: dict[str, dict[str, str]]  # what it says of each, by file name
    contacts: dict[str, str]  # names by number

    def faces_of(self, photo: str, contacts: dict[str, str]) -> PicasaFaces:
        """The faces of a photo of that name. contacts: names by number from elsewhere, which this file's go before."""
        found = PicasaFaces()
        said = self.photos.get(photo, {})
        for rectangle, contact in _FACE.findall(said.get("faces", "")):
            number = contact.lower().lstrip("0")
            if number == _NOBODY:
                continue
            name = self.contacts.get(number) or contacts.get(number, "")
            area = _area(rectangle)
            if not name:
                found.unusable.append(UnusableRegion(f"contact {contact}", _UNKNOWN))
            elif _is_changed(said):
                found.unusable.append(UnusableRegion(name, _CHANGED))
            elif area is None:
                found.unusable.append(UnusableRegion(name, "has no area that can be read"))
            else:
                found.named.append((name, area))
        return found


def read_ini(path: Path) -> PicasaFolder:
    """Read a `.picasa.ini`. Raises PicasaError."""
    content = _content(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:  # as Picasa wrote before it knew Unicode
        text = content.decode("cp1252", "replace")
    photos: dict[str, dict[str, str]] = {}
    contacts: dict[str, str] = {}
    section = ""
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if line.startswith("[") and line.rstrip().endswith("]"):
            section = line.rstrip()[1:-1]
        elif equals and section.lower() in _CONTACTS:
            name = as_name(value.partition(";")[0])
            if name:
                contacts[key.strip().lower().lstrip("0")] = name
        elif equals:
            photos.setdefault(section, {})[key.strip().lower()] = value.strip()
    return PicasaFolder(photos, contacts)


def read_contacts(path: Path) -> dict[str, str]:
    """The names in Picasa's contacts.xml by number. Raises PicasaError where it is none."""
    contacts: dict[str, str] = {}
    outermost: list[str] = []

    def start(element: str, attributes: dict[str, str]) -> None:
        outermost.append(element)
        name = as_name(attributes.get("name", "") or attributes.get("display", ""))
        if element == "contact" and name:
            contacts[attributes.get("id", "").lower().lstrip("0")] = name

    def refuse(*_: object) -> None:
        raise PicasaError("has a document type declaration, which could do harm")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(_content(path), True)
    except expat.ExpatError as error:
        raise PicasaError(f"is not well-formed XML ({error})") from error
    if outermost[:1] != ["contacts"]:
        raise PicasaError("is XML, but not Picasa's contacts.xml")
    return contacts


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise PicasaError(f"is larger than {_LARGEST_BYTES >> 20} MB, which no file of Picasa's is")
        return path.read_bytes()
    except OSError as error:
        raise PicasaError(f"cannot be read ({(error.strerror or str(error)).lower()})") from error


def _is_changed(said: dict[str, str]) -> bool:
    turned = said.get("rotate", "rotate(0)").lower() not in {"", "rotate(0)"}
    return turned or "crop" in said or any(step in said.get("filters", "").lower() for step in ("crop64=", "tilt="))


def _area(rectangle: str) -> Area | None:
    """The area of a number in hexadecimal digits, of which Picasa leaves out those that are 0 at the front."""
    digits = rectangle.zfill(16)
    left, top, right, bottom = (int(digits[place : place + 4], 16) / 65535 for place in range(0, 16, 4))
    return Area.of_corners(left, top, right, bottom) if left < right and top < bottom else None
