"""Photos by the REST API: sent, found, saved as tables and folders, and their pictures."""

from __future__ import annotations

import asyncio
import html
import json
import os
import re
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from support.rest import api
from support.web_server import Serving

from facesearch.api.library import open_library
from facesearch.api.values import photos_csv
from facesearch.library import DATABASE_NAME, Library
from facesearch.records import Taken
from facesearch.text import plain
from facesearch.web.request_bodies import PhotosWish


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


def test_of_a_bad_video_the_formats_of_videos_are_said(client: httpx.Client, server: Serving) -> None:
    answer = client.post("/api/v1/query", content=b"this is text, not a film", params={"name": "holiday.MOV"})
    assert answer.json()["error"]["message"].endswith("(MP4, MOV, MKV, AVI, WEBM): convert it")
    assert server.kept() == []


def test_a_photo_without_a_face_is_said(client: httpx.Client, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (300, 200), "white").save(tmp_path / "white.png")
    answer = client.post("/api/v1/query", content=(tmp_path / "white.png").read_bytes())
    assert answer.status_code == 422
    assert "no face was found" in answer.json()["error"]["message"]


def test_what_is_read_while_somebody_writes_is_read_again_when_they_have_done(
    album_and_library: tuple[Path, Path], tmp_path: Path
) -> None:
    """A commit is in the files before readers see it: the files' sizes and times alone do not tell when they do."""
    folder = Path(shutil.copytree(album_and_library[1], tmp_path / "library"))
    with open_library(folder) as asked, open_library(folder) as reader:
        reader.views.hold()  # or the writer would empty the log when it ends
        before = asked.views.stamp()
        with Library.open(folder, writable=True) as writer:
            with writer.changing():
                writer.people.named("Zoe Zuse")
            meanwhile = asked.views.stamp()
        after = asked.views.stamp()
    assert len({before, meanwhile, after}) == 3
