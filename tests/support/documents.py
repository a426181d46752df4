"""The repository's own pages, as the tests read them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def documented_keys(command: str) -> set[str]:
    """The keys that docs/reference/json.md lists for a command."""
    page = (ROOT / "docs" / "reference" / "json.md").read_text(encoding="utf-8")
    section = page.split(f"## `facesearch {command} ")[1].split("\n## ")[0]
    return {key for row in re.findall(r"^\| (`.+?) \|", section, re.MULTILINE) for key in re.findall(r"`([^`]+)`", row)}


def keys_by_command() -> set[tuple[str, str]]:
    """Every key in docs/reference/json.md, with the command that prints it; "lists" for those of `export`."""
    page = (ROOT / "docs" / "reference" / "json.md").read_text(encoding="utf-8")
    found = set()
    for section in page.split("\n## ")[1:]:
        named = re.match(r"`facesearch ([a-z]+(?: [a-z][a-z|-]+)?)", section)
        rows = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
        keys = {key for row in rows for key in re.findall(r"`([^`]+)`", row)}
        found |= {(named[1] if named else "lists", key) for key in keys}
    return found


def fault_of(line: str) -> str:
    """What is wrong with a command line of the program's: an unknown command or option; '' where nothing is."""
    from typer.main import get_command

    from facesearch.cli.app import build_app

    words = shlex.split(line, comments=True)[1:]
    command: Any = get_command(build_app())
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    options = {each for one in command.params for each in [*one.opts, *one.secondary_opts]} | {"--help", "-h"}
    used = {word.partition("=")[0] for word in words if word.startswith("-")}
    if hasattr(command, "commands") and words and not used:
        return f"no command {words[0]}: {line}"
    return f"no option {min(used - options)}: {line}" if used - options else ""


def keys_of(value: Any, prefix: str = "") -> set[str]:
    """All keys of a JSON value, as docs/reference/json.md writes them."""
    if isinstance(value, list):
        return set().union(*(keys_of(entry, f"{prefix}[]") for entry in value), set())
    if isinstance(value, dict):
        inner = [keys_of(entry, f"{prefix}.{key}" if prefix else key) for key, entry in value.items()]
        return set().union(*inner) | {f"{prefix}.{key}" if prefix else key for key in value}
    return set()
