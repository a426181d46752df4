"""A library whose faces another detector found: it answers, says so once, and moves with its names."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.command_line import CommandLine

from facesearch.demo import write_album

FORMER = "mtcnn-1-0123456789ab"


def test_a_library_of_the_former_detector_answers_says_so_and_moves(
    tmp_path: Path, tower: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, library = CommandLine(capsys), tmp_path / "library"
    monkeypatch.setenv("FACESEARCH_LIBRARY", str(library))
    monkeypatch.setenv("FACESEARCH_TOWER", str(tower))
    people = write_album(tmp_path / "album", 3, 2, seed=4).directory / "people"
    assert run("index", people, "--people-from-folders").code == 0
    assert "reindex" not in run("status").out
    with closing(sqlite3.connect(library / "library.db")) as database, database:
        changed = database.execute("UPDATE settings SET value = ? WHERE key = 'detector'", [FORMER])
        assert changed.rowcount == 1

    probe = min(people.rglob("*.jpg"))
    answered = run("query", probe, "--json")
    assert answered.code == 0 and json.loads(answered.out)["faces"]
    said = run("status").out
    assert said.count("facesearch reindex") == 1 and FORMER in said
    status = json.loads(run("status", "--json").out)
    assert status["detector"] == FORMER != status["detector_installed"]
    refused = run("index", people)
    assert refused.code == 4 and "facesearch reindex" in refused.err

    whole = probe.read_bytes()
    probe.write_bytes(whole[:300])  # of somebody with a name
    waiting = run("reindex")
    assert waiting.code == 4 and f"not read {probe}: is cut off" in waiting.err
    assert "mend these photos, or drop them: facesearch forget PHOTO" in waiting.err
    probe.write_bytes(whole)
    assert run("reindex").code == 0
    moved = json.loads(run("status", "--json").out)
    assert moved["detector"] == moved["detector_installed"]
    assert moved["people_named"] == status["people_named"] == 3
