"""`facesearch import` of sidecars and of what is in photos, against real libraries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from support import exiftool
from support import sidecar_samples as samples
from support.command_line import CommandLine
from support.documents import documented_keys, keys_of
from support.imported_names import journal, named, sidecar
from support.named_tiles import ANN, BOB, SOMEBODY, contents, index, name_faces
from support.tiles import MODELS, draw

from facesearch.exchange import export_sidecars, import_names
from facesearch.library import Library

WHITE = (255, 255, 255)


def test_regions_name_the_faces_that_they_overlap(run_here: CommandLine, library_here: Path, photos: Path) -> None:
    sidecar(photos / "both.png", "Ann", "Bob")
    sidecar(photos / "sub" / "bob.png", "A ghost", "Bob", None)
    dry = run_here("import", photos, "--dry-run", "--no-new-faces")
    assert dry.out.startswith("faces    would be 3 named, 2 new people; 0 already had")
    assert named(library_here) == {}
    before = contents(photos)
    ran = run_here("import", photos, "--no-new-faces")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (
        "faces    3 named, 2 new people; 0 already had that name\n"
        "regions  4 with a name on 2 photos; 1 without a face in the library\n"
        "1 face has no person yet: facesearch people group gives people the faces that clearly show them\n"
    )
    assert named(library_here) == {"both.png 0": "Ann", "both.png 1": "Bob", "bob.png 1": "Bob"}
    assert contents(photos) == before
    assert journal(library_here) == ["import"]  # one change, which can be taken back as one
    again = run_here("import", photos)
    assert again.out.startswith("faces    0 named; 3 already had that name")
    assert "no face was added: " in again.err  # the library has the tests' tower
    assert journal(library_here) == ["import"]


@pytest.mark.parametrize("form", ["lightroom", "digikam", "microsoft"])
def test_every_programs_regions_are_read(library_here: Path, photos: Path, form: str) -> None:
    area = (0.25, 0.5, 0.45, 0.9)
    text = samples.digikam("Ann", *area)
    if form == "lightroom":
        text = samples.lightroom(samples.lightroom_region("Ann", *area), size=(80, 40))
    elif form == "microsoft":
        text = text[: text.index("   <mwg-rs:Regions")] + text[text.index("  </rdf:Description>") :]
    (photos / "both.xmp").write_text(text, encoding="utf-8")
    with Library.open(library_here, writable=True) as library:
        summary = import_names(library, [photos])
    assert (summary.regions, summary.faces_named, summary.unmatched) == (1, 1, [])
    assert named(library_here) == {"both.png 0": "Ann"}


def test_what_is_in_the_photo_counts_less_than_its_sidecar(tmp_path: Path) -> None:
    photo = tmp_path / "photos" / "both.jpg"
    photo.parent.mkdir()
    picture = Image.open(draw(tmp_path / "both.png", ANN, BOB, SOMEBODY))
    embedded = samples.lightroom(
        samples.lightroom_region("Old", 1 / 6, 0.5, 0.3, 0.9),
        samples.lightroom_region("Bob", 0.5, 0.5, 0.3, 0.9),
        size=(120, 40),
    )
    picture.save(photo, quality=95, xmp=embedded.replace('tiff:Orientation="6"', "").encode())
    sidecar(photo, "Ann", None, None)
    with Library.create(tmp_path / "library", MODELS) as library:
        index(library, photo.parent)
        summary = import_names(library, [photo])
    assert (summary.conflicts, summary.unmatched) == ([], [])
    assert named(tmp_path / "library") == {"both.jpg 0": "Ann", "both.jpg 1": "Bob"}


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif", ".heic"])
def test_packets_are_read_in_every_format(tmp_path: Path, suffix: str) -> None:
    import pillow_heif
    from PIL import PngImagePlugin, TiffImagePlugin

    pillow_heif.register_heif_opener()
    photo = tmp_path / "photos" / f"ann{suffix}"
    photo.parent.mkdir()
    text = samples.lightroom(samples.lightroom_region("Ann", 0.5, 0.5, 0.9, 0.9), size=(80, 40)).encode()
    picture = Image.open(draw(tmp_path / "ann.png", ANN, ANN))
    if suffix == ".png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", text.decode())
        picture.save(photo, pnginfo=info)
    elif suffix == ".tif":
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[700] = text
        tags.tagtype[700] = 1
        picture.save(photo, tiffinfo=tags)
    else:
        picture.save(photo, xmp=text, quality=95)
    with Library.create(tmp_path / "library", MODELS) as library:
        index(library, photo.parent)
        summary = import_names(library, [photo.parent])
    assert (summary.regions, summary.skipped) == (1, [])


def test_whoever_has_a_name_keeps_it(run_here: CommandLine, library_here: Path, photos: Path) -> None:
    with Library.open(library_here, writable=True) as library:
        name_faces(library, tile_0="Anna")
    sidecar(photos / "both.png", "Ann", "Bob")
    ran = run_here("import", photos)
    assert ran.err.endswith("is Anna in the library, kept; Ann in the photo's metadata\n")
    assert named(library_here) == {"both.png 0": "Anna", "both.png 1": "Bob"}
    (conflict,) = json.loads(run_here("import", photos, "--json").out)["conflicts"]
    assert (conflict["name"], conflict["other"]) == ("Anna", "Ann")


def test_a_rejected_face_stays_rejected(run_here: CommandLine, library_here: Path, photos: Path) -> None:
    with Library.open(library_here, writable=True) as library, library.changing():
        ann = library.people.named("Ann")
        face = library.catalog.faces_in(library.catalog.photo_ids().values())[0]
        with library.people.change("reject") as change:
            change.reject(ann, [face.face_id])
    sidecar(photos / "both.png", "Ann", "Bob")
    ran = run_here("import", photos)
    assert f"face #{face.face_id} was rejected for Ann" in ran.err
    assert named(library_here) == {"both.png 1": "Bob"}


def test_an_import_can_be_taken_back_as_one(run_here: CommandLine, library_here: Path, photos: Path) -> None:
    sidecar(photos / "both.png", "Ann", "Bob")
    run_here("import", photos)
    assert run_here("people", "undo").code == 0
    assert named(library_here) == {}
    with Library.open(library_here) as library:
        assert library.people.names() == {}


def test_whoever_was_imported_can_be_forgotten(run_here: CommandLine, library_here: Path, photos: Path) -> None:
    sidecar(photos / "both.png", "Annemarie", "Beatrice")
    run_here("import", photos)
    assert run_here("forget", "Annemarie").code == 0  # it searches every file of the library for the name
    assert named(library_here) == {"both.png 1": "Beatrice"}
    assert b"Annemarie" not in b"".join(file.read_bytes() for file in library_here.iterdir())


def test_a_person_who_was_renamed_is_known_by_the_former_name_too(
    run_here: CommandLine, library_here: Path, photos: Path
) -> None:
    sidecar(photos / "both.png", "Ann", None)
    run_here("import", photos)
    run_here("people", "name", "Ann", "Ann  Smith")
    sidecar(photos / "sub" / "bob.png", None, "Ann", "Ann Smith")
    ran = run_here("import", photos)
    assert (ran.err, ran.out.splitlines()[0]) == ("", "faces    2 named; 1 already had that name")
    assert set(named(library_here).values()) == {"Ann Smith"}


def test_two_copies_that_disagree_are_said(run_here: CommandLine, library_here: Path, photos: Path) -> None:
    (photos / "copy.png").write_bytes((photos / "both.png").read_bytes())
    sidecar(photos / "both.png", "Ann", None)
    sidecar(photos / "copy.png", "Carl", None)
    assert "is Ann in the library, kept; Carl in the photo's metadata" in run_here("import", photos).err
    assert named(library_here) == {"both.png 0": "Ann"}


def test_a_named_face_leaves_its_group_and_nobody_else_does(library_here: Path, photos: Path) -> None:
    with Library.open(library_here, writable=True) as library:
        with library.changing():
            bobs = [face for face in library.catalog.faces_in([1, 2]) if int(face.box[0]) == 40]
            library.people.label(library.people.add(), [face.face_id for face in bobs], "group")
            anns = [face for face in library.catalog.faces_in([1, 2]) if int(face.box[0]) == 0]
            library.people.label(library.people.add(), [face.face_id for face in anns], "group")
        sidecar(photos / "both.png", "Ann", "Bob")
        import_names(library, [photos])
        assert sorted(name or "" for name in library.people.names().values()) == ["", "Ann", "Bob"]
    assert named(library_here) == {"both.png 0": "Ann", "both.png 1": "Bob"}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_there_and_back_is_the_same(tmp_path: Path, orientation: int) -> None:
    """Export, a library that knows nobody, import: everybody has the name that they had; then nothing is left to do."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = tmp_path / "photos" / "a.png"
    photo.parent.mkdir()
    stored = Image.open(draw(tmp_path / "a.png", ANN, WHITE, BOB))
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    if orientation in turns:
        stored = stored.transpose(Image.Transpose(turns[orientation]))
    stored.save(photo, exif=exif)
    with Library.create(tmp_path / "first", MODELS) as library:
        index(library, photo.parent)
        name_faces(library, tile_0="Ann", tile_2="Bob")
        export_sidecars(library)
        nothing = import_names(library, [photo.parent])
        assert (nothing.faces_named, nothing.faces_same, nothing.conflicts) == (0, 2, [])
    with Library.create(tmp_path / "second", MODELS) as library:
        index(library, photo.parent)
        assert import_names(library, [photo.parent]).faces_named == 2
        before = contents(photo.parent)
        assert export_sidecars(library).sidecars_unchanged == 1
    assert contents(photo.parent) == before
    assert named(tmp_path / "second") == named(tmp_path / "first") == {"a.png 0": "Ann", "a.png 2": "Bob"}


@exiftool.needs_exiftool
def test_regions_that_exiftool_wrote_into_a_photo_are_read(tmp_path: Path) -> None:
    photo = tmp_path / "photos" / "a.jpg"
    photo.parent.mkdir()
    Image.open(draw(tmp_path / "a.png", ANN, BOB)).save(photo, quality=95)
    area = "Area={X=0.75,Y=0.5,W=0.4,H=0.9,Unit=normalized}"
    info = f"{{AppliedToDimensions={{W=80,H=40,Unit=pixel}},RegionList=[{{{area},Name=Zoë,Type=Face}}]}}"
    exiftool.write(photo, f"-RegionInfo={info}")
    with Library.create(tmp_path / "library", MODELS) as library:
        index(library, photo.parent)
        import_names(library, [photo])
        assert export_sidecars(library).sidecars_new == 0  # the photo says it already
    assert named(tmp_path / "library") == {"a.jpg 1": "Zoë"}


def test_a_sidecar_alone_may_be_given(run_here: CommandLine, library_here: Path, photos: Path) -> None:
    given = sidecar(photos / "both.png", "Ann", None)
    sidecar(photos / "sub" / "bob.png", None, "Bob", None)
    assert run_here("import", given).code == 0
    assert named(library_here) == {"both.png 0": "Ann"}
    (photos / "alone.xmp").write_text(samples.plain(), encoding="utf-8")
    assert "alone.xmp: has no photo beside it that it belongs to" in run_here("import", photos / "alone.xmp").err
    assert run_here("import", photos / "none.xmp").code == 3


def test_damaged_sidecars_and_unknown_photos_are_said(run_here: CommandLine, library_here: Path, photos: Path) -> None:
    sidecar(photos / "both.png", "Ann", "Bob").write_bytes(b"<x")
    sidecar(draw(photos / "new.png", SOMEBODY), "Carl")
    draw(photos / "new without a name.png", SOMEBODY, ANN)
    ran = run_here("import", photos)
    assert ran.code == 0
    assert "both.png.xmp: is not well-formed XML" in ran.err
    assert "new.png has names, but is not in the library: run facesearch index first" in ran.err
    assert "without a name" not in ran.err
    assert named(library_here) == {}


def test_json_has_the_documented_keys(run_here: CommandLine, library_here: Path, photos: Path) -> None:
    with Library.open(library_here, writable=True) as library:
        name_faces(library, tile_0="Anna")
        with library.changing(), library.people.change("reject") as change:
            faces = [face for face in library.catalog.faces_in([1, 2]) if int(face.box[0]) == 80]
            change.reject(library.people.named("Bob"), [face.face_id for face in faces])
    sidecar(photos / "sub" / "bob.png", "A ghost", "Bob", "Bob")
    sidecar(draw(photos / "new.png", SOMEBODY), "Carl")
    (photos / "broken.png").touch()
    without_area = sidecar(photos / "both.png", "Ann", "Bob")
    without_area.write_text(without_area.read_text().replace('stArea:x="0.75"', 'stArea:x="right"'))
    assert keys_of(json.loads(run_here("import", photos, "--json").out)) == documented_keys("import")
