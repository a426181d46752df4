"""Photos on the page: sent, photographed, asked about, found, gone through; films, and faces that were missed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.browser import chromium
from support.page import AT_MOST_MS, WIDE, expect, names, until
from support.web_server import Serving, serving

from facesearch.api.library import open_library


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
    write_film(tmp_path / "films" / "lake.mp4", [], 2)
    library = Path(shutil.copytree(album_and_library[1], tmp_path / "library"))
    with open_library(library, device="cpu") as opened:
        opened.index(film.parent, workers=1, group=False)
        lake_id, photo_id = (
            each.photo_id
            for each in sorted(opened.photos().photos, key=lambda each: each.photo.name, reverse=True)
            if each.duration_s is not None
        )
        seen = [face for face in opened.query(film).faces if face.span is not None]
    times = [f"00:00:{int(face.span.start_s):02}-00:00:{int(face.span.end_s):02}" for face in seen if face.span]
    assert len(times) == 2
    with serving(library, tmp_path / "tmp", "--device", "cpu") as running:
        page = browser.new_context(viewport=WIDE).new_page()
        page.set_default_timeout(AT_MOST_MS)
        page.goto(f"{running.address}/photos/{lake_id}?token={running.token}")
        expect(page.get_by_text("No face was found in this video.")).to_be_visible()
        page.goto(f"{running.address}/photos/{photo_id}")
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
