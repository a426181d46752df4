"""What the shell completes after Tab: the words of `api.completion`, written as the shell has to read them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import typer

from facesearch.cli.plain_question import COMPLETION_VARIABLE

_SAFE = re.compile(r"[\w@%+=:,./-]")  # what bash takes as it stands, inside a word; any letter is


class _Word(str):
    """A word as the shell has to read it. Typer filters by prefix; `api.completion` has done so already."""

    def startswith(self, *_: object) -> bool:
        return True


class _ZshWord(_Word):
    """A word that is already quoted for zsh: Typer's own quoting loses quotes (`Ann ONeil` for Ann O'Neil)."""

    def replace(self, *_: object) -> str:
        return self


def complete_person(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """People, by name or number."""
    from facesearch.api import completion

    return _words(completion.people(_library(ctx), incomplete))


def complete_face(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The faces of the person named earlier on the command line."""
    from facesearch.api import completion

    return _words(completion.faces(_library(ctx), str(ctx.params.get("person") or ""), incomplete))


def complete_change(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The latest changes."""
    from facesearch.api import completion

    return _words(completion.changes(_library(ctx), incomplete))


def _library(ctx: typer.Context) -> Path | None:
    given = ctx.params.get("library")
    return None if given is None else Path(given).expanduser()


def _words(found: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    shell = os.environ.get(COMPLETION_VARIABLE)
    if shell == "complete_zsh":
        return [(_ZshWord(_for_zsh(word)), said) for word, said in found]
    quoted = _for_bash if shell == "complete_bash" else str
    return [(_Word(quoted(word)), said) for word, said in found]


def _for_zsh(word: str) -> str:
    """A word inside double quotes in a list of `_arguments`, which is itself in single quotes. Escapes colons, which
    would begin the description."""
    inside = re.sub(r'([\\"$`])', r"\\\1", word.replace("\\", "\\\\").replace(":", "\\:"))
    return inside.replace("'", "'\\''")


def _for_bash(word: str) -> str:
    """Bash puts a completion into the line as it is: it must be quoted the way the word began."""
    typed = os.environ.get("COMP_WORDS", "").rpartition("\n")[2]
    if typed[:1] == '"':
        return re.sub(r'([\\"$`!])', r"\\\1", word)
    if typed[:1] == "'":
        return word.replace("'", "'\\''")
    return "".join(letter if _SAFE.fullmatch(letter) else f"\\{letter}" for letter in word)
