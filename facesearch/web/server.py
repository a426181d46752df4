"""Starts the server, says where it is, and ends it on Ctrl-C."""

from __future__ import annotations

import ipaddress
import socket
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import suppress
from html import escape
from pathlib import Path

import uvicorn

from facesearch.errors import UsageError
from facesearch.web.access import Access, new_token
from facesearch.web.app import make_app
from facesearch.web.library_threads import Place
from facesearch.web.scratch import private_folder

DEFAULT_PORT = 8765
_BACKLOG = 256
_MOST_CONNECTIONS = 512  # further ones are told to come again


def serve(
    place: Place,
    *,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    names: Sequence[str] = (),
    token: str | None = None,
    opens_browser: bool = False,
    on_ready: Callable[[str], None] = print,
) -> None:
    """Serve until Ctrl-C.

    host: the address to listen on. port: 0 for one that is free. names: further names that the server is reached by.
    token: by default a new one. on_ready: is told the address, with the token in it, as soon as the server listens.
    Raises UsageError where the address cannot be listened on.
    """
    with _listening(host, port) as listener, private_folder() as folder:
        port = listener.getsockname()[1]
        is_local = _is_loopback(host)
        access = Access(token or new_token(), port, is_local, frozenset(name.casefold() for name in names))
        server: uvicorn.Server | None = None
        app = make_app(place, access, folder, lambda: server is not None and server.should_exit)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                log_level="critical",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=_MOST_CONNECTIONS,
                timeout_keep_alive=20,
                timeout_graceful_shutdown=3,
            )
        )
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown if is_local else _reachable(host)}:{port}/?token={access.token}"
        on_ready(address)
        if opens_browser:
            _open(address, folder)
        server.run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # By the protocol's number: asyncio turns Nagle's algorithm off only then, which costs 40 ms an answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"cannot listen on {host}, port {port}: {error.strerror}; choose another --port, or 0 for one that is free"
        ) from error
    return listener


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reachable(host: str) -> str:
    """A name for an address that stands for all of this machine's."""
    return socket.gethostname() if host in {"0.0.0.0", "::"} else f"[{host}]" if ":" in host else host


def _open(address: str, folder: Path) -> None:
    """Open the browser by a private file: the arguments of a process, and so a token in them, can be seen by every user
    of the machine."""
    page = folder / "open.html"
    page.write_text(f'<!DOCTYPE html><meta http-equiv="refresh" content="0;url={escape(address)}">', encoding="utf-8")
    with suppress(webbrowser.Error):
        webbrowser.open(page.as_uri())
