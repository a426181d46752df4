"""Run a command of the program in this process, as its console script would."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from facesearch import cli


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it printed."""

    code: int | str | None
    out: str
    err: str


@dataclass(frozen=True)
class CommandLine:
    """Call it with a command's arguments."""

    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str | Path) -> Ran:
        with pytest.raises(SystemExit) as exit_info:
            cli.main([str(argument) for argument in arguments])
        printed = self.capsys.readouterr()
        return Ran(exit_info.value.code, printed.out, printed.err)


class LibraryCommands:
    """Commands that succeed and answer in JSON, with one library. said: all that they printed."""

    def __init__(self, library: Path, run: CommandLine) -> None:
        self.library = library
        self.said = ""
        self._run = run

    def __call__(self, *arguments: str | Path) -> Any:
        """In this process, which has loaded the program already."""
        ran = self._run(*arguments, "--library", self.library, "--json")
        self.said += ran.out + ran.err
        assert ran.code == 0, ran.err
        return json.loads(ran.out)

    def apart(self, *arguments: str | Path) -> Any:
        """In a process of its own, as a user's."""
        command = [sys.executable, "-m", "facesearch", *map(str, arguments), "--library", str(self.library), "--json"]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        self.said += ran.stdout + ran.stderr
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)
