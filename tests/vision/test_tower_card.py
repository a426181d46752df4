"""A tower's card: written, read again, and refused with a reason when it is wrong."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from support.ordinary_user import acting_as_ordinary_user

from facesearch.errors import TowerError
from facesearch.vision.tower.card import CARD_NAME, TowerCard, check_weights, read_card, weights_sha256, write_card

CARD = TowerCard(
    name="small",
    created="2026-11-23T22:00:00Z",
    sha256="ab" * 32,
    margin=2.0,
    threshold=1.03,
    threshold_far=0.01,
    training={"data": ["lfw"], "people": 12, "config": {"batch": 64}},
    figures={"accuracy": 0.86},
    calibration={"slope": -3.0, "offset": 2.5},
    int8_ranges={"conv1": [-1.0, 1.5]},
)


@pytest.mark.parametrize("card", [CARD, dataclasses.replace(CARD, calibration=None, name="Zoë")])
def test_a_card_is_read_as_it_was_written(tmp_path: Path, card: TowerCard) -> None:
    write_card(tmp_path, card)
    assert read_card(tmp_path) == read_card(tmp_path / CARD_NAME) == card


def test_the_json_says_what_is_inside(tmp_path: Path) -> None:
    write_card(tmp_path / "tower.json", CARD)
    saved = json.loads((tmp_path / "tower.json").read_text(encoding="utf-8"))
    assert saved["format_version"] == 1
    assert saved["alignment"] == "arcface-112"
    assert saved["preprocessing"] == "inside the network: RGB 0..255"
    assert saved["input_size_px"] == 112
    assert saved["embedding_size"] == 32


def test_fields_of_a_later_facesearch_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / CARD_NAME).write_text(json.dumps({**dataclasses.asdict(CARD), "added_later": 1}), encoding="utf-8")
    assert read_card(tmp_path) == CARD


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format_version": 2}, "format_version 2"),
        ({"input_size_px": 160}, "input_size_px=160"),
        ({"embedding_size": 128}, "embedding_size=128"),
        ({"alignment": "other"}, "alignment='other'"),
        ({"preprocessing": "-1..1"}, "preprocessing='-1..1'"),
        ({"threshold": "1"}, "threshold='1'"),
        ({"threshold": float("nan")}, "threshold=nan"),
        ({"threshold_far": 1.5}, "threshold_far=1.5"),
        ({"margin": 0}, "margin=0"),
        ({"sha256": "short"}, "sha256='short'"),
        ({"figures": []}, r"figures=\[\]"),
        ({"calibration": 1}, "calibration=1"),
        ({"int8_ranges": [1, 2]}, "int8_ranges="),
        ({"int8_ranges": {"conv": [2.0, 1.0]}}, "int8_ranges="),
        ({"int8_ranges": {"conv": [0.0]}}, "int8_ranges="),
        ({"calibration": {"method": "isotonic", "distances": [2, 1], "log_odds": [1, 0]}}, "calibration="),
    ],
)
def test_a_card_that_does_not_fit_is_refused(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    (tmp_path / CARD_NAME).write_text(json.dumps({**dataclasses.asdict(CARD), **change}), encoding="utf-8")
    with pytest.raises(TowerError, match=reason):
        read_card(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff"])
def test_what_is_no_card_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / CARD_NAME).write_bytes(text.encode("latin-1"))
    with pytest.raises(TowerError, match=CARD_NAME):
        read_card(tmp_path)


def test_missing_fields_are_named(tmp_path: Path) -> None:
    (tmp_path / CARD_NAME).write_text('{"format_version": 1, "name": "small", "margin": 2.0}', encoding="utf-8")
    with pytest.raises(TowerError, match="lacks created, sha256, threshold, threshold_far"):
        read_card(tmp_path)


def test_a_missing_card_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(TowerError, match=r"is missing: name a folder that holds tower\.keras and tower\.json"):
        read_card(tmp_path)
    with pytest.raises(TowerError, match="is missing"):
        read_card(tmp_path / "nowhere" / CARD_NAME)


def test_a_card_in_a_locked_folder_is_an_error_that_names_it() -> None:
    with acting_as_ordinary_user() as folder:
        (folder / "locked").mkdir(mode=0)
        with pytest.raises(TowerError, match=r"tower\.json cannot be read as a tower's card .*ermission denied"):
            read_card(folder / "locked" / CARD_NAME)


def test_weights_must_be_the_cards(tmp_path: Path) -> None:
    weights = tmp_path / "tower.keras"
    weights.write_bytes(b"weights")
    right = dataclasses.replace(CARD, sha256="7a31a50c7b0d7d7a8e4ebba8c7d1ba1d4cf6d3e7a7e0e0a7f1a5d1b9c0d0c5a9")
    check_weights(weights, dataclasses.replace(CARD, sha256=weights_sha256(weights)))
    with pytest.raises(TowerError, match="not the file that its card describes"):
        check_weights(weights, right)
    with pytest.raises(TowerError, match="is missing"):
        check_weights(tmp_path / "other.keras", right)
