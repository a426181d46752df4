"""People by the REST API: named, merged, moved, hidden, taught, taken back."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path

import httpx
from support.rest import api
from support.web_server import Serving, serving

from facesearch.api.library import open_library


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


def test_advice_names_buttons_on_the_page_and_commands_to_other_programs(client: httpx.Client, server: Serving) -> None:
    one, other = (api(client, "GET", f"people/{number}")["faces"][0]["face_id"] for number in (1, 2))
    for number, name in ((1, "Ann"), (2, "Bob")):
        api(client, "POST", f"people/{number}/name", json={"name": name})
    last = api(client, "POST", "people/1/move", json={"faces": [one], "to": "Bob"})["change"]
    undone = api(client, "POST", "journal/undo", json={"change": last})["change"]
    refused = [
        ("people/1/name", {"name": "Bob"}, "select both on the page People", "use facesearch people merge"),
        (
            "faces/name",
            {"faces": [other], "name": "Ann"},
            "the page of Bob and move it to Ann",
            "facesearch people split",
        ),
        ("journal/undo", {"change": 999}, "the history lists them", "facesearch people log lists them"),
        ("journal/undo", {"change": last}, f"press Do again at change {undone}", f"facesearch people undo {undone}"),
    ]
    with httpx.Client(base_url=server.address, headers={"Origin": server.address}, trust_env=False) as page:
        page.get("/", params={"token": server.token})
        for path, body, button, command in refused:
            for asking, advice in ((page, button), (client, command)):
                answer = asking.post(f"/api/v1/{path}", json=body)
                assert answer.status_code == 400
                assert advice in answer.json()["error"]["message"]
        assert "the page People shows everybody" in html.unescape(page.get("/photos?person=Nemo").text)
    for _ in range(2):
        api(client, "POST", "journal/undo", json={})


def test_a_date_of_birth_is_kept_and_taken_back(client: httpx.Client) -> None:
    for born in ("1984-05-17", ""):
        assert api(client, "POST", "people/1/born", json={"born": born})["born"] == (born or None)
        assert api(client, "GET", "people/1")["person"]["born"] == (born or None)
    for _ in range(2):
        api(client, "POST", "journal/undo", json={})


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
