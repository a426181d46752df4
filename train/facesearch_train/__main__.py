"""`python -m facesearch_train` is `facesearch train`, by way of the installed command: no room here knows the other."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points


def main() -> None:
    """Run the installed `facesearch` with `train` put before the arguments."""
    (command,) = entry_points(group="console_scripts", name="facesearch")
    sys.argv[1:1] = ["train"]
    sys.exit(command.load()())


if __name__ == "__main__":
    main()
