"""The REST API over a real library, by a real HTTP client."""

from __future__ import annotations

import asyncio
import html
import json
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.documents import documented_keys
from support.web_server import Serving, serving

from facesearch.api.library import open_library
from facesearch.api.values import photos_csv
from facesearch.import_path import TRUST_VARIABLE
from facesearch.library import DATABASE_NAME, Library
from facesearch.records import Taken
from facesearch.text import plain
from facesearch.web.request_bodies import PhotosWish

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "page.md"


@pytest.fixture
def client(server: Serving) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def api(client: httpx.Client, method: str, path: str, **options: Any) -> Any:
    answer = client.request(method, f"/api/v1/{path}", **options)
    assert answer.is_success, answer.text
    return answer.json()


def waited(client: httpx.Client) -> Any:
    """The run at hand, when it is done."""
    for _ in range(600):
        run = api(client, "GET", "run")
        if not run["is_running"]:
            return run
        time.sleep(0.1)
    raise AssertionError(run)


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


def test_a_photo_is_known_by_its_number_with_its_faces(client: httpx.Client) -> None:
    face = api(client, "GET", "people/1")["faces"][0]
    photo = api(client, "GET", f"photos/{face['photo_id']}")
    assert photo["photo"] == face["photo"]
    assert face["face_id"] in [each["face_id"] for each in photo["faces"]]
    for path in (f"photos/{face['photo_id']}/picture", f"faces/{face['face_id']}/picture"):
        pictures = [client.get(f"/api/v1/{path}") for _ in range(2)]
        assert pictures[0].headers["content-type"] == "image/jpeg"
        assert pictures[0].content[:2] == b"\xff\xd8"
        assert pictures[0].content == pictures[1].content
    large = client.get(f"/api/v1/photos/{face['photo_id']}/picture", params={"large": True})
    assert len(large.content) > len(pictures[0].content)


def test_a_motion_photo_is_answered_with_the_frame_of_its_film(client: httpx.Client, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed: the extra video")
    from support.films import Appearance, portrait, write_film, write_motion_photo

    film = write_film(tmp_path / "film.mp4", [Appearance(1, 0, 2)], 2, size=(640, 360))
    photo = write_motion_photo(tmp_path / "IMG.jpg", portrait(0, 400), film)
    asked = client.post("/api/v1/query", params={"name": "IMG.jpg"}, content=photo.read_bytes())
    still, in_film = asked.json()["faces"]
    assert (still["span"], in_film["span"]["start_s"], in_film["span"]["end_s"]) == (None, 0.0, 1.0)
    page = client.get(asked.headers["location"]).text
    assert re.findall(r'viewBox="0 0 (\d+ \d+)"', page) == ["400 400", "640 360"]
    assert "00:00:00-00:00:01" in page
    pictures = [html.unescape(each) for each in re.findall(r'<image href="(/find/[^"]+)"', page)]
    assert [client.get(each).content[:2] for each in pictures] == [b"\xff\xd8"] * 2


def test_pictures_are_private_and_forget_drops_them(album_and_library: tuple[Path, Path], tmp_path: Path) -> None:
    library = tmp_path / "library"
    shutil.copytree(album_and_library[1], library)
    with open_library(library) as opened:
        face = opened.people.show(1).faces[0].face_id
        assert opened.views.face_picture(face)
        cache = library / "pictures.db"
        assert stat.S_IMODE(cache.stat().st_mode) == 0o600
        assert opened.verify().findings == ()
        photo = opened.views.photo_of_face(face)
        begun = opened.views._pictures.begin()
        opened.forget("#1")
        assert not cache.exists()
        assert opened.views.face_picture(face) is None
        opened.views._pictures.put(b"late", b"picture of the forgotten", begun)
        assert opened.views._pictures.get(b"late") is None
        assert opened.views.photo_picture(photo)
        assert opened.views._pictures.get(b"late") is None


def test_naming_merging_moving_rejecting_and_undoing(client: httpx.Client) -> None:
    before = api(client, "GET", "people")
    renamed = api(client, "POST", "people/1/name", json={"name": "<b>Ann & Co</b>", "born": "1984-05-17"})
    assert (renamed["action"], renamed["name"], renamed["born"]) == ("name", "<b>Ann & Co</b>", "1984-05-17")
    merged = api(client, "POST", "people/1/merge", json={"others": [2, 3]})
    assert (merged["people"], merged["total"]) == (2, 18)
    for method, path, body in (("GET", "people/2", None), ("POST", "people/3/name", {"name": "Zoe"})):
        answer = client.request(method, f"/api/v1/{path}", json=body)
        error = answer.json()["error"]
        assert (answer.status_code, error["kind"], error["person_id"]) == (400, "PersonMergedError", 1)
        assert error["message"] == f"person #{path[7]} was merged into <b>Ann & Co</b> (#1)"
    for path in ("/people/2", "/people/2/cards?start=0", "/photos?person=%232&since=2012"):
        answer = client.get(path)
        assert answer.status_code == 307
        assert answer.headers["location"] == path.replace("/2", "/1").replace("%232", "%231")
    faces = [face["face_id"] for face in api(client, "GET", "people/1")["faces"]]
    moved = api(client, "POST", "people/1/move", json={"faces": faces[:2], "to": "Zoe"})
    assert (moved["faces"], moved["name"]) == (2, "Zoe")
    apart = api(client, "POST", "people/1/move", json={"faces": faces[2:3]})
    assert apart["name"] is None
    rejected = api(client, "POST", "people/1/reject", json={"faces": faces[3:5]})
    assert rejected["faces"] == 2
    named = api(client, "POST", "faces/name", json={"faces": faces[3:5], "name": "Zoe"})
    assert named["total"] == 4
    log = api(client, "GET", "journal")["changes"]
    assert [change["action"] for change in log[:6]] == ["name", "reject", "split", "split", "merge", "name"]
    for _ in range(6):
        api(client, "POST", "journal/undo", json={})
    assert api(client, "GET", "people") == before


def test_a_date_of_birth_is_kept_and_taken_back(client: httpx.Client) -> None:
    for born in ("1984-05-17", ""):
        assert api(client, "POST", "people/1/born", json={"born": born})["born"] == (born or None)
        assert api(client, "GET", "people/1")["person"]["born"] == (born or None)
    for _ in range(2):
        api(client, "POST", "journal/undo", json={})


def test_the_file_of_a_photo_is_sent_as_it_was_indexed_or_not_at_all(
    server: Serving, client: httpx.Client, tmp_path: Path
) -> None:
    path = Path(api(client, "GET", "photos/1")["photo"])
    sent = client.get("/api/v1/photos/1/file")
    assert sent.content == path.read_bytes()
    assert sent.headers["content-disposition"].startswith(f'attachment; filename="{path.name}"')
    assert client.get("/api/v1/photos/999/file").status_code == 404
    moved = Path(shutil.copytree(server.library, tmp_path / "library"))
    copy = tmp_path / "copy.jpg"
    with closing(sqlite3.connect(moved / DATABASE_NAME)) as database, database:
        database.execute("UPDATE files SET path = ? WHERE photo_id = 1", (os.fsencode(copy),))
    with open_library(moved) as opened:
        assert opened.views.original(1) is None
        shutil.copy(path, copy)
        assert opened.views.original(1) == copy
        copy.write_bytes(path.read_bytes() + b"more")
        assert opened.views.original(1) is None


def test_people_are_hidden_and_shown_again(client: httpx.Client) -> None:
    before = api(client, "GET", "people")
    done = api(client, "POST", "people/hide", json={"people": [2, 3]})
    assert (done["hidden"], done["person_ids"]) == (True, [2, 3])
    assert [each["person_id"] for each in api(client, "GET", "people")["people"]] == [1, 4]
    everybody = api(client, "GET", "people", params={"hidden": True})["people"]
    assert {each["person_id"]: each["hidden"] for each in everybody} == {1: False, 2: True, 3: True, 4: False}
    assert api(client, "POST", "people/unhide", json={"people": [3, 4]})["person_ids"] == [3]
    assert client.post("/api/v1/people/hide", json={"people": [99999]}).status_code == 400
    for _ in range(2):
        api(client, "POST", "journal/undo", json={})
    assert api(client, "GET", "people") == before


def test_photos_are_found_by_people_and_dates_and_saved(
    client: httpx.Client, server: Serving, album_and_library: tuple[Path, Path]
) -> None:
    album, _ = album_and_library
    with open_library(server.library) as library:
        wished = library.photos("#1", since="2013", until="2015-12", sort="date")
        everything = library.photos()
    wish = {"person": ["#1"], "since": "2013", "until": "2015-12"}
    found = api(client, "GET", "photos", params=wish)
    assert 1 < len(wished.photos) < 6
    assert found["found"] == len(wished.photos)
    assert found["total"] == everything.total
    assert found["photos"] == json.loads(json.dumps(wished.photos, default=plain))
    part = api(client, "GET", "photos", params={**wish, "start": 1, "count": 1})
    assert part["photos"] == found["photos"][1:2]
    latest = api(client, "GET", "photos", params={**wish, "sort": "latest"})["photos"]
    assert [each["taken"] for each in latest] == [each["taken"] for each in found["photos"]][::-1]
    both = api(client, "GET", "photos", params={"person": ["#1", "#2"], "any": True})
    assert both["found"] > api(client, "GET", "photos", params={"person": ["#1", "#2"]})["found"]
    table = client.get("/api/v1/photos.csv", params=wish)
    assert table.headers["content-disposition"].startswith("attachment")
    lines = table.text.splitlines()
    assert lines[0].startswith("photo,taken,")
    assert [line.split(",")[0] for line in lines[1:]] == [str(each.photo) for each in wished.photos]
    made = api(client, "POST", "photos/album", json={**wish, "folder": str(album / "albums" / "first")})
    links = sorted((album / "albums" / "first").iterdir())
    assert made["photos"] == len(links)
    assert [link.readlink() for link in links] == [each.photo for each in wished.photos]
    shutil.rmtree(album / "albums")
    some = [wished.photos[-1].photo_id, wished.photos[0].photo_id, 99999]
    table = client.post("/api/v1/photos.csv", json={**wish, "photos": some})
    assert [line.split(",")[0] for line in table.text.splitlines()[1:]] == [
        str(wished.photos[place].photo) for place in (0, -1)
    ]
    nothing = client.post("/api/v1/photos/album", json={"photos": [99999], "folder": str(album / "none")})
    assert (nothing.status_code, (album / "none").exists()) == (400, False)


def test_two_people_with_names_are_made_one_under_either_name() -> None:
    from facesearch.api.values import Suspect
    from facesearch.web.review import _case

    named = _case(Suspect("alike", 1.0, 1, "Ann", other_person_id=2, other_name="Bob"), {2: [7]})
    assert [(choice.words, choice.key, choice.path, choice.body) for choice in named.choices[:2]] == [
        ("Same: Ann", "s", "/api/v1/people/1/merge", {"others": [2]}),
        ("Same: Bob", "o", "/api/v1/people/2/merge", {"others": [1]}),
    ]
    group = _case(Suspect("alike", 1.0, 1, "Ann", other_person_id=2), {2: [7]})
    assert [(choice.words, choice.key) for choice in group.choices] == [
        ("Same", "s"),
        ("Different", "d"),
        ("Not sure", "n"),
    ]


def test_a_picture_is_made_only_where_somebody_still_waits_for_it(album_and_library: tuple[Path, Path]) -> None:
    from facesearch.web.library_threads import LibraryThreads, Place

    threads, made = LibraryThreads(Place(album_and_library[1])), list[int]()

    def look(number: int, make: bool) -> bytes | None:
        if not make:
            return b"known" if number in made else None
        made.append(number)
        return b"made"

    async def asked(number: int, wanted: bool) -> bytes | None:
        async def is_wanted() -> bool:
            return wanted

        return await threads.picture(lambda _, make: look(number, make), is_wanted)

    async def several() -> list[bytes | None]:
        first = await asyncio.gather(asked(1, True), asked(2, False), asked(3, True))
        return [*first, await asked(1, False)]

    assert asyncio.run(several()) == [b"made", None, b"made", b"known"]
    assert sorted(made) == [1, 3]
    threads.close()


def test_a_table_in_parts_is_the_table_of_all(
    album_and_library: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from facesearch.web import found_photos
    from facesearch.web.allowed_folders import Folders
    from facesearch.web.library_threads import LibraryThreads, Place

    monkeypatch.setattr(found_photos, "_PART", 5)
    threads = LibraryThreads(Place(album_and_library[1]))
    found = found_photos.FoundPhotos(threads, Folders(threads))

    async def parts(wish: PhotosWish) -> list[bytes]:
        return [part async for part in found.table(await found.find(wish))]

    with open_library(album_and_library[1]) as library:
        photos = library.photos(sort="date").photos
    all_parts = asyncio.run(parts(PhotosWish()))
    assert len(all_parts) == -(-len(photos) // 5) > 2
    assert b"".join(all_parts) == photos_csv(photos)
    assert asyncio.run(parts(PhotosWish(until="1900"))) == [photos_csv([])]
    threads.close()


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("{album}", "not empty"),
        ("{album}/../elsewhere", "outside of the folders that may be written"),
        ("{album}/out/new", "outside of the folders that may be written"),  # by a link that leads out
        ("/etc/album", "outside of the folders that may be written"),
        ("{library}/album", "outside of the folders that may be written"),
        ("a\0b", "NUL"),
    ],
)
def test_folders_of_links_are_made_within_a_root_only(
    client: httpx.Client, server: Serving, album_and_library: tuple[Path, Path], folder: str, words: str
) -> None:
    album, _ = album_and_library
    (album / "out").symlink_to(server.temporary)
    try:
        answer = client.post(
            "/api/v1/photos/album", json={"folder": folder.format(album=album, library=server.library)}
        )
        assert answer.status_code == 400
        assert words in answer.json()["error"]["message"]
        assert server.kept() == []
    finally:
        (album / "out").unlink()


def test_a_face_that_was_missed_is_added_to_a_photo(client: httpx.Client) -> None:
    photo_id = api(client, "GET", "people/2")["faces"][0]["photo_id"]
    before = api(client, "GET", f"photos/{photo_id}")
    box = [0, 0, 20, 24.5]
    added = api(client, "POST", f"photos/{photo_id}/faces", json={"box": box, "name": "Yara"})
    assert (added["photo_id"], added["box"], added["name"], added["found_by"]) == (photo_id, box, "Yara", "user")
    now = api(client, "GET", f"photos/{photo_id}")["faces"]
    assert [face["name"] for face in now if face["face_id"] == added["face_id"]] == ["Yara"]
    assert len(now) == len(before["faces"]) + 1
    assert "Yara" in client.get(f"/people/{added['person_id']}").text
    for wrong, status in (([0, 0, 9999, 30], 400), ([0, 0, 2, 2], 400), (box, 400), ([0, 0, 9], 422)):
        answer = client.post(f"/api/v1/photos/{photo_id}/faces", json={"box": wrong})
        assert answer.status_code == status, answer.text
    assert client.post("/api/v1/photos/99999/faces", json={"box": box}).status_code == 400
    api(client, "POST", "journal/undo", json={})
    assert api(client, "GET", f"photos/{photo_id}") == before


def test_teaching_and_calibrating_are_offered_once_there_are_enough_names(
    client: httpx.Client, album_and_library: tuple[Path, Path], tmp_path: Path
) -> None:
    from support.many_people import multiply

    few = client.get("/review").text
    assert "/api/v1/run/teach" not in few
    assert "/api/v1/run/calibrate" not in few
    assert "To learn from your answers: 5 named people with 5 faces each are needed, and there are 4" in few
    assert (
        "To fit the threshold: 29 named people are needed for at most 1 % false matches, and there are 4 (name" in few
    )
    library = Path(shutil.copytree(album_and_library[1], tmp_path / "library"))
    multiply(library, people=30, faces=5)
    with serving(library, tmp_path / "tmp", "--device", "cpu") as running, running.client() as other:
        enough = other.get("/review").text
    assert "/api/v1/run/teach" in enough
    assert "/api/v1/run/calibrate" in enough
    assert "To learn from" not in enough


def test_a_library_of_its_own_threshold_returns_to_the_towers(
    album_and_library: tuple[Path, Path], tmp_path: Path
) -> None:
    """Thirty people, drawn as points, are enough for a threshold."""
    from support.many_people import multiply

    library = Path(shutil.copytree(album_and_library[1], tmp_path / "library"))
    multiply(library, people=30, faces=5)
    with serving(library, tmp_path / "tmp", "--device", "cpu") as running, running.client() as client:
        assert api(client, "POST", "calibration/reset") == {"reset": False}
        assert "Return to the original threshold" not in client.get("/library").text
        with open_library(library) as opened:
            opened.tuning.calibrate(0.2)
        assert "Return to the original threshold" in client.get("/library").text
        assert api(client, "POST", "calibration/reset") == {"reset": True}
        assert "Return to the original threshold" not in client.get("/library").text


@pytest.mark.parametrize("path", ["/", "/people/1", "/photos"])
def test_a_grid_gets_the_cards_that_did_not_come_with_the_page(client: httpx.Client, path: str) -> None:
    more = re.search(r'data-more="([^"]+)"', client.get(path).text)
    assert more is not None
    answer = client.get(f"{html.unescape(more[1])}&start=1&count=2")
    assert answer.status_code == 200
    assert answer.text.count('<li class="card') == 2


def test_dates_are_those_that_the_library_has_stored(server: Serving) -> None:
    """Which photos without a date of the camera have, too."""
    with open_library(server.library) as library:
        faces = library.people.show(1).faces
    stored = {"name": "1931-02-03T00:00:00", "file": "1977-05-06T07:08:09"}
    with Library.open(server.library, writable=True) as library, library.changing():
        former = library.dates.of([face.photo_id or 0 for face in faces])
        for face, (source, at) in zip(faces, stored.items(), strict=False):
            library.dates.put(face.photo_id or 0, Taken(at, None, source))  # type: ignore[arg-type]
    with server.client() as client:
        person = client.get("/people/1").text
        assert person.index("1977-05-06") < person.index("1931-02-03")  # the latest first
        assert "1931: 1" in person
        assert "1977: 0" in person  # the time of a file does not say when a photo was taken
        assert "1977-05-06 07:08 (time of the file)" in client.get(f"/photos/{faces[1].photo_id}").text
    with Library.open(server.library, writable=True) as library, library.changing():
        for photo_id, taken in former.items():
            library.dates.put(photo_id, taken)


def test_a_cover_is_chosen_and_company_is_counted(client: httpx.Client, server: Serving) -> None:
    faces = [face["face_id"] for face in api(client, "GET", "people/1")["faces"]]
    before = api(client, "GET", "people/1")["person"]["cover_face_id"]
    face = next(each for each in faces if each != before)
    assert api(client, "POST", "people/1/cover", json={"face": face})["change"]
    assert api(client, "GET", "people/1")["person"]["cover_face_id"] == face
    page = client.get("/people/1").text
    assert f'src="/api/v1/faces/{face}/picture"' in page
    api(client, "POST", "journal/undo", json={})
    assert api(client, "GET", "people/1")["person"]["cover_face_id"] == before
    assert api(client, "GET", "people/1/together") == []  # nobody on the groups' photos has a name yet
    photo = api(client, "GET", "photos/1")
    with open_library(server.library) as library:
        group = next(each for each in library.photos().photos if each.faces > 1)
    others = [face["face_id"] for face in api(client, "GET", f"photos/{group.photo_id}")["faces"]]
    names = [api(client, "GET", f"people/{number}")["person"]["name"] for number in (1, 2)]
    for name, other in zip(names, others, strict=False):
        api(client, "POST", "faces/name", json={"faces": [other], "name": name})
    (pair,) = api(client, "GET", "people/1/together")
    assert (pair["photos"], {pair["person_id"], pair["other_person_id"]}) == (1, {1, 2})
    page = client.get("/people/1").text
    assert f'href="/people/2">{names[1]}' in page
    assert client.get(html.unescape(re.findall(r'href="(/photos\?person=[^"]*&amp;person=[^"]*)"', page)[0])).is_success
    for _ in range(2):
        api(client, "POST", "journal/undo", json={})
    assert photo == api(client, "GET", "photos/1")


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


def test_a_photo_that_is_sent_is_answered_and_not_kept(
    client: httpx.Client, server: Serving, album_and_library: tuple[Path, Path]
) -> None:
    album, path = album_and_library
    probe = min((album / "groups").iterdir())
    answer = api(client, "POST", "query", content=probe.read_bytes(), params={"name": "../../a/b.jpg", "k": 2})
    with open_library(path) as library:
        expected = library.query(probe, k=2)
    assert answer["photo"] == "b.jpg"
    assert [face["box"] for face in answer["faces"]] == [list(face.box) for face in expected.faces]
    verdicts = [face.verdict.text for face in expected.faces if face.verdict is not None]
    assert [face["verdict"]["text"] for face in answer["faces"]] == verdicts
    assert server.kept() == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holiday.jpg"),
        (b"this is text, not a photo", "holiday.jpg"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 500, "holiday.jpg"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "holiday.jpg"),
    ],
)
def test_a_bad_upload_is_an_error_with_its_name_and_without_a_path(
    client: httpx.Client, server: Serving, content: bytes, words: str
) -> None:
    answer = client.post("/api/v1/query", content=content, params={"name": "holiday.jpg"})
    assert answer.status_code == 422
    assert words in answer.json()["error"]["message"]
    assert str(server.temporary) not in answer.text
    assert server.kept() == []


def test_a_photo_without_a_face_is_said(client: httpx.Client, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (300, 200), "white").save(tmp_path / "white.png")
    answer = client.post("/api/v1/query", content=(tmp_path / "white.png").read_bytes())
    assert answer.status_code == 422
    assert "no face was found" in answer.json()["error"]["message"]


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
    assert "pip install 'fastapi" in ran.stderr


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
