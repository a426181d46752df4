"""A real Milvus Lite server in an environment of its own.

Milvus Lite requires faiss-cpu, which overwrites the module of faiss-gpu: `make test` installs it into an environment
beside this one's packages, and it is reached over its socket.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PROGRAM = Path(sys.prefix) / "milvus-lite" / "bin" / "milvus-lite"
_START_S = 120


@contextmanager
def milvus_lite(folder: Path) -> Iterator[str]:
    """The address of a server with its data in a folder; skips the test where there is no Milvus Lite."""
    if not _PROGRAM.is_file():
        pytest.skip(f"Milvus Lite is not in {_PROGRAM.parents[1]}: make test installs it where it has a wheel")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(_PROGRAM), "server", "--data-dir", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as server:
        try:
            _wait_for(port, server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            assert server.stderr is not None
            raise AssertionError(server.stderr.read().decode())
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("Milvus Lite did not start")
