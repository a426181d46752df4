"""Photos recognised only by their first bytes, and the folders that other programs keep for themselves."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image
from support.tiles import MODELS, ColourTower, TileDetector, draw

from facesearch.indexing import IndexOptions, index_photos
from facesearch.library import Library
from facesearch.photos import walk
from facesearch.photos.decoding.formats import is_surely_photo
from facesearch.photos.file_names import is_foreign_folder, is_named_as_photo, may_be_photo


def saved(form: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (9, 7), (200, 10, 10)).save(stream, form)
    return stream.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "JPEG2000", "AVIF"])
def test_the_first_bytes_of_each_kind_tell_it(form: str) -> None:
    assert is_surely_photo(saved(form)[:32])


@pytest.mark.parametrize(
    "head",
    [
        b"BMW and other cars\n, a list of them all",
        b"P1 is the first of our plans",
        b"P6",
        b"Pf",
        b"",
        b"%PDF-1.7",
        b"\0\0\0\x18ftypmp42\0\0\0\0",  # a video
        b"\0\0\0\x14ftypqt  \0\0\0\0",
        b"#!/bin/sh\n",
    ],
)
def test_other_files_are_not_taken_for_photos(head: bytes) -> None:
    assert not is_surely_photo(head)


@pytest.mark.parametrize("name", ["a.jpg ", "a.JPG.", "a.jpeg. .", "b.heic  "])
def test_what_stands_behind_the_suffix_does_not_matter(name: str) -> None:
    assert is_named_as_photo(name)


@pytest.mark.parametrize(
    "name", ["a.jpg_original", "a.jpg~", "a.jpg.bak", "a.mp4", "a.jpg.xmp", "a.jpg.part", "a.JPG.CRDOWNLOAD"]
)
def test_names_that_say_enough(name: str) -> None:
    assert not may_be_photo(name) and not is_named_as_photo(name)


def test_photos_without_a_photos_name_are_indexed_and_named(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    png = draw(tmp_path / "a.png", (200, 10, 10)).read_bytes()
    odd = ["IMG_0001", "a.jpg_large", "c.jpg.1", "d.2020"]
    for number, name in enumerate(odd):
        (photos / name).write_bytes(png + bytes(number))
    for name in ("e.jpg ", "f.jpg."):
        (photos / name).write_bytes(png + name.encode())
    (photos / "notes").write_text("Photos of 2020")
    (photos / "g.jpg_original").write_bytes(png + b"before")
    (photos / "h.part").write_bytes(png[:100])
    os.mkfifo(photos / "pipe")
    (photos / "secret").write_bytes(b"")
    with Library.create(tmp_path / "library", MODELS) as library:
        first = index_photos(library, [photos], TileDetector(), ColourTower())
        assert (first.photos_new, first.other_files) == (6, 5)
        assert first.photos_misnamed == tuple(photos / name for name in sorted(odd))
        again = index_photos(library, [photos], TileDetector(), ColourTower())
        assert (again.photos_unchanged, again.photos_misnamed) == (6, ())


def test_a_file_that_is_too_small_for_a_photo_is_not_opened(tmp_path: Path) -> None:
    """Files of the system, as in /proc, say that they have no bytes, and to read some of them has effects."""
    (tmp_path / "small").write_bytes(saved("JPEG")[:31])
    assert list(walk([tmp_path])) == []


FOREIGN = """
@eaDir/IMG.jpg/SYNOPHOTO_THUMB_XL.jpg #recycle/a.jpg #snapshot/GMT-1/a.jpg @Recycle/a.jpg $RECYCLE.BIN/S-1-5/$R1.jpg
.thumbnails/normal/a.png Photos.photoslibrary/resources/derivatives/a.jpeg Old.photolibrary/a.jpg __MACOSX/a.jpg
Catalog_Previews.lrdata/0/a.jpg appdata_oc1/preview/a.jpg files_trashbin/a.jpg lost+found/a.jpg
"""


def test_the_folders_of_other_programs_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    names = [line for line in FOREIGN.replace("\n", " ").replace(" Volume ", "\0").split(" ") if line]
    for name in ["mine/a.jpg", "Recycled art/b.jpg", *names]:
        path = tmp_path / "album" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    own = [tmp_path / "album" / name for name in ("Recycled art/b.jpg", "mine/a.jpg")]
    walking = walk([tmp_path / "album"])
    assert [found.path for found in walking] == own
    assert walking.folders_left_out == len(names) - 1  # but for .thumbnails, which is hidden
    taken = {found.path for found in walk([tmp_path / "album"], foreign_folders=True)}
    assert taken == {*own, *(tmp_path / "album" / name for name in names if name[0] != ".")}
    given = tmp_path / "album" / "@eaDir"
    assert [found.path.name for found in walk([given])] == ["SYNOPHOTO_THUMB_XL.jpg"]
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "@eaDir").symlink_to(given)
    assert list(walk([tmp_path / "linked"])) == []


@pytest.mark.parametrize("name", ["@EADIR", "$Recycle.Bin", "system volume information", "My.PhotosLibrary"])
def test_foreign_names_in_any_case(name: str) -> None:
    assert is_foreign_folder(name)


def test_the_summary_counts_the_folders_that_were_left_out(tmp_path: Path) -> None:
    (tmp_path / "photos" / "@eaDir").mkdir(parents=True)
    draw(tmp_path / "photos" / "a.png", (200, 10, 10))
    draw(tmp_path / "photos" / "@eaDir" / "thumb.png", (10, 200, 10))
    with Library.create(tmp_path / "library", MODELS) as library:
        usual = index_photos(library, [tmp_path / "photos"], TileDetector(), ColourTower())
        assert (usual.photos_new, usual.folders_left_out) == (1, 1)
        options = IndexOptions(foreign_folders=True)
        everything = index_photos(library, [tmp_path / "photos"], TileDetector(), ColourTower(), options)
        assert (everything.photos_new, everything.folders_left_out) == (1, 0)
