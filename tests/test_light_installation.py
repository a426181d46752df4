"""An installation as requirements-light.txt makes it: TensorFlow and what goes with it cannot be imported, and FAISS
knows no GPU.

They are hidden from the import system of a process; no second environment is built.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support.documents import ROOT

from facesearch.demo import write_album

LEFT_OUT = ("tensorflow", "keras", "matplotlib", "tensorboard")
PROGRAM = f"""
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {LEFT_OUT!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hidden())
import faiss
for name in [name for name in dir(faiss) if "gpu" in name.lower()]:
    delattr(faiss, name)
faiss.get_num_gpus = lambda: 0  # which faiss-cpu has, too
from facesearch.cli import main
main()
"""


@pytest.fixture(scope="module")
def light_album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five people of five photos: as few as can be learned from."""
    return write_album(tmp_path_factory.mktemp("album"), 5, 5, seed=4, groups=1).directory


def _run(library: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "FACESEARCH_LIBRARY": str(library)}
    environment.pop("FACESEARCH_TOWER", None)
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture(scope="module")
def light_library(light_album: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of the portraits, named after their folders. Read it only."""
    library = tmp_path_factory.mktemp("light") / "library"
    ran = _run(library, "index", str(light_album / "people"), "--people-from-folders")
    assert (ran.returncode, "25 new" in ran.stdout) == (0, True), ran.stderr
    return library


def test_questions_people_and_figures_work_without_tensorflow(light_album: Path, light_library: Path) -> None:
    photo = str(min((light_album / "people").rglob("*.jpg")))
    for arguments, told in (
        (["query", photo], "face 1"),
        (["people", "list"], min((light_album / "people").iterdir()).name),
        (["doctor"], "note: missing"),
        (["evaluate", "--library", str(light_library)], "AUC"),
    ):
        ran = _run(light_library, *arguments)
        assert ran.returncode == 0, ran.stderr
        assert told in ran.stdout


def test_a_library_is_taught_without_tensorflow(light_library: Path, tmp_path: Path) -> None:
    library = Path(shutil.copytree(light_library, tmp_path / "library"))
    ran = _run(library, "teach")
    assert ran.returncode == 0, ran.stderr
    assert "25 faces of 5 people" in ran.stdout


def test_the_page_answers_without_tensorflow(light_album: Path, light_library: Path, tmp_path: Path) -> None:
    pytest.importorskip("fastapi", reason="the extra web is not installed")
    from support.web_server import serving

    library = Path(shutil.copytree(light_library, tmp_path / "library"))
    with (
        serving(library, tmp_path / "temporary", "--device", "cpu", program=("-c", PROGRAM)) as running,
        running.client() as client,
    ):
        answer = client.post("/api/v1/query", content=(light_album / "groups" / "0001.jpg").read_bytes())
        assert answer.is_success, answer.text
        assert answer.json()["faces"]


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (["train", "--data", "{people}", "--out", "{new}"], "tensorflow keras matplotlib tensorboard"),
        (["evaluate", "--library", "{library}", "--report", "{new}"], "matplotlib"),
        (["evaluate", "--data", "{people}", "--report", "{new}"], "matplotlib"),
    ],
)
def test_what_needs_more_says_at_once_how_to_get_it(
    light_album: Path, light_library: Path, tmp_path: Path, *, arguments: list[str], missing: str
) -> None:
    places = {"people": light_album / "people", "library": light_library, "new": tmp_path / "new"}
    ran = _run(light_library, *(argument.format_map(places) for argument in arguments))
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.splitlines()[-1].endswith(f"pip install {missing}")
    assert "photos" not in ran.stderr  # nothing has been read yet
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "new").exists()


def test_the_list_is_what_is_required_but_for_tensorflow() -> None:
    required = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    plain = {one.partition(";")[0].strip() for one in required}
    wanted = {one for one in plain if not re.match(rf"({'|'.join(LEFT_OUT)}|faiss-gpu)\b", one)}
    lines = (ROOT / "requirements-light.txt").read_text(encoding="utf-8").splitlines()
    assert {line for line in lines if line and not line.startswith("#")} == wanted
