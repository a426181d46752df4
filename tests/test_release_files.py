"""The files that stand at the top of the repository for whoever cites, reports or contributes."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.documents import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_citation_is_of_this_version_and_names_the_papers() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])
    assert {"message", "title", "authors"} <= set(citation)
    titles = " ".join(paper["title"] for paper in citation["references"])
    for title in ("Invariant Mapping", "Densely Connected", "CenterFace"):
        assert title in titles
    for paper in citation["references"]:
        assert {"type", "title", "authors", "year"} <= set(paper)


def test_the_changelog_has_what_is_to_come_first_and_then_this_version_with_its_date() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first, second, *_ = re.findall(r"^## (.*)$", changelog, re.MULTILINE)
    assert (first, second) == ("[Unreleased]", f"[{PROJECT['version']}] - {citation['date-released'].isoformat()}")
    for page in re.findall(r"\]\(((?!https:)[^)#]+)\)", changelog):
        assert (ROOT / page).is_file(), page


@pytest.mark.parametrize("page", ["SECURITY.md", "CONTRIBUTING.md"])
def test_what_a_page_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (ROOT / target).is_file(), target
    for script in re.findall(r"scripts/[\w.]+", text):
        assert (ROOT / script).is_file(), script
    for goal in re.findall(r"`?\bmake (\w+)", text):
        assert f"\n{goal}:" in makefile, goal


def test_every_dependency_is_pinned_once() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [_normal(line.partition("==")[0]) for line in lines if "==" in line]
    assert len(pins) == len(set(pins))
    extras = PROJECT["optional-dependencies"]
    named = {one for extra in [PROJECT["dependencies"], *extras.values()] for one in extra}
    wanted = {_normal(re.split(r"[^\w.-]", one)[0]) for one in named}
    assert wanted - set(pins) - {"facesearch"} == set()


def test_the_page_of_dependencies_has_what_is_required_in_its_pinned_version() -> None:
    page = (ROOT / "docs" / "research" / "dependencies.md").read_text(encoding="utf-8")
    told = {_normal(name): version for name, version in re.findall(r"^\| ([\w.-]+) \| ([\w.]+) \|", page, re.MULTILINE)}
    pins = dict(
        re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    )
    pinned = {_normal(name): version for name, version in pins.items()}
    named = {_normal(re.split(r"[^\w.-]", one)[0]) for one in PROJECT["dependencies"]} - {"faiss-cpu"}
    assert named <= set(told)
    assert {name: version for name, version in told.items() if pinned.get(name, version) != version} == {}


def _hashed(path: Path) -> dict[str, tuple[str, int]]:
    """Version and number of hashes of each package in a file of requirements/."""
    logical = path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    found: dict[str, tuple[str, int]] = {}
    for line in filter(lambda line: line.strip() and not line.startswith("#"), logical):
        words, *hashes = re.split(r"\s+--hash=sha256:", line.strip())
        assert all(re.fullmatch("[0-9a-f]{64}", one) for one in hashes), line
        requirement = Requirement(words)
        (pin,) = requirement.specifier
        assert (pin.operator, canonicalize_name(requirement.name) in found) == ("==", False), line
        found[canonicalize_name(requirement.name)] = pin.version, len(hashes)
    return found


def _closure(names: list[str]) -> set[str]:
    """What these requirements need here, also through others, as far as it is installed."""
    seen, todo = set[tuple[str, frozenset[str]]](), [Requirement(name) for name in names]
    while todo:
        requirement = todo.pop()
        key = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if key in seen or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        seen.add(key)
        try:
            found = map(Requirement, metadata.requires(requirement.name) or ())
        except metadata.PackageNotFoundError:
            continue
        for one in found:
            if not one.marker or any(one.marker.evaluate({"extra": extra}) for extra in key[1] or {""}):
                one.marker = None
                todo.append(one)
    return {name for name, _ in seen}


def test_every_pin_has_hashes_and_the_same_version_in_each_file() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(_normal(line).partition(";")[0].split("==") for line in lines if "==" in line)
    files = {path.name: _hashed(path) for path in (ROOT / "requirements").glob("*.txt")}
    assert set(files) == {"test.txt", "release.txt", "milvus-lite.txt"}
    for name, found in files.items():
        told = {package: _normal(version) for package, (version, _) in found.items()}
        assert told == {package: pins.get(package) for package in told}, f"{name}: run scripts/update_hashes.sh"
        assert min(hashes for _, hashes in found.values()) > 0, name
    assert set(pins) == {package for found in files.values() for package in found}


@pytest.mark.parametrize(("name", "extras"), [("test.txt", ("dev",)), ("release.txt", ("release",))])
def test_a_file_of_hashes_has_all_that_it_is_for(name: str, extras: tuple[str, ...]) -> None:
    options = PROJECT["optional-dependencies"]
    wanted = [one for extra in extras for one in options[extra]]
    if "dev" in extras:
        own = [one for extra in ("cluster", "docs", "gs", "milvus", "s3", "video", "web") for one in options[extra]]
        wanted = [one for one in [*wanted, *own, *PROJECT["dependencies"]] if not one.startswith("facesearch")]
    missing = _closure(wanted) - set(_hashed(ROOT / "requirements" / name)) - {"pip"}
    assert missing == set(), "run scripts/update_hashes.sh"


def test_the_files_that_are_installed_name_no_host() -> None:
    for path in [*(ROOT / "requirements").glob("*.txt"), ROOT / "constraints.txt", ROOT / "requirements-light.txt"]:
        assert not re.search(r"://|^\s*-", path.read_text(encoding="utf-8").replace("    --hash", ""), re.MULTILINE)
