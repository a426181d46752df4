"""The page of a report: private, whole, self-contained, and showing what the figures say."""

from __future__ import annotations

import base64
import io
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesearch.errors import UsageError
from facesearch.evaluation.all_pairs import NamedFaces, report_all_pairs
from facesearch.evaluation.calibration import Calibration
from facesearch.evaluation.evidence import Evidence, choose_of_all
from facesearch.records import Floats, Pixels
from facesearch_train.evaluation.report_page import write_report
from facesearch_train.evaluation.report_plots import _thinned, plot_calibration, plot_distances, plot_roc


def embed(crops: Pixels) -> Floats:
    return crops.reshape(len(crops), -1, 3).mean(axis=1).astype(np.float32) / 100


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    rng = np.random.default_rng(0)
    colours = rng.uniform(40, 215, (30, 1, 1, 1, 3)) + rng.normal(0, 9, (30, 3, 1, 1, 3))
    crops = np.clip(np.broadcast_to(colours, (30, 3, 112, 112, 3)), 0, 255).astype(np.uint8).reshape(-1, 112, 112, 3)
    names = [f"P{person}" for person in range(30) for _ in range(3)]
    faces = NamedFaces("folders", "drawn", embed(crops).astype(np.float64), names)
    calibration = Calibration((0.0, 0.5, 1.0), (3.0, 0.0, -5.0))
    report, roc = report_all_pairs(faces, 0.2, calibration)
    pairs = choose_of_all(faces.embeddings, faces.numbers, report.balanced.distance)
    return Evidence(
        report,
        roc,
        calibration,
        pairs,
        {row: crops[row] for row in pairs.rows},
        {row: f"<{names[row]}>.jpg" for row in pairs.rows},
        crops[:8],
        ["A note & more."],
    )


class Links(HTMLParser):
    """Every source and link of a page, and its headings."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.targets += [value or "" for name, value in attributes if name in ("src", "href", "data", "action")]


def test_the_page_is_private_whole_and_loads_nothing(evidence: Evidence, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        page = write_report(tmp_path / "new" / "report", evidence, "small on <drawn>", embed)
    finally:
        os.umask(before)
    assert page == tmp_path / "new" / "report" / "report.html"
    assert [path.name for path in page.parent.iterdir()] == ["report.html"]
    assert page.parent.stat().st_mode & 0o777 == 0o700
    assert page.stat().st_mode & 0o777 == 0o600
    text = page.read_text(encoding="utf-8")
    links = Links()
    links.feed(text)
    assert links.targets
    assert all(target.startswith("data:image/") for target in links.targets)
    assert not {"script", "link", "iframe", "object", "form"} & set(links.tags)
    assert "default-src 'none'" in text
    for target in links.targets:
        picture = Image.open(io.BytesIO(base64.b64decode(target.partition("base64,")[2])))
        assert picture.size == (112, 112) or picture.width >= 800


def test_every_pair_stands_under_its_distance(evidence: Evidence, tmp_path: Path) -> None:
    text = write_report(tmp_path / "report", evidence, "small on <drawn>").read_text(encoding="utf-8")
    shown = [*evidence.pairs.genuine, *evidence.pairs.impostor, *evidence.pairs.rejected, *evidence.pairs.accepted]
    assert re.findall(r"<figure><b>([\d.]+)</b>", text) == [f"{pair.distance:.3f}" for pair in shown]
    first = re.search(r"<figure>.*?</figure>", text, re.DOTALL)
    assert first is not None
    pixels = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(code)))).mean(axis=(0, 1))
        for code in re.findall(r"jpeg;base64,([^\"]+)", first[0])
    ]
    rows = (shown[0].first, shown[0].second)
    for colour, row in zip(pixels, rows, strict=True):
        np.testing.assert_allclose(colour, evidence.crops[row].mean(axis=(0, 1)), atol=2)
    assert "<P" not in text  # captions and titles are text, never markup
    assert "<h1>small on &lt;drawn&gt;</h1>" in text
    assert "A note &amp; more." in text
    assert f"{evidence.report.balanced.distance:.3f}" in text
    assert "Not measured" in text  # no tower was given to move faces with


def test_a_photo_that_is_gone_leaves_an_empty_square(evidence: Evidence, tmp_path: Path) -> None:
    gone = replace(evidence, crops={}, samples=None)
    text = write_report(tmp_path / "report", gone, "small", embed).read_text(encoding="utf-8")
    pairs = len(re.findall("<figure>", text))
    assert pairs > 0
    assert text.count('<span class="missing"') == 2 * pairs
    assert "Not measured" in text


def test_an_earlier_report_is_replaced_and_other_folders_are_left_alone(evidence: Evidence, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    write_report(folder, evidence, "first")
    write_report(folder, evidence, "second")
    assert "<h1>second</h1>" in (folder / "report.html").read_text(encoding="utf-8")
    taken = tmp_path / "taken"
    taken.mkdir(mode=0o755)
    (taken / "letter.txt").write_text("mine")
    mode = taken.stat().st_mode
    with pytest.raises(UsageError, match=r"letter\.txt"):
        write_report(taken, evidence, "third")
    assert (taken.stat().st_mode, [path.name for path in taken.iterdir()]) == (mode, ["letter.txt"])
    with pytest.raises(UsageError, match="--report"):
        write_report(taken / "letter.txt", evidence, "fourth")


def test_curves_are_drawn_with_and_without_a_calibration(evidence: Evidence) -> None:
    pictures = [
        plot_roc(evidence.roc, evidence.report),
        plot_distances(evidence.roc, evidence.report),
        plot_calibration(evidence.roc, evidence.calibration),
        plot_calibration(evidence.roc, None),
    ]
    for picture in pictures:
        values = np.asarray(Image.open(io.BytesIO(picture)).convert("L"))
        assert (values < 128).mean() > 0.002  # something is drawn
    assert len(set(pictures)) == len(pictures)


def test_a_long_curve_is_thinned_without_losing_its_ends() -> None:
    far = np.concatenate([[0.0], np.sort(np.random.default_rng(0).uniform(size=100_000)), [1.0]])
    kept = _thinned(far, np.sqrt(far))
    assert len(kept) < 3000
    assert (kept[0], kept[-1]) == (0, len(far) - 1)
    assert np.diff(far[kept]).max() < 0.01
    assert (far[kept] < 0.001).sum() > 30
