"""Whether everybody can use the page: axe finds nothing, and nothing reaches beyond a phone's width."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.page import PHONE, WIDE, change, expect, undone
from support.web_server import Serving

BEYOND = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


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
