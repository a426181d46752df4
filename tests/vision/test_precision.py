"""A library records the precision of its embeddings, keeps to it, and warns where it cannot."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from support.small_tower import write_small_tower

from facesearch.api.library import open_library
from facesearch.demo import write_album
from facesearch.library import DATABASE_NAME, Library, recorded_precision
from facesearch.vision import runtime
from facesearch.vision.tower import tower as tower_room
from facesearch.vision.tower.tower import Tower, usable_precision


@pytest.fixture
def bf16_library(tmp_path: Path, tower: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library made where the processor has bf16, or says so: OpenVINO imitates it elsewhere."""
    monkeypatch.setattr(runtime, "has_bf16", lambda: True)
    monkeypatch.setenv("FACESEARCH_TOWER", str(tower))
    write_album(tmp_path / "album", 2, 2, seed=3)
    with open_library(tmp_path / "library", device="cpu") as library:
        assert library.index(tmp_path / "album").faces_new >= 4
        assert library.tower.precision == "bf16"
    return tmp_path / "library"


def test_a_new_library_takes_the_fastest_and_records_it(bf16_library: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert recorded_precision(bf16_library) == "bf16"
    with open_library(bf16_library, device="cpu") as library:
        assert library.status().precision == "bf16"
        assert library.tower.precision == "bf16"
        library.query(min((bf16_library.parent / "album").rglob("*.jpg")))
    assert caplog.records == []


def test_a_processor_without_bf16_says_that_distances_are_off(
    bf16_library: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(runtime, "has_bf16", lambda: False)
    with open_library(bf16_library, device="cpu") as library, caplog.at_level(logging.WARNING, "facesearch"):
        library.query(min((bf16_library.parent / "album").rglob("*.jpg")))
        assert library.tower.precision == "f32"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "embedded in f32 here" in caplog.text
    assert "were in bf16" in caplog.text


def test_a_library_in_float32_stays_in_float32(bf16_library: Path, tmp_path: Path) -> None:
    with Library.open(bf16_library, writable=True) as library, library.changing():
        library._database.execute("DELETE FROM settings WHERE key = 'precision'")  # as older versions left it
    assert recorded_precision(bf16_library) == "f32"
    with open_library(bf16_library, device="cpu") as opened:
        assert opened.tower.precision == "f32"
        assert opened.status().precision == "f32"


def test_where_there_is_no_library_or_a_damaged_one(tmp_path: Path) -> None:
    assert recorded_precision(tmp_path / "none") is None
    (tmp_path / DATABASE_NAME).write_bytes(b"no database at all")
    assert recorded_precision(tmp_path) == "f32"
    assert usable_precision("f32") == "f32"


@pytest.mark.parametrize(("recorded", "here", "elsewhere"), [(None, "int8", "bf16"), ("int8", "int8", "bf16")])
def test_int8_is_for_new_libraries_and_those_made_in_it(
    monkeypatch: pytest.MonkeyPatch, recorded: str | None, here: str, elsewhere: str
) -> None:
    monkeypatch.setattr(runtime, "has_bf16", lambda: True)
    monkeypatch.setattr(tower_room, "has_int8", lambda: True)
    assert [usable_precision(each) for each in (recorded, "bf16", "f32")] == [here, "bf16", "f32"]
    monkeypatch.setattr(tower_room, "has_int8", lambda: False)
    assert [usable_precision(each) for each in (recorded, "bf16", "f32")] == [elsewhere, "bf16", "f32"]


def test_a_library_in_int8_says_where_it_cannot_be_kept_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tower_room, "has_int8", lambda: True)
    monkeypatch.setenv("FACESEARCH_TOWER", str(write_small_tower(tmp_path / "tower", int8=True)))
    write_album(tmp_path / "album", 2, 2, seed=3)
    with open_library(tmp_path / "library", device="cpu") as library, caplog.at_level(logging.WARNING, "facesearch"):
        assert library.index(tmp_path / "album").faces_new >= 4
        assert library.status().precision == "int8"
    assert caplog.records == []
    monkeypatch.setattr(tower_room, "has_int8", lambda: False)
    with open_library(tmp_path / "library", device="cpu") as library, caplog.at_level(logging.WARNING, "facesearch"):
        library.query(min((tmp_path / "album").rglob("*.jpg")))
    assert "were in int8" in caplog.text


def test_embeddings_in_bf16_are_near_those_in_float32(tmp_path: Path) -> None:
    folder = write_small_tower(tmp_path / "tower")
    crops = np.random.default_rng(4).integers(0, 256, (20, 112, 112, 3), dtype=np.uint8)
    exact = Tower.load(folder, device="cpu").embed(crops)
    rough = Tower.load(folder, device="cpu", precision="bf16").embed(crops)
    assert np.linalg.norm(rough - exact) < 0.03 * np.linalg.norm(exact)
