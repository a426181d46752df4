"""A library with thousands of people, made from one with a few by copying rows: for lists, not for recognition."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from facesearch.library import DATABASE_NAME


def multiply(library: Path, people: int, faces: int = 1) -> None:
    """Add people of so many faces each, on the photos that are there, with embeddings that are there."""
    with closing(sqlite3.connect(library / DATABASE_NAME)) as rows, rows:
        first = rows.execute("SELECT max(id) FROM people").fetchone()[0] + 1
        patterns = rows.execute("SELECT photo_id, box, landmarks, score, quality, embedding FROM faces").fetchall()
        rows.executemany(
            "INSERT INTO people (id, name, created_at) VALUES (?, ?, '2026-01-01T00:00:00+00:00')",
            [(first + number, f"Person {number:06d}") for number in range(people)],
        )
        rows.executemany(
            "INSERT INTO faces (photo_id, box, landmarks, score, quality, embedding, person_id, person_source) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, 'user')",
            [
                (*patterns[(number * faces + place) % len(patterns)], first + number)
                for number in range(people)
                for place in range(faces)
            ],
        )
        rows.execute("UPDATE settings SET value = value + 1 WHERE key = 'generation'")
