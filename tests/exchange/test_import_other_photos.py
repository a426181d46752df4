"""Metadata that speaks of another photo than the one at hand: a crop, an edit, a name that differs in case."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from support import sidecar_samples as samples
from support.command_line import CommandLine
from support.imported_names import named, sidecar
from support.named_tiles import ANN, BOB, SOMEBODY, index, name_faces
from support.tiles import MODELS, draw

from facesearch.exchange import export_sidecars, import_names
from facesearch.library import Library


def test_two_photos_whose_names_differ_in_case_keep_their_own_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    draw(photos / "IMG.png", ANN)
    draw(photos / "IMG.PNG", BOB)
    monkeypatch.setenv("FACESEARCH_LIBRARY", str(tmp_path / "library"))
    with Library.create(tmp_path / "library", MODELS) as library:
        index(library, photos)
        with library.changing():
            for photo in (1, 2):
                (face,) = library.catalog.faces_in([photo])
                path = library.catalog.photo_paths([photo])[photo].path
                library.people.label(
                    library.people.named("Ann" if path.suffix == ".png" else "Bob"), [face.face_id], "user"
                )
    run = CommandLine(capsys)
    assert run("export").out.startswith("sidecars  2 new, 0 changed, 0 unchanged\nregions   2 added")
    assert b"<mwg-rs:Name>Ann<" in (photos / "IMG.png.xmp").read_bytes()
    assert b"<mwg-rs:Name>Bob<" in (photos / "IMG.PNG.xmp").read_bytes()
    assert run("export").out.startswith("sidecars  0 new, 0 changed, 2 unchanged")
    with Library.create(tmp_path / "other", MODELS) as library:
        index(library, photos)
        summary = import_names(library, [photos])
        assert (summary.faces_named, summary.conflicts, summary.skipped) == (2, [], [])
    assert named(tmp_path / "other") == {"IMG.png 0": "Ann", "IMG.PNG 0": "Bob"}


def test_a_sidecar_of_two_photos_is_said_and_names_nobody(
    run_here: CommandLine, library_here: Path, photos: Path
) -> None:
    given = sidecar(photos / "both.png", "Ann", "Bob").rename(photos / "both.xmp")
    (photos / "both.jpg").write_bytes((photos / "both.png").read_bytes())
    ran = run_here("import", photos)
    assert ran.err.count("both.xmp: may belong to more than one photo") == 1
    assert run_here("import", given).code == 0
    assert named(library_here) == {}


def test_regions_from_before_a_crop_name_nobody(
    run_here: CommandLine, library_here: Path, photos: Path, tmp_path: Path
) -> None:
    """Ann, Bob and somebody stood on it; Ann was cropped off, so that Bob is where she was."""
    given = sidecar(photos / "sub" / "bob.png", None, "Ann", "Bob")
    text = given.read_text(encoding="utf-8").replace('stDim:w="3"', 'stDim:w="4"')
    given.write_text(text, encoding="utf-8")
    ran = run_here("import", photos)
    assert (ran.code, named(library_here)) == (0, {})
    assert "bob.png: the region of Ann is for a picture of 4 x 1 px, and the photo has 120 x 40" in ran.err
    assert "regions  0 with a name on 1 photo; 2 could not be used" in ran.out
    # Nor does an export give them a name, or leave its own among them.
    with Library.open(library_here, writable=True) as library:
        name_faces(library, tile_1="Robert")
    ran = run_here("export")
    assert "bob.png.xmp: has another program's face regions for the photo as it was before cropping" in ran.err
    assert given.read_text(encoding="utf-8") == text


def test_facesearchs_own_regions_follow_a_photo_that_was_cropped(tmp_path: Path) -> None:
    photo = draw(tmp_path / "photos" / "a.png", SOMEBODY, ANN, BOB)
    with Library.create(tmp_path / "library", MODELS) as library:
        index(library, photo.parent)
        name_faces(library, tile_1="Ann", tile_2="Bob")
        assert export_sidecars(library).regions_added == 2
        draw(photo, ANN, BOB)
        index(library, photo.parent)
        name_faces(library, tile_0="Ann", tile_1="Bob")
        summary = export_sidecars(library)
        assert (summary.skipped, summary.sidecars_changed) == ([], 1)
        assert (summary.regions_added, summary.regions_removed) == (2, 2)
        assert import_names(library, [photo.parent]).faces_same == 2
    text = photo.with_name("a.png.xmp").read_text(encoding="utf-8")
    assert (text.count("<mwg-rs:Name>"), text.count('stDim:w="80" stDim:h="40"')) == (2, 1)


def test_regions_in_the_photo_from_before_a_crop_are_not_copied_into_its_sidecar(tmp_path: Path) -> None:
    photo = tmp_path / "photos" / "a.jpg"
    photo.parent.mkdir()
    embedded = samples.lightroom(samples.lightroom_region("Carl", 0.75, 0.5, 0.5, 1.0), size=(50, 40))
    picture = Image.open(draw(tmp_path / "a.png", ANN, BOB))
    picture.save(photo, quality=95, xmp=embedded.replace('tiff:Orientation="6"', "").encode())
    with Library.create(tmp_path / "library", MODELS) as library:
        index(library, photo.parent)
        name_faces(library, tile_0="Ann", tile_1="Bob")
        summary = export_sidecars(library)
    assert (summary.regions_added, summary.conflicts) == (2, [])
    assert b"Carl" not in photo.with_name("a.jpg.xmp").read_bytes()


def test_a_named_region_without_an_area_is_said(run_here: CommandLine, library_here: Path, photos: Path) -> None:
    given = sidecar(photos / "both.png", "Ann", "Bob")
    text = given.read_text(encoding="utf-8")
    given.write_text(text.replace('stArea:x="0.75"', 'stArea:x="right"'), encoding="utf-8")
    ran = run_here("import", photos)
    assert named(library_here) == {"both.png 0": "Ann"}
    assert "both.png: the region of Bob has no area that can be read; not used" in ran.err
    assert "regions  1 with a name on 1 photo; 1 could not be used" in ran.out
