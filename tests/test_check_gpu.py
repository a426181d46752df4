"""scripts/check_gpu.py with the CPU in the GPU's place: every part runs, and no part that fails costs the others."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from support.documents import ROOT
from support.stand_in_gpu import StandInGpu

PARTS = ["faces and distances", "limits", "crops a second", "views a second", "index", "search of 2,000", "training"]
TINY = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import check_gpu
from facesearch_train import presets
presets.FULL = presets.SMOKE  # its network takes a tenth of the time to compile
check_gpu.ON_CPU = check_gpu.Sizes(2, (1,), (1,), ((64, 64),), (2_000,), 64, 1, 48, 4)
sys.exit(check_gpu.main())
"""
EQUAL = {"faces_cpu": 9, "faces_gpu": 9, "faces_in_both": 9, "most_off_px": 0.5, "most_off_distance": 0.001}


@pytest.fixture(scope="module")
def check_gpu() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts"))
        return import_module("check_gpu")


def test_every_part_runs_on_the_cpu_and_ends_in_a_table_and_in_json(tmp_path: Path) -> None:
    out = tmp_path / "cpu.json"
    command = [sys.executable, "-c", TINY, str(ROOT / "scripts"), "--cpu", "--seconds", "3000", "--json", str(out)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    found = json.loads(out.read_text(encoding="utf-8"))
    assert list(found) == ["machine", "equal", "lost", "left_out", *PARTS]
    assert (found["equal"], found["lost"], found["left_out"]) == (True, False, [])
    assert [name for name in PARTS if "failed" in found[name]] == []
    assert found["index"]["runs_on"].startswith("gpu")
    assert found["search of 2,000"]["exact_recall"] == 1
    assert found["training"]["steps_a_second"] > 0
    assert {"openvino", "keras", "numpy"} <= set(found["machine"]["versions"])
    rows = [line.split(" | ")[0].strip("| ") for line in ran.stdout.splitlines() if line.startswith("| ")]
    assert rows[2:] == list(found)


def test_a_part_that_fails_or_comes_too_late_costs_no_other(
    check_gpu: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "gpu.json"
    check = check_gpu.Check(check_gpu.ON_CPU, 100.0, StandInGpu(), out, is_cpu=True)

    def failing(check: Any) -> dict[str, Any]:
        raise MemoryError("the card is full")

    check.part("faces and distances", failing)
    assert (
        json.loads(out.read_text(encoding="utf-8"))["faces and distances"]["failed"] == "MemoryError: the card is full"
    )
    check.part("limits", failing)
    check.part("search", lambda check: check_gpu.searching(check, 2_000))
    check.part("training", failing, takes_s=101.0)
    assert check_gpu.report(check) == 1
    found = json.loads(out.read_text(encoding="utf-8"))
    assert (found["equal"], found["left_out"]) == (False, ["training"])
    assert found["search"]["partitions_recall"] >= 0.99
    assert "times_the_bandwidths_time" not in found["search"]
    assert "| left_out | training |\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({}, 0),
        ({"faces_gpu": 8}, 1),
        ({"faces_in_both": 8}, 1),
        ({"most_off_px": 1.5}, 1),
        ({"most_off_distance": 0.02}, 1),
    ],
)
def test_faces_or_distances_that_differ_are_an_error(check_gpu: Any, changed: dict[str, float], code: int) -> None:
    check = check_gpu.Check(check_gpu.ON_CPU, 100.0, StandInGpu(), None, is_cpu=True)
    check.part("faces and distances", lambda check: EQUAL | changed)
    assert check_gpu.report(check) == code
