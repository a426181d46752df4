"""The README is run: its Python examples, its commands, and its help texts."""

from __future__ import annotations

import json
import math
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support.command_line import CommandLine
from support.small_tower import write_small_tower

from facesearch.cli import progress
from facesearch.demo import write_album

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The README's fenced blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and a library that is not the user's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACESEARCH_LIBRARY", str(tmp_path / "default-library"))
    monkeypatch.setenv("FACESEARCH_TOWER", str(write_small_tower(tmp_path / "tower")))
    return tmp_path


def test_the_python_examples_run(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_album(workplace / "demo-album", 4, 2, seed=1, groups=2)
    examples = blocks("python")
    assert len(examples) == 2
    printed = []
    for example in examples:
        exec(compile(example, "README.md", "exec"), {"__name__": "__main__"})
        printed.append(capsys.readouterr().out)
    assert re.match(r"\d+ new faces in 8 new photos\n", printed[0])
    assert re.search(r"^.+: \d\.\d{3}, same person: (True|False)$", printed[0], re.MULTILINE)
    assert re.search(r"^\d+\.\d{3} apart; one person up to \d+\.\d{3}$", printed[0], re.MULTILINE)
    assert printed[1].strip()


def test_the_commands_run_as_written(
    workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_LINE_EVERY_S", math.inf)  # on a slow machine stderr would not be empty
    commands = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    run = CommandLine(capsys)
    names = []
    for command in commands:
        program, *arguments = shlex.split(command, comments=True)
        assert program == "facesearch"
        ran = run(*arguments)
        assert (command, ran.code, ran.err) == (command, 0, "")
        assert ran.out
        if "--json" in arguments:
            json.loads(ran.out)
        names.append(arguments[0])
    assert {"portraits", "index", "query", "compare", "status"} <= set(names)
    assert (workplace / "demo-library").is_dir()
    assert not (workplace / "default-library").exists()  # a trial leaves the user's own library alone


def test_the_answer_on_the_first_screen_is_the_demos() -> None:
    """Runs the whole demo with the shipped tower. Processors round differently: distances may differ a little."""
    shown = re.search(r"<!-- answer -->\n(.*?)<!-- /answer -->", README, re.DOTALL)
    assert shown is not None
    command = [sys.executable, str(ROOT / "scripts" / "update_readme_answer.py"), "--print"]
    fresh = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    advice = "run python scripts/update_readme_answer.py"
    distances = [[float(number) for number in re.findall(r" (\d\.\d{3}) ", text)] for text in (shown[1], fresh)]
    assert len(distances[0]) == len(distances[1]) >= 6, advice
    assert distances[0] == pytest.approx(distances[1], abs=0.03), advice
    heads = [
        [line for line in text.splitlines() if re.match(r"face|  rank|same|\$", line)] for text in (shown[1], fresh)
    ]
    assert [line.split("(")[0].split() for line in heads[0]] == [line.split("(")[0].split() for line in heads[1]], (
        advice
    )
    assert README.index("make demo") < shown.start() < README.index("## Install")


def test_the_help_texts_are_the_programs_own() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "update_readme.py"), "--check"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_every_command_has_its_help_text() -> None:
    from facesearch.cli import app

    names = {info.name or info.callback.__name__ for info in app.registered_commands if info.callback is not None}
    assert {f"facesearch {name}" for name in names} < set(re.findall(r"<!-- help: (.+?) -->", README))


def test_every_command_of_people_has_its_help_text() -> None:
    from facesearch.cli.people import people_app

    commands = [info.name or info.callback.__name__ for info in people_app.registered_commands if info.callback]
    page = (ROOT / "docs" / "people.md").read_text(encoding="utf-8")
    wanted = {f"facesearch people {name.replace('_', '-')}" for name in commands}
    assert wanted == set(re.findall(r"<!-- help: (.+?) -->", page))


def test_outdated_help_texts_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts" / "update_readme.py"
    script.write_text((ROOT / "scripts" / "update_readme.py").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "README.md").write_text(README.replace("Usage: facesearch", "Usage: facebook"), encoding="utf-8")
    check = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert check.returncode == 1
    assert "outdated" in check.stderr
    subprocess.run([sys.executable, str(script)], check=True)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == README


def test_links_to_files_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "train" / "README.md"]
    links = [
        (page.name, link)
        for page in pages
        if page.exists()
        for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]
    assert links == []
