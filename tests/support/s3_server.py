"""A server on this machine that speaks as much of Amazon S3 as reading needs: list, head and get, with credentials.

Source: Amazon S3 API Reference (ListObjectsV2, HeadObject, HeadBucket, GetObject). It checks which key signed a
request, not the signature.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

from facesearch.photos import buckets
from facesearch.photos.decoding import one_worker

ACCESS_KEY, SECRET_KEY = "AKIAFORTESTS", "a-secret-that-is-nowhere-shown"
JPEG = bytes.fromhex("ffd8ffe000104a4649460001") + bytes(60)  # as far as its format is looked at


class Bucket:
    """Objects by key, each with the second of its last change."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, int]] = {}
        self.requests: list[str] = []
        self.is_down = False

    def put(self, key: str, content: bytes, changed_s: int = 1_700_000_000) -> None:
        self.objects[key] = (content, changed_s)


class BucketHandler(BaseHTTPRequestHandler):
    """What the protocols of all clouds share: an answer, and a part of an object."""

    protocol_version = "HTTP/1.1"
    buckets: ClassVar[dict[str, Bucket]]

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(has_body=False)

    def do_GET(self) -> None:
        self.answer(has_body=True)

    def answer(self, *, has_body: bool) -> None:
        raise NotImplementedError

    def send_object(self, content: bytes, headers: dict[str, str], *, has_body: bool) -> None:
        """An object, or the range of it that is asked for."""
        wanted = self.headers.get("Range", "").removeprefix("bytes=")
        if not wanted:
            return self.send(200, content, headers, has_body=has_body)
        start, _, end = wanted.partition("-")
        whole = len(content)
        content = content[int(start) : int(end) + 1 if end else None]
        range_sent = {"Content-Range": f"bytes {start}-{int(start) + len(content) - 1}/{whole}"}
        return self.send(206, content, headers | range_sent, has_body=has_body)

    def send(
        self, status: int, content: bytes, headers: dict[str, str] | None = None, *, has_body: bool = True
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if has_body:
            with suppress(BrokenPipeError):  # a client that asks in two ways drops the slower answer
                self.wfile.write(content)


class _S3Handler(BucketHandler):
    def answer(self, *, has_body: bool) -> None:
        asked = urlsplit(self.path)
        name, _, key = unquote(asked.path).lstrip("/").partition("/")
        bucket = self.buckets.get(name)
        if bucket is None:
            return self._error(404, "NoSuchBucket", has_body=has_body)
        command = "PART" if "Range" in self.headers else self.command
        bucket.requests.append(f"{command} {key or asked.query}")
        if bucket.is_down:
            return self._error(503, "SlowDown", has_body=has_body)
        if f"Credential={ACCESS_KEY}/" not in self.headers.get("Authorization", ""):
            return self._error(403, "AccessDenied", has_body=has_body)
        if not key:
            return self.send(200, _listing(bucket, name, parse_qs(asked.query)), has_body=has_body)
        if key not in bucket.objects:
            return self._error(404, "NoSuchKey", has_body=has_body)
        content, changed_s = bucket.objects[key]
        headers = {"ETag": _tag(content), "Last-Modified": formatdate(changed_s, usegmt=True)}
        return self.send_object(content, headers, has_body=has_body)

    def _error(self, status: int, code: str, *, has_body: bool) -> None:
        self.send(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode(), has_body=has_body)


def _tag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def _listing(bucket: Bucket, name: str, query: dict[str, list[str]]) -> bytes:
    prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
    objects, folders = [], set()
    for key, (content, changed_s) in sorted(bucket.objects.items()):
        if not key.startswith(prefix):
            continue
        below, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
        if found:
            folders.add(prefix + below + delimiter)
            continue
        objects.append(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{_iso(changed_s)}</LastModified><ETag>"
            f"{escape(_tag(content))}</ETag><Size>{len(content)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        )
    prefixes = [f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in sorted(folders)]
    count = len(objects) + len(prefixes)
    return (
        '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{name}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{count}</KeyCount><MaxKeys>1000</MaxKeys>"
        f"<IsTruncated>false</IsTruncated>{''.join(objects + prefixes)}</ListBucketResult>"
    ).encode()


def _iso(second: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


@contextmanager
def bucket_server(handler: type[BucketHandler], served: dict[str, Bucket]) -> Iterator[str]:
    """The address of a server of some buckets."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (handler,), {"buckets": served}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def fresh_clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Inside, nothing knows the settings of former tests: no client, no object that was read, no photo process."""
    beside = one_worker._Beside()
    monkeypatch.setattr(one_worker, "_beside", beside)
    monkeypatch.setattr(buckets, "_last", buckets._Last())
    buckets._system.cache_clear()
    try:
        yield
    finally:
        buckets._system.cache_clear()
        beside.end()


@contextmanager
def s3_server(**served: Bucket) -> Iterator[str]:
    """The server's address, with some buckets."""
    with bucket_server(_S3Handler, served) as url:
        yield url
