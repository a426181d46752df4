"""A connection to Milvus: where it is, who asks, and its errors in one line. Refuses credentials in an address."""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from facesearch.errors import ClusterError, UsageError
from facesearch.import_path import how_to_add

log = logging.getLogger(__name__)

TOKEN_VARIABLE = "FACESEARCH_MILVUS_TOKEN"
TOKEN_FILE_VARIABLE = "FACESEARCH_MILVUS_TOKEN_FILE"
CA_VARIABLE = "FACESEARCH_MILVUS_CA"
DEFAULT_COLLECTION = "facesearch"

_PORT = 19530
_KNOCK_S = 5.0  # until a server must have answered
_CONNECT_S = 15.0  # until it must have said which version it is
_CALL_S = 600.0  # of one request: to count a million faces, Milvus Lite on a busy machine takes more than two minutes
_REFUSED = re.compile(r"unauthenticated|permission.?denied|auth check failure|not authenticated", re.IGNORECASE)
_AWAY = re.compile(
    r"server unavailable|fail(ed)? connecting|failed to connect|connection (refused|reset)|deadline exceeded", re.I
)


@dataclass(frozen=True)
class MilvusPlace:
    """Where faces are published. Raises UsageError for an address that cannot be one."""

    # "http://host:19530", or "https://..." for TLS; a path names one of the server's databases. Credentials never stand
    # in it: see `token`
    uri: str
    collection: str = DEFAULT_COLLECTION

    def __post_init__(self) -> None:
        parts = self._parts()
        if parts.username is not None or parts.password is not None:
            raise UsageError(
                "an address of Milvus has no user and password in it: put them into the environment variable "
                f"{TOKEN_VARIABLE}, or into a file that {TOKEN_FILE_VARIABLE} names"
            )
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise UsageError(
                f"{self.uri} is not an address of Milvus: write http://HOST:{_PORT} or https://HOST:{_PORT}"
            )
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,200}", self.collection):
            raise UsageError(
                f"{self.collection} cannot be the name of a collection: use letters, digits and _, with no digit first"
            )

    def _parts(self) -> SplitResult:
        try:
            parts = urlsplit(self.uri)
            _ = parts.port
        except ValueError as error:
            raise UsageError(f"this is not an address of Milvus ({error}): write http://HOST:{_PORT}") from error
        return parts

    @property
    def is_encrypted(self) -> bool:
        """Whether faces and credentials travel encrypted."""
        return self._parts().scheme == "https"

    @property
    def is_here(self) -> bool:
        """Whether the server is on this machine."""
        host = self._parts().hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, by default Milvus's 19530, with TLS 443."""
        parts = self._parts()
        return parts.hostname or "", parts.port or (443 if self.is_encrypted else _PORT)

    def __str__(self) -> str:
        return f"the collection {self.collection} at {self.uri}"


class Connection:
    """A connection to the Milvus server of a place; `client` is pymilvus's. Use it as a context manager.

    Credentials come from the environment, or from a file that is readable by its owner only. Raises ClusterError where
    pymilvus is missing, nobody answers, or the credentials are refused.
    """

    def __init__(self, place: MilvusPlace) -> None:
        self.place = place
        self._token = _token()
        pymilvus = _imported()
        if not (place.is_encrypted or place.is_here):
            _warn_once(place.uri)
        more: dict[str, Any] = {"secure": True} if place.is_encrypted else {}
        if place.is_encrypted and (ca := os.environ.get(CA_VARIABLE)):
            if not Path(ca).is_file():
                raise ClusterError(
                    f"{CA_VARIABLE} names {ca}, which is not a file: name the certificate of the server's CA"
                )
            more["server_pem_path"] = ca
        try:
            socket.create_connection(place.address, _KNOCK_S).close()
        except OSError as error:
            raise ClusterError(
                f"no Milvus answers at {place.uri} ({error}): start it, or correct the address"
            ) from error
        with self.errors_named("cannot be opened"):
            self.client: Any = pymilvus.MilvusClient(
                uri=place.uri, token=self._token, timeout=_CONNECT_S, dedicated=True, **more
            )

    def close(self) -> None:
        self.client.close()

    @contextmanager
    def errors_named(self, what: str) -> Iterator[None]:
        """Milvus's failures as one line that names the place, and never the credentials."""
        import grpc
        from pymilvus.exceptions import MilvusException

        try:
            yield
        except (MilvusException, grpc.RpcError) as error:
            said = _said(error)
            if _REFUSED.search(said):
                remedy = (
                    f"set {TOKEN_VARIABLE} to user:password or to an API key, or name a file in {TOKEN_FILE_VARIABLE}"
                )
                raise ClusterError(f"the Milvus at {self.place.uri} refuses the user and password: {remedy}") from None
            first = self._hidden(" ".join(said.split()))[:300]
            if what != "cannot be opened" and _AWAY.search(said):
                first += ": run the command again when the server answers, and it goes on"
            tls = " (does it speak TLS? https:// is for that)" if what == "cannot be opened" else ""
            raise ClusterError(f"{self.place} {what}{tls}: {first}") from None

    def call(self, what: str, method: str, *arguments: Any, **options: Any) -> Any:
        """One request to the server. what: the failure in words. method: of pymilvus's client. Raises ClusterError."""
        with self.errors_named(what):
            return getattr(self.client, method)(*arguments, timeout=_CALL_S, **options)

    def load(self, *collections: str) -> None:
        """Have collections loaded, which Milvus Lite's are not after a start. Raises ClusterError."""
        for name in collections:  # who may only read may ask, but not load
            if self.call("cannot be looked for", "get_load_state", name)["state"].name != "Loaded":
                self.call("cannot be loaded", "load_collection", name)

    def _hidden(self, text: str) -> str:
        for secret in {self._token, self._token.partition(":")[2]} - {""}:
            text = text.replace(secret, "***")
        return text


def _said(error: BaseException) -> str:
    """What Milvus says of a failure, and what gRPC says of its cause, which pymilvus hides where it connects."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:  # pymilvus raises errors from themselves
        chain.append(cause)
        cause = cause.__cause__
    return "; ".join(dict.fromkeys(_of_one(each) for each in chain))


def _of_one(error: BaseException) -> str:
    details = getattr(error, "details", None)
    return str(getattr(error, "message", "") or (details() if callable(details) else "") or error)


@cache
def _warn_once(uri: str) -> None:
    log.warning("faces and credentials travel to %s unencrypted: https:// encrypts them", uri)


def _imported() -> Any:
    """pymilvus, without the settings that it would read from a file .env above it, and without its tracebacks."""
    os.environ.setdefault("PYTHON_DOTENV_DISABLED", "1")
    try:
        import pymilvus
    except ImportError as error:
        raise ClusterError(f"--milvus needs pymilvus ({error}): {how_to_add('milvus')}") from error
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL + 1)
    return pymilvus


def _token() -> str:
    """user:password, or an API key; '' where there is none. Raises ClusterError for a file that others may read."""
    if token := os.environ.get(TOKEN_VARIABLE):
        return token
    if not (named := os.environ.get(TOKEN_FILE_VARIABLE)):
        return ""
    try:
        with Path(named).open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise ClusterError(f"{named} holds a password and is readable by others: chmod 600 {named}")
            return file.read().strip()
    except (OSError, ValueError) as error:
        raise ClusterError(f"{named}, which {TOKEN_FILE_VARIABLE} names, cannot be read ({error})") from error
