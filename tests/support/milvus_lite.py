"""A real Milvus Lite server in an environment of its own, and before it a gateway that asks for TLS and a password.

Milvus Lite requires faiss-cpu, which overwrites the module of faiss-gpu: `make test` installs it into an environment
beside this one's packages, and it is reached over its socket.
"""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
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


class _Gateway(grpc.GenericRpcHandler):
    """Hands every call on to a server, from whoever knows the token."""

    def __init__(self, address: str, token: str) -> None:
        self._channel = grpc.insecure_channel(address)
        self._expected = base64.b64encode(token.encode()).decode()

    def service(self, details: Any) -> Any:
        given = dict(details.invocation_metadata).get("authorization")

        def answer(request: bytes, context: Any) -> bytes:
            if given != self._expected:
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "auth check failure, please check user and password")
            call: Callable[[bytes], bytes] = self._channel.unary_unary(details.method)
            try:
                return call(request)
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())
                raise

        return grpc.unary_unary_rpc_method_handler(answer)


@contextmanager
def guarded(uri: str, token: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """The address of a gateway to a server, with TLS, and the certificate that proves it. Skips without OpenSSL."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    key, certificate = folder / "key.pem", folder / "ca.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    server = grpc.server(ThreadPoolExecutor(8), handlers=[_Gateway(uri.removeprefix("http://"), token)])
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    port = server.add_secure_port("localhost:0", credentials)
    server.start()
    try:
        yield f"https://localhost:{port}", certificate
    finally:
        server.stop(0)
