"""Which frames of a video are worth a look, and which of these show nothing new: by their times and small pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

EVERY_S = 1.0
"""Between two looks, in a video of an hour or less."""

MOST_LOOKS = 3600
"""Then the time between two looks is doubled; an hour fits."""

_LEAST_APART_S = 0.5  # of a key frame or a new scene from the frame before it
_SCENE = 30.0  # of 255: mean change of brightness between two decoded frames
_STILL = 5.0  # of 255: the largest change of brightness in a place of the frame that counts as none
_THUMB, _FINE_THUMB = (32, 18), (64, 36)


@dataclass(eq=False)
class FrameChoice:
    """Which frames are worth a look, by their times and by small pictures of them."""

    every_s: float
    scene: int = 0
    _looks: int = 0
    _was_key: bool = False
    _last_s: float = -math.inf
    _before: np.ndarray | None = None
    _looked_at: np.ndarray | None = field(default=None)

    def takes(self, frame: Any, at_s: float) -> bool:
        """Whether to look at a decoded frame; call it for each of them."""
        import numpy as np

        small = _thumbnail(frame, _THUMB, "FAST_BILINEAR")
        is_lone_key = frame.key_frame and not self._was_key  # where every frame is one, that tells nothing
        self._was_key = frame.key_frame
        is_new_scene = self._before is not None and float(np.abs(small - self._before).mean()) > _SCENE
        self._before = small
        self.scene += is_new_scene
        since_s = at_s - self._last_s
        if not (since_s >= self.every_s - 1e-6 or (since_s >= self._apart_s and (is_new_scene or is_lone_key))):
            return False
        self._last_s = at_s
        self._looks += 1
        if self._looks % MOST_LOOKS == 0:
            self.every_s *= 2
        return True

    @property
    def _apart_s(self) -> float:
        return _LEAST_APART_S * self.every_s

    def is_still(self, frame: Any) -> bool:
        """Whether a frame that is taken shows what the one looked at before showed."""
        import numpy as np

        fine, before = _thumbnail(frame, _FINE_THUMB, "AREA"), self._looked_at
        if before is not None and float(np.abs(fine - before).max()) <= _STILL:
            return True
        self._looked_at = fine
        return False


def _thumbnail(frame: Any, size: tuple[int, int], interpolation: str) -> np.ndarray:
    """Brightness, float32 (h, w), 0 to 255."""
    import numpy as np

    small = frame.reformat(*size, format="gray", interpolation=interpolation)
    return np.asarray(small.to_ndarray(), np.float32)
