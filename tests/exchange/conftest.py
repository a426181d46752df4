"""A few people on two photos, for the tests of names that come and go."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.command_line import CommandLine
from support.named_tiles import ANN, BOB, SOMEBODY, index
from support.tiles import MODELS, WHITE, draw

from facesearch.library import Library


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A photo of Ann and Bob, and one of Bob and somebody without a name."""
    draw(tmp_path / "photos" / "both.png", ANN, BOB)
    draw(tmp_path / "photos" / "sub" / "bob.png", WHITE, BOB, SOMEBODY)
    return tmp_path / "photos"


@pytest.fixture
def library_here(tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library of these, in which nobody has a name: the one that commands work with."""
    with Library.create(tmp_path / "library", MODELS) as library:
        index(library, photos)
    monkeypatch.setenv("FACESEARCH_LIBRARY", str(tmp_path / "library"))
    return tmp_path / "library"


@pytest.fixture
def run_here(library_here: Path, run: CommandLine) -> CommandLine:
    """The program's commands, which work with that library."""
    return run
