"""scripts/write_manual_pages.py: a page a command, which roff sets without a warning."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support.documents import ROOT


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Every page by its name, as roff's source."""
    folder = tmp_path_factory.mktemp("man")
    script = ROOT / "scripts" / "write_manual_pages.py"
    subprocess.run([sys.executable, str(script), str(folder)], check=True, capture_output=True)
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_every_command_of_the_reference_has_a_page(pages: dict[str, str]) -> None:
    reference = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    names = re.findall(r"^## (facesearch.*)$", reference, re.MULTILINE)
    assert set(pages) == {f"{name.replace(' ', '-')}.1" for name in names}


def test_a_page_has_the_options_and_exit_codes(pages: dict[str, str]) -> None:
    page = pages["facesearch-verify.1"].replace("\\-", "-")
    for told in ('.B "--repair"', '.B "-h, --help"', "Repair what can be repaired.", '.B "130"', ".BR facesearch (1)"):
        assert f"{told}\n" in page


def test_every_page_bears_the_version(pages: dict[str, str]) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert {page.splitlines()[0].split('"')[5] for page in pages.values()} == {f"facesearch {version}"}


def test_a_page_of_a_nested_command_has_its_arguments_and_the_command_above(pages: dict[str, str]) -> None:
    page = pages["facesearch-people-name.1"].replace("\\-", "-")
    for told in (
        '.B "facesearch people name"',
        ".SH ARGUMENTS",
        '.B "WHO"',
        "[OPTIONS] WHO NAME",
        '.B "--born YYYY-MM-DD"',
    ):
        assert f"{told}\n" in page
    assert page.endswith(".SH SEE ALSO\n.BR facesearch-people (1)\n")


def test_a_group_lists_its_commands(pages: dict[str, str]) -> None:
    assert '.B "show"\n' in pages["facesearch-people.1"]
    assert ".BR facesearch\\-people\\-show (1)\n" in pages["facesearch-people.1"]


def test_roff_sets_all_pages_without_a_warning(pages: dict[str, str], tmp_path: Path) -> None:
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("there is no groff here")
    for name, page in pages.items():
        (tmp_path / name).write_text(page, encoding="utf-8")
    files = [str(path) for path in tmp_path.iterdir()]
    command = [groff, "-man", "-Kutf8", "-Tutf8", "-ww", *files]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    assert ran.stderr == ""
    assert ".jpg" in ran.stdout
    assert not re.search(r"^\s*\.(B|TP|SH)\b", ran.stdout, re.MULTILINE)
