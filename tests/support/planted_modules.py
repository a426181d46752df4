"""Folders with a module in place of each that Python and the installed packages have, which says that it was run."""

from __future__ import annotations

import subprocess
import sys
import venv
from importlib.metadata import packages_distributions
from pathlib import Path

_OURS = {"facesearch", "facesearch_train"}
_SPY = "import posix as _posix\n_posix.write(_posix.open({log!r}, 1025 | 64, 0o600), b'{name}\\n')\n"  # append, create


def plain_python(folder: Path) -> Path:
    """An interpreter that finds facesearch and its packages by paths alone, as an ordinary installation does.

    The finder of an editable installation (`pip install -e`) runs before any program, and so does what it imports.
    """
    venv.create(folder, symlinks=True)
    found = subprocess.run(
        [folder / "bin" / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    root = Path(__file__).parents[2]
    packages = [path for path in sys.path if path.endswith("site-packages")]
    paths = [str(root), str(root / "train"), *packages]
    (Path(found.stdout.strip()) / "installed.pth").write_text("\n".join(paths), encoding="utf-8")
    return folder / "bin" / "python"


def plant_modules(folder: Path, log: Path, python: Path) -> list[str]:
    """Write `json.py`, `numpy.py`, `sitecustomize.py` and all the others; each adds its name to the log when it runs.

    Returns the names. Left out are those that this Python itself loads before any program begins.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {*sys.stdlib_module_names, *packages_distributions(), "evil", "cupy", "torch", "jax", "IPython"} - _OURS
    names = sorted(name for name in wanted - _loaded_by(python) if name.isidentifier())
    for name in names:
        (folder / f"{name}.py").write_text(_SPY.format(log=str(log), name=name), encoding="ascii")
    return names


def _loaded_by(python: Path) -> set[str]:
    program = "import sys; print(*sys.modules)"
    ran = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in ran.stdout.split()}


def remove_what_python_runs_itself(folder: Path, log: Path, python: Path) -> None:
    """Take those away that `python -m` runs before any program begins, wherever one is started in the folder."""
    (folder / "nothing").mkdir()
    (folder / "nothing" / "__main__.py").write_text("")
    while True:
        subprocess.run([python, "-m", "nothing"], cwd=folder, capture_output=True, check=False)
        if not log.exists():
            return
        for name in log.read_text().split():
            (folder / f"{name}.py").unlink(missing_ok=True)
        log.unlink()
