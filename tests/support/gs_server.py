"""A server on this machine that speaks as much of Google Cloud Storage as reading needs: list, look and get.

It gives a token to whoever has a service account's key, and asks for it; it checks who signed, not the signature.
Source: Cloud Storage JSON API reference (Objects: list, get; Buckets: get), and RFC 7523.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from support.s3_server import Bucket, BucketHandler, bucket_server

ACCOUNT, TOKEN = "reader@tests.invalid", "a-token-that-is-nowhere-shown"  # others get one that opens nothing


def service_account(url: str) -> str:
    """The key of an account as its JSON file, with a key pair of its own; the server at `url` gives its tokens."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "project_id": "tests",
        "private_key_id": "1",
        "private_key": key.decode(),
        "client_email": ACCOUNT,
        "token_uri": f"{url}/token",
    }
    return json.dumps(account)


class _GsHandler(BucketHandler):
    def do_POST(self) -> None:  # noqa: N802 - the server calls it so
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        claims = form["assertion"][0].split(".")[1]
        who = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["iss"]
        token = TOKEN if who == ACCOUNT else "another-token"
        self._say(200, {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}, has_body=True)

    def answer(self, *, has_body: bool) -> None:
        asked = urlsplit(self.path)
        query = parse_qs(asked.query)
        name, _, rest = asked.path.partition("/storage/v1/b/")[2].partition("/")
        key = unquote(rest.removeprefix("o").removeprefix("/"))
        bucket = self.buckets.get(name)
        is_content = query.get("alt") == ["media"]
        if bucket is not None:
            command = "LOOK" if not is_content else "PART" if "Range" in self.headers else "GET"
            bucket.requests.append(f"{command} {key or asked.query}")
        if refused := self._refusal(bucket, key):
            self._say(refused[0], {"error": {"code": refused[0], "message": refused[1]}}, has_body=has_body)
        elif bucket is None or not rest:
            self._say(200, {"kind": "storage#bucket", "name": name}, has_body=has_body)
        elif not key:
            self._say(200, _listing(bucket, name, query), has_body=has_body)
        elif is_content:
            content, _ = bucket.objects[key]
            headers = {"X-Goog-Hash": f"md5={_md5(content)}", "ETag": _md5(content)}
            self.send_object(content, headers, has_body=has_body)
        else:
            self._say(200, _object(name, key, *bucket.objects[key]), has_body=has_body)

    def _refusal(self, bucket: Bucket | None, key: str) -> tuple[int, str] | None:
        """The status and the message of an error."""
        given = self.headers.get("Authorization")
        if bucket is None:
            return 404, "The specified bucket does not exist."
        if bucket.is_down:
            return 400, "down"  # the client tries others six times, a minute long
        if given != f"Bearer {TOKEN}":
            return 403 if given else 401, "no access"
        return (404, "No such object") if key and key not in bucket.objects else None

    def _say(self, status: int, answer: dict[str, Any], *, has_body: bool) -> None:
        self.send(status, json.dumps(answer).encode(), {"Content-Type": "application/json"}, has_body=has_body)


def _md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def _object(bucket: str, key: str, content: bytes, changed_s: int) -> dict[str, Any]:
    changed = datetime.fromtimestamp(changed_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return {
        "kind": "storage#object",
        "name": key,
        "bucket": bucket,
        "size": str(len(content)),
        "updated": changed,
        "timeCreated": changed,
        "generation": str(int(hashlib.sha256(content).hexdigest()[:12], 16)),
        "md5Hash": _md5(content),
        "etag": _md5(content),
    }


def _listing(bucket: Bucket, name: str, query: dict[str, list[str]]) -> dict[str, Any]:
    """A page of keys: as many as are wanted, from where the last one ended."""
    prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
    found: dict[str, dict[str, Any] | None] = {}  # None for what several keys share
    for key, (content, changed_s) in sorted(bucket.objects.items()):
        below, is_deeper, _ = key.removeprefix(prefix).partition(delimiter) if delimiter else (key, "", "")
        if key.startswith(prefix):
            found[prefix + below + delimiter if is_deeper else key] = (
                None if is_deeper else _object(name, key, content, changed_s)
            )
    begin, most = int(query.get("pageToken", ["0"])[0]), int(query.get("maxResults", ["1000"])[0])
    page = dict(list(found.items())[begin : begin + most])
    said = {
        "kind": "storage#objects",
        "items": [each for each in page.values() if each],
        "prefixes": [key for key, each in page.items() if each is None],
    }
    return said | ({"nextPageToken": str(begin + most)} if begin + most < len(found) else {})


@contextmanager
def gs_server(**served: Bucket) -> Iterator[str]:
    """The server's address, with some buckets."""
    with bucket_server(_GsHandler, served) as url:
        yield url
