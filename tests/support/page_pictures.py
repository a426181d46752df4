"""The pictures of a page, read back from its HTML."""

from __future__ import annotations

import base64
import io
from html.parser import HTMLParser

import numpy as np
from PIL import Image

from facesearch.records import Pixels


class Pictures(HTMLParser):
    """Every picture of a page by its alternative text, and what it is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.shown: dict[str, bytes] = {}
        self.missing: list[str] = []
        self.tags: set[str] = set()
        self.targets: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.tags.add(tag)
        self.targets += [value or "" for name, value in attributes if name in ("src", "href", "action", "data")]
        if tag == "img":
            alt = values["alt"]
            assert alt, "a picture without a description"
            self.shown[alt] = base64.b64decode((values["src"] or "").partition("base64,")[2])
        elif values.get("class") == "missing":
            self.missing.append(values["aria-label"] or "")


def pixels_of(content: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def middle(content: bytes) -> list[int]:
    picture = pixels_of(content)
    return picture[picture.shape[0] // 2, picture.shape[1] // 2].tolist()
