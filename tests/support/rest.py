"""Ask the REST API."""

from __future__ import annotations

import time
from typing import Any

import httpx


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
