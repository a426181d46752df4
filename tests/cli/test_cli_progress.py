"""Progress: a bar on a terminal, otherwise a line now and then, and never on stdout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from facesearch.cli import progress as progress_module
from facesearch.cli.progress import Progress, duration, node_work
from facesearch.indexing import IndexProgress
from facesearch.records import NodeWork

PROGRAM = "from facesearch.cli import main; main()"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_a_terminal_gets_a_bar_and_stdout_only_the_result(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", PROGRAM, "demo", str(tmp_path / "album"), "--people", "1", "--photos", "3"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, text=True, check=True, env=environment)
    os.close(theirs)
    drawn = os.read(ours, 100_000).decode()
    os.close(ours)
    assert "drawing" in drawn
    assert "3/3" in drawn
    assert "/s" in drawn
    assert ran.stdout.startswith("drew 1 person in 3 portraits")
    assert "\x1b" not in ran.stdout


def test_a_pipe_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1000.0
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now_s)
    with Progress("indexing", "photos") as progress:
        for done in range(31):
            now_s = 1000.0 + done
            progress.update(done, 3000)
    assert capsys.readouterr().err.splitlines() == [
        "facesearch: indexing: 10 of 3,000 photos, 1.0 a second, 50 min left",
        "facesearch: indexing: 20 of 3,000 photos, 1.0 a second, 50 min left",
        "facesearch: indexing: 30 of 3,000 photos, 1.0 a second, 50 min left",
    ]


def test_machines_of_a_cluster_are_told_and_of_many_the_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 1000.0
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now_s)
    nodes = tuple(NodeWork(f"node{number}", 40, 4.0, 2) for number in range(10))
    with Progress("indexing", "photos") as progress:
        now_s = 1010.0
        progress.show(IndexProgress(80, 3000, 5, 0, None, nodes[:2]))
    two = "node0 4.0 a second, 2 in flight; node1 4.0 a second, 2 in flight"
    said = f"facesearch: indexing: 80 of 3,000 photos, 8.0 a second, 6 min left; {two}\n"
    assert capsys.readouterr().err == said
    assert node_work(nodes).endswith("; node7 4.0 a second, 2 in flight; and 2 more nodes; 20 in flight in all")


def test_no_work_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("indexing", "photos") as progress:
        progress.update(0, 0)
    assert capsys.readouterr().err == ""


def test_durations() -> None:
    assert [duration(seconds) for seconds in (0.4, 40, 720, 11_100)] == ["0 s", "40 s", "12 min", "3 h 05 min"]
