"""`facesearch teach`: what it says, keeps and takes back."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from support.command_line import CommandLine
from support.noisy_people import fill_library, noisy_people

from facesearch.library import Library
from facesearch.records import Models

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run_here(
    tower: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> CommandLine:
    card = json.loads((tower / "tower.json").read_text())
    models = Models("detector-1", card["sha256"], "small", 1.3)
    library = fill_library(tmp_path / "cli" / "library", *noisy_people(0), models=models)
    monkeypatch.setenv("FACESEARCH_LIBRARY", str(library))
    monkeypatch.setenv("FACESEARCH_TOWER", str(tower))
    return CommandLine(capfd)


@pytest.mark.usefixtures("few_steps")
def test_who_is_writing_is_said_before_it_learns(run_here: CommandLine) -> None:
    with Library.open(Path(os.environ["FACESEARCH_LIBRARY"]), writable=True):
        refused = run_here("teach")
        assert (refused.code, refused.out) == (4, "")
        assert "is being written by" in refused.err
        assert "would be kept" in run_here("teach", "--dry-run").out


@pytest.mark.usefixtures("few_steps")
def test_the_command_teaches_and_takes_back(run_here: CommandLine) -> None:
    assert "would be kept; nothing was changed" in run_here("teach", "--dry-run").out
    assert "taught      nothing" in run_here("status").out
    out = run_here("teach").out
    assert "learned from 160 faces of 16 people" in out
    before, after = (
        float(re.search(rf"new photos of named people, {when} +([0-9.]+)%", out)[1])  # type: ignore[index]
        for when in ("before", "after")
    )
    assert after > before + 2
    assert "kept: the library now uses what it learned" in out
    assert "taught      on 20" in run_here("status").out
    assert "distances are the tower's own again" in run_here("teach", "--undo").out
    assert "nothing to undo" in run_here("teach", "--reset").out
    refused = run_here("teach", "--undo", "--dry-run")
    assert (refused.code, "give only one of" in refused.err) == (2, True)


@pytest.mark.usefixtures("few_steps")
def test_the_json_is_documented(run_here: CommandLine) -> None:
    summary = json.loads(run_here("teach", "--json").out)
    assert summary["taught"] is True
    page = (ROOT / "docs" / "reference" / "json.md").read_text(encoding="utf-8")
    section = page.split("## `facesearch teach --json`")[1].split("\n## ")[0]
    documented = set(re.findall(r"`([a-z_0-9.]+)`", "\n".join(re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE))))
    keys = {
        *summary,
        *(f"known.{key}" for key in summary["known"]),
        *(f"known.before.{key}" for key in summary["known"]["before"]),
        *(f"known.gain.{key}" for key in summary["known"]["gain"]),
    }
    assert keys <= documented
    undone = json.loads(run_here("teach", "--undo", "--json").out)
    assert undone == {"dropped": 1, "taught_at": None}
    assert set(undone) <= documented
