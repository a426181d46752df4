"""Who gets in: hosts, origins, tokens, cookies, paths, sizes, and many or slow clients."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.web_server import Serving, serving

from facesearch.errors import UsageError
from facesearch.web import access as gate
from facesearch.web.access import Access, Guard
from facesearch.web.library_threads import Place
from facesearch.web.server import _listening, serve

NAMED = ("people", "status", "journal", "photos/1", "photos/1/file", "faces/1/picture", "events", "run")


@pytest.fixture
def browser(server: Serving) -> Iterator[httpx.Client]:
    """What a browser has after the address with the token: a cookie."""
    with httpx.Client(base_url=server.address, timeout=60, trust_env=False) as client:
        assert client.get("/", params={"token": server.token}).status_code == 200
        yield client


def test_nobody_gets_in_without_the_token(server: Serving) -> None:
    with httpx.Client(base_url=server.address, trust_env=False) as client:
        for path in ("/", "/people/1", "/api/openapi.json", *(f"/api/v1/{name}" for name in NAMED)):
            for wrong in (
                {},
                {"Authorization": "Bearer no"},
                {"Cookie": "facesearch=no"},
                {"Authorization": "Basic x"},
            ):
                answer = client.get(path, headers=wrong)
                assert answer.status_code == 401, path
                assert server.token not in answer.text
        assert client.get("/", params={"token": "no"}).status_code == 401
        assert client.get("/static/page.css").status_code == 200


def test_the_address_with_the_token_gives_a_strict_cookie_and_hides_the_token(server: Serving) -> None:
    with httpx.Client(base_url=server.address, trust_env=False) as client:
        answer = client.get("/people/3", params={"token": server.token})
        cookie = answer.headers["set-cookie"]
        assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict", "Path=/"))
        assert 'content="0;url=/people/3"' in answer.text
        assert server.token not in answer.text
        assert client.get("/api/v1/status").json()["people_named"] == 4


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1.nip.io:{port}",
        "127.0.0.1",
        "localhost:1",
        "",
        "a@127.0.0.1:{port}",
        "192.168.1.2:{port}",
    ],
)
def test_a_foreign_host_is_refused_even_with_the_token(server: Serving, host: str) -> None:
    port = server.address.rpartition(":")[2]
    with server.client() as client:
        assert client.get("/api/v1/status", headers={"Host": host.format(port=port)}).status_code == 421
        for known in ("localhost", "127.0.0.1", "LOCALHOST"):
            assert client.get("/api/v1/status", headers={"Host": f"{known}:{port}"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {},  # a form of an old browser, or a program without the token
    ],
)
def test_another_site_changes_nothing_though_the_cookie_came_along(
    browser: httpx.Client, headers: dict[str, str]
) -> None:
    before = browser.get("/api/v1/journal").json()
    answer = browser.post("/api/v1/people/1/name", json={"name": "Mallory"}, headers=headers)
    assert answer.status_code == 403
    assert browser.get("/api/v1/journal").json() == before


def test_its_own_pages_may_change_something(server: Serving, browser: httpx.Client) -> None:
    own = {"Origin": server.address, "Sec-Fetch-Site": "same-origin"}
    change = browser.post("/api/v1/people/1/name", json={"name": "Somebody"}, headers=own).json()
    assert change["name"] == "Somebody"
    assert browser.post("/api/v1/journal/undo", json={}, headers=own).status_code == 200


def test_every_answer_forbids_scripts_from_elsewhere_frames_and_keeping(server: Serving, browser: httpx.Client) -> None:
    refused = httpx.get(server.address, trust_env=False)
    for answer in (browser.get("/api/v1/status"), browser.get("/static/page.css"), browser.get("/nothing"), refused):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static//etc/passwd",
        "/static/%2fetc/passwd",
        "/static/%00",
        "/api/v1/photos//etc/passwd/picture",
        "/api/v1/photos/%2Fetc%2Fpasswd/picture",
        "/api/v1/photos/..%2f..%2flibrary.db/picture",
        "/api/v1/photos/-1/picture",
        "/api/v1/photos/0",
        "/api/v1/photos/99999",
        "/api/v1/photos/9223372036854775808",
        "/api/v1/faces/1e3/picture",
        "/api/v1/faces/99999/picture",
        "/api/v1/people/99999",
        "/api/v1/people/170141183460469231731687303715884105728",
        "/library.db",
        "//etc/passwd",
    ],
)
def test_nothing_is_served_by_path(server: Serving, path: str) -> None:
    """Sent as it stands: an HTTP client would tidy it up."""
    host, port = server.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {server.token}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert int(answer.split()[1]) in {400, 404, 405, 422}
    assert b"root:" not in answer
    assert b"SQLite format" not in answer
    assert b"Traceback" not in answer


def test_a_body_that_says_it_is_huge_is_refused_before_it_comes(server: Serving) -> None:
    host, port = server.address.removeprefix("http://").split(":")
    for path, length in (("/api/v1/query", 1 << 40), ("/api/v1/people/1/name", 2 << 20)):
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(
                f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {server.token}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n".encode()
            )
            assert connection.recv(64).split()[1] == b"413"


def _through_guard(messages: list[dict[str, Any]], *, pause_s: float = 0.0) -> int:
    """The status that a body in pieces gets, from an application that reads all of it."""
    statuses = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(pause_s)
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    headers = [(b"host", b"localhost:80"), (b"authorization", b"Bearer abc")]
    scope = {"type": "http", "method": "POST", "path": "/api/v1/query", "query_string": b"", "headers": headers}
    asyncio.run(Guard(application, Access("abc", 80, is_local=True))(scope, receive, send))  # type: ignore[arg-type]
    return statuses[0]


def test_a_body_in_pieces_is_counted_and_may_not_take_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "PHOTO_BYTES", 100)
    piece = {"type": "http.request", "body": b"x" * 60, "more_body": True}
    last = {**piece, "more_body": False}
    assert _through_guard([{**piece, "body": b""}, last]) == 200
    assert _through_guard([piece, last]) == 413
    monkeypatch.setattr(gate, "SLOWEST_S", 0.01)
    assert _through_guard([piece, last], pause_s=0.2) == 408


def test_200_requests_at_once_are_all_answered(server: Serving) -> None:
    with server.client(limits=httpx.Limits(max_connections=200)) as client, ThreadPoolExecutor(200) as pool:
        paths = ["/api/v1/people", "/api/v1/faces/1/picture", "/api/v1/photos/1", "/api/v1/run"] * 50
        statuses = list(pool.map(lambda path: client.get(path).status_code, paths))
    assert statuses == [200] * 200


def test_slow_clients_keep_nobody_waiting(server: Serving) -> None:
    host, port = server.address.removeprefix("http://").split(":")
    slow = [socket.create_connection((host, int(port)), timeout=30) for _ in range(20)]
    try:
        for number, connection in enumerate(slow):
            head = f"POST /api/v1/query HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {server.token}\r\n"
            whole = f"{head}Content-Length: 1000\r\n\r\nx".encode()
            connection.sendall(whole if number % 2 else whole[: 20 + number])
        with server.client() as client:
            assert client.get("/api/v1/people").status_code == 200
            answer = client.post("/api/v1/query", content=b"no photo")
            assert answer.status_code == 422
    finally:
        for connection in slow:
            connection.close()


def test_answers_do_not_wait_for_nagles_algorithm() -> None:
    """Which asyncio turns off only where a listener was made by the protocol's number."""

    async def turned_off() -> int:
        turned: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            turned.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listener = _listening("127.0.0.1", 0)
        async with await asyncio.start_server(connected, sock=listener):
            with socket.create_connection(listener.getsockname()):
                return await turned

    assert asyncio.run(turned_off())


def test_a_server_that_is_killed_while_a_photo_comes_leaves_nothing_beyond_the_next_start(
    album_and_library: tuple[Path, Path], tmp_path: Path
) -> None:
    _, library = album_and_library
    with serving(library, tmp_path / "tmp", "--device", "cpu") as killed:
        host, port = killed.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(
                f"POST /api/v1/query HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {killed.token}\r\n"
                "Content-Length: 90000\r\n\r\n".encode()
                + b"x" * 70000
            )
            while not any(path.stat().st_size for path in killed.kept()):
                time.sleep(0.05)
            killed.process.kill()
            killed.process.wait()
        (left,) = (tmp_path / "tmp").iterdir()
        assert stat.S_IMODE(left.stat().st_mode) == 0o700
    os.utime(left, (0, 0))  # as if that had been a while ago
    with serving(library, tmp_path / "tmp", "--device", "cpu") as first:
        (own,) = (tmp_path / "tmp").iterdir()
        assert own != left
        os.utime(own, (0, 0))
        with serving(library, tmp_path / "tmp", "--device", "cpu"):
            assert own.is_dir()  # of a server that is still there
        with first.client() as client:
            assert client.post("/api/v1/query", content=b"no photo").status_code == 422
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_port_that_is_taken_is_an_error_that_says_so(tmp_path: Path) -> None:
    expected = pytest.raises(UsageError, match=r"cannot listen on 127\.0\.0\.1.*--port")
    with socket.create_server(("127.0.0.1", 0)) as taken, expected:
        serve(Place(tmp_path / "library"), port=taken.getsockname()[1])


def test_a_root_that_is_not_there_is_reported_and_the_rest_is_served(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    with serving(tmp_path / "library", tmp_path / "tmp", "--root", str(gone)) as running, running.client() as client:
        assert client.get("/library").is_success
    assert f"--root {gone} is not a folder now: check the name, or the drive that it is on" in capfd.readouterr().err


def test_beyond_this_machine_addresses_are_known_and_names_are_not() -> None:
    everywhere = Access("t", 8765, is_local=False, names=frozenset({"nas.example"}))
    known = {"192.168.1.2:8765", "[::1]:8765", "localhost:8765", "nas.example", "NAS.example:443"}
    unknown = {"192.168.1.2:80", "evil.example:8765", "nas.example.evil:8765", "[::1", "192.168.1.2:8765/x", ":8765"}
    assert {host for host in known | unknown if everywhere.knows_host(host)} == known
