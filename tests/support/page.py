"""What is done with the page in a browser, and beside it."""

from __future__ import annotations

from typing import Any

from support.browser import api
from support.web_server import Serving

expect = api.expect
expect.set_options(timeout=20_000)
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 800}
AT_MOST_MS = 20_000


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
