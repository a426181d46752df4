"""The REST API over a real library, by a real HTTP client."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.documents import documented_keys
from support.rest import api, waited
from support.web_server import Serving, serving

from facesearch.api.library import open_library
from facesearch.import_path import TRUST_VARIABLE
from facesearch.library import Library

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "page.md"


def test_reads_are_the_json_of_the_commands(client: httpx.Client, server: Serving) -> None:
    with open_library(server.library) as library:
        status, shown = library.status(), library.people.show(1)
    assert api(client, "GET", "status")["library_id"] == status.library_id
    assert set(api(client, "GET", "status")) == documented_keys("status")
    person = api(client, "GET", "people/1")
    assert [face["face_id"] for face in person["faces"]] == [face.face_id for face in shown.faces]
    people = api(client, "GET", "people")
    assert [each["person_id"] for each in people["people"]] == [1, 2, 3, 4]
    assert all(each["cover_face_id"] for each in people["people"])
    assert api(client, "GET", "people", params={"start": 1, "count": 2})["total"] == 4
    name = people["people"][2]["name"]
    assert [each["name"] for each in api(client, "GET", "people", params={"text": name[1:].upper()})["people"]] == [
        name
    ]


@pytest.mark.parametrize("path", ["/", "/people/1", "/photos"])
def test_a_grid_gets_the_cards_that_did_not_come_with_the_page(client: httpx.Client, path: str) -> None:
    more = re.search(r'data-more="([^"]+)"', client.get(path).text)
    assert more is not None
    answer = client.get(f"{html.unescape(more[1])}&start=1&count=2")
    assert answer.status_code == 200
    assert answer.text.count('<li class="card') == 2


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "people/99999/name", {"name": "Ann"}, 400, "there is no person #99999"),
        ("POST", "people/1/name", {"name": "#3"}, 400, "#3"),
        ("POST", "people/1/name", {"name": ""}, 422, "name"),
        ("POST", "people/1/name", {"name": "x" * 5000}, 422, "name"),
        ("POST", "people/1/name", {"name": "Ann", "born": "yesterday"}, 400, "yesterday is not a date"),
        ("POST", "people/1/name", {}, 422, "name"),
        ("POST", "people/1/merge", {"others": [1]}, 400, "name at least two people"),
        ("POST", "people/1/reject", {"faces": [99999]}, 400, "there is no face #99999"),
        ("POST", "people/1/reject", {"faces": [1 << 70]}, 422, "faces"),
        ("POST", "journal/undo", {"change": 99999}, 400, "there is no change 99999"),
        ("POST", "run/stop", {}, 400, "nothing is running"),
        ("GET", "photos?person=Nobody", None, 400, "is called Nobody"),
        ("GET", "photos?since=soon", None, 400, "soon is not a date"),
        ("GET", "photos?only=true", None, 400, "name a person: --only"),
        ("GET", "photos?count=100000", None, 422, "count"),
        ("POST", "photos/album", {"person": ["#1"]}, 422, "folder"),
        ("POST", "run/index", {"folders": ["/etc"]}, 400, "outside of the folders"),
        ("POST", "run/index", {"folders": ["\0"]}, 400, "NUL"),
        ("GET", "query", None, 405, "Not Allowed"),
        ("GET", "nothing", None, 404, "Not Found"),
    ],
)
def test_what_is_wrong_is_said(  # noqa: PLR0917
    client: httpx.Client, method: str, path: str, body: Any, status: int, words: str
) -> None:
    answer = client.request(method, f"/api/v1/{path}", json=body)
    assert answer.status_code == status
    assert words in answer.text


def test_while_another_process_writes_reading_goes_on_and_changes_say_who_writes(
    client: httpx.Client, server: Serving
) -> None:
    with Library.open(server.library, writable=True):
        refused = client.post("/api/v1/people/1/name", json={"name": "Ann"})
        assert refused.status_code == 409
        assert "is being written by process" in refused.json()["error"]["message"]
        assert api(client, "GET", "people")["total"] == 4
        time.sleep(1)
        with client.stream("GET", "/api/v1/events") as events:
            state = json.loads(next(line for line in events.iter_lines() if line.startswith("data: "))[6:])
        assert "process" in state["writer"]


def test_indexing_runs_in_the_background_and_events_follow(
    client: httpx.Client, album_and_library: tuple[Path, Path]
) -> None:
    album, _ = album_and_library
    from facesearch.demo import write_album

    more = write_album(album / "people" / "more", 1, 6, seed=5).directory
    with client.stream("GET", "/api/v1/events") as events:
        lines = (json.loads(line[6:]) for line in events.iter_lines() if line.startswith("data: "))
        before = next(lines)["version"]
        started = api(client, "POST", "run/index", json={"folders": [str(more)]})
        assert started["is_running"]
        again = client.post("/api/v1/run/group")
        assert again.status_code == 409
        seen = next(state for state in lines if state["run"] and not state["run"]["is_running"])
    assert seen["version"] > before
    run = waited(client)
    assert run["error"] is None
    assert run["summary"]["photos_new"] == 6
    assert api(client, "POST", "run/group")["what"] == "group"
    assert waited(client)["summary"]["faces"] > 0


def test_openapi_describes_the_routes_and_loads_nothing_from_elsewhere(client: httpx.Client) -> None:
    described = client.get("/api/openapi.json").json()
    assert "/api/v1/people/{person_id}/merge" in described["paths"]
    answer = described["paths"]["/api/v1/query"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer["$ref"].endswith("/QueryAnswer")
    assert client.get("/docs").status_code == 404


def test_without_a_library_reads_say_what_to_do(tmp_path: Path) -> None:
    with serving(tmp_path / "none", tmp_path / "tmp") as running, running.client() as client:
        answer = client.get("/api/v1/people")
        assert answer.status_code == 503
        assert "index some photos first" in answer.json()["error"]["message"]


def test_without_the_extra_the_command_says_how_to_get_it(tmp_path: Path) -> None:
    program = "import sys; sys.modules['fastapi'] = None; sys.modules['uvicorn'] = None\n"
    program += "sys.argv[1:] = ['serve']\nfrom facesearch.__main__ import main; main()"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 2
    assert 'pip install "fastapi' in ran.stderr


def test_nothing_beyond_this_machine_is_contacted(
    album_and_library: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every name that is looked up, and every connection that is begun, refused and written down."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "def refuse(event, arguments):\n"
        "    looks_up = event in {'socket.getaddrinfo', 'socket.gethostbyname', 'socket.sendto'}\n"
        "    if looks_up or (event == 'socket.connect' and not isinstance(arguments[1], (str, bytes))):\n"
        "        open(os.environ['NETWORK_LOG'], 'a').write(f'{event} {arguments[1:]}\\n')\n"
        "        raise RuntimeError(event)\n"
        "sys.addaudithook(refuse)\n"
    )
    log = tmp_path / "log"
    library = Path(shutil.copytree(album_and_library[1], tmp_path / "library"))
    photo = min((album_and_library[0] / "groups").iterdir())
    hook = {"PYTHONPATH": str(tmp_path), TRUST_VARIABLE: "1", "NETWORK_LOG": str(log)}
    probe = subprocess.run(
        [sys.executable, "-c", "import socket; socket.create_connection(('127.0.0.1', 9))"],
        env={**os.environ, **hook},
        capture_output=True,
        check=False,
    )
    assert b"RuntimeError" in probe.stderr  # it would be seen
    log.unlink()
    with serving(library, tmp_path / "tmp", "--device", "cpu", **hook) as running, running.client() as client:
        for path in ("/", "/people/1", "/find", "/review", "/history", "/library", "/static/page.js", "/api/v1/people"):
            assert client.get(path).status_code == 200
        assert client.post("/api/v1/query", content=photo.read_bytes()).status_code == 200
        assert api(client, "POST", "run/group")["is_running"]
        assert waited(client)["error"] is None
    assert not log.exists(), log.read_text()


def test_the_client_of_the_guide_works_in_ten_lines(
    server: Serving,
    album_and_library: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len([line for line in block.splitlines() if line.strip()]) <= 10
    photo = min((album_and_library[0] / "groups").iterdir())
    shutil.copy(photo, tmp_path / "party.jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("urllib.request._opener", None)  # it keeps the proxies of its first use in this process
    program = block.replace("http://127.0.0.1:8765", server.address).replace(
        "the token that serve printed", server.token
    )
    exec(compile(program, "page.md", "exec"), {"__name__": "__main__"})
    with open_library(album_and_library[1]) as library:
        verdicts = [face.verdict.text for face in library.query(photo).faces if face.verdict is not None]
    assert capsys.readouterr().out.splitlines() == verdicts
