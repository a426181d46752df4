"""The command line as a user meets it: what goes where, which exit code, and that nothing leaks a control character."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from support.command_line import CommandLine, Ran
from typer.core import TyperGroup
from typer.main import get_command

from facesearch.cli.app import app_for, build_app
from facesearch.cli.output import counted, shown, table
from facesearch.errors import (
    FacesearchError,
    LibraryError,
    NoFaceError,
    PhotoError,
    TowerError,
    TrainingDataError,
    UsageError,
)


def test_version(run: CommandLine) -> None:
    assert run("--version") == Ran(0, f"facesearch {version('facesearch')}\n", "")


@pytest.mark.parametrize("arguments", [["--help"], ["--debug", "-h"]])
def test_the_list_of_commands_is_that_of_the_commands(run: CommandLine, arguments: list[str]) -> None:
    """It is written without importing them."""
    listed = run(*arguments)
    with pytest.raises(SystemExit):
        build_app()(["--help"], prog_name="facesearch")
    assert run.capsys.readouterr().out == listed.out


def test_a_missing_library_is_one_line_and_exit_code_4(run: CommandLine, tmp_path: Path) -> None:
    ran = run("status", "--library", tmp_path / "none")
    assert (ran.code, ran.out) == (4, "")
    assert ran.err.startswith(f"facesearch: there is no library in {tmp_path / 'none'}")
    assert ran.err.count("\n") == 1


def test_the_library_comes_from_the_environment(
    run: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESEARCH_LIBRARY", str(tmp_path / "named"))
    assert str(tmp_path / "named") in run("status").err


def test_wrong_usage_is_exit_code_2(run: CommandLine) -> None:
    assert run("bogus").code == 2
    assert run("index").code == 2
    assert run("demo", "somewhere", "--people", "0").code == 2


@pytest.mark.parametrize(
    "arguments", [("index", ""), ("query", ""), ("status", "--library", ""), ("status", "--library="), ("forget", "")]
)
def test_an_empty_argument_is_not_taken_for_the_working_directory(
    run: CommandLine, arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run(*arguments)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "empty" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_no_path_is_refused_before_its_room_has_seen_it() -> None:
    """Typer's own check would make a locked folder among others a usage error that stops everything."""
    checked = [
        (command.callback.__name__, name)
        for command in build_app().registered_commands
        if command.callback is not None
        for name, hint in get_type_hints(command.callback, include_extras=True).items()
        if "Path" in str(get_args(hint)[:1])
        for setting in hint.__metadata__
        if setting.readable
    ]
    assert checked == []


def test_only_the_command_that_is_asked_for_is_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    def prepared(*arguments: str) -> list[str]:
        group = get_command(app_for(arguments))
        assert isinstance(group, TyperGroup)
        return list(group.commands)

    everything = prepared()
    assert {"index", "query", "import", "people"} < set(everything)
    for name in everything:
        assert prepared(name, "photo.jpg") == prepared("--debug", name, "--help") == [name]
    for others in (["--help"], ["--help", "query"], ["quer"], ["--version"], ["import-names"], ["import_names"]):
        assert prepared(*others) == everything
    monkeypatch.setenv("_FACESEARCH_COMPLETE", "complete_bash")
    assert prepared("query", "") == everything


def test_no_command_prints_the_help(run: CommandLine) -> None:
    ran = run()
    assert "Commands:" in ran.out + ran.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError, 2),
        (PhotoError, 3),
        (NoFaceError, 3),
        (LibraryError, 4),
        (TowerError, 5),
        (TrainingDataError, 6),
        (FacesearchError, 1),
    ],
)
def test_every_error_has_its_exit_code(
    run: CommandLine, monkeypatch: pytest.MonkeyPatch, error: type[FacesearchError], code: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error("evil\nname\x1b[2J.jpg is no photo")

    monkeypatch.setattr("facesearch.api.library.open_library", fail)
    assert run("status") == Ran(code, "", "facesearch: evil\\nname\\x1b[2J.jpg is no photo\n")


def test_a_bug_asks_to_be_reported(run: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facesearch.api.library.open_library", lambda *_, **__: 1 // 0)
    ran = run("status")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "ZeroDivisionError" in ran.err
    assert "--debug" in ran.err
    assert "Traceback" in run("--debug", "status").err


def test_ctrl_c_is_exit_code_130(run: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("facesearch.api.library.open_library", interrupt)
    ran = run("status")
    assert (ran.code, ran.out) == (130, "")
    assert "Traceback" not in ran.err


def test_demo_writes_an_album_and_says_so(run: CommandLine, tmp_path: Path) -> None:
    ran = run("demo", tmp_path / "album", "--people", "1", "--photos", "1")
    assert ran.code == 0
    assert ran.out.startswith("drew 1 person in 1 portrait")
    assert len(list((tmp_path / "album").rglob("*.jpg"))) == 1


def test_demo_answers_to_its_former_name(run: CommandLine, tmp_path: Path) -> None:
    assert run("portraits", tmp_path / "album", "--people", "1", "--photos", "1").code == 0
    assert "portraits" not in run("--help").out


def test_demo_refuses_a_folder_with_something_else(run: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    ran = run("demo", tmp_path)
    assert ran.code == 2
    assert str(tmp_path) in ran.err
    assert (tmp_path / "mine.txt").read_text() == "keep me"


def test_a_reader_who_has_seen_enough_is_no_error() -> None:
    program = "from facesearch.cli import main; main(['--help'])"
    read, write = os.pipe()
    os.close(read)
    ran = subprocess.run([sys.executable, "-c", program], stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("name", "on_screen"),
    [
        ("Zoë 😀.jpg", "Zoë 😀.jpg"),
        ("a\nb\t.jpg", "a\\nb\\t.jpg"),
        ("\x1b[31mred", "\\x1b[31mred"),
        (os.fsdecode(b"caf\xe9.jpg"), "caf\\xe9.jpg"),
        ("right\u202eto-left", "right\\u202eto-left"),
    ],
)
def test_names_are_shown_on_one_line_and_without_tricks(name: str, on_screen: str) -> None:
    assert shown(name) == on_screen


def test_a_table_keeps_its_columns_with_wide_letters() -> None:
    drawn = table(["name", "photos", "where"], [["王小明", "1", "x"], ["Zoe\u0301", "22", "y"]], right=["photos"])
    assert drawn == ["name    photos  where", "王小明       1  x", "Zoe\u0301         22  y"]


def test_counted() -> None:
    assert [counted(0, "photo"), counted(1, "photo"), counted(1234, "photo"), counted(2, "person", "people")] == [
        "0 photos",
        "1 photo",
        "1,234 photos",
        "2 people",
    ]


def test_json_keeps_every_byte_of_a_file_name(capsys: pytest.CaptureFixture[str]) -> None:
    from facesearch.cli.output import say_json

    name = os.fsdecode(b"caf\xe9\n\xf0\x9f\x98\x80.jpg")
    say_json({"path": Path(name)})
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert os.fsencode(json.loads(printed)["path"]) == b"caf\xe9\n\xf0\x9f\x98\x80.jpg"


INTERRUPTED = """
import os, signal, sys

class Finder:  # Ctrl-C at the moment when a module is looked for
    def find_spec(self, name, path=None, target=None):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)

module = sys.argv.pop(1)
sys.meta_path.insert(0, Finder())
from facesearch.__main__ import main
main()
"""


@pytest.mark.parametrize("module", ["facesearch.cli", "typer", "facesearch.cli.status", "facesearch.api.library"])
def test_ctrl_c_while_something_is_loaded_is_one_line(module: str) -> None:
    """In the command line itself, in what it imports, and in what a command imports when it runs."""
    program = [sys.executable, "-c", INTERRUPTED, module, "status", "--library", "none"]
    ran = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "facesearch: interrupted\n")


def test_the_program_can_be_run_as_a_module(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "facesearch", "status", "--library", tmp_path / "none"]
    ran = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr.count("\n")) == (4, 1)
