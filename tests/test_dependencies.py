"""The page of dependencies is what is installed: the same packages, versions and licences."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name
from support.documents import ROOT

PAGE = (ROOT / "docs" / "research" / "dependencies.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def dependencies() -> Any:
    """The script that writes the page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts"))
        return import_module("dependencies")


@pytest.fixture(scope="module")
def installed(dependencies: Any) -> dict[str, tuple[str, str]]:
    """Version and licence of every package that facesearch requires here, also through others."""
    return {one.name: (one.version, one.licence) for one in dependencies.closure().values()}


def listed() -> dict[str, tuple[str, str]]:
    rows = re.findall(r"^\| ([\w.-]+) \| (\d[\w.]*) \| ([^|]+) \|", PAGE, re.MULTILINE)
    return {name: (version, licence.strip()) for name, version, licence in rows}


def test_every_installed_package_is_listed_with_its_version_and_licence(installed: dict[str, tuple[str, str]]) -> None:
    system = f"Python {sys.version_info.major}.{sys.version_info.minor} on {sys.platform}"
    if system not in PAGE:
        pytest.skip(f"the page lists another system's packages than {system}'s")
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    page = listed()
    assert f"{system}, {len(page)} packages" in PAGE
    # Tools that every environment brings along are in no list of pins.
    same = {name: page[name] for name in page if name in pinned and installed.get(name, ("", ""))[0] == pinned[name]}
    assert len(same) > 40
    assert {name: installed[name] for name in same} == same
    assert set(installed) == set(page)


def test_each_extra_is_listed_with_its_packages_in_their_pinned_versions(dependencies: Any) -> None:
    rows = re.findall(r"^\| (\w+) \| ([A-Za-z][\w.-]+)(?:\[[\w-]+\])? \| (\d\S+) \| ([^|]+) \|", PAGE, re.MULTILINE)
    wanted = {
        (extra, canonicalize_name(one.name))
        for extra, requirements in dependencies.extra_requirements().items()
        for one in requirements
    }
    assert {(extra, canonicalize_name(name)) for extra, name, _, _ in rows} == wanted
    pins = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    pinned = {canonicalize_name(name): version for name, version in pins.items()}
    assert {name: version for _, name, version, _ in rows if pinned[canonicalize_name(name)] != version} == {}
    assert "GPL" not in " ".join(licence for *_, licence in rows)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {extra for extra, _ in wanted} == set(project["optional-dependencies"]) - {"dev", "docs", "release"}


def test_every_row_has_the_day_of_the_release() -> None:
    days = re.findall(r"^\| [\w.-]+ \| \d[\w.]* \| [^|]+ \| ([^|]+) \| [\d.]+ \|", PAGE, re.MULTILINE)
    assert len(days) == len(listed())
    assert [day for day in days if not re.fullmatch(r"20\d\d-[01]\d-[0-3]\d", day)] == []


def test_every_installed_package_states_its_licence_or_is_known_not_to(installed: dict[str, tuple[str, str]]) -> None:
    unstated = {name for name, (_, licence) in installed.items() if licence == "not stated"}
    assert unstated <= {name for name, (_, licence) in listed().items() if licence == "not stated"}
    assert "GPL" not in " ".join(licence for _, licence in installed.values())


def test_the_sbom_lists_every_installed_package(installed: dict[str, tuple[str, str]], tmp_path: Path) -> None:
    """What `make sbom` writes, where its tool is installed."""
    pytest.importorskip("cyclonedx_py", reason="the extra release is not installed")
    out, tool = tmp_path / "sbom.json", [sys.executable, "-m", "cyclonedx_py", "environment"]
    options = ["--pyproject", str(ROOT / "pyproject.toml"), "--output-file", str(out), sys.executable]
    subprocess.run([*tool, *options], check=True, capture_output=True)
    versions = {each["name"]: each["version"] for each in json.loads(out.read_text(encoding="utf-8"))["components"]}
    wanted = {name: version for name, (version, _) in installed.items()}
    assert {name: versions.get(name) for name in wanted} == wanted
