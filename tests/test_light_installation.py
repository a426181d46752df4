"""An installation as requirements-light.txt makes it: TensorFlow and what goes with it cannot be imported.

They are hidden from the import system of a process; no second environment is built.
"""

from __future__ import annotations

import os
import re
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
from facesearch.cli import main
main()
"""


@pytest.fixture(scope="module")
def light_album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_album(tmp_path_factory.mktemp("album"), 2, 2, seed=4).directory


def _run(library: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "FACESEARCH_LIBRARY": str(library)}
    environment.pop("FACESEARCH_TOWER", None)
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_index_query_and_people_work_without_tensorflow(light_album: Path, tmp_path: Path) -> None:
    photo = str(min((light_album / "people").rglob("*.jpg")))
    for arguments, told in (
        (["index", str(light_album / "people"), "--people-from-folders"], "4 new"),
        (["query", photo], "face 1"),
        (["people", "list"], min((light_album / "people").iterdir()).name),
        (["doctor"], "note: missing"),
    ):
        ran = _run(tmp_path / "library", *arguments)
        assert ran.returncode == 0, ran.stderr
        assert told in ran.stdout


def test_train_says_how_to_get_tensorflow(light_album: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    ran = _run(tmp_path / "library", "train", "--data", str(light_album / "people"), "--out", out)
    assert ran.returncode == 1
    assert "pip install tensorflow keras matplotlib tensorboard" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_list_is_what_is_required_but_for_tensorflow() -> None:
    required = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    plain = {one.partition(";")[0].strip() for one in required}
    wanted = {one for one in plain if not re.match(rf"({'|'.join(LEFT_OUT)}|faiss-gpu)\b", one)}
    lines = (ROOT / "requirements-light.txt").read_text(encoding="utf-8").splitlines()
    assert {line for line in lines if line and not line.startswith("#")} == wanted
