"""`facesearch import` against real libraries: names out of sidecars, photos and lists."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from support import exiftool
from support import sidecar_samples as samples
from support.command_line import CommandLine
from support.documents import documented_keys, keys_of
from support.named_tiles import ANN, BOB, SOMEBODY, contents, index, name_faces
from support.tiles import MODELS, draw

from facesearch.exchange import export_sidecars, import_names
from facesearch.library import Library

WHITE = (255, 255, 255)


def named(path: Path) -> dict[str, str]:
    """Who is where in the library: names by photo and column of tiles."""
    with Library.open(path) as library:
        files = {photo: Path(name.decode()).name for name, _, photo, _ in library.files.of(range(100))}
        return {
            f"{files[face.photo_id]} {int(face.box[0]) // 40}": face.name
            for face in library.catalog.faces_in(library.catalog.photo_ids().values())
            if face.name is not None
        }


def journal(path: Path) -> list[str]:
    with Library.open(path) as library:
        return [row[0] for row in library._database.rows("SELECT action FROM journal ORDER BY id")]


def sidecar(photo: Path, *names: str | None, kind: str = "Face") -> Path:
    """Lightroom's sidecar of a photo of tiles, with a region for each tile."""
    share = 1 / len(names)
    regions = [
        samples.lightroom_region(name, (place + 0.5) * share, 0.5, share * 0.9, 0.9, kind=kind)
        for place, name in enumerate(names)
        if name is not None
    ]
    path = photo.with_name(f"{photo.name}.xmp")
    path.write_text(samples.lightroom(*regions, size=(len(names), 1)), encoding="utf-8")
    return path


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


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_list_names_the_same_faces_wherever_the_photos_are(
    run_here: CommandLine, library_here: Path, photos: Path, tmp_path: Path, form: str
) -> None:
    with Library.open(library_here, writable=True) as library:
        name_faces(library, tile_0='Ann, "the" Zoë\u2009', tile_1="Bob")
    run_here("export", "--format", form, "--out", tmp_path / f"list.{form}")
    photos.rename(tmp_path / "elsewhere")
    with Library.create(tmp_path / "other", MODELS) as library:
        index(library, tmp_path / "elsewhere")
    ran = run_here("import", tmp_path / f"list.{form}", "--library", tmp_path / "other")
    assert ran.out.startswith("faces    3 named, 2 new people")
    assert set(named(tmp_path / "other").values()) == {'Ann, "the" Zoë', "Bob"}
    assert run_here("import", tmp_path / f"list.{form}").out.startswith("faces    0 named; 3 already had that name")


def as_semicolons(csv: str) -> str:
    return "sep=;\r\n" + csv.replace(",", ";")


@pytest.mark.parametrize(
    "rewritten",
    [
        lambda csv: as_semicolons(csv).encode("utf-16"),
        lambda csv: as_semicolons(csv).replace(".0", ",0").encode("utf-8-sig"),
        lambda csv: csv.replace(",", "\t").replace("photo", "Photo").encode("utf-16-be"),
    ],
)
def test_a_list_that_a_spreadsheet_has_saved_is_read_as_the_other_importer_reads_it(
    run_here: CommandLine, library_here: Path, photos: Path, tmp_path: Path, rewritten: Callable[[str], bytes]
) -> None:
    with Library.open(library_here, writable=True) as library:
        name_faces(library, tile_0="Zoë", tile_1="Bob")
    run_here("export", "--format", "csv", "--out", tmp_path / "list.csv")
    content = rewritten((tmp_path / "list.csv").read_text(encoding="utf-8"))
    (tmp_path / "list.csv").write_bytes(content if content[:1] != b"\0" else b"\xfe\xff" + content)
    with Library.create(tmp_path / "other", MODELS) as library:
        index(library, photos)
    ran = run_here("import", tmp_path / "list.csv", "--library", tmp_path / "other")
    assert ran.out.startswith("faces    3 named, 2 new people"), ran.err
    assert set(named(tmp_path / "other").values()) == {"Zoë", "Bob"}


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_list_is_read_from_a_pipe(
    run_here: CommandLine, library_here: Path, photos: Path, tmp_path: Path, form: str
) -> None:
    with Library.open(library_here, writable=True) as library:
        name_faces(library, tile_0="Ann")
    run_here("export", "--format", form, "--out", tmp_path / "list")
    with Library.create(tmp_path / "other", MODELS) as library:
        index(library, photos)
    reading, writing = os.pipe()
    os.write(writing, (tmp_path / "list").read_bytes())
    os.close(writing)
    ran = run_here("import", f"/dev/fd/{reading}", "--library", tmp_path / "other")
    os.close(reading)
    assert ran.out.startswith("faces    1 named, 1 new person"), ran.err


def test_a_name_in_another_encoding_is_refused_with_its_line(run_here: CommandLine, tmp_path: Path) -> None:
    line = "photo,sha256,x1,y1,x2,y2,name\na.jpg,,1,2,3,4,Müller\n"
    (tmp_path / "a.csv").write_bytes(line.encode("cp1252"))
    ran = run_here("import", tmp_path / "a.csv")
    assert (ran.code, ran.out) == (2, "")
    assert "line 2:" in ran.err
    assert "is not in UTF-8: save the list as that" in ran.err


LONE_SURROGATE = (
    '{"facesearch": "people", "version": 1, "photos": [{"photo": "/a\\ud800.jpg", "sha256": "", '
    '"faces": [{"name": "A", "box": [1, 2, 3, 4]}]}]}'
)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", "{}"),
        ("a.json", "[" * 100_000),
        ("a.json", '{"facesearch": "people", "version": 2, "photos": []}'),
        ("a.json", '{"facesearch": "people", "version": 1, "photos": [{"faces": [{"name": "A", "box": [1, 2]}]}]}'),
        ("a.csv", "photo,name\na.jpg,Ann\n"),
        ("a.json", LONE_SURROGATE),
        ("a.csv", "photo,sha256,x1,y1,x2,y2,name\na.jpg,,1,2,3,nan,Ann\n"),
    ],
)
def test_a_file_that_is_no_list_is_refused(run_here: CommandLine, tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    ran = run_here("import", tmp_path / name)
    assert (ran.code, ran.out) == (2, "")
    assert "is not a list written by facesearch export" in ran.err


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


# Photos that are not what the metadata speaks of


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


# Picasa


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


def test_lists_of_other_programs_among_what_is_given_are_passed_over(
    run_here: CommandLine, library_here: Path, photos: Path
) -> None:
    given = [photos / "both.png", sidecar(photos / "both.png", "Ann", "Bob"), photos / "a.json", photos / "b.csv"]
    given[2].write_text('{"title": "IMG.jpg"}', encoding="utf-8")
    given[3].write_text("date,amount\n", encoding="utf-8")
    ran = run_here("import", *given)
    assert (ran.code, named(library_here)) == (0, {"both.png 0": "Ann", "both.png 1": "Bob"})
    assert "a.json: is not a list written by facesearch export" in ran.err
    assert "b.csv: is not a list written by facesearch export" in ran.err
    assert run_here("import", given[2]).code == 2
