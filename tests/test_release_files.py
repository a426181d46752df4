"""The files that stand at the top of the repository for whoever cites, reports or contributes."""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml
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
