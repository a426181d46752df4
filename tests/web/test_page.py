"""The page in a real browser, over a library of drawn people: what a user does, and whether everybody can."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.browser import api, chromium
from support.web_server import PEOPLE, Serving, serving

from facesearch.api.library import open_library
from facesearch.demo import write_album
from facesearch.library import Library

expect = api.expect
expect.set_options(timeout=20_000)
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 800}
AT_MOST_MS = 20_000
BEYOND = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture
def open_page(browser: Any, server: Serving) -> Iterator[Callable[..., Any]]:
    """Opens pages, which must not break a policy, throw an error, or ask for anything beyond the server."""
    faults: list[str] = []
    contexts = []

    def opened(path: str, **options: Any) -> Any:
        context = browser.new_context(viewport=options.pop("viewport", WIDE), **options)
        context.set_default_timeout(AT_MOST_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if "Content Security" in message.text else None)
        page.on("request", lambda asked: faults.append(asked.url) if not _is_own(asked.url, server) else None)
        page.goto(f"{server.address}{path}{'&' if '?' in path else '?'}token={server.token}")
        page.wait_for_selector("#content")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


def _is_own(url: str, server: Serving) -> bool:
    return url.startswith((server.address, "blob:", "data:"))


def change(server: Serving, path: str, body: dict[str, Any]) -> Any:
    with server.client() as client:
        answer = client.post(f"/api/v1/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()


def undone(server: Serving) -> None:
    change(server, "journal/undo", {})


def until(page: Any, condition: str) -> None:
    """Wait for a condition in JavaScript; Playwright's own way would need eval, which the policy forbids."""
    for _ in range(AT_MOST_MS // 100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    raise AssertionError(condition)


def names(server: Serving) -> list[str | None]:
    with server.client() as client:
        return [each["name"] for each in client.get("/api/v1/people").json()["people"]]


def test_people_are_shown_the_largest_first_and_filtered_while_one_types(
    open_page: Callable[..., Any], server: Serving
) -> None:
    page = open_page("/")
    cards = page.locator(".card")
    expect(cards).to_have_count(PEOPLE)
    expect(page.locator("#total")).to_have_text(f"{PEOPLE} people")
    pictures = page.locator(".card img")
    until(page, "[...document.querySelectorAll('.card img')].every((each) => each.naturalWidth > 100)")
    assert pictures.count() == PEOPLE
    name = names(server)[2]
    assert name is not None
    page.keyboard.press("/")
    page.keyboard.type(name[:4].upper())
    expect(cards).to_have_count(1)
    expect(cards.first).to_contain_text(name)
    page.locator("#filter").fill("nobody at all")
    expect(page.get_by_text("No person has that name")).to_be_visible()


def test_without_photos_faces_or_people_each_page_says_what_to_do(browser: Any, tmp_path: Path) -> None:
    album = tmp_path / "album"
    album.mkdir()
    Image.new("RGB", (320, 240), (40, 90, 120)).save(album / "lake.jpg")
    (album / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    with serving(tmp_path / "library", tmp_path / "tmp", "--device", "cpu", "--root", str(album)) as running:
        context = browser.new_context(viewport=PHONE)
        page = context.new_page()
        page.set_default_timeout(AT_MOST_MS)
        page.goto(f"{running.address}/?token={running.token}")
        page.wait_for_selector("#content")
        for path in ("/photos", "/photos/1", "/find", "/review", "/history", "/"):
            page.goto(running.address + path)
            expect(page.locator("h1")).to_have_text("No photos yet")
        page.get_by_role("link", name="Add photos").click()
        page.get_by_role("button", name="Add its photos").click()
        expect(page.locator("#run")).to_contain_text("1 new photo, 0 new faces")
        page.reload()
        row = page.get_by_role("row", name=re.compile("^Photos"))
        row.get_by_text("1 file could not be used").click()
        expect(row).to_contain_text(f"{album / 'broken.jpg'}: ")
        page.goto(running.address)
        expect(page.get_by_text("No face was found on the photo in this library.")).to_be_visible()
        page.goto(f"{running.address}/review")
        expect(page.get_by_role("heading", name="No people to review yet")).to_be_visible()
        context.close()


def test_a_person_is_renamed_in_place_and_a_second_tab_sees_it_and_the_undo(
    open_page: Callable[..., Any], server: Serving
) -> None:
    first, second = open_page("/people/1"), open_page("/")
    before = first.locator("h1").inner_text()
    first.get_by_label("Name", exact=True).fill("<img src=x onerror=alert(1)>")
    first.get_by_role("button", name="Rename").click()
    expect(first.locator("h1")).to_have_text("<img src=x onerror=alert(1)>")
    expect(second.locator(".card", has_text="<img src=x onerror=alert(1)>")).to_have_count(1)
    see = """(how) => {
        Object.defineProperty(document, "visibilityState", { value: how, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    second.evaluate(see, "hidden")  # nothing is sent to a tab that nobody sees
    first.get_by_role("button", name="Undo").click()
    expect(first.locator("h1")).to_have_text(before)
    expect(second.locator(".card", has_text=before)).to_have_count(0)
    second.evaluate(see, "visible")
    expect(second.locator(".card", has_text=before)).to_have_count(1)
    first.get_by_text("Date of birth").first.click()
    first.get_by_label("Date of birth").fill("1984-05-17")
    first.get_by_role("button", name="Keep").click()
    expect(first.get_by_text("born 1984-05-17")).to_be_visible()
    undone(server)
    first.locator(".years a").last.click()
    expect(first.locator("h1")).to_have_text(re.compile(f"^{before}, [0-9]{{4}}$"))


def test_what_is_clicked_before_the_scripts_are_there_is_done_when_they_are(
    open_page: Callable[..., Any], server: Serving
) -> None:
    page = open_page("/people/1")
    before = page.locator("h1").inner_text()
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    page.route("**/static/page.js", hold)
    page.goto(f"{server.address}/people/1", wait_until="commit")
    page.get_by_label("Name", exact=True).fill("Early Bird")
    page.get_by_role("button", name="Rename").click()
    page.locator("input[name=face]").first.click()
    assert page.url == f"{server.address}/people/1"  # the form is not sent by the browser itself
    assert page.locator("h1").inner_text() == before
    held[0].continue_()
    page.unroute("**/static/page.js")
    expect(page.locator("h1")).to_have_text("Early Bird")
    expect(page.locator("#chosen-count")).to_have_text("1 selected")
    undone(server)
    page.route("**/static/page.js", hold)
    page.goto(server.address, wait_until="commit")
    page.locator("#filter").fill(before)
    page.locator("#filter").press("Enter")
    held[1].continue_()
    expect(page.locator(".card")).to_have_count(1)
    page.goto(server.address, wait_until="commit")
    page.locator("#filter").wait_for()
    page.keyboard.press("/")
    page.keyboard.type(before)
    assert page.locator("#filter").input_value() == ""
    held[2].continue_()
    expect(page.locator("#filter")).to_have_value(before)
    expect(page.locator(".card")).to_have_count(1)


def test_two_people_are_selected_and_made_one_by_keyboard(open_page: Callable[..., Any], server: Serving) -> None:
    page = open_page("/")
    merge, dialog = page.get_by_role("button", name="They are one person"), page.get_by_role("dialog")
    words = page.locator(".card .name").all_inner_texts()
    page.locator(".card a").first.focus()
    page.keyboard.press("x")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    expect(page.locator("#chosen-count")).to_have_text("2 selected")
    merge.click()
    expect(dialog).to_contain_text("Which name stays?")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.locator("#chosen-count")).to_have_text("2 selected")
    merge.click()
    expect(dialog.get_by_role("radio")).to_have_count(2)
    goes, stays = dialog.locator("label").all_inner_texts()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".card")).to_have_count(PEOPLE - 1)
    assert sorted(filter(None, names(server))) == sorted({*words} - {goes})
    with server.client() as client:
        gone = next(number for number in range(1, PEOPLE + 1) if not client.get(f"/api/v1/people/{number}").is_success)
    tab = open_page(f"/people/{gone}")  # leads to the person that they were merged into
    expect(tab.locator("h1")).to_have_text(stays)
    assert not tab.url.startswith(f"{server.address}/people/{gone}")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".card")).to_have_count(PEOPLE)
    page.locator(".card input").first.check()
    page.get_by_role("button", name="Select all").click()
    merge.click()
    expect(dialog.get_by_role("radio")).to_have_count(PEOPLE)
    dialog.get_by_label(words[2]).check()
    dialog.get_by_role("button", name="Make them one person").click()
    expect(page.locator(".card")).to_have_count(1)
    expect(page.locator(".card .name")).to_have_text(words[2])
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".card .name")).to_have_text(words)


def test_several_are_selected_with_shift_all_at_once_and_by_a_click_on_the_card(
    open_page: Callable[..., Any], server: Serving
) -> None:
    page = open_page("/")
    boxes, count = page.locator(".card input"), page.locator("#chosen-count")
    boxes.nth(0).check()
    boxes.nth(2).click(modifiers=["Shift"])
    expect(count).to_have_text("3 selected")
    page.keyboard.press("Escape")
    expect(count).to_be_hidden()
    page.locator(".card a").nth(1).focus()
    page.keyboard.press("x")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+X")
    expect(count).to_have_text("3 selected")
    page.locator(".card a").first.click()  # while some are selected it selects too
    expect(count).to_have_text("4 selected")
    page.locator(".card a").first.click()
    expect(count).to_have_text("3 selected")
    page.get_by_role("button", name="Select all").click()
    expect(count).to_have_text(f"{PEOPLE} selected")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".card input:checked")).to_have_count(0)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("select all from the last selected one")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.locator(".card a").first.click()
    page.wait_for_url("**/people/*")


def test_people_are_hidden_and_a_switch_shows_them(open_page: Callable[..., Any], server: Serving) -> None:
    page = open_page("/")
    switch = page.get_by_role("switch", name="Show 2 hidden")
    expect(switch).to_have_count(0)
    for number in (0, 1):
        page.locator(".card input").nth(number).check()
    page.get_by_role("button", name="Hide").click()
    expect(page.locator(".card")).to_have_count(PEOPLE - 2)
    switch.check()
    expect(page.locator(".card")).to_have_count(PEOPLE)
    expect(page.locator(".card.away")).to_have_count(2)
    page.locator(".card.away a").first.click()
    page.get_by_role("button", name="Show again").click()
    expect(page.get_by_role("button", name="Hide")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name="Show again")).to_be_visible()
    page.goto(f"{server.address}/?hidden=true")
    page.locator(".card.away input").first.check()
    page.locator(".card.away input").last.check()
    page.get_by_role("button", name="Show again").click()
    expect(page.locator(".card.away")).to_have_count(0)


def test_faces_are_moved_to_a_new_person_and_rejected(open_page: Callable[..., Any], server: Serving) -> None:
    page = open_page("/people/2")
    shots = page.locator(".shot")
    count = shots.count()
    page.locator("input[name=face]").first.check()
    page.get_by_placeholder("Somebody else").fill("Zoe")
    page.get_by_role("button", name="Move").click()
    expect(shots).to_have_count(count - 1)
    assert "Zoe" in names(server)
    page.locator("input[name=face]").first.check()
    page.get_by_role("button", name=re.compile("^Not ")).click()
    expect(shots).to_have_count(count - 2)
    expect(page.get_by_text("rejected: not")).to_be_visible()
    for _ in range(2):
        undone(server)
    expect(shots).to_have_count(count)


def test_a_group_is_named_and_one_that_is_somebody_known_joins_them(
    open_page: Callable[..., Any], server: Serving
) -> None:
    with server.client() as client:
        person = client.get("/api/v1/people/1").json()
    faces = [face["face_id"] for face in person["faces"]][:2]
    group = change(server, "people/1/move", {"faces": faces})["person_id"]
    page = open_page(f"/people/{group}")
    expect(page.locator("h1")).to_have_text("Who is this?")
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    field = page.get_by_label("Name", exact=True)
    field.press_sequentially(person["person"]["name"][:3])
    page.wait_for_selector("#names option", state="attached")
    assert person["person"]["name"] in [
        each.get_attribute("value") for each in page.query_selector_all("#names option")
    ]
    field.fill(person["person"]["name"])
    page.get_by_role("button", name="Name").click()
    expect(page.locator("h1")).to_have_text(person["person"]["name"])
    assert "same person" in asked[0]
    for _ in range(2):
        undone(server)


def _ask_on_a_phone(page: Any, server: Serving) -> None:
    """Is this somebody with a long name?"""
    change(server, "people/1/name", {"name": "Anna Wilhelmina von Hohenstein-Lichtenberg"})
    page.set_viewport_size(PHONE)
    page.reload()
    expect(page.locator(".maybe span")).to_contain_text("Hohenstein")
    boxes = [page.locator(".maybe button", has_text=word).bounding_box() for word in ("Yes", "No")]
    assert len({(box["y"], box["height"]) for box in boxes}) == 1
    page.set_viewport_size(WIDE)
    undone(server)


def test_groups_are_named_under_their_faces_and_on_a_photo_and_ctrl_z_undoes(
    open_page: Callable[..., Any], server: Serving
) -> None:
    with server.client() as client:
        face, other = client.get("/api/v1/people/2").json()["faces"][:2]
    for each in (face, other):
        change(server, "people/2/move", {"faces": [each["face_id"]]})
    page = open_page("/")
    unnamed = page.locator(".card .unnamed")
    unnamed.first.click()
    page.keyboard.type("Gina")
    page.keyboard.press("Enter")
    expect(page.locator(".card .name", has_text="Gina")).to_be_visible()
    expect(unnamed).to_have_count(1)
    expect(page.locator(".card a:focus .unnamed")).to_have_count(1)  # and goes on with the next
    page.keyboard.press("n")
    page.keyboard.press("Escape")
    expect(page.locator(".naming")).to_have_count(0)
    page.keyboard.press("Control+z")
    expect(unnamed).to_have_count(2)
    page.goto(f"{server.address}/photos/{face['photo_id']}")
    page.get_by_placeholder("Who is this?").first.fill("Gina")
    page.keyboard.press("Enter")
    expect(page.locator(".face b", has_text="Gina")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == Path(face["photo"]).name
    for _ in range(3):
        undone(server)


def test_a_photo_that_is_chosen_is_answered_with_every_face_outlined(
    open_page: Callable[..., Any], server: Serving, album_and_library: tuple[Path, Path]
) -> None:
    photo = min((album_and_library[0] / "groups").iterdir())
    with open_library(server.library) as library:
        faces = library.query(photo).faces
    page = open_page("/find")
    page.set_input_files("#file", photo)
    page.wait_for_url("**/find/*")
    expect(page.locator("svg.framed a")).to_have_count(len(faces))
    verdicts = [face.verdict.text for face in faces if face.verdict is not None]
    expect(page.locator(".answer h2")).to_have_count(len(faces))
    assert verdicts[0] in page.locator(".answer h2").first.inner_text()
    page.locator("svg.framed a").first.focus()
    page.keyboard.press("Enter")
    assert page.url.endswith("#face-1")
    page.locator(".answer .card a").first.click()
    page.wait_for_url(re.compile("/(people|photos)/"))


@pytest.mark.parametrize("way", ["pointer", "keyboard"])
def test_a_box_is_drawn_around_a_face_that_was_missed(open_page: Callable[..., Any], server: Serving, way: str) -> None:
    with server.client() as client:
        photo_id = client.get("/api/v1/people/3").json()["faces"][0]["photo_id"]
        photo = client.get(f"/api/v1/photos/{photo_id}").json()
    page = open_page(f"/photos/{photo_id}")
    page.get_by_role("button", name="Add a face").click()
    draft = page.locator(".draft")
    expect(draft).to_be_focused()
    if way == "pointer":
        shown = page.locator(".photo svg").first.bounding_box()
        assert shown is not None
        page.mouse.move(shown["x"] + shown["width"] / 2 - 1, shown["y"] + 2)
        page.mouse.down()
        page.mouse.move(shown["x"] + shown["width"] / 2 + 30, shown["y"] + 40, steps=4)
        page.mouse.up()
    else:
        for _ in range(100):
            page.keyboard.press("ArrowUp")
            page.keyboard.press("ArrowLeft")
        for _ in range(3):
            page.keyboard.press("Shift+ArrowLeft")
        page.keyboard.press("Tab")
        page.locator("#whose").focus()
    drawn = [float(draft.locator("rect").last.get_attribute(side) or 0) for side in ("x", "y", "width", "height")]
    page.keyboard.type("Wanda")
    page.keyboard.press("Enter")
    expect(page.locator(".face b", has_text="Wanda")).to_be_visible()
    with server.client() as client:
        (face,) = (face for face in client.get(f"/api/v1/photos/{photo_id}").json()["faces"] if face["name"] == "Wanda")
    left, top, right, bottom = face["box"]
    assert [left, top, right - left, bottom - top] == pytest.approx(drawn, abs=0.2)
    assert 0 <= left < right <= photo["width_px"]
    if way == "keyboard":
        assert (left, top) == (0, 0)
        assert right < bottom  # it was made narrower
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".face")).to_have_count(len(photo["faces"]))


def test_photos_of_two_people_of_some_years_become_a_list_and_a_folder_of_links(
    open_page: Callable[..., Any], server: Serving, album_and_library: tuple[Path, Path]
) -> None:
    album, _ = album_and_library
    first, second = names(server)[:2]
    assert first is not None
    assert second is not None
    with open_library(server.library) as library:
        wished = library.photos(first, second, any_of=True, since="2013", until="2015")
    page = open_page("/people/1")
    page.get_by_role("link", name="Choose by people and dates").click()
    page.wait_for_url("**/photos?person=*")
    page.goto(f"{server.address}/photos")
    for name in (first, second):
        page.locator("#person").fill(name)
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name=f"Remove {name}")).to_be_visible()
    page.get_by_label("Which of these people").select_option("any of them")
    page.get_by_label("From").fill("2013")
    page.get_by_label("to", exact=True).fill("2015")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(f"{first} or {second}, 2013 to 2015")
    expect(page.locator(".shot")).to_have_count(len(wished.photos))
    with page.expect_download() as download:
        page.get_by_role("link", name="Save the list").click()
    assert len(Path(download.value.path()).read_text().splitlines()) == 1 + len(wished.photos)
    folder = album / "two people"
    page.get_by_label("New folder on this machine").fill(str(folder))
    page.get_by_role("button", name="Make a folder").click()
    expect(page.locator("#message")).to_contain_text(f"{len(wished.photos)} links in {folder}")
    assert len(list(folder.iterdir())) == len(wished.photos)
    shutil.rmtree(folder)
    page.get_by_role("button", name=f"Remove {second}").click()
    expect(page.locator("h1")).to_have_text(f"{first}, 2013 to 2015")
    page.go_back()
    expect(page.locator("h1")).to_have_text(f"{first} or {second}, 2013 to 2015")
    _save_some(page, album / "some")
    page.locator("#person").fill("Nobody at all")
    page.keyboard.press("Enter")
    expect(page.get_by_text("is called Nobody at all")).to_be_visible()


def _save_some(page: Any, folder: Path) -> None:
    """Select some photos by mouse and keyboard, and save them."""
    count = page.locator("#chosen-count")
    page.locator(".card input").nth(0).check()
    page.locator(".card input").nth(2).click(modifiers=["Shift"])
    expect(count).to_have_text("3 selected")
    page.locator(".card a").nth(1).focus()
    page.keyboard.press("Space")
    expect(count).to_have_text("2 selected")
    paths = [page.locator(".card [title]").nth(number).get_attribute("title") for number in (0, 2)]
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the list").click()
    lines = Path(download.value.path()).read_text().splitlines()[1:]
    assert [line.split(",")[0] for line in lines] == paths
    page.get_by_label("New folder for the selected photos").fill(str(folder))
    bar = page.get_by_role("group", name="Selected photos")
    bar.get_by_label("What the folder holds").select_option("of copies")
    bar.get_by_role("button", name="Make a folder").click()
    expect(page.locator("#message")).to_contain_text(f"2 copies in {folder}")
    assert [each.is_symlink() for each in folder.iterdir()] == [False, False]
    shutil.rmtree(folder)
    page.get_by_role("button", name="Select all").click()
    expect(count).to_have_text(f"{page.locator('.card').count()} selected")
    page.keyboard.press("Escape")
    expect(count).to_be_hidden()


def test_a_video_shows_who_is_seen_when(browser: Any, tmp_path: Path, album_and_library: tuple[Path, Path]) -> None:
    """On its own page, on a person's, and in an answer: each track once, with its time and a picture of its frame."""
    pytest.importorskip("av", reason="PyAV is not installed: the extra video")
    from support.films import Appearance, write_film

    film = write_film(tmp_path / "films" / "holiday.mp4", [Appearance(0, 0, 3), Appearance(1, 4, 7)], 7)
    library = Path(shutil.copytree(album_and_library[1], tmp_path / "library"))
    with open_library(library, device="cpu") as opened:
        opened.index(film.parent, workers=1, group=False)
        (photo_id,) = (each.photo_id for each in opened.photos().photos if each.duration_s is not None)
        seen = [face for face in opened.query(film).faces if face.span is not None]
    times = [f"00:00:{int(face.span.start_s):02}-00:00:{int(face.span.end_s):02}" for face in seen if face.span]
    assert len(times) == 2
    with serving(library, tmp_path / "tmp", "--device", "cpu") as running:
        page = browser.new_context(viewport=WIDE).new_page()
        page.set_default_timeout(AT_MOST_MS)
        page.goto(f"{running.address}/photos/{photo_id}?token={running.token}")
        entries = page.locator(".face")
        expect(entries).to_have_count(2)
        for number, time in enumerate(times):
            expect(entries.nth(number)).to_contain_text(time)
        entries.first.get_by_placeholder("Who is this?").fill("Filma")
        page.keyboard.press("Enter")
        entries.first.get_by_role("link", name="Filma").click()
        expect(page.locator("h1")).to_have_text("Filma")
        expect(page.locator(".shot")).to_have_count(1)  # with all faces of the track
        expect(page.locator(".shot")).to_contain_text(times[0])
        until(page, "document.querySelector('.shot img').naturalWidth > 100")
        page.goto(f"{running.address}/find")
        page.set_input_files("#file", film)
        page.wait_for_url("**/find/*", timeout=10 * AT_MOST_MS)
        answers = page.locator(".answer")
        expect(answers).to_have_count(2)
        expect(answers.first.locator("h2")).to_contain_text("Filma")
        frames = set()
        for number, time in enumerate(times):
            expect(answers.nth(number).locator("h2")).to_contain_text(time)
            still = answers.nth(number).locator("svg.framed")
            expect(still.locator("a")).to_have_count(1)
            frames.add(page.request.get(running.address + still.locator("image").get_attribute("href")).body())
        assert len(frames) == 2
        assert all(frame.startswith(b"\xff\xd8") for frame in frames)
        page.context.close()


def test_a_bad_upload_is_said_and_the_page_goes_on(open_page: Callable[..., Any], tmp_path: Path) -> None:
    bad = tmp_path / "notes.jpg"
    bad.write_text("no photo at all")
    page = open_page("/find")
    page.set_input_files("#file", bad)
    expect(page.locator("#message")).to_contain_text("notes.jpg")
    expect(page.locator("#busy")).to_be_hidden()


def test_a_photo_can_be_dropped_and_pasted(open_page: Callable[..., Any], album_and_library: tuple[Path, Path]) -> None:
    photo = min((album_and_library[0] / "people").rglob("*.jpg"))
    page = open_page("/find")
    for event in ("drop", "paste"):  # onto the answer of the one before
        page.evaluate(
            """async ([kind, bytes]) => {
                const data = new DataTransfer();
                data.items.add(new File([new Uint8Array(bytes)], `${kind}.jpg`, { type: "image/jpeg" }));
                const target = kind === "drop" ? document.body : document;
                const dropped = { dataTransfer: data, bubbles: true, cancelable: true };
                const pasted = { clipboardData: data, bubbles: true };
                const made = kind === "drop" ? new DragEvent(kind, dropped) : new ClipboardEvent(kind, pasted);
                target.dispatchEvent(made);
            }""",
            [event, list(photo.read_bytes())],
        )
        expect(page.locator("h1")).to_have_text(f"{event}.jpg")
    page.get_by_role("link", name=f"Photos of {photo.parent.name}").click()
    expect(page.locator("h1")).to_have_text(photo.parent.name)


def test_a_photo_is_taken_with_the_camera(
    server: Serving, album_and_library: tuple[Path, Path], tmp_path: Path
) -> None:
    """The browser's camera is a film of one photo."""
    photo = Image.open(min((album_and_library[0] / "groups").iterdir())).resize((640, 480)).convert("YCbCr")
    light, *colours = photo.split()
    frame = b"FRAME\n" + light.tobytes() + b"".join(each.resize((320, 240)).tobytes() for each in colours)
    film = tmp_path / "camera.y4m"
    film.write_bytes(b"YUV4MPEG2 W640 H480 F30:1 Ip C420jpeg\n" + frame * 3)
    camera = "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"
    with chromium(*camera, f"--use-file-for-fake-video-capture={film}") as browser:
        page = browser.new_page(viewport=WIDE)
        page.set_default_timeout(AT_MOST_MS)
        page.goto(f"{server.address}/?token={server.token}")
        page.wait_for_selector("#content")
        page.goto(f"{server.address}/find")
        page.get_by_role("button", name="Use the camera").click()
        expect(page.locator("#video")).to_be_visible()
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator("#video")).to_be_hidden()
        page.get_by_role("button", name="Use the camera").click()
        until(page, "document.getElementById('video').videoWidth === 640")
        page.get_by_role("button", name="Take the picture").click()
        page.wait_for_url("**/find/*")
        expect(page.locator("h1")).to_have_text("camera.jpg")
        assert page.locator(".answer").count() >= 2
        page.goto(f"{server.address}/find")
        refused = "async () => { throw new Error('Permission denied'); }"
        page.evaluate(f"() => {{ navigator.mediaDevices.getUserMedia = {refused}; }}")
        page.get_by_role("button", name="Use the camera").click()
        expect(page.locator("#message")).to_contain_text("The camera cannot be used: Permission denied")


def test_photos_are_gone_through_by_arrow_keys_in_the_order_of_the_list(
    open_page: Callable[..., Any], server: Serving
) -> None:
    page = open_page("/")
    page.goto(f"{server.address}/photos?sort=date&since=2013")
    links = [each.get_attribute("href") for each in page.query_selector_all("#grid a")]
    page.goto(f"{server.address}{links[0]}")
    expect(page.get_by_role("link", name="Previous photo")).to_have_count(0)
    for link in (links[1], links[2]):
        page.keyboard.press("ArrowRight")
        page.wait_for_url(f"**{link}")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(f"**{links[1]}")
    page.goto(f"{server.address}{links[-1]}")
    expect(page.get_by_role("link", name="Next photo")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.locator("#sort")).to_have_value("date")
    expect(page.locator("#grid a:focus")).to_have_attribute("href", links[-1])


def test_a_review_is_answered_by_keyboard_and_taken_back(open_page: Callable[..., Any], server: Serving) -> None:
    """Half of a person is a group without a name, and a face stands at the wrong person."""
    with server.client() as client:
        first, third = (client.get(f"/api/v1/people/{number}").json()["faces"] for number in (1, 3))
    with Library.open(server.library, writable=True, wait=True) as library:
        with library.changing(), library.people.change("label") as made:
            group = made.create(None)
            made.move([face["face_id"] for face in first[:3]], group, "group")
        with library.changing(), library.people.change("label") as made:
            made.move([third[0]["face_id"]], 4, "folder")
    page = open_page(f"/people/{group}")
    _ask_on_a_phone(page, server)
    page.goto(f"{server.address}/review")
    _go_beyond_the_first_questions(page)
    progress, cases = page.locator("#progress"), page.locator(".case")
    total = cases.count()
    assert total >= 2
    expect(page.locator(".case:visible")).to_have_count(1)
    answers = {"alike": {"s": "merge", "d": "reject"}, "face": {"s": "confirm", "o": "split"}}
    kinds = [(cases.nth(number).get_attribute("data-key") or "").split("-")[0] for number in range(total)]
    assert set(answers) <= set(kinds)
    done = ["undo", "name", "label", "label"]
    for kind in sorted(answers, key=kinds.index):
        while not (page.locator(".case:visible").get_attribute("data-key") or "").startswith(kind):
            page.keyboard.press("n")
        place = progress.inner_text()
        for key, action in answers[kind].items():
            page.keyboard.press(key)
            expect(progress).not_to_have_text(place)
            page.keyboard.press("u")
            expect(progress).to_have_text(place)
            done = ["undo", action, *done]
    with server.client() as client:
        for _ in range(AT_MOST_MS // 100):  # answers are sent behind the next question
            log = client.get("/api/v1/journal").json()["changes"]
            if [each["action"] for each in log[: len(done)]] == done:
                break
            page.wait_for_timeout(100)
        else:
            raise AssertionError(log)
    while page.locator(".case:visible").count():
        page.keyboard.press("n")
    expect(page.get_by_role("heading", name="Nothing more to ask")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Nothing more to ask")).to_be_visible()
    for _ in range(2):
        undone(server)


def _go_beyond_the_first_questions(page: Any) -> None:
    """One comes with the page, the others once it is answered; undo still reaches it."""

    def cut(route: Any) -> None:
        answer = route.fetch()
        first, *others = re.split(r"(?=<section class=)", answer.text())
        route.fulfill(
            response=answer, body=first + others[0] + re.sub(r"^.*</section>", "", others[-1], flags=re.DOTALL)
        )

    page.route("**/review", cut)
    page.reload()
    page.unroute("**/review", cut)
    progress, shown = page.locator("#progress"), page.locator(".case:visible")
    expect(page.locator(".case")).to_have_count(1)
    place, first = progress.inner_text(), shown.get_attribute("data-key")
    page.keyboard.press("n")
    expect(progress).to_have_text(re.compile("^2 of"))
    until(page, "document.querySelectorAll('.case').length > 1")
    assert shown.get_attribute("data-key") != first
    page.keyboard.press("u")
    expect(progress).to_have_text(place)
    expect(page.locator(f".case[data-key='{first}']")).to_be_visible()
    assert page.evaluate("sessionStorage.getItem('facesearch-unsure')") == "[]"
    page.reload()


def test_the_history_takes_a_change_back(open_page: Callable[..., Any], server: Serving) -> None:
    before = names(server)
    number = change(server, "people/1/name", {"name": "For a moment"})["change"]
    page = open_page("/history")
    sources = {each.inner_text() for each in page.locator("tbody td:nth-child(6)").all()}
    assert {"you", "folder names"} <= sources <= {"you", "folder names", "grouping"}
    page.get_by_role("button", name=f"Undo change {number}").click()
    expect(page.locator("#message")).to_contain_text("Undone")
    assert names(server) == before


def test_a_running_index_shows_its_progress_and_what_it_skipped(
    open_page: Callable[..., Any], server: Serving, album_and_library: tuple[Path, Path]
) -> None:
    more = write_album(album_and_library[0] / "more", 1, 8, seed=3).directory
    (more / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    page, other = open_page("/library"), open_page("/")
    page.get_by_text("Choose a folder").click()
    page.get_by_role("button", name=str(album_and_library[0]), exact=True).click()
    page.get_by_role("button", name="more", exact=True).click()
    expect(page.get_by_label("Folder on this machine")).to_have_value(str(more))
    page.get_by_role("button", name="Add its photos").click()
    expect(other.locator("#live")).to_contain_text("Indexing")
    expect(page.locator("#run")).to_contain_text(
        re.compile("8 new photos, 8 new faces, .* 1 new group, [0-9]+ faces joined")
    )
    skipped = page.locator("#run ~ details")
    skipped.get_by_text("1 file could not be used").click()
    expect(skipped).to_contain_text("broken.jpg")
    page.get_by_label("Folder on this machine").fill("/etc")
    page.get_by_role("button", name="Add its photos").click()
    expect(page.locator("#message")).to_contain_text("outside of the folders")


def test_the_threshold_shows_what_it_would_accept_before_it_is_kept(open_page: Callable[..., Any]) -> None:
    page = open_page("/library")
    slider = page.locator("#slider")
    slider.evaluate("(each) => { each.value = each.max; each.dispatchEvent(new Event('input', { bubbles: true })); }")
    expect(page.locator("#would")).to_contain_text("Would accept 100.0 % of the pairs of one person, and 100.0 %")
    slider.evaluate("(each) => { each.value = 0; each.dispatchEvent(new Event('input', { bubbles: true })); }")
    expect(page.locator("#would")).to_contain_text("would reject the other 100.0 % and 100.0 %")
    slider.focus()
    page.keyboard.press("End")
    page.keyboard.press("PageDown")
    page.locator("#keep").click()
    expect(page.locator("#run")).to_contain_text("too few named people")  # and says how many it takes


@pytest.mark.parametrize(("scheme", "viewport"), [("light", WIDE), ("dark", PHONE)], ids=["wide", "phone"])
def test_everybody_can_use_every_page(
    open_page: Callable[..., Any], server: Serving, album_and_library: tuple[Path, Path], scheme: str, viewport: Any
) -> None:
    """axe finds nothing, in either scheme, wide and narrow; and nothing reaches beyond a phone's width."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    photo = min((album_and_library[0] / "groups").iterdir())
    with server.client() as client:
        answer = client.post("/api/v1/query", content=photo.read_bytes(), params={"name": "photo.jpg"})
        photo_id = client.get("/api/v1/people/1").json()["faces"][0]["photo_id"]
    page = open_page("/", viewport=viewport, color_scheme=scheme)
    paths = (
        "/",
        "/people/1",
        "/photos?person=%231&since=2012",
        f"/photos/{photo_id}",
        "/find",
        answer.headers["Location"],
        "/review",
        "/history",
    )
    found = {}
    for path in (*paths, "/library", "/nothing"):
        page.goto(f"{server.address}{path}")
        page.wait_for_selector("main h1")
        broken = axe.Axe().run(page).response["violations"]
        found |= {(path, each["id"]): [node["html"][:200] for node in each["nodes"]] for each in broken}
        assert page.evaluate(BEYOND) <= 0, path
    assert found == {}


@pytest.mark.parametrize(("scheme", "viewport"), [("light", PHONE), ("dark", WIDE)], ids=["phone", "wide"])
def test_everybody_can_use_what_opens_on_a_page(
    open_page: Callable[..., Any], server: Serving, album_and_library: tuple[Path, Path], scheme: str, viewport: Any
) -> None:
    """The same with each dialog, field, list and message that a page opens, in the other scheme on either screen."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    with server.client() as client:
        person = client.get("/api/v1/people/1").json()
    faces = [face["face_id"] for face in person["faces"]]
    group = change(server, "people/1/move", {"faces": faces[:2]})["person_id"]
    page = open_page("/", viewport=viewport, color_scheme=scheme)
    found = {}

    def look(state: str) -> None:
        page.wait_for_timeout(300)  # what fades in has come
        broken = axe.Axe().run(page).response["violations"]
        found.update({(state, each["id"]): [node["html"][:200] for node in each["nodes"]] for each in broken})
        assert page.evaluate(BEYOND) <= 0, state

    page.keyboard.press("?")
    look("keys")
    page.keyboard.press("Escape")
    for place in (0, 1):
        page.locator(".card input").nth(place).check()
    look("two people selected")
    page.get_by_role("button", name="They are one person").click()
    expect(page.get_by_role("dialog")).to_contain_text("Which name stays?")
    look("which name stays")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Clear").click()
    page.locator(".unnamed").click()
    expect(page.locator(".naming")).to_be_visible()
    look("naming in place")
    page.keyboard.type("A group")
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_contain_text("Undo")
    look("a message with Undo")
    undone(server)
    page.goto(f"{server.address}/people/{group}")
    page.locator("input[name=face]").first.check()
    look("a face selected, of a group")
    page.goto(f"{server.address}/people/1")
    page.get_by_text("Date of birth").first.click()
    page.locator("input[name=face]").first.check()
    look("date of birth, a face selected")
    page.goto(f"{server.address}/photos/{person['faces'][-1]['photo_id']}")
    page.get_by_role("button", name="Add a face that was missed").click()
    look("a box around a face")
    page.goto(f"{server.address}/photos")
    page.locator(".card input").first.check()
    look("a photo selected")
    page.goto(f"{server.address}/library")
    page.get_by_text("Choose a folder").click()
    page.locator("#folders button").first.wait_for()
    page.get_by_label("Folder on this machine").fill("/etc")
    page.get_by_role("button", name="Add its photos").click()
    expect(page.locator("#message")).to_contain_text("outside of the folders")
    look("folders, and an error")
    undone(server)
    assert found == {}


@pytest.mark.parametrize("what", ["people", "photos of a person"])
def test_only_the_cards_near_the_screen_are_there(
    browser: Any, tmp_path: Path, album_and_library: tuple[Path, Path], what: str
) -> None:
    """Of 2,000 people, and of a person with 2,000 faces, which are copies of a few."""
    from support.many_people import multiply

    library = Path(shutil.copytree(album_and_library[1], tmp_path / "library"))
    (people, faces) = (2000, 1) if what == "people" else (1, 2000)
    multiply(library, people=people, faces=faces)
    with serving(library, tmp_path / "tmp", "--device", "cpu") as running:
        context = browser.new_context(viewport=WIDE)
        page = context.new_page()
        page.goto(f"{running.address}/?token={running.token}")
        page.wait_for_selector(".card")
        if what != "people":
            page.locator(".card a").first.click()
            page.wait_for_url("**/people/*")
        seen = set()
        for share in (0, 0.3, 0.7, 1):
            page.evaluate(f"scrollTo(0, document.documentElement.scrollHeight * {share})")
            until(
                page,
                "[...document.querySelectorAll('.card:not(.blank)')].some((each) => {"
                " const box = each.getBoundingClientRect();"
                " return box.top >= 0 && box.bottom <= innerHeight + 200; }) && !document.querySelector('.blank')",
            )
            assert page.locator(".card").count() < 400
            seen |= {each.get_attribute("value") for each in page.query_selector_all(".card input")}
        assert len(seen) > 400
        _go_and_come_back(page)
        if what != "people":
            page.locator(".card input").last.check()
            page.get_by_role("button", name="Select all").click()
            expect(page.locator("#chosen-count")).to_have_text("2,000 selected")
        context.close()


def _go_and_come_back(page: Any) -> None:
    """To a card in the middle of a long list, and back to the same place, with the same cards."""
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight * 0.6)")
    until(page, "!document.querySelector('.blank')")
    there, address = page.evaluate("scrollY"), page.url
    link = page.evaluate("document.elementFromPoint(300, innerHeight / 2).closest('a').getAttribute('href')")
    page.locator(f".card a[href='{link}']").first.click()
    page.wait_for_url(f"**{link}")
    page.go_back()
    page.wait_for_url(address)
    until(page, f"scrollY === {there} && !document.querySelector('.blank')")
    seen = "document.elementFromPoint(300, innerHeight / 2).closest('a')?.getAttribute('href')"
    until(page, f"{seen} === {link!r}")
