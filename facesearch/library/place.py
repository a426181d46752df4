"""Where a library lies, and what its database is called. Imports nothing that takes time."""

from __future__ import annotations

import os
from pathlib import Path

DATABASE_NAME = "library.db"


def default_library_path() -> Path:
    """FACESEARCH_LIBRARY if it is set, else `library` in the user's data directory."""
    named = os.environ.get("FACESEARCH_LIBRARY")
    if named:
        return Path(named).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("facesearch", appauthor=False)) / "library"
