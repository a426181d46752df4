"""Completion by the shell: its protocol, in separate processes, and the completions that bash offers."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.loaded_modules import HEAVY, PROGRAM
from support.people_library import create, draw_album

from facesearch.people import name_person, split_faces

ODD = 'Ann O\'Neil "Nan" $mith'


@pytest.fixture(scope="module")
def odd_names_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("completion")
    with create(folder / "library", draw_album(folder / "album")) as library:
        name_person(library, 1, ODD)
        split_faces(library, 3, [9])
    return folder / "library"


def completed(shell: str, library: Path | None, *words: str, last: str = "") -> tuple[list[str], set[str]]:
    """The lines that the program prints for a shell, and the heavy libraries that it loads for that."""
    line = [*map(shlex.quote, ("facesearch", *words)), last]
    environment = {key: value for key, value in os.environ.items() if key != "FACESEARCH_LIBRARY"}
    environment |= {
        "_FACESEARCH_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": " ".join(line),
        "COMP_WORDS": "\n".join(line),
        "COMP_CWORD": str(len(line) - 1),
    }
    if library is not None:
        environment["FACESEARCH_LIBRARY"] = str(library)
    command = [sys.executable, "-c", PROGRAM]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    said, _, loaded = ran.stderr.rpartition("LOADED ")
    assert said == ""
    return list(filter(None, ran.stdout.split("\n"))), set(json.loads(loaded)) & HEAVY


def test_names_come_from_the_library_and_nothing_heavy_is_loaded(odd_names_library: Path) -> None:
    assert completed("bash", odd_names_library, "people", "show", last="b") == (["Bob"], set())
    assert completed("bash", odd_names_library, "people", "merge", "Bob", last="C") == (["Carl"], set())
    assert completed("bash", odd_names_library, "people", "split", "Bob", "4", "--to", last="C") == (["Carl"], set())
    assert completed("bash", odd_names_library, "forget", last="B") == (["Bob"], set())
    assert completed("zsh", odd_names_library, "people", "name", last="c")[0] == ["_arguments '*: :((\"Carl\"))'"]
    assert completed("fish", odd_names_library, "people", "born", last="B") == (["Bob"], set())
    assert completed("bash", odd_names_library, "people", last="und") == (["undo"], set())


def test_numbers_faces_and_changes(odd_names_library: Path) -> None:
    assert completed("bash", odd_names_library, "people", "show", last="4")[0] == ["4"]  # the group without a name
    assert completed("bash", odd_names_library, "people", "show", last="\\#4")[0] == ["\\#4"]
    assert completed("bash", odd_names_library, "people", "reject", "Bob")[0] == ["4", "5", "6"]
    assert completed("bash", odd_names_library, "people", "reject", "2", "4", last="5")[0] == ["5"]
    assert (
        completed("bash", odd_names_library, "people", "reject", "Bob", last="alb")[0] == []
    )  # a path is left to the shell
    assert completed("bash", odd_names_library, "people", "undo")[0] == ["5", "4", "3", "2", "1"]


def test_the_library_is_that_of_the_option_or_the_environment(odd_names_library: Path, tmp_path: Path) -> None:
    option = ("people", "show", "--library", str(odd_names_library))
    assert completed("bash", None, *option, last="B") == (["Bob"], set())
    assert completed("bash", tmp_path, *option, last="B")[0] == ["Bob"]
    for nothing in (tmp_path, tmp_path / "missing"):
        assert completed("bash", nothing, "people", "show")[0] == []
    (tmp_path / "library.db").write_bytes(b"no database")
    assert completed("bash", tmp_path, "people", "show")[0] == []


@pytest.mark.parametrize("typed", ["", "ann", "Ann\\ O", '"Ann O', "'Ann O"])
def test_what_bash_puts_into_the_line_is_read_as_the_name(odd_names_library: Path, tmp_path: Path, typed: str) -> None:
    program = tmp_path / "facesearch"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m facesearch "$@"\n')
    program.chmod(0o755)
    words = " ".join(map(shlex.quote, ["facesearch", "people", "show", typed]))
    script = f"""
        eval "$(facesearch --show-completion)"
        COMP_WORDS=({words}); COMP_CWORD=3
        _facesearch_completion facesearch
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "FACESEARCH_LIBRARY": str(odd_names_library),
    }
    ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, env=environment)
    found = ran.stdout.splitlines()
    assert len(found) == (3 if not typed else 1)
    quote = typed[:1] if typed[:1] in {'"', "'"} else ""
    read = ["bash", "-c", f"printf %s {quote}{found[0]}{quote}"]
    assert subprocess.run(read, capture_output=True, text=True, check=True).stdout == ODD


@pytest.mark.parametrize("name", ["Ann Marie", ODD, "Zoë: the 2nd", "`x` \\ y"])
def test_what_zsh_is_offered_is_the_name(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a real zsh, but for its own `_arguments`, which evaluates the list and takes what a colon begins as a note."""
    zsh = shutil.which("zsh")
    if zsh is None:
        pytest.skip("there is no zsh here")
    monkeypatch.setenv("_FACESEARCH_COMPLETE", "complete_zsh")
    with create(tmp_path / "library", draw_album(tmp_path / "album", 1)) as library:
        name_person(library, 1, name)
    script = """
        _arguments() { local list=${1#*\\(\\(}; eval "words=( ${list%\\)\\)} )"; print -rl -- "${words[@]}" }
        eval $(cat)
    """
    ((offered, *_), _) = completed("zsh", tmp_path / "library", "people", "show", last=shlex.quote(name[:3]))
    ran = subprocess.run([zsh, "-fc", script], input=offered, capture_output=True, text=True, check=True)
    assert ran.stdout == name.replace("\\", "\\\\").replace(":", "\\:") + "\n"
