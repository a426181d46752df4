"""A page's file and what is around its content."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesearch.errors import UsageError
from facesearch.exchange.faces_file import refuse_taken
from facesearch.pages import check_page_file, jpeg, picture, render_page, text, write_page
from facesearch.pages.plots import HEIGHT, WIDTH, Axes, Bars, Mark, curve, histograms
from facesearch.pages.shell import MARK


def test_a_page_is_private_whatever_the_umask_and_replaces_an_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    before = os.umask(0)
    try:
        for title in ("first", "second"):
            check_page_file(path, "--out")
            write_page(path, render_page(title, ""), "--out")
    finally:
        os.umask(before)
    assert "<h1>second</h1>" in path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]


def test_a_pipe_and_a_device_are_neither_waited_for_nor_replaced(tmp_path: Path) -> None:
    """As `--html /dev/stdout | less`, and `--html /dev/null --force`."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to(os.devnull)
    for force in (False, True):
        with pytest.raises(UsageError, match="is a named pipe; name a file with --html"):
            check_page_file(tmp_path / "pipe", "--html", force=force)
        with pytest.raises(UsageError, match="is a device; name a file with --html"):
            check_page_file(tmp_path / "null", "--html", force=force)
        with pytest.raises(UsageError, match="is a device: name a file with --out"):
            refuse_taken(tmp_path / "null", force=True)
    assert (tmp_path / "pipe").is_fifo() and (tmp_path / "null").is_symlink()


def test_what_is_no_page_of_ours_stays_unless_forced(tmp_path: Path) -> None:
    letter = tmp_path / "letter.html"
    letter.write_text("<!DOCTYPE html><html><p>mine</p>" + " " * 2000 + MARK)  # a mark far inside is no mark
    with pytest.raises(UsageError, match=r"facesearch did not write it; choose another --out, or add --force"):
        check_page_file(letter, "--out")
    check_page_file(letter, "--out", force=True)
    dangling = tmp_path / "link.html"
    dangling.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="link"):
        check_page_file(dangling, "--out")
    with pytest.raises(UsageError, match="is a folder"):
        check_page_file(tmp_path, "--out", force=True)
    with pytest.raises(UsageError, match="there is no folder"):
        check_page_file(tmp_path / "none" / "page.html", "--html")


def test_a_name_is_text_never_markup_and_never_breaks_the_line() -> None:
    assert text('<b>"a" & b\n\udcff\u202e</b>') == "&lt;b&gt;&quot;a&quot; &amp; b\\n\\xff\\u202e&lt;/b&gt;"
    page = render_page("<script>alert(1)</script>\udcff", "")
    assert "<script" not in page
    page.encode("utf-8")


def test_only_the_script_of_a_page_may_run() -> None:
    assert "script" not in render_page("plain", "")
    page = render_page("with", "", script="document.title = 1;")
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert "default-src 'none'" in page


def test_a_picture_is_a_jpeg_without_metadata_or_an_empty_frame_with_the_reason() -> None:
    pixels = np.full((20, 30, 3), (200, 40, 40), np.uint8)
    shown = picture(jpeg(pixels), 'a "face"')
    content = base64.b64decode(re.findall(r"base64,([^\"]+)", shown)[0])
    opened = Image.open(io.BytesIO(content))
    assert (opened.size, opened.format, len(opened.getexif())) == ((30, 20), "JPEG", 0)
    assert 'alt="a &quot;face&quot;"' in shown
    missing = picture(None, "face 3", "the photo is gone")
    assert "<img" not in missing
    assert 'aria-label="face 3: the photo is gone"' in missing


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio of two colours, #rgb or #rrggbb."""

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        channels = np.array([int(digits[place : place + 2], 16) for place in (0, 2, 4)]) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_text_can_be_read_in_light_and_in_dark() -> None:
    assert _contrast("#fff", "#000000") == pytest.approx(21)
    blocks = re.findall(r":root \{(.*?)\}", render_page("", ""), re.DOTALL)
    light, dark = (dict(re.findall(r"--(\w+): (#\w+)", block)) for block in blocks[:2])
    assert light["ground"] != dark["ground"]
    for scheme in (light, dark):
        for ink in ("ink", "quiet", "link", "yes", "no"):
            for ground in ("ground", "panel"):
                assert _contrast(scheme[ink], scheme[ground]) >= 4.5, (ink, ground, scheme)


def test_a_histogram_has_its_bars_where_they_belong() -> None:
    axes = Axes(2.0, 1.0, "distance", "share", "how far & near")
    bars = Bars("one <person>", "red", [0.0, 0.5, 1.0], [1.0, 0.25])
    drawn = histograms(axes, [bars], [Mark(0.5, "here"), Mark(9.0, "far off", dashed=True)])
    svg = ET.fromstring(drawn[: drawn.index("</svg>") + 6])
    assert svg.get("aria-label") == "how far & near"
    path = next(piece.get("d") or "" for piece in svg.iter() if piece.get("fill") == "red" and piece.get("d"))
    corners = [tuple(map(float, pair.split(","))) for pair in re.findall(r"[ML]([\d.]+,[\d.]+)", path)]
    floor, top = axes.y(0), axes.y(1)
    quarter = floor - (floor - top) / 4
    middle, right = axes.x(0.5), axes.x(1.0)
    assert middle - axes.x(0) == pytest.approx((axes.x(2) - axes.x(0)) / 4)
    expected = [
        (axes.x(0), floor),
        (axes.x(0), top),
        (middle, top),
        (middle, quarter),
        (right, quarter),
        (right, floor),
    ]
    np.testing.assert_allclose(corners, expected, atol=0.06)
    words = [piece.text for piece in svg.iter() if piece.text]
    assert {"one <person>", "here", "far off", "distance"} <= set(words)
    assert axes.x(9.0) == axes.x(2.0) < WIDTH
    assert axes.y(-1) < HEIGHT


def test_a_curve_goes_through_its_points() -> None:
    axes = Axes(1.0, 1.0, "distance", "probability", "curve", percent=True)
    drawn = curve(axes, [(0.0, 1.0), (0.5, 0.5)], "blue", [])
    assert f'points="{axes.x(0):.1f},{axes.y(1):.1f} {axes.x(0.5):.1f},{axes.y(0.5):.1f}"' in drawn
    assert "75%" in drawn
