"""`python -m facesearch_train` is `facesearch train`, through the installed command, which is never imported."""

import sys

from facesearch.import_path import leave_out_chance_folders


def main() -> None:
    """Run the installed `facesearch` with `train` put before the arguments."""
    leave_out_chance_folders()
    from importlib.metadata import entry_points

    (command,) = entry_points(group="console_scripts", name="facesearch")
    sys.argv[1:1] = ["train"]
    sys.exit(command.load()())


if __name__ == "__main__":
    main()
