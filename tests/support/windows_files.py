"""What Windows refuses: to rename, replace or delete what somebody has open or mapped. Found out from Linux's /proc."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

OPEN_FILES, MAPS = Path("/proc/self/fd"), Path("/proc/self/maps")


def refuse_open_files(patch: pytest.MonkeyPatch) -> list[Path]:
    """Let Path's rename, replace and unlink fail as on Windows, for this process's own files. Skips where there is no
    /proc. Returns the list to which every path goes that was asked for."""
    if not MAPS.exists():
        pytest.skip("there is no /proc here, which says what is open and mapped")
    asked: list[Path] = []

    def refusing(act: Callable[..., Any]) -> Callable[..., Any]:
        def acting(path: Path, *others: Any, **options: Any) -> Any:
            asked.append(path)
            for each in (path, *map(Path, others)):
                used = sorted(file for file in _in_use() if file == each or each in file.parents)
                if used:
                    raise PermissionError(13, f"Access is denied: in use is {used[0]}", str(each))
            return act(path, *others, **options)

        return acting

    for name in ("rename", "replace", "unlink"):
        patch.setattr(Path, name, refusing(getattr(Path, name)))
    return asked


def _in_use() -> set[Path]:
    found = {Path(words[5]) for line in MAPS.read_text().splitlines() if len(words := line.split(maxsplit=5)) == 6}
    for descriptor in OPEN_FILES.iterdir():
        try:
            found.add(descriptor.readlink())
        except FileNotFoundError:  # closed meanwhile
            continue
    return found
