"""The three networks of MTCNN as OpenVINO graphs, with the weights that the installed `mtcnn` package brings.

Source: Zhang, Zhang, Li and Qiao, "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional
Networks", 2016, in the form that `mtcnn.network` gives it. The package itself is never imported: that would import
TensorFlow. Every network takes RGB 0..255 and normalises inside.
"""

from __future__ import annotations

import hashlib
import importlib.util
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from facesearch.errors import FacesearchError
from facesearch.vision.runtime import DEFAULT_RUNTIME, CompiledNetwork, RuntimeSettings, load_network

if TYPE_CHECKING:
    import openvino

NetworkName = Literal["pnet", "rnet", "onet"]
NETWORKS: tuple[NetworkName, ...] = ("pnet", "rnet", "onet")
Weights = list[NDArray[np.float32]]
# Part of the cache's key: raise it when a graph below changes.
_GRAPH_VERSION = 1


@cache
def weights_file(name: NetworkName) -> Path:
    """Where the mtcnn package keeps a network's weights. Raises FacesearchError when it is not installed whole."""
    spec = importlib.util.find_spec("mtcnn")
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise FacesearchError("the package `mtcnn` is not installed: run `pip install mtcnn`")
    path = Path(next(iter(folders))) / "assets" / "weights" / f"{name}.lz4"
    if not path.is_file():
        raise FacesearchError(f"{path} is missing: run `pip install --force-reinstall mtcnn`")
    return path


@cache
def weights_digest() -> str:
    """The SHA-256 of all three networks' weights."""
    return hashlib.sha256(b"".join(weights_file(name).read_bytes() for name in NETWORKS)).hexdigest()


def load(name: NetworkName, runtime: RuntimeSettings = DEFAULT_RUNTIME) -> CompiledNetwork:
    """A network ready to run.

    pnet: uint8 (1, H, W, 3) -> box offsets (1, 4, H', W'), face probability (1, H', W'), a cell each 2 px.
    rnet: uint8-valued float32 (N, 24, 24, 3) -> box offsets (N, 4), face probability (N,).
    onet: uint8-valued float32 (N, 48, 48, 3) -> box offsets (N, 4), five x then five y (N, 10), face probability (N,).
    """
    builders = {"pnet": _pnet, "rnet": _rnet, "onet": _onet}

    def build() -> openvino.Model:
        import joblib

        return builders[name](joblib.load(weights_file(name)))

    return load_network(f"{weights_digest()}-{name}-{_GRAPH_VERSION}", build, runtime)


def _pnet(weights: Weights) -> openvino.Model:
    import openvino
    from openvino import opset13 as ops

    pixels = ops.parameter([1, -1, -1, 3], np.uint8)
    x = _conv_prelu(_normalised(pixels), weights[0:3])
    x = _pool(x, 2, "same_upper")
    x = _conv_prelu(x, weights[3:6])
    x = _conv_prelu(x, weights[6:9])
    offsets = _conv(x, *weights[9:11])
    probability = _face_probability(_conv(x, *weights[11:13]))
    return openvino.Model([offsets, probability], [pixels], "pnet")


def _rnet(weights: Weights) -> openvino.Model:
    import openvino
    from openvino import opset13 as ops

    patches = ops.parameter([-1, 24, 24, 3], np.float32)
    x = _pool(_conv_prelu(_normalised(patches), weights[0:3]), 3, "same_upper")
    x = _pool(_conv_prelu(x, weights[3:6]), 3, "valid")
    x = _conv_prelu(x, weights[6:9])
    x = _dense_prelu(_flat(x), weights[9:12])
    outputs = [_dense(x, *weights[12:14]), _face_probability(_dense(x, *weights[14:16]))]
    return openvino.Model(outputs, [patches], "rnet")


def _onet(weights: Weights) -> openvino.Model:
    import openvino
    from openvino import opset13 as ops

    patches = ops.parameter([-1, 48, 48, 3], np.float32)
    x = _pool(_conv_prelu(_normalised(patches), weights[0:3]), 3, "same_upper")
    x = _pool(_conv_prelu(x, weights[3:6]), 3, "valid")
    x = _pool(_conv_prelu(x, weights[6:9]), 2, "same_upper")
    x = _conv_prelu(x, weights[9:12])
    x = _dense_prelu(_flat(x), weights[12:15])
    outputs = [_dense(x, *weights[15:17]), _dense(x, *weights[17:19]), _face_probability(_dense(x, *weights[19:21]))]
    return openvino.Model(outputs, [patches], "onet")


def _normalised(pixels: Any) -> Any:
    """RGB 0..255 (N, H, W, 3) -> -1..1 (N, 3, H, W)."""
    from openvino import opset13 as ops

    x = ops.transpose(ops.convert(pixels, "f32"), ops.constant(np.array([0, 3, 1, 2])))
    return ops.multiply(ops.subtract(x, _constant(np.float32(127.5))), _constant(np.float32(1 / 128)))


def _conv(x: Any, kernel: NDArray[np.float32], bias: NDArray[np.float32]) -> Any:
    """Valid convolution, stride 1. kernel: (h, w, in, out), as Keras keeps it."""
    from openvino import opset13 as ops

    x = ops.convolution(x, _constant(kernel.transpose(3, 2, 0, 1)), [1, 1], [0, 0], [0, 0], [1, 1])
    return ops.add(x, _constant(bias.reshape(1, -1, 1, 1)))


def _conv_prelu(x: Any, weights: Weights) -> Any:
    from openvino import opset13 as ops

    kernel, bias, slope = weights
    return ops.prelu(_conv(x, kernel, bias), _constant(slope.reshape(-1)))


def _dense(x: Any, kernel: NDArray[np.float32], bias: NDArray[np.float32]) -> Any:
    from openvino import opset13 as ops

    return ops.add(ops.matmul(x, _constant(kernel), False, False), _constant(bias))


def _dense_prelu(x: Any, weights: Weights) -> Any:
    from openvino import opset13 as ops

    kernel, bias, slope = weights
    return ops.prelu(_dense(x, kernel, bias), _constant(slope))


def _pool(x: Any, size: int, padding: str) -> Any:
    """Max pool, stride 2. Its second output (the indices) is not used."""
    from openvino import opset13 as ops

    return ops.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [size, size], auto_pad=padding).output(0)


def _flat(x: Any) -> Any:
    """(N, C, H, W) -> (N, W * H * C): the weights come from Caffe by way of a Permute that swaps rows and columns."""
    from openvino import opset13 as ops

    return ops.reshape(ops.transpose(x, ops.constant(np.array([0, 3, 2, 1]))), ops.constant(np.array([0, -1])), True)


def _face_probability(logits: Any) -> Any:
    """The softmax's second channel: (N, 2, ...) -> (N, ...)."""
    from openvino import opset13 as ops

    return ops.gather(ops.softmax(logits, 1), ops.constant(np.int64(1)), ops.constant(np.int64(1)))


def _constant(values: Any) -> Any:
    from openvino import opset13 as ops

    return ops.constant(np.ascontiguousarray(values, dtype=np.float32))
