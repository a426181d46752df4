"""The page in a real browser, over a library of drawn people: review, history, an index that runs, a library without
photos and one of thousands."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.page import AT_MOST_MS, PHONE, WIDE, change, expect, names, undone, until
from support.web_server import Serving, serving

from facesearch.demo import write_album
from facesearch.library import Library


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
        until(page, "document.getElementById('grid')?.style.height")  # as tall as all its cards: the script has begun
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
    seen = "document.elementFromPoint(300, innerHeight / 2).closest('a')?.getAttribute('href')"
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight * 0.6)")
    # A frame passes before the place has any cards, blank ones or others.
    until(page, f"{seen} && !document.querySelector('.blank')")
    there, address, link = page.evaluate("scrollY"), page.url, page.evaluate(seen)
    page.locator(f".card a[href='{link}']").first.click()
    page.wait_for_url(f"**{link}")
    page.go_back()
    page.wait_for_url(address)
    until(page, f"scrollY === {there} && !document.querySelector('.blank')")
    until(page, f"{seen} === {link!r}")
