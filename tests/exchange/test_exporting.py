"""`facesearch export` against real libraries: sidecars, lists, and photos that nothing is written to."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support import exiftool
from support import sidecar_samples as samples
from support.command_line import CommandLine
from support.documents import documented_keys, keys_of
from support.named_tiles import ANN, BOB, COLOURS, SOMEBODY, contents, index, name_faces
from support.tiles import MODELS, TILE_PX, draw

from facesearch.exchange import SidecarOptions, export_sidecars
from facesearch.exchange.faces_file import COLUMNS
from facesearch.exchange.packets import Packet
from facesearch.library import Library


@pytest.fixture
def photos(photos: Path) -> Path:
    """With a copy of the first."""
    shutil.copyfile(photos / "both.png", photos / "sub" / "copy.png")
    return photos


@pytest.fixture
def library_here(library_here: Path) -> Path:
    """With names for Ann and Bob."""
    with Library.open(library_here, MODELS, writable=True) as library:
        name_faces(library, tile_0="Ann", tile_1="Bob")
    return library_here


def names_in(path: Path) -> list[str]:
    return [region.name for region in samples.mwg_regions(Packet(path.read_bytes()))]


# Sidecars


def test_every_photo_and_every_copy_gets_a_sidecar_and_no_photo_is_touched(run_here: CommandLine, photos: Path) -> None:
    before = contents(photos)
    ran = run_here("export")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (
        "sidecars  3 new, 0 changed, 0 unchanged\n"
        "regions   5 added, 0 updated, 0 unchanged\n"
        "total     5 faces of 2 people on 3 photos\n"
    )
    after = contents(photos)
    new = {"both.png.xmp", "sub/bob.png.xmp", "sub/copy.png.xmp"}
    assert {name: after[name] for name in before} == before
    assert set(after) == set(before) | new
    assert [names_in(photos / name) for name in sorted(new)] == [["Ann", "Bob"], ["Bob"], ["Ann", "Bob"]]
    again = run_here("export")
    assert again.out.startswith("sidecars  0 new, 0 changed, 3 unchanged\nregions   0 added, 0 updated, 5 unchanged")
    assert contents(photos) == after


@exiftool.needs_exiftool
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exiftool_reads_the_names_where_the_faces_are_stored(tmp_path: Path, orientation: int) -> None:
    """The photo is stored turned; what exiftool reads is held against the stored pixels."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.open(draw(tmp_path / "upright.png", ANN, (255, 255, 255), BOB))
    turns = {2: [0], 3: [3], 4: [1], 5: [5], 6: [2], 7: [6], 8: [4]}  # Pillow's own numbers, as they are stored
    for turn in turns.get(orientation, []):
        stored = stored.transpose(Image.Transpose(turn))
    photo = tmp_path / "photos" / "turned.png"
    photo.parent.mkdir()
    stored.save(photo, exif=exif)
    with Library.create(tmp_path / "library", MODELS) as library:
        index(library, photo.parent)
        name_faces(library, tile_0="Ann", tile_2="Bob")
        export_sidecars(library)
    read = exiftool.regions(photo.with_name("turned.png.xmp"))
    width, height = stored.size
    assert (read["AppliedToDimensions"]["W"], read["AppliedToDimensions"]["H"]) == (width, height)
    assert sorted(region["Name"] for region in read["RegionList"]) == ["Ann", "Bob"]
    for region in read["RegionList"]:
        x, y, w, h = (float(region["Area"][name]) for name in ("X", "Y", "W", "H"))
        assert (w * width, h * height) == pytest.approx((TILE_PX, TILE_PX), abs=0.01)
        assert stored.convert("RGB").getpixel((int(x * width), int(y * height))) == COLOURS[region["Name"]]


def test_an_existing_sidecar_is_merged(run_here: CommandLine, photos: Path) -> None:
    text = samples.lightroom(samples.lightroom_region("Ann", 0.25, 0.5, 0.5, 1.0), size=(80, 40))
    (photos / "both.xmp").write_text(text, encoding="utf-8")
    assert run_here("export").out.startswith("sidecars  2 new, 1 changed")
    assert not (photos / "both.png.xmp").exists()
    assert names_in(photos / "both.xmp") == ["Ann", "Bob"]
    merged = (photos / "both.xmp").read_text(encoding="utf-8")
    assert all(line in merged for line in text.splitlines())


def test_a_conflict_is_said_and_kept_unless_forced(run_here: CommandLine, photos: Path) -> None:
    text = samples.lightroom(samples.lightroom_region("Carl", 0.25, 0.5, 0.5, 1.0), size=(80, 40))
    (photos / "both.xmp").write_text(text, encoding="utf-8")
    ran = run_here("export")
    assert (
        "both.png: the face at 0,0 is Ann in the library and Carl in the photo's metadata; kept the latter (--force"
        in ran.err
    )
    assert names_in(photos / "both.xmp") == ["Carl", "Bob"]
    assert run_here("export", "--force").err == ""
    assert names_in(photos / "both.xmp") == ["Ann", "Bob"]


def test_a_renamed_person_is_renamed_in_the_sidecars(run_here: CommandLine, photos: Path, library_here: Path) -> None:
    run_here("export")
    with Library.open(library_here, writable=True) as library, library.changing():
        person = library.people.find("Bob")
        assert person is not None
        with library.people.change("name") as change:
            change.update(person, name="Robert", born=None)
    assert "regions   0 added, 3 updated, 2 unchanged" in run_here("export").out
    assert names_in(photos / "both.png.xmp") == ["Ann", "Robert"]


def test_a_forgotten_person_is_withdrawn_from_the_sidecars(run_here: CommandLine, photos: Path) -> None:
    run_here("export")
    run_here("forget", "Bob")
    assert names_in(photos / "sub" / "bob.png.xmp") == ["Bob"]
    dry = run_here("export", "--withdraw", "--dry-run")
    assert "0 updated, 3 removed, 2 unchanged" in dry.out
    assert run_here("export", "--withdraw").out.startswith("sidecars  0 new, 3 changed")
    assert names_in(photos / "both.png.xmp") == ["Ann"]
    assert b"Bob" not in b"".join(content for name, content in contents(photos).items() if name.endswith(".xmp"))
    assert run_here("export", "--withdraw").out.startswith("sidecars  0 new, 0 changed")
    assert run_here("export", "--withdraw", "--person", "Ann").code == 2


def test_a_sidecar_that_is_no_xmp_is_left_alone_and_said(run_here: CommandLine, photos: Path) -> None:
    (photos / "both.png.xmp").write_bytes(b"<x:xmpmeta")
    ran = run_here("export")
    assert ran.code == 0
    assert "both.png.xmp: is not well-formed XML" in ran.err
    assert "it was left unchanged" in ran.err
    assert (photos / "both.png.xmp").read_bytes() == b"<x:xmpmeta"
    assert ran.out.startswith("sidecars  2 new")


@pytest.mark.parametrize("seed", range(15))
def test_no_damage_to_a_sidecar_loses_it(library_here: Path, photos: Path, seed: int) -> None:
    chance = random.Random(seed)
    sidecar = photos / "both.png.xmp"
    whole = samples.lightroom(samples.lightroom_region("Carl", 0.25, 0.5, 0.5, 1.0), size=(80, 40)).encode()
    with Library.open(library_here) as library:
        for _ in range(10):
            before = samples.mutated(whole, chance)
            sidecar.write_bytes(before)
            summary = export_sidecars(library, ["Ann"], SidecarOptions(force=True))
            after = sidecar.read_bytes()
            if any(file.path == sidecar for file in summary.skipped):
                assert after == before
            else:
                assert "Ann" in [region.name for region in samples.mwg_regions(Packet(after))]
            assert sorted(entry.suffix for entry in photos.iterdir()) == ["", ".png", ".xmp"]


def test_photos_that_are_gone_or_others_now_are_said(run_here: CommandLine, photos: Path) -> None:
    (photos / "sub" / "bob.png").unlink()
    draw(photos / "both.png", SOMEBODY, BOB)
    ran = run_here("export")
    assert ran.code == 0
    assert "bob.png: it is missing" in ran.err
    assert "both.png: has changed since it was indexed: run facesearch index" in ran.err
    assert {name for name in contents(photos) if name.endswith(".xmp")} == {"sub/copy.png.xmp"}
    os.utime(photos / "sub" / "copy.png", ns=(1, 1))  # touched, but the same photo
    assert run_here("export").out.startswith("sidecars  0 new, 0 changed, 1 unchanged")


def test_only_the_people_who_are_asked_for(run_here: CommandLine, photos: Path) -> None:
    run_here("export", "--person", "Ann")
    assert {name for name in contents(photos) if name.endswith(".xmp")} == {"both.png.xmp", "sub/copy.png.xmp"}
    assert names_in(photos / "both.png.xmp") == ["Ann"]
    run_here("export", "--person", "2", "--person", "Ann")
    assert names_in(photos / "both.png.xmp") == ["Ann", "Bob"]
    nobody = run_here("export", "--person", "Zoe")
    assert (nobody.code, "nobody in" in nobody.err, "is called Zoe; facesearch people list" in nobody.err) == (
        2,
        True,
        True,
    )
    assert "is called ann.; did you mean Ann?" in run_here("export", "--person", "ann.").err


def test_a_dry_run_writes_nothing(run_here: CommandLine, photos: Path, tmp_path: Path) -> None:
    before = contents(photos)
    assert run_here("export", "--dry-run").out.startswith("sidecars  would be 3 new")
    assert run_here("export", "--format", "csv", "--out", tmp_path / "a.csv", "--dry-run").out.startswith(
        "would write 3"
    )
    assert contents(photos) == before
    assert not (tmp_path / "a.csv").exists()


def test_new_sidecars_are_called_as_adobes_where_that_is_asked_for(run_here: CommandLine, photos: Path) -> None:
    run_here("export", "--sidecar-name", "IMG.xmp", "--keywords")
    assert {name for name in contents(photos) if name.endswith(".xmp")} == {"both.xmp", "sub/bob.xmp", "sub/copy.xmp"}
    assert b"<rdf:li>People/Ann</rdf:li>" in (photos / "both.xmp").read_bytes()


def test_a_folder_that_may_not_be_written_is_said(run_here: CommandLine, photos: Path, monkeypatch: Any) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("facesearch.exchange.sidecars.replace_file", refuse)
    ran = run_here("export")
    assert ran.code == 0
    assert ran.err.count("cannot be written (permission denied): make its folder writable") == 3


# Lists


def listed(out: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(out, newline="")))


def test_csv_has_a_row_for_each_face_in_each_file(run_here: CommandLine, photos: Path) -> None:
    head, *rows = listed(run_here("export", "--format", "csv").out)
    assert head[:2] == ["photo", "sha256"]
    found = [(Path(row[0]).name, *row[4:9]) for row in rows]
    assert found == [
        ("both.png", "0.0", "0.0", "40.0", "40.0", "Ann"),
        ("both.png", "40.0", "0.0", "80.0", "40.0", "Bob"),
        ("copy.png", "0.0", "0.0", "40.0", "40.0", "Ann"),
        ("copy.png", "40.0", "0.0", "80.0", "40.0", "Bob"),
        ("bob.png", "40.0", "0.0", "80.0", "40.0", "Bob"),
    ]


def test_lists_are_private_and_overwrite_nothing(run_here: CommandLine, tmp_path: Path) -> None:
    out = tmp_path / "people.json"
    ran = run_here("export", "--format", "json", "--out", out)
    assert (ran.code, ran.out) == (0, f"wrote 3 faces of 2 people on 2 photos to {out}\n")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    before = out.read_bytes()
    again = run_here("export", "--format", "json", "--out", out)
    assert (again.code, "is there already" in again.err) == (2, True)
    assert run_here("export", "--format", "json", "--out", out, "--force").code == 0
    assert out.read_bytes() == before
    listing = json.loads(before)
    assert (listing["facesearch"], listing["version"], len(listing["photos"])) == ("people", 1, 2)
    assert run_here("export", "--format", "json", "--out", tmp_path / "none" / "a.json").code == 2


def test_groups_without_a_name_are_listed_where_that_is_asked_for(run_here: CommandLine, library_here: Path) -> None:
    with Library.open(library_here, writable=True) as library, library.changing():
        faces = library.catalog.faces_in(library.catalog.photo_ids().values())
        unnamed = [face.face_id for face in faces if face.person_id is None]
        library.people.label(library.people.add(), unnamed, "group")
    assert len(listed(run_here("export", "--format", "csv").out)) == 1 + 5
    rows = listed(run_here("export", "--format", "csv", "--unnamed").out)
    assert [row[8] for row in rows[1:]].count("") == 1
    assert run_here("export", "--unnamed").code == 2  # a sidecar has nothing to say of them


@pytest.mark.parametrize(
    "arguments", [["--out", "x.xmp"], ["--format", "csv", "--keywords"], ["--format", "json", "--json"]]
)
def test_options_that_do_not_go_together_are_refused(run_here: CommandLine, arguments: list[str]) -> None:
    ran = run_here("export", *arguments)
    assert (ran.code, ran.out) == (2, "")


def test_json_has_the_documented_keys(run_here: CommandLine, photos: Path, tmp_path: Path) -> None:
    text = samples.lightroom(samples.lightroom_region("Carl", 0.25, 0.5, 0.5, 1.0), size=(80, 40))
    (photos / "both.xmp").write_text(text, encoding="utf-8")
    (photos / "sub" / "copy.png.xmp").write_bytes(b"")
    summary = json.loads(run_here("export", "--json").out)
    assert (summary["sidecars_new"], summary["people"], len(summary["conflicts"])) == (1, 2, 1)
    lists = {"json": tmp_path / "a.json", "csv": tmp_path / "a.csv"}
    ran = [json.loads(run_here("export", "--format", form, "--out", out, "--json").out) for form, out in lists.items()]
    assert keys_of(summary) | keys_of(ran[0]) == documented_keys("export")
    assert keys_of(ran[0]) == keys_of(ran[1])
    page = (Path(__file__).parents[2] / "docs" / "reference" / "json.md").read_text(encoding="utf-8")
    section = page.split("## The lists of `facesearch export`")[1].split("\n## ")[0]
    documented = {key for row in re.findall(r"^\| (`.+?) \|", section, re.M) for key in re.findall(r"`([^`]+)`", row)}
    assert keys_of(json.loads(lists["json"].read_bytes())) == documented
    assert ", ".join(f"`{column}`" for column in COLUMNS) in " ".join(section.split())
