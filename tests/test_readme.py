"""The docs are run: their Python examples and commands; help texts and links are held against the program."""

from __future__ import annotations

import json
import math
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from support.command_line import CommandLine
from support.documents import fault_of

from facesearch.cli import progress
from facesearch.demo import write_album

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str, page: str = README) -> list[str]:
    """A page's fenced blocks in a language, the README's by default."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


@pytest.fixture
def workplace(tmp_path: Path, tower: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and a library that is not the user's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACESEARCH_LIBRARY", str(tmp_path / "default-library"))
    monkeypatch.setenv("FACESEARCH_TOWER", str(tower))
    return tmp_path


def test_the_python_examples_run(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_album(workplace / "demo-album", 4, 2, seed=1, groups=2)
    examples = [*blocks("python"), *blocks("python", (DOCS / "reference" / "python.md").read_text(encoding="utf-8"))]
    assert len(examples) == 6
    printed = []
    for example in examples:
        exec(compile(example, "README.md", "exec"), {"__name__": "__main__"})
        printed.append(capsys.readouterr().out)
    assert re.match(r"8 new faces in 8 new photos\n", printed[0])
    assert re.search(r"^face 1: .+$", printed[0], re.MULTILINE)
    assert re.match(r"0 new faces in 0 new photos\n", printed[1])
    assert re.search(r"^(the same person|different people), distance \d\.\d{3}$", printed[1], re.MULTILINE)
    assert all(out.strip() for number, out in enumerate(printed) if "since=" not in examples[number])  # a year without


def test_the_commands_run_as_written(
    workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_LINE_EVERY_S", math.inf)  # on a slow machine stderr would not be empty
    shown = [line for block in blocks("console") for line in block.splitlines()]
    commands = [line[2:] for line in shown if line.startswith("$ ")]
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
    assert {"demo", "index", "query", "compare", "status"} <= set(names)
    assert (workplace / "demo-library").is_dir()
    assert not (workplace / "default-library").exists()  # a trial leaves the user's own library alone


def test_the_answer_on_the_first_screen_is_the_demos() -> None:
    """Runs the whole demo with the shipped tower. Processors round differently: distances differ a little, and so may
    the numbers of groups, doubtful verdicts, and which stranger comes third."""
    shown = re.search(r"<!-- answer -->\n(.*?)<!-- /answer -->", README, re.DOTALL)
    assert shown is not None
    command = [sys.executable, str(ROOT / "scripts" / "update_readme_answer.py"), "--print"]
    fresh = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    advice = "run python scripts/update_readme_answer.py"
    layouts = [
        [re.sub(r"(unnamed|face) #\d+|[\d.]+", "0", line).split()[:2] for line in text.splitlines() if line.strip()]
        for text in (shown[1], fresh)
    ]
    assert layouts[0] == layouts[1], advice
    nearest = [re.findall(r"^ +1 .*? (\d\.\d{3}) .*?(\S+/.+)$", text, re.MULTILINE) for text in (shown[1], fresh)]
    assert len(nearest[0]) >= 2
    assert [photo for _, photo in nearest[0]] == [photo for _, photo in nearest[1]], advice
    distances = [[float(distance) for distance, _ in rows] for rows in nearest]
    assert distances[0] == pytest.approx(distances[1], abs=0.03), advice
    assert README.index("make demo") < shown.start() < README.index("## Install")


def test_the_examples_of_the_guide_run_and_print_what_it_shows() -> None:
    """Runs all of them with the shipped tower. Numbers, and rows about people, may differ between processors."""
    command = [sys.executable, str(ROOT / "scripts" / "update_guide.py"), "--check"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_other_commands_in_the_guide_are_the_programs() -> None:
    """Commands in code blocks, fenced or indented, and within a sentence: the command and its options exist."""
    for page in [ROOT / "README.md", *(DOCS / "guide").glob("*.md")]:
        text = page.read_text(encoding="utf-8")
        fenced = "\n".join(re.findall(r"^```.*?^```$", text, re.DOTALL | re.MULTILINE))
        lines = re.findall(r"^(?:\$ )?facesearch .+$", fenced, re.MULTILINE)
        lines += re.findall(r"^ {4}(?:\$ )?(facesearch .+)$", text, re.MULTILINE)
        for line in [*lines, *re.findall(r"`facesearch [^`]+`", text)]:
            fault = fault_of(line.strip("`").removeprefix("$ ").partition(" | ")[0])
            assert fault == "", page.name


def test_the_known_faces_of_face_recognition_become_people(
    tmp_path: Path, run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = re.search(r"<!-- known -->\n```bash\n(.*?)```", (DOCS / "guide" / "switch.md").read_text(), re.DOTALL)
    assert shown is not None
    people = write_album(tmp_path / "album", 3, 2, seed=1, groups=0).directory / "people"
    for folder, photo in (("known", 1), ("unknown", 2)):
        (tmp_path / folder).mkdir()
        for person in people.iterdir():
            shutil.copy(person / f"{photo:04}.jpg", tmp_path / folder / f"{person.name}.jpg")
    monkeypatch.setenv("FACESEARCH_LIBRARY", str(tmp_path / "library"))
    monkeypatch.chdir(tmp_path)
    in_shell, ours = shown[1].split("facesearch", 1)
    subprocess.run(["sh", "-ec", in_shell], cwd=tmp_path, check=True)
    said = ""
    for line in f"facesearch{ours}".splitlines():
        ran = run(*shlex.split(line)[1:])
        assert ran.code == 0
        said += ran.out
    assert "\nnamed 3 faces (3 new people)" in said
    assert "\n3 faces have no person yet: facesearch people group gives people the faces" in said
    for person in people.iterdir():
        assert f"\nunknown/{person.name}.jpg\n" in run("photos", person.name).out


def test_the_command_reference_is_the_programs_own() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "update_command_reference.py"), "--check"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_the_command_reference_has_every_command() -> None:
    from facesearch.cli.app import build_app
    from facesearch.cli.people import people_app

    wanted = {
        f"facesearch {prefix}{info.name or info.callback.__name__.replace('_', '-')}"
        for prefix, one in (("", build_app()), ("people ", people_app))
        for info in one.registered_commands
        if info.callback is not None and not info.hidden
    }
    page = (DOCS / "reference" / "commands.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^## (facesearch .+)$", page, re.MULTILINE)) == {*wanted, "facesearch people"}


def test_help_shows_names_and_not_the_types_of_python() -> None:
    page = (DOCS / "reference" / "commands.md").read_text(encoding="utf-8")
    assert re.findall(r"<\w[^>\n]*>|\{.*\}|\[\[|\.\.\.\]|\b(?:int|float|str) range\b", page) == []
    for told in ("index [OPTIONS] PATH...", "photos [OPTIONS] [PERSON]...", "--device auto|cpu|gpu|npu", "-k, --k N "):
        assert told in page
    assert re.findall(r"^  --?[\w/ ,-]*[a-z] (?:INTEGER|FLOAT|TEXT)\b", page, re.MULTILINE) == []


def test_an_outdated_command_reference_is_noticed_and_rewritten(tmp_path: Path) -> None:
    script = str(ROOT / "scripts" / "update_command_reference.py")
    page = tmp_path / "commands.md"
    current = (DOCS / "reference" / "commands.md").read_text(encoding="utf-8")
    page.write_text(current.replace("Usage: facesearch", "Usage: facebook"), encoding="utf-8")
    command = [sys.executable, script, "--page", str(page)]
    check = subprocess.run([*command, "--check"], capture_output=True, text=True, check=False)
    assert (check.returncode, "outdated" in check.stderr) == (1, True)
    subprocess.run(command, check=True)
    assert page.read_text(encoding="utf-8") == current


def test_the_picture_shows_the_answer_of_the_demo_and_says_so_in_words() -> None:
    """The script that draws it notes in the file what it shows, so that no other picture can stand there."""
    found = re.search(r"<!-- picture -->\n!\[(.+)\]\((.+)\)\n<!-- /picture -->", README)
    assert found is not None
    with Image.open(ROOT / found[2]) as picture:
        assert picture.text["Description"] == found[1]  # type: ignore[attr-defined]
    assert (ROOT / found[2]).stat().st_size < 200_000
    shown = re.findall(r"^(face \d: .+\))  \[", README, re.MULTILINE)
    assert len(shown) >= 2
    assert all(verdict in found[1] for verdict in shown)
    assert [each.name for each in (DOCS / "pictures").iterdir()] == [Path(found[2]).name]


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 180


def test_links_to_files_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *DOCS.rglob("*.md"), ROOT / "train" / "README.md"]
    links = [
        (page.name, link)
        for page in pages
        if page.exists()
        for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]
    assert links == []


def test_the_site_builds_and_has_no_broken_link(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(DOCS), str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (tmp_path / "guide" / "people.html").is_file()
