"""Who may use the server, and how much they may send: checked before everything else.

A request must name this server as its host (against DNS rebinding), carry the token, in a cookie or as a bearer, and
may change something only from the server's own pages or with a bearer. Bodies are bounded in size and time.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES = 1 << 20
PHOTO_BYTES = 256 << 20
QUERY_PATH = "/api/v1/query"
"""Where photos are sent to; every other body is small."""

SLOWEST_S = 30.0  # between two pieces of a body

_SAFE = {"GET", "HEAD", "OPTIONS"}
_OPEN = "/static/"  # style and scripts, the same for everybody
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        b"media-src 'self' blob:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=()"),
    (b"x-robots-tag", b"noindex"),
    (b"cache-control", b"no-store"),
)


def new_token() -> str:
    """256 bits, as text for an address."""
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class Access:
    """Who may talk to the server."""

    token: str = field(repr=False)
    port: int
    is_local: bool  # it listens on this machine only
    names: frozenset[str] = frozenset()  # further names by which it may be called

    @property
    def cookie(self) -> str:
        """Its name: cookies do not tell ports apart."""
        return f"facesearch_{self.port}"

    def knows_host(self, host: str) -> bool:
        """Whether a Host header names this server. An address made of numbers cannot be rebound; a name can."""
        try:
            parts = urlsplit(f"//{host}")
            name, port = (parts.hostname or "").rstrip("."), parts.port or 80
        except ValueError:
            return False
        if parts.path or parts.query or parts.username is not None:
            return False
        if name in self.names:  # also behind a proxy, on another port
            return True
        if port != self.port:
            return False
        return name in _LOCAL or (not self.is_local and _is_number(name))

    def admits(self, given: str | None) -> bool:
        """Whether that is the token."""
        return given is not None and secrets.compare_digest(given.encode(), self.token.encode())


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Guard:
    """The application behind the checks, as an ASGI application."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                own = {name for name, _ in message["headers"]}
                extra = [header for header in _HEADERS if header[0] not in own]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _answer(send_guarded, *refusal, wants_page=_wants_page(scope, headers))
            return
        if self._is_welcome(scope):
            await self._let_in(scope, send_guarded)
            return
        try:
            await self._app(scope, self._bounded(scope, receive), send_guarded)
        except HTTPException as error:
            if not started:
                await _answer(send_guarded, error.status_code, error.detail, wants_page=False)

    def _refusal(self, scope: Scope, headers: Mapping[str, str]) -> tuple[int, str] | None:
        """Why a request is not answered: status and words."""
        if not self._access.knows_host(headers.get("host", "")):
            return 421, "this server has another name: open the address that facesearch serve printed"
        if scope["path"].startswith(_OPEN) and scope["method"] in _SAFE:
            return None
        bearer = headers.get("authorization", "").partition(" ")
        has_bearer = bearer[0].casefold() == "bearer" and self._access.admits(bearer[2].strip())
        if scope["method"] not in _SAFE and not has_bearer and not _is_own_page(headers):
            return 403, "changes are accepted only from this server's own pages, or with the token as a bearer token"
        said = headers.get("content-length", "0")
        if not said.isdecimal() or int(said) > _limit(scope):
            return 413, _too_large(scope)
        if has_bearer or self._access.admits(self._cookie(headers)) or self._is_welcome(scope):
            return None
        return 401, "open the address that facesearch serve printed: it holds the token"

    def _cookie(self, headers: Mapping[str, str]) -> str | None:
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self._access.cookie)
        except CookieError:
            return None
        return None if found is None else found.value

    def _is_welcome(self, scope: Scope) -> bool:
        """Whether the address holds the token."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [None])[0]
        return scope["method"] == "GET" and self._access.admits(given)

    async def _let_in(self, scope: Scope, send: Send) -> None:
        """Put the token into a cookie, and out of the address. Answers with a page that leads on, not with a redirect:
        after one, a browser that came from another site would not send a strict cookie."""
        path = scope["path"] if scope["path"].startswith("/") and not scope["path"].startswith("//") else "/"
        page = (
            '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>facesearch</title>'
            '<link rel="icon" href="/static/icon.svg">'
            f'<meta http-equiv="refresh" content="0;url={_as_link(path)}"><p><a href="{_as_link(path)}">Go on</a></p>'
        )
        cookie = f"{self._access.cookie}={self._access.token}; HttpOnly; SameSite=Strict; Path=/"
        await _send(send, 200, page.encode(), b"text/html; charset=utf-8", (b"set-cookie", cookie.encode("latin-1")))

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """What receives a body, and raises HTTPException for one that is larger than allowed or comes too slowly."""
        left = _limit(scope)
        has_ended = scope["method"] in _SAFE

        async def receive_bounded() -> Message:
            nonlocal left, has_ended
            if has_ended:  # what comes now is the end of the connection, whenever that is
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), SLOWEST_S)
            except TimeoutError:
                raise HTTPException(408, "the rest of the request did not come") from None
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413, _too_large(scope))
            has_ended = not message.get("more_body", False)
            return message

        return receive_bounded


def _limit(scope: Scope) -> int:
    return PHOTO_BYTES if scope["path"] == QUERY_PATH else BODY_BYTES


def _too_large(scope: Scope) -> str:
    return f"that is larger than {_limit(scope) >> 20} MB"


def _is_own_page(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that a request comes from this server's pages."""
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site") == "same-origin"
    return urlsplit(origin).netloc == headers.get("host", "") and headers.get("sec-fetch-site", "same-origin") in {
        "same-origin",
        "none",
    }


def _wants_page(scope: Scope, headers: Mapping[str, str]) -> bool:
    return not scope["path"].startswith("/api/") and "text/html" in headers.get("accept", "")


def _as_link(path: str) -> str:
    from html import escape
    from urllib.parse import quote

    return escape(quote(path))


async def _answer(send: Send, status: int, message: str, *, wants_page: bool) -> None:
    if wants_page:
        page = (
            '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>facesearch</title>'
            f'<link rel="stylesheet" href="/static/page.css"><main><h1>facesearch</h1><p>{message}</p></main>'
        )
        await _send(send, status, page.encode(), b"text/html; charset=utf-8")
    else:
        content = json.dumps({"error": {"kind": "AccessError", "message": message}})
        await _send(send, status, content.encode(), b"application/json")


async def _send(send: Send, status: int, body: bytes, kind: bytes, *more: tuple[bytes, bytes]) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
