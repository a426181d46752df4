"""Folders with a module in place of each that Python and the installed packages have, which says that it was run."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

_OURS = {"facesearch", "facesearch_train"}
_SPY = "import posix as _posix\n_posix.write(_posix.open({log!r}, 1025 | 64, 0o600), b'{name}\\n')\n"  # append, create


def plant_modules(folder: Path, log: Path) -> list[str]:
    """Write `json.py`, `numpy.py`, `sitecustomize.py` and all the others; each adds its name to the log when it runs.

    Returns the names. Left out are those that Python itself loads before any program begins.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {*sys.stdlib_module_names, *packages_distributions(), "evil", "cupy", "torch", "jax", "IPython"} - _OURS
    names = sorted(name for name in wanted - _loaded_by_python() if name.isidentifier())
    for name in names:
        (folder / f"{name}.py").write_text(_SPY.format(log=str(log), name=name), encoding="ascii")
    return names


def _loaded_by_python() -> set[str]:
    program = "import sys; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in ran.stdout.split()}


def remove_what_python_runs_itself(folder: Path, log: Path) -> None:
    """Take those away that `python -m` runs before any program begins, wherever one is started in the folder."""
    (folder / "nothing").mkdir()
    (folder / "nothing" / "__main__.py").write_text("")
    while True:
        subprocess.run([sys.executable, "-m", "nothing"], cwd=folder, capture_output=True, check=False)
        if not log.exists():
            return
        for name in log.read_text().split():
            (folder / f"{name}.py").unlink(missing_ok=True)
        log.unlink()
