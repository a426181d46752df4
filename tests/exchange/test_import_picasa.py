"""`facesearch import` of Picasa's faces and contacts."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from support.command_line import CommandLine
from support.imported_names import named
from support.named_tiles import ANN, BOB, index
from support.tiles import MODELS, draw

from facesearch.exchange import import_names
from facesearch.library import Library

WHITE = (255, 255, 255)


def rect64(x1: float, y1: float, x2: float, y2: float) -> str:
    """As Picasa writes an area: without the zeros at the front."""
    digits = "".join(f"{round(side * 65535):04x}" for side in (x1, y1, x2, y2))
    return f"rect64({digits.lstrip('0')})"


LEFT, RIGHT = rect64(0.0, 0.05, 0.5, 0.95), rect64(0.5, 0.05, 1.0, 0.95)
ANNS, BOBS, NOBODYS = "8e62398ebda8c1a5", "00e2398ebda8c1a5", "ffffffffffffffff"


def test_picasas_faces_are_read(run_here: CommandLine, library_here: Path, photos: Path) -> None:
    text = (
        f"[.album:1]\r\nname=x\r\n[Contacts2]\r\n{ANNS}=Zo\u00eb \u00c5;;\r\n"
        f"{BOBS.lstrip('0')}=Bob;bob@example.org;\r\n"
        f"[both.PNG]\r\nbackuphash=1\r\nfaces={LEFT},{ANNS};{RIGHT},{BOBS}\r\n"
    )
    (photos / ".picasa.ini").write_bytes(text.encode("utf-8-sig"))
    (photos / "sub" / "Picasa.ini").write_text(f"[bob.png]\nfaces={LEFT},{NOBODYS}\n", encoding="utf-8")
    ran = run_here("import", photos)
    assert (ran.code, ran.err) == (0, "")
    assert named(library_here) == {"both.png 0": "Zo\u00eb \u00c5", "both.png 1": "Bob"}
    assert run_here("import", photos / ".picasa.ini").out.startswith("faces    0 named; 2 already had that name")


def test_picasas_contacts_may_be_in_a_file_of_their_own(
    run_here: CommandLine, library_here: Path, photos: Path, tmp_path: Path
) -> None:
    (photos / ".picasa.ini").write_text(f"[both.png]\nfaces={LEFT},{ANNS};{RIGHT},{BOBS}\n", encoding="utf-8")
    ran = run_here("import", photos)
    assert f"the region of contact {ANNS} has its name only in Picasa's contacts.xml" in ran.err
    assert named(library_here) == {}
    contacts = tmp_path / "contacts.xml"
    contacts.write_text(
        f'<?xml version="1.0"?>\n<contacts>\n <contact id="{ANNS}" name="Ann &amp; Co"/>\n</contacts>\n',
        encoding="utf-8",
    )
    ran = run_here("import", contacts, photos)
    assert named(library_here) == {"both.png 0": "Ann & Co"}
    assert f"the region of contact {BOBS}" in ran.err
    contacts.write_text("<other/>", encoding="utf-8")
    assert "contacts.xml: is XML, but not Picasa's contacts.xml" in run_here("import", contacts, photos).err


@pytest.mark.parametrize("change", ["rotate=rotate(1)", "crop=rect64(3f845bcb59418507)", "filters=crop64=1,3f845bcb;"])
def test_faces_of_a_photo_that_picasa_shows_otherwise_name_nobody(
    run_here: CommandLine, library_here: Path, photos: Path, change: str
) -> None:
    text = f"[Contacts2]\n{ANNS}=Ann;;\n[both.png]\n{change}\nfaces={LEFT},{ANNS}\n"
    (photos / ".picasa.ini").write_text(text, encoding="utf-8")
    assert (
        "the region of Ann was drawn on a photo that Picasa shows cropped or turned" in run_here("import", photos).err
    )
    assert named(library_here) == {}


def test_picasas_faces_are_shares_of_the_stored_photo(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = tmp_path / "photos" / "a.png"
    photo.parent.mkdir()
    upright = Image.open(draw(tmp_path / "a.png", ANN, WHITE, BOB))
    upright.transpose(Image.Transpose.ROTATE_90).save(photo, exif=exif)  # Ann is at the bottom as it is stored
    text = f"[Contacts2]\n{ANNS}=Ann;;\n[a.png]\nfaces={rect64(0, 2 / 3, 1, 1)},{ANNS}\n"
    (photo.parent / ".picasa.ini").write_text(text, encoding="utf-8")
    with Library.create(tmp_path / "library", MODELS) as library:
        index(library, photo.parent)
        assert import_names(library, [photo.parent]).faces_named == 1
    assert named(tmp_path / "library") == {"a.png 0": "Ann"}
