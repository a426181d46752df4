"""A real library database for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from facesearch.library.rows import schema
from facesearch.library.rows.database import Database


@pytest.fixture
def database_path(tmp_path: Path) -> Path:
    path = tmp_path / "library.db"
    schema.create(path, {"library_id": "test"})
    return path


@pytest.fixture
def database(database_path: Path) -> Iterator[Database]:
    database = Database(schema.connect(database_path, writable=True))
    yield database
    database.close()
