"""Writes the manual pages, facesearch(1) and one a command, from the program's own help texts.

python scripts/write_manual_pages.py build/man        man build/man/facesearch-query.1
"""

from __future__ import annotations

import argparse
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from facesearch.cli.command_help import help_records

ROOT = Path(__file__).parents[1]
EXIT_CODES = ROOT / "docs" / "reference" / "exit-codes.md"


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that is not hidden, by its whole name, with its Click context; the program itself first."""
    from typer.main import get_command

    from facesearch.cli.app import build_app

    def below(name: str, command: Any, parent: Any) -> Iterator[tuple[str, Any]]:
        context = command.context_class(
            command, info_name=name.rpartition(" ")[2], parent=parent, **command.context_settings
        )
        yield name, context
        for inner, one in getattr(command, "commands", {}).items():
            if not one.hidden:
                yield from below(f"{name} {inner}", one, context)

    yield from below("facesearch", get_command(build_app()), None)


def manual_page(name: str, context: Any) -> str:
    """The page of a command in roff's man macros. name: as it is typed, "facesearch people show"."""
    command = context.command
    whole = re.sub(r"\s+", " ", command.help or "")
    title = command.short_help or whole.partition(". ")[0]
    lines = [
        f'.TH "{name.replace(" ", "-").upper()}" 1 "" "facesearch {_version()}" "facesearch"',
        ".SH NAME",
        f"{_roff(name.replace(' ', '-'))} \\- {_roff(title.rstrip('.'))}",
        ".SH SYNOPSIS",
        _bold(name),
        _roff(" ".join(command.collect_usage_pieces(context))),
        ".SH DESCRIPTION",
        *(f"{_roff(' '.join(part.split()))}\n.PP" for part in (command.help or "").split("\n\n")),
    ]
    lines += _definitions("ARGUMENTS", help_records(command, context, "argument"))
    lines += _definitions("OPTIONS", help_records(command, context, "option"))
    inner = [
        (key, one.get_short_help_str(200)) for key, one in getattr(command, "commands", {}).items() if not one.hidden
    ]
    lines += _definitions("COMMANDS", inner)
    lines += _definitions("EXIT STATUS", _exit_codes())
    relatives = _relatives(name, inner)
    lines += [".SH SEE ALSO", *(f".BR {_roff(each.replace(' ', '-'))} (1)" for each in relatives)]
    return "\n".join(lines) + "\n"


def _version() -> str:
    """That of this checkout, which the installed metadata can lag behind."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def _relatives(name: str, inner: list[tuple[str, str]]) -> list[str]:
    """The commands below a command, or the one above it."""
    return [f"{name} {key}" for key, _ in inner] or [name.rpartition(" ")[0]]


def _definitions(heading: str, entries: list[tuple[str, str]]) -> list[str]:
    if not entries:
        return []
    terms = [line for term, meaning in entries for line in (".TP", _bold(term), _roff(" ".join(meaning.split())))]
    return [f".SH {heading}", *terms]


def _exit_codes() -> list[tuple[str, str]]:
    rows = re.findall(r"^\| (\d+) \| (.*?) \|", EXIT_CODES.read_text(encoding="utf-8"), re.MULTILINE)
    return [(code, meaning.replace("`", "")) for code, meaning in rows]


def _bold(text: str) -> str:
    """One argument of a macro, quoted."""
    return '.B "' + _roff(text).replace('"', "\\(dq") + '"'


def _roff(text: str) -> str:
    """Text that roff prints as it stands: a dot or a quote at the start would be a request."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the pages go")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, context in commands():
        page = folder / f"{name.replace(' ', '-')}.1"
        page.write_text(manual_page(name, context), encoding="utf-8")


if __name__ == "__main__":
    main()
