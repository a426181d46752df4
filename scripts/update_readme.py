"""Writes the program's own help texts into README.md and docs/people.md, between `<!-- help: COMMAND -->` and
`<!-- /help -->`.

python scripts/update_readme.py            rewrite them
python scripts/update_readme.py --check    say whether that would change one, and exit with 1 if so
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/people.md")
BLOCK = re.compile(r"(<!-- help: facesearch([a-z -]*?) -->\n).*?(<!-- /help -->)", re.DOTALL)


def help_text(command: str) -> str:
    """What `facesearch COMMAND --help` prints on a terminal of 80 columns."""
    from facesearch.cli import main

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main([*command.split(), "--help"])
    return printed.getvalue().strip()


def updated(page: str) -> str:
    """A page with every help text as it is now."""
    return BLOCK.sub(lambda block: f"{block[1]}```\n{help_text(block[2])}\n```\n{block[3]}", page)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if a page is outdated")
    arguments = parser.parse_args()
    os.environ["COLUMNS"] = "80"
    outdated = 0
    for name in PAGES:
        path = ROOT / name
        page = path.read_text(encoding="utf-8") if path.exists() else ""
        fresh = updated(page)
        if fresh != page and arguments.check:
            print(f"{name} has outdated help texts: run python scripts/update_readme.py", file=sys.stderr)
            outdated = 1
        elif fresh != page:
            path.write_text(fresh, encoding="utf-8")
    return outdated


if __name__ == "__main__":
    sys.exit(main())
