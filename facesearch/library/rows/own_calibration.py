"""A library's own calibration among its settings: JSON in, JSON out. Refuses to know what it means, and to give it out
for another tower or space than it was written for: distances are others there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from facesearch.library.rows.database import Database

_SETTING = "calibration"


class OwnCalibration:
    """Reads and changes it. Changes are made inside a transaction of the Database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, tower: str, space: str) -> dict[str, Any] | None:
        """What was written last, if that was for this tower (SHA-256) and space (digest), and can be read."""
        rows = self._database.rows("SELECT value FROM settings WHERE key = ?", (_SETTING,))
        try:
            values = json.loads(rows[0][0]) if rows else None
        except ValueError:
            return None
        if not isinstance(values, dict) or (values.get("tower"), values.get("space")) != (tower, space):
            return None
        return values

    def write(self, values: Mapping[str, object], tower: str, space: str) -> None:
        """Put it in the place of any before."""
        text = json.dumps({**values, "tower": tower, "space": space}, allow_nan=False)
        self._database.set_settings({_SETTING: text})

    def drop(self) -> bool:
        """Delete it. Returns whether there was one."""
        return self._database.execute("DELETE FROM settings WHERE key = ?", (_SETTING,)).rowcount > 0
