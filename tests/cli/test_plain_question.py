"""What is read without Typer is what Typer reads: compared on all short command lines of words that matter."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import signature
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from facesearch.cli.app import build_app
from facesearch.cli.plain_question import COMPLETION_VARIABLE, plain_question
from facesearch.cli.query import query

WORDS = (
    *("a.jpg", "folder", "gone", "-", "--", "-k", "3", "--json", "--library", "--tower", "--faces"),
    *("--library=folder", "--json=3", "--lib", "--no-json", "-j", "query", "--help"),
)


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory with a file, a folder, and nothing called "gone"."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FACESEARCH_DEBUG", raising=False)
    (tmp_path / "a.jpg").touch()
    (tmp_path / "folder").mkdir()


def lines(most_words: int) -> Iterator[list[str]]:
    for count in range(most_words + 1):
        yield from map(list, product(WORDS, repeat=count))


def whole(question: dict[str, Any]) -> dict[str, Any]:
    """With the defaults of what is not asked."""
    defaults = {name: each.default for name, each in signature(query).parameters.items() if name != "photos"}
    return defaults | question


@pytest.mark.usefixtures("in_folder")
def test_whatever_is_read_without_typer_typer_reads_the_same() -> None:
    command: Any = get_command(build_app(["query"]))
    command = command.commands["query"] if hasattr(command, "commands") else command
    read = {}
    for line in lines(3):
        question = plain_question(["query", *line])
        if question is not None:
            with command.make_context("query", list(line)) as context:
                assert whole(question) == context.params, line
            read[tuple(line)] = question
    assert len(read) > 100
    assert read["a.jpg",] == {"photos": [Path("a.jpg")]}
    assert read["--library", "gone", "folder"] == {"photos": [Path("folder")], "library": Path("gone")}
    assert read["a.jpg", "--json", "folder"] == {"photos": [Path("a.jpg"), Path("folder")], "json": True}


def test_a_line_with_anything_else_is_left_to_typer() -> None:
    plain = {"--json", "--library", "--tower"}
    for line in lines(3):
        if any(word.startswith("-") and word not in plain for word in line):
            assert plain_question(["query", *line]) is None, line
    assert plain_question(["query"]) is None
    assert plain_question(["compare", "a.jpg"]) is None
    assert plain_question(["--debug", "query", "a.jpg"]) is None


@pytest.mark.parametrize("variable", [COMPLETION_VARIABLE, "FACESEARCH_DEBUG"])
def test_a_variable_that_typer_reads_leaves_the_line_to_typer(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FACESEARCH_DEBUG", raising=False)
    assert plain_question(["query", "a.jpg"]) is not None
    monkeypatch.setenv(variable, "1")
    assert plain_question(["query", "a.jpg"]) is None
