"""The film in a motion photo, as Google's and Samsung's phones write it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from support.films import Appearance, write_film

from facesearch.errors import PhotoError
from facesearch.photos import is_video, photo_file, read_photo
from facesearch.photos.decoding.motion import FilePart, film_in
from facesearch.photos.decoding.video import opened

_ITEMS = (
    '<rdf:li><Container:Item Item:Mime="image/jpeg" Item:Semantic="Primary" Item:Length="0" Item:Padding="{padding}"/>'
    '</rdf:li><rdf:li><Container:Item Item:Mime="video/mp4" Item:Semantic="MotionPhoto" Item:Length="{length}" '
    'Item:Padding="0"/></rdf:li>'
)


def _jpeg(xmp: str = "") -> bytes:
    packet = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF>{xmp}</rdf:RDF></x:xmpmeta>'.encode()
    stream = io.BytesIO()
    Image.new("RGB", (96, 64), "navy").save(stream, "JPEG", xmp=packet)
    return stream.getvalue()


def google(film: bytes) -> bytes:
    """Motion Photo 1.0."""
    xmp = '<rdf:Description GCamera:MotionPhoto="1"/>' + _ITEMS.format(length=len(film), padding=3)
    return _jpeg(xmp) + bytes(3) + film


def google_with_gain_map(film: bytes) -> bytes:
    """Motion Photo 1.0 with another picture before the film and something after it."""
    more = '<rdf:li><Container:Item Item:Semantic="{}" Item:Length="{}"/></rdf:li>'
    xmp = (
        '<rdf:Description Camera:MotionPhoto="1"/>'
        + more.format("GainMap", 40)
        + _ITEMS.format(length=len(film), padding=0)
    )
    return _jpeg(xmp + more.format("Depth", 25)) + bytes(40) + film + bytes(25)


def micro_video(film: bytes) -> bytes:
    """Its forerunner."""
    return _jpeg(f'<rdf:Description GCamera:MicroVideo="1" GCamera:MicroVideoOffset="{len(film)}"/>') + film


def samsung(film: bytes) -> bytes:
    """The trailer that ExifTool describes: a block with its name, and a directory of blocks."""
    name = b"MotionPhoto_Data"
    other = bytes(2) + (0x0A01).to_bytes(2, "little") + (10).to_bytes(4, "little") + b"Image_Date" + b"1562246000000"
    block = bytes(2) + (0x0A30).to_bytes(2, "little") + len(name).to_bytes(4, "little") + name + film
    directory = b"SEFH" + (106).to_bytes(4, "little") + (2).to_bytes(4, "little")
    for kind, back, size in (
        (0x0A01, len(other) + len(block), len(other)),
        (0x0A30, len(block), len(block)),
    ):
        directory += bytes(2) + kind.to_bytes(2, "little") + back.to_bytes(4, "little") + size.to_bytes(4, "little")
    return _jpeg() + other + block + directory + len(directory).to_bytes(4, "little") + b"SEFT"


def heic(film: bytes) -> bytes:
    """The box that Motion Photo 1.0 gives to HEIC."""
    kind = (24).to_bytes(4, "big") + b"ftypheic" + bytes(4) + b"mif1heic"
    meta = (16).to_bytes(4, "big") + b"meta" + bytes(8)
    return kind + meta + (8 + len(film)).to_bytes(4, "big") + b"mpvd" + film


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("film") / "a.mp4"
    return write_film(path, [Appearance(0, 0, 9)], 2, size=(160, 90)).read_bytes()


@pytest.mark.parametrize("kind", [google, google_with_gain_map, micro_video, samsung, heic])
def test_the_film_is_found_and_read(kind: Callable[[bytes], bytes], film: bytes, tmp_path: Path) -> None:
    content = kind(film)
    assert film_in(io.BytesIO(content)) == (content.index(film), len(film))
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    assert not is_video(path)
    with opened(path) as motion:
        assert [frame.at_s for frame in motion.frames()] == [0, 1]
        assert motion.facts.size_px == (160, 90)
    assert read_photo(photo_file(path), at_s=1.0).pixels.shape == (90, 160, 3)
    if kind is not heic:
        assert read_photo(photo_file(path)).pixels.shape == (64, 96, 3)
    assert path.read_bytes() == content


@pytest.mark.parametrize("kind", [google, micro_video, samsung, heic])
def test_what_is_said_is_not_believed_where_no_film_lies(kind: Callable[[bytes], bytes], tmp_path: Path) -> None:
    content = kind(b"no film at all, only some text" * 3)
    assert film_in(io.BytesIO(content)) is None
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(PhotoError, match="is not a kind of video that facesearch reads"), opened(path):
        pass


def test_a_trailer_that_was_cut_off_or_lies_is_none(film: bytes) -> None:
    whole = samsung(film)
    for content in (_jpeg(), whole[:-1], whole[:-8] + (10**9).to_bytes(4, "little") + b"SEFT", b"", b"\xff\xd8\xff"):
        assert film_in(io.BytesIO(content)) is None
    far = f'<rdf:Description GCamera:MicroVideo="1" GCamera:MicroVideoOffset="{10**11}"/>'
    assert film_in(io.BytesIO(_jpeg(far) + film)) is None


def test_a_part_of_a_file_is_like_a_file() -> None:
    part = FilePart(io.BytesIO(b"0123456789"), 3, 5)
    assert (part.read(2), part.tell(), part.read(), part.read(1)) == (b"34", 2, b"567", b"")
    assert (part.seek(-2, 2), part.read(9), part.seek(1), part.seek(1, 1), part.read(1)) == (3, b"67", 1, 2, b"5")
