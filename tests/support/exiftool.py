"""Reads metadata with exiftool, a program that knows nothing of facesearch: what it reads, others read too."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

needs_exiftool = pytest.mark.skipif(
    shutil.which("exiftool") is None, reason="no exiftool here: apt-get install libimage-exiftool-perl"
)


def tags(path: Path) -> dict[str, Any]:
    """Everything that exiftool reads in a file, by group and name, structures as such; but what it says of the file."""
    command = ["exiftool", "-json", "-struct", "-G1", "-a", "-n", "-charset", "filename=utf8", str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    (found,) = json.loads(ran.stdout)
    return {key: value for key, value in found.items() if key.startswith(("XMP", "IFD"))}


def regions(path: Path) -> dict[str, Any]:
    """mwg-rs:Regions as exiftool reads it."""
    found: dict[str, Any] = tags(path)["XMP-mwg-rs:RegionInfo"]
    return found


def write(path: Path, *assignments: str) -> None:
    """Change a file with exiftool, as other programs do that are built on it."""
    command = ["exiftool", "-q", "-overwrite_original", *assignments, str(path)]
    subprocess.run(command, capture_output=True, text=True, check=True)
