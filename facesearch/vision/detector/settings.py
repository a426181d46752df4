"""What a detector counts as a face, and how a user and a library say so. Knows no network."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace

from facesearch.errors import UsageError
from facesearch.vision.detector.pyramid import CELL_PX

_SMALLEST_FACE = re.compile(r"(?P<px>\d{1,5})(?:px)?|(?P<percent>\d{1,3}(?:\.\d{1,4})?)%", re.ASCII)
_TOLD = re.compile(r"-face([\d.]+(?:px|%))$", re.ASCII)


@dataclass(frozen=True)
class DetectorSettings:
    """What counts as a face; the defaults are the mtcnn package's, except max_side_px.

    min_face_px: smallest face looked for, in px of the (shrunken) photo. min_face_share: the same as a share of the
    photo's longer side; the larger of the two holds. max_side_px: a larger photo is shrunk to this before detection.
    The thresholds are those of the three networks' face probability.
    """

    min_face_px: int = 20
    max_side_px: int = 1024
    proposal_threshold: float = 0.6
    refine_threshold: float = 0.7
    output_threshold: float = 0.8
    min_face_share: float = 0.0

    def smallest_face_px(self, width_px: int, height_px: int) -> float:
        """The side of the smallest face looked for in a (shrunken) photo of this size."""
        return max(float(self.min_face_px), self.min_face_share * max(width_px, height_px))

    def told(self) -> str:
        """All of the settings, as they go into a detector's identity."""
        values = ", ".join(
            f"{field.name}={getattr(self, field.name)!r}"
            for field in fields(self)
            if field.name != "min_face_share" or self.min_face_share  # libraries are older than this setting
        )
        return f"DetectorSettings({values})"

    def told_smallest_face(self) -> str:
        """What a detector's identity ends with where the smallest face is not the default, so that a library knows
        what to look for."""
        if self.min_face_share:
            return f"-face{100 * self.min_face_share:.6g}%"
        return "" if self.min_face_px == DetectorSettings.min_face_px else f"-face{self.min_face_px}px"


DEFAULT_SETTINGS = DetectorSettings()


def smallest_face(text: str) -> DetectorSettings:
    """The default settings but for the smallest face: `40` or `40px` in a photo at most 1024 px large, or `4%` of the
    photo's longer side. Raises UsageError for anything else, and below the 12 px that the first network needs."""
    parts = _SMALLEST_FACE.fullmatch(text.strip())
    settings = None
    if parts and parts["percent"]:
        settings = replace(DEFAULT_SETTINGS, min_face_px=CELL_PX, min_face_share=float(parts["percent"]) / 100)
    elif parts:
        settings = replace(DEFAULT_SETTINGS, min_face_px=int(parts["px"]))
    largest_px = DEFAULT_SETTINGS.max_side_px
    if settings is None or not CELL_PX <= settings.min_face_px <= largest_px or not 0 <= settings.min_face_share <= 1:
        raise UsageError(
            f"the smallest face is {text!r}; give {CELL_PX} to {largest_px} pixels, as in 40, or a share of the "
            "photo's longer side up to 100%, as in 4%"
        )
    return settings


def settings_of(identity: str | None) -> DetectorSettings:
    """The settings that a detector's identity tells of: its smallest face; the defaults where it tells of none."""
    told = _TOLD.search(identity or "")
    return smallest_face(told[1]) if told else DEFAULT_SETTINGS
