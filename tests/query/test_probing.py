"""Several probes and folders of probes in one process: the same answers as one by one, and a reason for bad photos."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from support.command_line import CommandLine

from facesearch.demo import write_album

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def probed_album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_album(tmp_path_factory.mktemp("album"), 2, 2, seed=4).directory / "people"


@pytest.fixture
def commands(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, probed_album: Path, tower: Path
) -> CommandLine:
    """Commands in a library of the album."""
    monkeypatch.setenv("FACESEARCH_TOWER", str(tower))
    monkeypatch.setenv("FACESEARCH_LIBRARY", str(tmp_path / "library"))
    commands = CommandLine(capsys)
    assert commands("index", probed_album).code == 0
    return commands


def photos_of(album: Path) -> list[Path]:
    return sorted(album.rglob("*.jpg"))


def test_several_photos_are_answered_as_one_at_a_time(commands: CommandLine, probed_album: Path) -> None:
    first, second, *_ = photos_of(probed_album)
    both = commands("query", first, second, "--json")
    alone = [json.loads(commands("query", photo, "--json").out) for photo in (first, second)]
    assert (both.code, json.loads(both.out)) == (0, {"answers": alone, "unanswered": []})
    in_words = "\n".join(commands("query", photo).out for photo in (first, second))
    assert commands("query", first, second).out == in_words


def test_a_folder_is_all_of_its_photos_in_order(commands: CommandLine, probed_album: Path) -> None:
    answers = json.loads(commands("query", probed_album, "--faces", "-k", "1", "--json").out)["answers"]
    assert [answer["photo"] for answer in answers] == list(map(str, photos_of(probed_album)))
    assert [answer["faces"][0]["photos"][0]["photo"] for answer in answers] == list(map(str, photos_of(probed_album)))


def test_a_folder_of_one_photo_is_a_folder_still(commands: CommandLine, probed_album: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    shutil.copy(photos_of(probed_album)[0], tmp_path / "one")
    assert len(json.loads(commands("query", tmp_path / "one", "--json").out)["answers"]) == 1


def test_bad_photos_of_a_folder_are_named_and_no_error(
    commands: CommandLine, probed_album: Path, tmp_path: Path
) -> None:
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed" / "a.jpg").write_bytes(b"")
    shutil.copy(photos_of(probed_album)[0], tmp_path / "mixed" / "b.jpg")
    ran = commands("query", tmp_path / "mixed", "--json")
    answered = json.loads(ran.out)
    assert ran.code == 0
    assert [answer["photo"] for answer in answered["answers"]] == [str(tmp_path / "mixed" / "b.jpg")]
    (failed,) = answered["unanswered"]
    assert failed == {"photo": str(tmp_path / "mixed" / "a.jpg"), "reason": failed["reason"]}
    assert "is empty" in failed["reason"]
    assert "a.jpg: is empty" in ran.err
    page = (
        (ROOT / "docs" / "reference" / "json.md")
        .read_text(encoding="utf-8")
        .split("## `facesearch query PHOTO... --json`")[1]
    )
    keys = set(re.findall(r"^\| `(.+?)` \|", page.split("\n## ")[0], re.MULTILINE))
    assert keys == {*answered, *(f"unanswered[].{key}" for key in failed)}


def test_a_bad_photo_among_those_named_is_an_error_after_the_rest(
    commands: CommandLine, probed_album: Path, tmp_path: Path
) -> None:
    ran = commands("query", tmp_path / "gone.jpg", photos_of(probed_album)[0], "--json")
    assert ran.code == 3
    assert len(json.loads(ran.out)["answers"]) == 1
    assert "gone.jpg" in ran.err


def test_no_answer_at_all_is_an_error(commands: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.jpg").write_bytes(b"")
    assert commands("query", tmp_path / "bad").code == 3
    (tmp_path / "empty").mkdir()
    ran = commands("query", tmp_path / "empty", "--json")
    assert (ran.code, json.loads(ran.out)) == (0, {"answers": [], "unanswered": []})
