"""Reads and changes sidecars with exiv2: digiKam's library, and in it Adobe's own XMP Core."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

needs_exiv2 = pytest.mark.skipif(shutil.which("exiv2") is None, reason="no exiv2 here: apt-get install exiv2")


def properties(path: Path) -> dict[str, str]:
    """Every value in a sidecar, by its path as exiv2 writes it."""
    command = ["exiv2", "-PXkv", "pr", str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(([*line.split(None, 1), ""])[:2] for line in ran.stdout.splitlines())


def write(path: Path, command: str) -> None:
    """Change a sidecar, which writes all of it again, as digiKam does."""
    subprocess.run(["exiv2", "-M", command, str(path)], capture_output=True, check=True)
