"""Nothing leaves the machine, and nobody else on it can read: a real `index`, `query` and `forget` without a network,
with sockets refused, and under the loosest umask."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from facesearch.demo import write_album
from facesearch.import_path import TRUST_VARIABLE

# The commands of a day in one process, as the console script runs them.
PROGRAM = """
import os, sys
from facesearch.cli import main
os.umask(0)
album = sys.argv[1]
for command in (["index", album, "--people-from-folders"], ["query", sys.argv[2]], ["query", sys.argv[2], "--faces"],
                ["verify"], ["status"], ["forget", sys.argv[2]]):
    try:
        main([*command])
    except SystemExit as ended:
        if ended.code:
            raise
"""

# Python imports sitecustomize before anything else, in child processes too. An address of two parts is one of the
# Internet; a path is a socket of this machine, as multiprocessing uses them.
REFUSES_SOCKETS = """
import os, sys
def refuse(event, arguments):
    if event in {"socket.getaddrinfo", "socket.gethostbyname", "urllib.Request", "http.client.connect"} or (
        event in {"socket.connect", "socket.bind", "socket.sendto"} and not isinstance(arguments[1], (str, bytes))
    ):
        with open(os.environ["NETWORK_LOG"], "a") as log:
            print(event, arguments[1:], file=log)
        raise RuntimeError(f"network: {event}")
sys.addaudithook(refuse)
"""

PROBE = "import socket; socket.create_connection(('127.0.0.1', 9), timeout=5)"


@pytest.fixture(scope="module")
def private_album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_album(tmp_path_factory.mktemp("album"), 2, 2, seed=4).directory


def _environment(tmp_path: Path, tower: Path, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "FACESEARCH_LIBRARY": str(tmp_path / "library"),
        "FACESEARCH_TOWER": str(tower),
        **more,
    }


def _arguments(album: Path) -> list[str]:
    people = album / "people"
    return ["-c", PROGRAM, str(people), str(min(people.rglob("*.jpg")))]


def _without_network() -> list[str]:
    """A command that runs another in a network namespace of its own, in which there is no network."""
    unshare = shutil.which("unshare")
    for options in (["-n"], ["-rn"]):  # as root, else as root of a user namespace
        if unshare and subprocess.run([unshare, *options, "true"], capture_output=True, check=False).returncode == 0:
            return [unshare, *options]
    pytest.skip("no network namespaces here: needs unshare, and the right to use it")


def test_a_day_in_a_network_namespace_and_every_file_is_private(
    tmp_path: Path, private_album: Path, tower: Path
) -> None:
    apart = _without_network()
    probe = subprocess.run([*apart, sys.executable, "-c", PROBE], capture_output=True, text=True, check=False)
    assert "Network is unreachable" in probe.stderr  # not even the loopback is there
    environment = _environment(tmp_path, tower)
    command = [*apart, sys.executable, *_arguments(private_album)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert ran.returncode == 0, ran.stderr
    assert "4 new" in ran.stdout
    library = tmp_path / "library"
    files = dict.fromkeys(("library.db", "faces.faiss", "faces.json", "lock"), 0o600)
    assert library.stat().st_mode & 0o777 == 0o700
    assert {entry.name: entry.stat().st_mode & 0o777 for entry in library.iterdir()} == files


def test_a_day_with_sockets_refused(tmp_path: Path, private_album: Path, tower: Path) -> None:
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(REFUSES_SOCKETS)
    log = tmp_path / "network.log"
    hook = {"PYTHONPATH": str(tmp_path / "hook"), TRUST_VARIABLE: "1"}  # child processes run it too
    environment = _environment(tmp_path, tower, NETWORK_LOG=str(log), **hook)
    probe = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=False, env=environment)
    assert "RuntimeError: network: socket." in probe.stderr
    assert log.read_text()
    log.unlink()
    command = [sys.executable, *_arguments(private_album)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert ran.returncode == 0, ran.stderr
    assert "4 new" in ran.stdout
    assert not log.exists(), log.read_text()
