"""Acting as a user who may not read and write everything, also where the tests run as root."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534


@contextmanager
def acting_as_ordinary_user() -> Iterator[Path]:
    """A folder of that user (pytest's own are private to root). Import beforehand whatever the test needs."""
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        if is_root:
            os.seteuid(NOBODY)
        try:
            if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
                pytest.skip(f"another user may not enter {folder.parent}: set TMPDIR to a folder open to all")
            yield folder
        finally:
            if is_root:
                os.seteuid(0)
