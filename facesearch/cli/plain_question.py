"""`facesearch query PHOTO...` with at most `--library`, `--tower` and `--json`: the usual call, read without Typer.

Typer imports Pydantic before it reads any argument, which takes a tenth of the processor time of an answer. Typer reads
all other calls, wrong ones included.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

COMPLETION_VARIABLE = "_FACESEARCH_COMPLETE"  # set by a shell that asks for completions; names the shell
_FOLDERS = ("--library", "--tower")
_LEFT_TO_TYPER = (COMPLETION_VARIABLE, "FACESEARCH_DEBUG")


def plain_question(arguments: Sequence[str]) -> dict[str, Any] | None:
    """What to call `question.answer_question` with. None where the arguments are Typer's to read."""
    if arguments[:1] != ["query"] or any(name in os.environ for name in _LEFT_TO_TYPER):
        return None
    photos: list[Path] = []
    options: dict[str, Any] = {}
    rest = iter(arguments[1:])
    for argument in rest:
        if argument == "--json":
            options["json"] = True
        elif argument in _FOLDERS:
            folder = next(rest, "-")
            if folder.startswith("-"):
                return None
            options[argument.removeprefix("--")] = Path(folder)
        elif argument.startswith("-"):
            return None
        else:
            photos.append(Path(argument))
    return {"photos": photos, **options} if photos else None
