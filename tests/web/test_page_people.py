"""People on the page: named, selected, merged, moved, hidden, grouped."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.page import change, expect, names, undone, until
from support.web_server import PEOPLE, Serving


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


def test_a_click_is_not_lost_where_the_library_changes_while_the_button_is_down(
    open_page: Callable[..., Any], server: Serving
) -> None:
    with server.client() as client:
        face = client.get("/api/v1/people/2").json()["faces"][-1]["face_id"]
    page = open_page("/people/2")
    count = page.locator(".shot").count()
    box = page.locator("input[name=face]").first
    box.hover()
    page.mouse.down()
    change(server, "people/2/move", {"faces": [face]})
    page.wait_for_timeout(2000)
    page.mouse.up()
    expect(box).to_be_checked()
    box.uncheck()
    expect(page.locator(".shot")).to_have_count(count - 1)  # once nothing is selected
    undone(server)
    expect(page.locator(".shot")).to_have_count(count)


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
