"""The card beside a tower's weights: what it is, how it was trained, at which distance two faces are one person.

`tower.json` stands beside `tower.keras` in one folder. Refuses a card that does not fit the weights or this version.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facesearch.errors import TowerError
from facesearch.evaluation.calibration import Calibration
from facesearch.evaluation.cohort import Cohort
from facesearch.records import CROP_SIZE_PX, EMBEDDING_SIZE

CARD_NAME = "tower.json"
WEIGHTS_NAME = "tower.keras"
FORMAT_VERSION = 1
ALIGNMENT = "arcface-112"
PREPROCESSING = "inside the network: RGB 0..255"


@dataclass(frozen=True, kw_only=True)
class TowerCard:
    """All that must be known of a tower to use its embeddings."""

    name: str  # what people call it
    created: str  # ISO 8601
    sha256: str  # of tower.keras, also the tower's identity
    margin: float  # of the contrastive loss
    # two faces nearer than this count as one person; it was set where the share threshold_far of pairs of different
    # people passes
    threshold: float
    threshold_far: float
    input_size_px: int = CROP_SIZE_PX  # the crop's side
    embedding_size: int = EMBEDDING_SIZE
    alignment: str = ALIGNMENT  # the template of the crops
    preprocessing: str = PREPROCESSING
    training: dict[str, Any] = field(default_factory=dict)  # data, people, photos, config
    figures: dict[str, Any] = field(default_factory=dict)  # what was measured, by name
    # what turns a distance into a probability, if anything does (see evaluation.calibration)
    calibration: dict[str, Any] | None = None
    # by layer the least and the largest value that went into it on photos that it was trained on; None where it cannot
    # run in int8
    int8_ranges: dict[str, list[float]] | None = None
    # strangers of all groups, from which local scales and judged distances come, with the threshold and the calibration
    # of those (see evaluation.cohort); None where the tower has plain distances only. threshold and calibration are of
    # plain distances
    cohort: dict[str, Any] | None = None
    format_version: int = FORMAT_VERSION


def write_card(path: Path, card: TowerCard) -> None:
    """Write the card as JSON. path: the file, or the folder that holds tower.keras."""
    file = _card_file(path)
    text = json.dumps(dataclasses.asdict(card), indent=2, ensure_ascii=False, allow_nan=False)
    file.write_text(text + "\n", encoding="utf-8")


def read_card(path: Path) -> TowerCard:
    """The card of a tower. path: the card's file, or its folder.

    Raises TowerError when it is missing, no card, of a later version, or for crops or embeddings of another size.
    """
    file = path
    try:
        file = _card_file(path)
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TowerError(f"{file} is missing: name a folder that holds {WEIGHTS_NAME} and {CARD_NAME}") from error
    except (OSError, ValueError) as error:
        raise TowerError(
            f"{file} cannot be read as a tower's card ({error}): export or download the tower again"
        ) from error
    return _checked(file, values)


def weights_sha256(path: Path) -> str:
    """The SHA-256 of a tower's weights. Raises TowerError when the file is missing or unreadable."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise TowerError(f"{path} is missing: name a folder that holds {WEIGHTS_NAME} and {CARD_NAME}") from error
    except OSError as error:
        raise TowerError(f"{path} cannot be read: {error.strerror}") from error


def check_weights(path: Path, card: TowerCard) -> None:
    """Raise TowerError unless the weights at `path` are those that the card describes."""
    if weights_sha256(path) != card.sha256:
        raise TowerError(
            f"{path} is not the file that its card describes (SHA-256): copy both from the same export again"
        )


def _card_file(path: Path) -> Path:
    return path / CARD_NAME if path.is_dir() else path


def _checked(file: Path, values: Any) -> TowerCard:
    """The card from decoded JSON, or a TowerError that names the first field that is wrong."""
    if not isinstance(values, dict):
        raise TowerError(f"{file} is not a tower's card: it must hold one JSON object; export the tower again")
    version = values.get("format_version")
    if version != FORMAT_VERSION:
        raise TowerError(
            f"{file} has format_version {version!r}, this facesearch reads {FORMAT_VERSION}: update facesearch"
        )
    fields = {entry.name: entry for entry in dataclasses.fields(TowerCard)}
    missing = [name for name, entry in fields.items() if entry.default is entry.default_factory and name not in values]
    if missing:
        raise TowerError(f"{file} lacks {', '.join(missing)}: export the tower again")
    card = TowerCard(**{name: value for name, value in values.items() if name in fields})
    for name, right in _rules(card).items():
        if not right:
            value = getattr(card, name) if name != "cohort" else "..."  # it is long
            raise TowerError(f"{file} has {name}={value!r}, which this facesearch cannot use: export the tower again")
    return card


def _rules(card: TowerCard) -> dict[str, bool]:
    """For each field whether its value can be used."""
    return {
        "name": isinstance(card.name, str) and bool(card.name),
        "created": isinstance(card.created, str),
        "sha256": isinstance(card.sha256, str) and len(card.sha256) == 64,
        "margin": _is_positive(card.margin),
        "threshold": _is_positive(card.threshold),
        "threshold_far": _is_positive(card.threshold_far) and card.threshold_far < 1,
        "input_size_px": card.input_size_px == CROP_SIZE_PX,
        "embedding_size": card.embedding_size == EMBEDDING_SIZE,
        "alignment": card.alignment == ALIGNMENT,
        "preprocessing": card.preprocessing == PREPROCESSING,
        "training": isinstance(card.training, dict),
        "figures": isinstance(card.figures, dict),
        "calibration": _is_calibration(card.calibration),
        "cohort": _is_cohort(card.cohort, card.embedding_size),
        "int8_ranges": card.int8_ranges is None or _are_ranges(card.int8_ranges),
    }


def _is_calibration(value: Any) -> bool:
    """Whether it is none, one that can be used, or one of a method that a later facesearch knows."""
    if value is not None and not isinstance(value, dict):
        return False
    try:
        Calibration.from_card(value)
    except ValueError:
        return False
    return True


def _is_cohort(value: Any, embedding_size: int) -> bool:
    """Whether it is none, one of this tower's space, or one of a method that a later facesearch knows."""
    if value is not None and not isinstance(value, dict):
        return False
    try:
        cohort = Cohort.from_card(value)
    except ValueError:
        return False
    return cohort is None or cohort.centres.shape[1] == embedding_size


def _are_ranges(value: Any) -> bool:
    """Whether it is a lower and an upper number by layer."""
    return isinstance(value, dict) and all(
        isinstance(limits, list)
        and len(limits) == 2
        and all(isinstance(limit, (int, float)) and math.isfinite(limit) for limit in limits)
        and limits[0] <= limits[1]
        for limits in value.values()
    )


def _is_positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0
