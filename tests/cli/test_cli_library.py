"""The commands end to end: photos on disk, the real detector, a real library, a tower from a file."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image
from support.command_line import CommandLine
from support.documents import documented_keys, keys_of
from support.small_tower import write_small_tower

from facesearch import cli
from facesearch.api.library import open_library
from facesearch.demo import write_album
from facesearch.evaluation.calibration import Calibration
from facesearch.indexing import IndexProgress
from facesearch.library import Library
from facesearch.vision.tower.tower import read_card, write_card

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def portrait_album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people, two portraits each, and a group photo of some of them."""
    return write_album(tmp_path_factory.mktemp("album"), 3, 2, seed=4).directory


@pytest.fixture(scope="session")
def portrait_library(tmp_path_factory: pytest.TempPathFactory, tower: Path, portrait_album: Path) -> Path:
    """A library of the portraits, named after their folders. Read it only."""
    library = tmp_path_factory.mktemp("indexed") / "library"
    with pytest.raises(SystemExit) as exit_info:
        cli.main(
            [
                "index",
                str(portrait_album / "people"),
                "--people-from-folders",
                f"--library={library}",
                f"--tower={tower}",
            ]
        )
    assert exit_info.value.code == 0
    return library


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tower: Path, portrait_library: Path) -> None:
    monkeypatch.setenv("FACESEARCH_TOWER", str(tower))
    monkeypatch.setenv("FACESEARCH_LIBRARY", str(portrait_library))


def portrait(album: Path) -> Path:
    return min((album / "people").rglob("*.jpg"))


def write_cut(photo: Path, path: Path) -> Path:
    """A photo without the last twentieth of its bytes."""
    content = photo.read_bytes()
    path.write_bytes(content[: len(content) * 19 // 20])
    return path


def test_a_photo_that_is_cut_off_is_indexed_and_named(run: CommandLine, portrait_album: Path, tmp_path: Path) -> None:
    cut, own = write_cut(portrait(portrait_album), tmp_path / "cut.jpg"), ("--library", tmp_path / "library")
    ran = run("index", cut, *own)
    damage = r"\d\d? % of the picture is missing"
    assert re.fullmatch(rf"facesearch: damaged {cut}: {damage}; 1 face found\n", ran.err)
    assert re.search(r"^photos +1 new, 0 unchanged, 1 damaged but readable$", ran.out, re.MULTILINE)
    head = run("query", cut, *own).out.splitlines()[0]
    assert re.fullmatch(rf"1 face in {cut}, which is damaged: {damage}", head)
    assert re.search(r"^photos +1 in 1 file; 1 damaged$", run("status", *own).out, re.MULTILINE)


def test_index_counts_what_it_did_and_does_only_what_changed(
    run: CommandLine, portrait_album: Path, tmp_path: Path
) -> None:
    shutil.copytree(portrait_album / "people", tmp_path / "photos")
    first = run("index", tmp_path / "photos", "--library", tmp_path / "library")
    assert first.code == 0
    assert re.search(r"^photos +6 new, 0 unchanged$", first.out, re.MULTILINE)
    assert re.search(r"^faces +[5-9] new$", first.out, re.MULTILINE)
    shutil.copy(portrait_album / "groups" / "0001.jpg", tmp_path / "photos")
    second = run("index", tmp_path / "photos", "--library", tmp_path / "library")
    assert re.search(r"^photos +1 new, 6 unchanged$", second.out, re.MULTILINE)


def test_index_names_every_file_that_it_skips_and_does_the_rest(
    run: CommandLine, portrait_album: Path, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    good = portrait(portrait_album).read_bytes()
    (photos / "Zoë 😀 ok.jpg").write_bytes(good)
    (photos / "new\nline.jpg").write_bytes(good[: len(good) // 3])
    (photos / "empty.png").write_bytes(b"")
    (photos / "text.jpg").write_text("no photo")
    ran = run("index", photos, "--library", tmp_path / "library")
    assert ran.code == 0
    assert re.search(r"^photos +1 new, 0 unchanged, 3 skipped$", ran.out, re.MULTILINE)
    lines = ran.err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["facesearch"] * 3
    for name in ("new\\nline.jpg", "empty.png", "text.jpg"):
        assert any(f"{name}: " in line for line in lines)
    again = run("index", photos, "--library", tmp_path / "library")
    assert (again.code, again.err) == (0, "")
    assert "1 unchanged, 3 skipped (3 as before; --rehash tries them again)\n" in again.out
    assert len(run("index", photos, "--rehash", "--library", tmp_path / "library").err.splitlines()) == 3


def test_index_of_a_missing_folder_is_exit_code_3(run: CommandLine, tmp_path: Path) -> None:
    ran = run("index", tmp_path / "gone", "--library", tmp_path / "library")
    assert (ran.code, ran.out) == (3, "")
    assert str(tmp_path / "gone") in ran.err


def test_query_finds_the_photo_itself_first(run: CommandLine, portrait_album: Path) -> None:
    photo = portrait(portrait_album)
    ran = run("query", photo, "--k", "2")
    assert ran.code == 0
    title, _, verdict, heads, first, second, *_ = ran.out.splitlines()
    assert re.fullmatch(r"1 face in .+\.jpg", title)
    assert re.fullmatch(rf"face 1: {photo.parent.name} \(distance 0\.0\d\d\)  \[\d+x\d+ px at \d+,\d+\]", verdict)
    assert heads.split() == ["rank", "person", "distance", "photos", "nearest", "photo"]
    assert re.fullmatch(rf" +1  {photo.parent.name} +0\.0\d\d +2  .*{re.escape(photo.name)}", first)
    assert second.split()[0] == "2"
    assert ran.out.endswith("\nA smaller distance is more alike; up to 0.050 counts as the same person.\n")


def test_query_lists_photos_instead_of_people(run: CommandLine, portrait_album: Path) -> None:
    ran = run("query", portrait(portrait_album), "--faces", "--k", "3")
    assert ran.code == 0
    first = ran.out.splitlines()[4]
    assert re.fullmatch(
        rf" +1  .*{portrait(portrait_album).name} +0\.000  {portrait(portrait_album).parent.name}", first
    )


def test_a_face_without_a_name_is_shown_by_number(run: CommandLine, portrait_album: Path, tmp_path: Path) -> None:
    run("index", portrait(portrait_album), "--library", tmp_path / "library")
    assert re.search(
        r"1  face #1 +0\.000 +1 ", run("query", portrait(portrait_album), "--library", tmp_path / "library").out
    )


def test_the_threshold_decides_who_is_the_same(run: CommandLine, portrait_album: Path) -> None:
    answers = [
        json.loads(run("query", portrait(portrait_album), "--threshold", threshold, "--json").out)
        for threshold in ("0", "99")
    ]
    shares = [[match["same_person"] for face in answer["faces"] for match in face["people"]] for answer in answers]
    assert sum(shares[0]) < len(shares[0]) == sum(shares[1])


def test_a_photo_without_a_face_is_exit_code_3(run: CommandLine, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (300, 200), "white").save(tmp_path / "sky.png")
    sky = tmp_path / "sky.png"
    for command in (["query", sky, "--json"], ["why", sky], ["compare", sky, sky]):
        ran = run(*command)
        assert (ran.code, ran.out) == (3, "")
        assert "sky.png: no face was found: turn it upright, leave more room" in ran.err


def test_index_ends_with_how_many_photos_show_no_face(run: CommandLine, portrait_album: Path, tmp_path: Path) -> None:
    from PIL import Image

    photos = tmp_path / "photos"
    shutil.copytree(portrait(portrait_album).parent, photos)
    Image.new("RGB", (300, 200), "white").save(photos / "sky.png")
    ran = run("index", photos, "--library", tmp_path / "library")
    line = r"^no face +1 of 3 photos: facesearch photos --without-faces lists them$"
    assert re.search(line, ran.out, re.MULTILINE)
    assert "no face" not in run("index", photos, "--library", tmp_path / "library").out  # nothing is new


def test_a_missing_tower_or_another_than_the_librarys_is_exit_code_5(
    run: CommandLine, portrait_album: Path, tmp_path: Path
) -> None:
    other = run("query", portrait(portrait_album), "--tower", write_small_tower(tmp_path / "other", "other", seed=8))
    assert (other.code, other.out) == (5, "")
    assert re.search(r"built with the tower small \(.*\), not with other \(", other.err)
    missing = run("query", portrait(portrait_album), "--tower", tmp_path / "none")
    assert (missing.code, missing.out) == (5, "")
    assert str(tmp_path / "none") in missing.err


def test_a_query_leaves_the_library_as_it_is(run: CommandLine, portrait_album: Path, portrait_library: Path) -> None:
    before = {path.name: path.read_bytes() for path in portrait_library.iterdir()}
    assert run("query", portrait_album / "groups" / "0001.jpg").code == 0
    assert {path.name: path.read_bytes() for path in portrait_library.iterdir()} == before


def test_a_folder_without_photos_is_told_from_one_whose_photos_are_known(
    run: CommandLine, portrait_album: Path, portrait_library: Path, tmp_path: Path
) -> None:
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "notes.txt").write_text("no photo")
    ran = run("index", tmp_path / "wrong")
    assert ran.code == 0 and "no photos found" in ran.err and "1 file that is not a photo" in ran.out
    assert "no photos found" not in run("index", portrait_album / "people").err


def test_compare_says_how_far(run: CommandLine, portrait_album: Path) -> None:
    photo = portrait(portrait_album)
    ran = run("compare", photo, photo)
    assert (ran.code, ran.out) == (0, "the same person\ndistance 0.000; up to 0.050 counts as the same person\n")


def test_compare_says_which_of_several_faces_it_compared(run: CommandLine, portrait_album: Path) -> None:
    group = portrait_album / "groups" / "0001.jpg"
    faces = len(json.loads(run("query", group, "--json").out)["faces"])
    said = run("compare", group, portrait(portrait_album)).out.splitlines()
    box = json.loads(run("compare", group, portrait(portrait_album), "--json").out)["first_box"]
    size = f"{box[2] - box[0]:.0f}x{box[3] - box[1]:.0f} px at {box[0]:.0f},{box[1]:.0f}"
    assert faces > 1 and len(said) == 3
    assert re.fullmatch(rf"{faces} faces in .*0001\.jpg: the most prominent was compared, \[{size}\]", said[2])


def test_status_says_what_there_is(run: CommandLine, portrait_library: Path) -> None:
    out = run("status").out
    assert str(portrait_library) in out
    assert re.search(r"^photos +6 in 6 files$", out, re.MULTILINE)
    assert re.search(r"^people +3 named$", out, re.MULTILINE)
    assert re.search(r"^tower +small ", out, re.MULTILINE)
    assert re.search(r"^search +exact, on the cpu$", out, re.MULTILINE)
    assert re.search(r"^runs on +cpu", run("status", "--device", "cpu").out, re.MULTILINE)


def test_status_says_how_far_a_run_of_another_command_is(
    run: CommandLine, portrait_album: Path, tmp_path: Path
) -> None:
    library, said = tmp_path / "library", list[str]()

    def ask(now: IndexProgress) -> None:
        if now.done in (0, now.total):
            said.append(run("status", "--library", library).out)
            said.append(run("status", "--library", library, "--json").out)

    with open_library(library) as opened:
        opened.index(portrait_album / "people", on_progress=ask)
    assert re.search(rf"^writing +index: 0 of 6 photos, 0\.0 a second \(process {os.getpid()} since ", said[0], re.M)
    assert re.search(r"^writing +index: 6 of 6 photos, \d+\.\d a second, 0 s left \(process ", said[2], re.M)
    writer = json.loads(said[3])["writer"]
    assert (writer["action"], writer["done"], writer["total"], writer["nodes"]) == ("index", 6, 6, [])
    with Library.open(library, writable=True) as writing:
        assert re.search(rf"^writing +process {os.getpid()} since ", run("status", "--library", library).out, re.M)
        node = {"name": "alpha", "photos": 40, "photos_a_second": 7.94, "in_flight": 2}
        run_of_two = {"action": "reindex", "done": 80, "total": 3000, "photos_a_second": 15.9}
        writing.note_run(run_of_two | {"nodes": [node, node | {"name": "beta"}]})
        nodes = r"^nodes +alpha 7\.9 a second, 2 in flight; beta 7\.9 a second, 2 in flight$"
        assert re.search(nodes, run("status", "--library", library).out, re.M)
        writing.note_run(run_of_two)  # shorter than what was noted before
        assert re.search(r"^writing +reindex: 80 of 3,000 ", run("status", "--library", library).out, re.M)
    assert "writing" not in run("status", "--library", library).out


def test_photos_are_told_from_files_of_other_kinds_and_unreadable_ones(
    run: CommandLine, portrait_album: Path, tmp_path: Path
) -> None:
    photos, library = tmp_path / "photos", tmp_path / "library"
    photos.mkdir()
    shutil.copy(portrait(portrait_album), photos)
    (photos / "empty.jpg").touch()
    (photos / "notes.txt").write_text("no photo")
    indexed = run("index", photos, "--library", library).out
    assert re.search(r"^photos +1 new, 0 unchanged, 1 skipped; 1 file that is not a photo$", indexed, re.MULTILINE)
    assert re.search(r"^photos +1 in 1 file; 1 more could not be read$", run("status", "--library", library).out, re.M)


def test_prune_says_what_it_dropped_and_what_it_kept(run: CommandLine, portrait_album: Path, tmp_path: Path) -> None:
    photos, own = tmp_path / "photos", ("--library", tmp_path / "library")
    shutil.copytree(portrait_album / "people", photos)
    gone, kept = sorted(photos.iterdir())[:2]
    run("index", gone, kept, *own)
    min(gone.iterdir()).unlink()
    run("index", gone, *own)
    kept.rename(tmp_path / "unplugged")
    dry = run("prune", "--dry-run", *own)
    assert re.fullmatch(r"would drop 1 file: 1 photo with [12] faces?\n", dry.out)
    ran = run("prune", *own)
    assert (ran.code, ran.out) == (0, dry.out.replace("would drop", "dropped"))
    said = f"facesearch: {kept} is missing or empty: 2 known files kept; to drop them: facesearch prune FOLDER --force"
    assert ran.err == f"{said}\n"
    unnamed = run("prune", "--force", *own)
    assert unnamed.code == 2
    assert "--force needs the folders to drop" in unnamed.err
    assert run("prune", kept, "--force", *own).out.startswith("dropped 2 files: 2 photos")


def test_reindex_moves_a_library_to_another_tower(
    run: CommandLine, portrait_album: Path, portrait_library: Path, tmp_path: Path
) -> None:
    library, other = tmp_path / "library", write_small_tower(tmp_path / "other", "other", seed=8)
    shutil.copytree(portrait_library, library)
    own = ("--library", library, "--tower", other)
    refused = run("query", portrait(portrait_album), *own)
    assert (refused.code, "facesearch reindex moves it" in refused.err) == (5, True)
    ran = run("reindex", *own)
    assert (ran.code, ran.err) == (0, "")
    assert re.search(r"^photos +6 read$", ran.out, re.MULTILINE)
    assert re.search(r"^tower +other$", ran.out, re.MULTILINE)
    asked = run("query", portrait(portrait_album), "--k", "1", *own)
    assert re.search(rf"1  {portrait(portrait_album).parent.name} +0\.0\d\d +2 ", asked.out)
    assert run("verify", *own).code == 0
    assert run("reindex", *own).out == "nothing to do: the library already uses the tower other\n"


def test_json_has_the_documented_keys(run: CommandLine, portrait_album: Path, tmp_path: Path) -> None:
    photo = portrait(portrait_album)
    asked = [json.loads(run("query", photo, *more, "--json").out) for more in ([], ["--faces"])]
    assert keys_of(asked[0]) | keys_of(asked[1]) == documented_keys("query")
    assert keys_of(json.loads(run("compare", photo, photo, "--json").out)) == documented_keys("compare")
    assert keys_of(json.loads(run("status", "--json").out)) == documented_keys("status")
    (tmp_path / "empty.jpg").write_bytes(b"")
    cut = write_cut(photo, tmp_path / "cut.jpg")
    shutil.copytree(photo.parent, tmp_path / "drive")
    own = ("--library", tmp_path / "library", "--json")
    run("index", tmp_path / "drive", *own)
    (tmp_path / "drive").rename(tmp_path / "unplugged")
    shutil.copytree(photo.parent, tmp_path / "#1")  # no name for a person
    (tmp_path / "Bea").mkdir()
    another = next(each for each in portrait_album.rglob("*.jpg") if each.parent != photo.parent)
    replaced = shutil.copy(another, tmp_path / "Bea")
    run("index", tmp_path / "Bea", "--people-from-folders", *own)
    Image.new("RGB", (64, 64)).save(replaced)
    given = (photo, cut, tmp_path / "empty.jpg", tmp_path / "drive", tmp_path / "#1", tmp_path / "Bea")
    ran = run("index", *given, "--people-from-folders", *own)
    assert keys_of(json.loads(ran.out)) == documented_keys("index")
    shutil.rmtree(tmp_path / "#1")
    assert keys_of(json.loads(run("prune", *own).out)) == documented_keys("prune")
    (tmp_path / "library" / "stray.txt").write_text("not a library's")
    assert keys_of(json.loads(run("verify", *own).out)) == documented_keys("verify")
    assert keys_of(json.loads(run("forget", photo, *own).out)) == documented_keys("forget")
    other = write_small_tower(tmp_path / "tower", "other", seed=8)
    (tmp_path / "Dora").mkdir()
    damaged = shutil.copy(another, tmp_path / "Dora")
    run("index", tmp_path / "Dora", "--people-from-folders", *own)
    Path(damaged).write_bytes(b"")
    moved = [run("reindex", "--tower", other, *own, *more) for more in ([], ["--force"])]
    assert [each.code for each in moved] == [4, 0]
    assert set().union(*(keys_of(json.loads(each.out)) for each in moved)) == documented_keys("reindex")


def photos_in(library: Path) -> int:
    """How many photos a library that is being written holds; none where it is not there yet."""
    try:
        with closing(sqlite3.connect(f"file:{library / 'library.db'}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM photos").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def test_ctrl_c_keeps_what_was_finished(portrait_album: Path, tower: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(400):
        shutil.copy(portrait(portrait_album), photos / f"{number}.jpg")
        with (photos / f"{number}.jpg").open("ab") as stream:
            stream.write(number.to_bytes(2, "big"))  # another content, the same picture
    library = tmp_path / "library"
    program = "from facesearch.cli import main; main()"
    command = [sys.executable, "-c", program, "index", str(photos), "--library", str(library), "--tower", str(tower)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finished = 0
    while not finished and process.poll() is None:
        time.sleep(0.1)
        finished = photos_in(library)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "facesearch: interrupted" in err
    assert re.match(r"photos +\d+ new", out)
    assert finished <= photos_in(library) < 400


def test_a_calibrated_tower_shows_the_probability(
    run: CommandLine, portrait_album: Path, portrait_library: Path, tower: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tower, tmp_path / "calibrated"))
    card = read_card(folder)
    calibration = Calibration((0.0, 1.0), (2.0, -2.0)).to_card()
    write_card(folder, dataclasses.replace(card, calibration=calibration))
    photo = portrait(portrait_album)
    ran = run("compare", photo, photo, "--tower", folder)
    assert ran.out == "probably the same person (88 %)\ndistance 0.000; the probability assumes even odds beforehand\n"
    assert json.loads(run("compare", photo, photo, "--tower", folder, "--json").out)["probability"] == 0.8808
    out = run("query", photo, "--tower", folder).out
    assert re.search(r"rank +person +distance +probability +photos", out)
    answer = json.loads(run("query", photo, "--tower", folder, "--json").out)
    (face,) = answer["faces"]
    first, second = face["people"][:2]
    assert (first["probability"], first["distance"]) == (0.8808, pytest.approx(0, abs=1e-4))
    assert re.search(rf" 0\.0\d\d +{100 * first['posterior']:.1f} % +2 ", out)
    everybody = sum(person["posterior"] for person in face["people"]) + face["nobody"]
    assert everybody == pytest.approx(1, abs=1e-3)  # all of the library is within reach
    assert face["margin"] == pytest.approx(first["posterior"] - second["posterior"], abs=2e-4)
    assert (face["is_nobody"], answer["calibrated_by"], answer["prior"]) == (False, "tower", 0.5)
    assert f"\nface 1: {face['verdict']['text']}  [" in out
    assert out.endswith("Probabilities assume a 50 % chance beforehand that the person is in this library.\n")
    doubtful = run("query", photo, "--tower", folder, "--prior", "0.01")
    assert re.search(r"^face 1: not in this library \(9\d %\)  \[", doubtful.out, re.MULTILINE)
    assert "a 1 % chance" in doubtful.out
    assert run("query", photo, "--tower", folder, "--prior", "1").code == 2
    assert "probability" not in run("query", photo).out
