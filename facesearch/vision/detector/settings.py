"""What a detector counts as a face, and how a user and a library say so. Knows no network."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from facesearch.errors import UsageError

_SMALLEST_FACE = re.compile(r"(?P<px>\d{1,5})(?:px)?|(?P<percent>\d{1,3}(?:\.\d{1,4})?)%", re.ASCII)
_TOLD = re.compile(r"-face([\d.]+(?:px|%))$", re.ASCII)


SMALLEST_PX = 8  # below this nothing is a face

# Where only larger faces are looked for, a photo is shrunk further: until the smallest of them is so large, which is
# enough not to miss it, and to no less than the side where landmarks begin to suffer.
_ENOUGH_PX = 24
_LEAST_VIEW_PX = 480


@dataclass(frozen=True)
class DetectorSettings:
    """What counts as a face."""

    min_face_px: int = 0  # smallest face, in px of the photo shrunk to max_side_px; 0: as small as can be seen
    min_face_share: float = 0.0  # the same as a share of the photo's longer side; the larger of the two holds
    first_side_px: int = 640  # of a first look, which is the only one where that is enough
    max_side_px: int = 1024  # a larger photo is shrunk to this before it is looked at as a whole
    score_threshold: float = 0.5  # of the network's probability

    def smallest_face_px(self, width_px: int, height_px: int) -> float:
        """The longer side of the smallest face looked for in a photo of this size, in its px."""
        longer = max(width_px, height_px)
        return max(self.min_face_px * max(longer / self.max_side_px, 1.0), self.min_face_share * longer)

    def view_side_px(self, width_px: int, height_px: int) -> int:
        """The longer side of a photo as it is looked at: smaller where only larger faces are looked for."""
        smallest_px = self.smallest_face_px(width_px, height_px)
        if not smallest_px:
            return self.max_side_px
        enough_px = round(max(width_px, height_px) * _ENOUGH_PX / smallest_px)
        return min(self.max_side_px, max(enough_px, _LEAST_VIEW_PX))

    def told(self) -> str:
        """All of the settings, as they go into a detector's identity."""
        return repr(self)

    def told_smallest_face(self) -> str:
        """What a detector's identity ends with where the smallest face is not the default, so that a library knows
        what to look for."""
        if self.min_face_share:
            return f"-face{100 * self.min_face_share:.6g}%"
        return f"-face{self.min_face_px}px" if self.min_face_px else ""


DEFAULT_SETTINGS = DetectorSettings()


def smallest_face(text: str) -> DetectorSettings:
    """The default settings but for the smallest face: `40` or `40px` in a photo at most 1024 px large, or `4%` of the
    photo's longer side. Raises UsageError for anything else, and below SMALLEST_PX."""
    parts = _SMALLEST_FACE.fullmatch(text.strip())
    settings = None
    if parts and parts["percent"]:
        settings = replace(DEFAULT_SETTINGS, min_face_share=float(parts["percent"]) / 100)
    elif parts:
        settings = replace(DEFAULT_SETTINGS, min_face_px=int(parts["px"]))
    largest_px = DEFAULT_SETTINGS.max_side_px
    is_right = settings is not None and (
        0 < settings.min_face_share <= 1 or SMALLEST_PX <= settings.min_face_px <= largest_px
    )
    if settings is None or not is_right:
        raise UsageError(
            f"the smallest face is {text!r}; give {SMALLEST_PX} to {largest_px} pixels, as in 40, or a share of the "
            "photo's longer side up to 100%, as in 4%"
        )
    return settings


def settings_of(identity: str | None) -> DetectorSettings:
    """The settings that a detector's identity tells of: its smallest face; the defaults where it tells of none."""
    told = _TOLD.search(identity or "")
    return smallest_face(told[1]) if told else DEFAULT_SETTINGS
