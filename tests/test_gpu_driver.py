"""NVIDIA's driver, for which a library stands in that answers, crashes, or never answers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("gcc") is None, reason="needs Linux, and gcc for the stand-in"
)

SEES = "int cuInit(unsigned f) { return 0; } int cuDeviceGetCount(int *n) { *n = 2; return 0; }"
DRIVERS = {
    "seen": SEES,
    "none": SEES.replace("*n = 2", "*n = 0"),
    "none, as it fails": SEES.replace("(unsigned f) { return 0", "(unsigned f) { return 999"),
    "none, as it crashes": "#include <stdlib.h>\n" + SEES.replace("(unsigned f) { return 0", "(unsigned f) { abort()"),
    "stuck": "#include <unistd.h>\n" + SEES.replace("(unsigned f) { return 0", "(unsigned f) { for (;;) sleep(60)"),
}


def run(folder: Path, source: str, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A program on a machine with that driver, which may take two seconds."""
    (folder / "driver.c").write_text(source, encoding="ascii")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", folder / "libcuda.so.1", folder / "driver.c"], check=True)
    start = f"from facesearch import gpu_driver; gpu_driver.LIMIT_S = {2.0 if 'sleep' in source else 60.0}\n"
    return subprocess.run(
        [sys.executable, "-c", start + program, *arguments],
        env={**os.environ, "LD_LIBRARY_PATH": str(folder), "FACESEARCH_LIBRARY": str(folder / "library")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_driver_is_asked_for_a_limited_time(tmp_path: Path, driver: str) -> None:
    ran = run(tmp_path, DRIVERS[driver], "print(gpu_driver.asked(), gpu_driver.asked())")
    assert (ran.returncode, ran.stdout.split()) == (0, [driver.partition(",")[0]] * 2)
    assert ran.stderr.count("gave no answer within 2 s: going on without a GPU") == (driver == "stuck")


def test_a_driver_that_no_process_can_ask_is_none_and_the_reason_is_said(tmp_path: Path) -> None:
    program = "sys.executable += '.gone'; print(gpu_driver.asked(), gpu_driver.asked())"
    ran = run(tmp_path, SEES, f"import sys; {program}")
    assert (ran.returncode, ran.stdout.split()) == (0, ["none", "none"]), ran.stderr
    assert ran.stderr.count("was not asked (No such file or directory): going on without a GPU") == 1


def test_a_stuck_driver_stops_neither_doctor_nor_auto(tmp_path: Path) -> None:
    program = "from facesearch.cli import main; import sys; main(sys.argv[1:])"
    ran = run(tmp_path, DRIVERS["stuck"], program, "doctor", "--json")
    found = {each["name"]: each for each in json.loads(ran.stdout)["findings"]}
    assert ran.returncode == 0
    assert (found["NVIDIA GPU"]["state"], found["NVIDIA GPU"]["value"]) == ("note", "the driver does not answer")
    assert "restart the machine" in found["NVIDIA GPU"]["advice"]

    (tmp_path / "album").mkdir()
    indexed = run(tmp_path, DRIVERS["stuck"], program, "index", str(tmp_path / "album"))
    assert (indexed.returncode, "gave no answer within 2 s" in indexed.stderr) == (0, True), indexed.stderr


def test_asking_for_a_stuck_gpu_is_an_error_that_says_so(tmp_path: Path) -> None:
    program = (
        "import sys; from facesearch.library.index.gpu import takes_gpu\n"
        "from facesearch.vision.tower.tower import Tower\n"
        "for ask in (lambda: Tower.load(device='gpu'), lambda: takes_gpu('gpu', 10)):\n"
        "    try: ask()\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
        "print(takes_gpu('auto', 2_000_000, 9.0), 'tensorflow' in sys.modules, 'faiss' in sys.modules)"
    )
    ran = run(tmp_path, DRIVERS["stuck"], program)
    assert ran.stdout.splitlines() == [
        "TowerError NVIDIA's driver does not answer: restart the machine, or run with `--device cpu`",
        "LibraryError NVIDIA's driver does not answer: restart the machine, or run with `--device cpu`",
        "False False False",
    ]


def test_training_does_not_wait_for_a_stuck_driver(tmp_path: Path) -> None:
    program = "from facesearch.cli import main; import sys; main(sys.argv[1:])"
    ran = run(tmp_path, DRIVERS["stuck"], program, "train", "--data", str(tmp_path), "--out", str(tmp_path / "run"))
    assert ran.returncode == 5
    assert "training would wait for it forever: restart the machine" in ran.stderr
