"""Run a command of the program in this process, as its console script would."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
