"""Writes the program's own help texts into README.md, between `<!-- help: COMMAND -->` and `<!-- /help -->`.

python scripts/update_readme.py            rewrite README.md
python scripts/update_readme.py --check    say whether that would change it, and exit with 1 if so
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"(<!-- help: facesearch([a-z ]*) -->\n).*?(<!-- /help -->)", re.DOTALL)


def help_text(command: str) -> str:
    """What `facesearch COMMAND --help` prints on a terminal of 80 columns."""
    from facesearch.cli import main

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main([*command.split(), "--help"])
    return printed.getvalue().strip()


def updated(readme: str) -> str:
    """The README with every help text as it is now."""
    return BLOCK.sub(lambda block: f"{block[1]}```\n{help_text(block[2])}\n```\n{block[3]}", readme)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if the README is outdated")
    arguments = parser.parse_args()
    os.environ["COLUMNS"] = "80"
    readme = README.read_text(encoding="utf-8")
    fresh = updated(readme)
    if fresh == readme:
        return 0
    if arguments.check:
        print("README.md has outdated help texts: run python scripts/update_readme.py", file=sys.stderr)
        return 1
    README.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
