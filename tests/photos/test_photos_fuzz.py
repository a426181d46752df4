"""A bounded run of scripts/fuzz_photos.py: damaged photos of every format end as photos or with a reason."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "fuzz_photos.py"


def test_hundreds_of_damaged_photos_harm_nothing() -> None:
    command = [sys.executable, str(SCRIPT), "--files", "435", "--seed", "11", "--slowest", "60", "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    figures = json.loads(ran.stdout)
    assert figures["files"] == 435  # 29 kinds, 15 times each
    assert figures["photos"] > 50
    assert figures["refused"] > 150  # the damage does harm
