"""Writes docs/reference/commands.md: the program's own help texts, command by command.

python scripts/update_command_reference.py            rewrite the page
python scripts/update_command_reference.py --check    exit with 1 if the page is outdated
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "commands.md"
HEAD = """# Commands

Every command with its own help text, as `facesearch COMMAND --help` prints it. This page is generated: edit the
help texts in the program, then run `python scripts/update_command_reference.py`.
"""


def commands() -> Iterator[str]:
    """The names of all commands that are not hidden, in the order in which `--help` lists them; "" is the program."""
    from typer.main import get_command

    from facesearch.cli.app import build_app

    yield ""
    for name, command in get_command(build_app()).commands.items():  # type: ignore[attr-defined]
        if command.hidden:
            continue
        yield name
        yield from (f"{name} {inner}" for inner, one in getattr(command, "commands", {}).items() if not one.hidden)


def help_text(command: str) -> str:
    """What `facesearch COMMAND --help` prints on a terminal of 80 columns."""
    from facesearch.cli import main

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main([*command.split(), "--help"])
    return printed.getvalue().strip()


def render() -> str:
    """The whole page."""
    os.environ["COLUMNS"] = "80"
    sections = [f"## facesearch {name}".rstrip() + f"\n\n```text\n{help_text(name)}\n```\n" for name in commands()]
    return "\n".join([HEAD, *sections])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if the page is outdated")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page to check or write")
    arguments = parser.parse_args()
    page = render()
    if arguments.page.is_file() and arguments.page.read_text(encoding="utf-8") == page:
        return 0
    if arguments.check:
        print(f"{arguments.page.name} is outdated: run python scripts/update_command_reference.py", file=sys.stderr)
        return 1
    arguments.page.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
