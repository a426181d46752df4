"""`facesearch doctor`: what it finds, when it fails, and that nothing private is in it."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import sys
import tomllib
from contextlib import closing
from pathlib import Path

import pytest
from support.command_line import CommandLine
from support.documents import ROOT, documented_keys, keys_of
from support.ordinary_user import acting_as_ordinary_user
from support.people_library import create, draw_album

from facesearch.api.installed import PACKAGES
from facesearch.library import LOCK_NAME, health
from facesearch.library.health import health_of
from facesearch.library.lock import WriterLock
from facesearch.people import name_person
from facesearch.vision import runtime
from facesearch.vision.tower.tower import SHIPPED_TOWER, read_card

USER, PERSON, PHOTO, TOWER = "Zacharias", "Wilhelmine", "Ottilie", "Quirin"
PRIVATE = re.compile("|".join((USER, PERSON, PHOTO, TOWER)), re.IGNORECASE)


@pytest.fixture
def run_doctor(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(capsys)


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library with names in its rows, to be copied."""
    folder = tmp_path_factory.mktemp("doctor")
    album = draw_album(folder / PHOTO, 1)
    with create(folder / "library", album) as library:
        name_person(library, 1, PERSON)
    return folder / "library"


@pytest.fixture
def home(tmp_path: Path, pattern: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder in which everything bears a name."""
    home = tmp_path / USER
    shutil.copytree(pattern, home / PHOTO)
    shutil.copytree(SHIPPED_TOWER, home / TOWER)
    card = home / TOWER / "tower.json"
    card.write_text(json.dumps({**json.loads(card.read_text(encoding="utf-8")), "name": TOWER}), encoding="utf-8")
    for variable, value in {
        "HOME": home,
        "USER": USER,
        "LOGNAME": USER,
        "FACESEARCH_LIBRARY": home / PHOTO,
        "FACESEARCH_TOWER": home / TOWER,
        "FACESEARCH_CACHE": home / "cache",
    }.items():
        monkeypatch.setenv(variable, str(value))
    monkeypatch.chdir(home)
    return home


def _execute(home: Path, *statements: str) -> None:
    with closing(sqlite3.connect(home / PHOTO / "library.db")) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def _built_by_the_tower_at_hand(home: Path) -> None:
    sha256 = read_card(home / TOWER).sha256
    _execute(home, f"UPDATE settings SET value = '{sha256}' WHERE key = 'tower'")


def _newer(home: Path) -> None:
    _execute(home, "PRAGMA user_version = 999")


def _older(home: Path) -> None:
    _built_by_the_tower_at_hand(home)
    _execute(home, "PRAGMA user_version = 9")


def _foreign(home: Path) -> None:
    _execute(home, "PRAGMA application_id = 1")


def _damaged(home: Path) -> None:
    (home / PHOTO / "library.db").write_bytes(f"{PERSON}, and no database at all".encode() * 99)


def _missing(home: Path) -> None:
    shutil.rmtree(home / PHOTO)


def _tower_without_weights(home: Path) -> None:
    (home / TOWER / "tower.keras").unlink()


def _nowhere_to_make_one(home: Path) -> None:
    shutil.rmtree(home / PHOTO)
    (home / PHOTO).write_text("a file where the folder would be")


def _no_cache(home: Path) -> None:
    _built_by_the_tower_at_hand(home)
    (home / "cache").write_text("a file where the folder would be")


STATES = {
    "current": (_built_by_the_tower_at_hand, 0, "version .*, the current one"),
    "another tower's": (lambda home: None, 5, "its tower +broken: not the tower above"),
    "newer": (_newer, 4, "broken: version 999; this facesearch writes"),
    "older": (_older, 0, "note: version 9; this facesearch writes"),
    "foreign": (_foreign, 4, "broken: a database of another program"),
    "damaged": (_damaged, 4, "broken: cannot be read"),
    "missing": (_missing, 0, "none there yet"),
    "impossible": (_nowhere_to_make_one, 4, "library +broken: none there, and none can be made there"),
    "no weights": (_tower_without_weights, 5, "tower +broken: missing or damaged"),
    "no cache": (_no_cache, 0, "cache +note: no folder that can be written"),
}


@pytest.mark.parametrize("state", STATES)
def test_each_state_is_found_and_told_without_a_private_word(run_doctor: CommandLine, home: Path, state: str) -> None:
    prepare, code, told = STATES[state]
    prepare(home)
    ran = run_doctor("doctor")
    assert re.search(told, ran.out), ran.out
    as_json = run_doctor("--debug", "doctor", "--json")
    named = run_doctor("doctor", "--library", home / PHOTO, "--tower", home / TOWER)
    assert (ran.code, as_json.code, named.code) == (code, code, code)
    assert json.loads(as_json.out)["exit_code"] == code
    for printed in (ran, as_json, named):
        assert not PRIVATE.search(printed.out + printed.err)
        assert str(home.parent) not in printed.out + printed.err


def test_a_library_that_cannot_be_written_is_told(
    run_doctor: CommandLine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _built_by_the_tower_at_hand(home)
    database = (home / PHOTO / "library.db").read_bytes()
    with acting_as_ordinary_user() as folder:
        (folder / "library").mkdir(0o700)
        (folder / "library" / "library.db").write_bytes(database)
        assert health_of(folder / "library").is_writable
        (folder / "library").chmod(0o500)
        assert (health_of(folder / "library").state, health_of(folder / "library").is_writable) == ("current", False)
        (folder / "library").chmod(0o700)
    assert "its folder" not in run_doctor("doctor").out
    monkeypatch.setattr(health, "_is_writable", lambda folder: False)
    ran = run_doctor("doctor")
    assert (ran.code, re.search("its folder +note: cannot be written by you", ran.out) is not None) == (0, True)


def test_the_size_of_the_cache_is_told(run_doctor: CommandLine, home: Path) -> None:
    _built_by_the_tower_at_hand(home)
    before = re.search(r"cache +(\d+) compiled networks, \d+ MB\n", run_doctor("doctor").out)
    assert before is not None
    for name in (f"{7:032x}.blob", "crops.npy"):
        with (home / "cache" / name).open("wb") as file:
            file.truncate(50_000_000)
    assert re.search(
        rf"cache +{int(before[1]) + 1} compiled networks, \d+ MB; data of train, 50 MB\n", run_doctor("doctor").out
    )


def test_the_private_words_are_where_another_command_prints_them(run_doctor: CommandLine, home: Path) -> None:
    _built_by_the_tower_at_hand(home)
    printed = run_doctor("status").out + run_doctor("people", "list").out + run_doctor("photos").out
    assert {word.lower() for word in PRIVATE.findall(printed)} >= {USER.lower(), PERSON.lower(), PHOTO.lower()}


def test_a_writer_at_work_is_told_without_its_number(run_doctor: CommandLine, home: Path) -> None:
    assert "nobody is writing" in run_doctor("doctor").out
    with WriterLock(home / PHOTO / LOCK_NAME):
        assert "another process is writing to it\n" in run_doctor("doctor").out


def test_a_package_that_is_missing_comes_with_how_to_get_it(
    run_doctor: CommandLine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _built_by_the_tower_at_hand(home)
    monkeypatch.setitem(sys.modules, "rawpy", None)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    ran = run_doctor("doctor")
    assert (ran.code, 'pip install "rawpy' in ran.out) == (0, True)
    assert "for train, and a GPU: pip install tensorflow" in ran.out
    runtime._core.cache_clear()
    monkeypatch.setitem(sys.modules, "openvino", None)
    ran = run_doctor("doctor")
    runtime._core.cache_clear()
    assert (ran.code, re.search("openvino +broken: missing", ran.out) is not None) == (1, True)
    assert not PRIVATE.search(ran.out + ran.err)


def test_each_part_of_an_extra_counts_and_what_few_need_is_no_note(
    run_doctor: CommandLine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _built_by_the_tower_at_hand(home)
    before = json.loads(run_doctor("doctor", "--json").out)["findings"]
    for module in ("av", "jinja2", "ray"):
        monkeypatch.setitem(sys.modules, module, None)
    after = json.loads(run_doctor("doctor", "--json").out)["findings"]
    new = {each["name"]: each for each in after if each not in before and each["area"] == "packages"}
    assert {name: each["state"] for name, each in new.items()} == {"av": "note", "jinja2": "note", "ray": "ok"}
    assert new["ray"]["value"] == "not installed"
    for name, words in (("av", "for videos: pip install"), ("jinja2", "for facesearch serve"), ("ray", "for index --")):
        assert new[name]["advice"].startswith(words)
    assert [each for each in after if each["name"] == "VIDEO"] == []


def test_every_package_that_is_required_is_looked_at() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = {re.split(r"[^\w-]", one)[0] for one in project["dependencies"]}
    assert required <= {name for package in PACKAGES for name in package.distributions}


def test_json_has_the_documented_keys(run_doctor: CommandLine, home: Path) -> None:
    assert keys_of(json.loads(run_doctor("doctor", "--json").out)) == documented_keys("doctor")
