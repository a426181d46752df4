"""The layers of a DenseNet or ResNet, in inference, as OpenVINO's operations: channels last in Keras, first in the
graph.

Refuses any other layer, and any setting that it does not build for, by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesearch.errors import TowerError

Node = Any  # an output of OpenVINO's graph; images are (N, C, H, W) inside it


@dataclass(frozen=True)
class Layer:
    """A layer as saved."""

    kind: str
    name: str
    config: dict[str, Any]
    weights: list[NDArray[np.float32]]  # in Keras' order
    inputs: list[str]  # names of the layers it takes its input from

    def refuse(self, what: str) -> TowerError:
        return TowerError(
            f"layer {self.name!r} ({self.kind}) {what}, which the OpenVINO runtime cannot run: "
            "export the tower without it, or use a GPU with `--device gpu`"
        )

    def must_be(self, **expected: Any) -> None:
        """Raise TowerError for a setting other than the one that the graph is built for."""
        for setting, value in expected.items():
            if self.config.get(setting, value) != value:
                raise self.refuse(f"has {setting}={self.config[setting]!r}")


def build_layer(layer: Layer, inputs: list[Node]) -> Node:
    """The operations of a layer on the outputs of those that it takes its input from.

    Raises TowerError, which names the layer, where they cannot be built.
    """
    if layer.kind not in _BUILDERS:
        raise layer.refuse("is of a kind")
    return _BUILDERS[layer.kind](layer, inputs)


def _ops() -> Any:
    from openvino import opset13

    return opset13


def _constant(values: Any) -> Node:
    return _ops().constant(np.ascontiguousarray(values, dtype=np.float32))


def _shape(node: Node) -> list[int]:
    """Of a node whose batch is open: the lengths of the other axes."""
    return [axis.get_length() for axis in list(node.get_partial_shape())[1:]]


def _rank(node: Node) -> int:
    return len(node.get_partial_shape())


def _per_channel(values: NDArray[Any], rank: int) -> Node:
    """A constant that broadcasts over the channels of an image (rank 4) or a vector (rank 2)."""
    return _constant(values.reshape(1, -1, *[1] * (rank - 2)))


def _input(layer: Layer, _: list[Node]) -> Node:
    ops = _ops()
    size = layer.config["batch_shape"][1:]
    if len(size) != 3 or None in size:
        raise layer.refuse(f"takes an input of shape {size}")
    return ops.transpose(ops.parameter([-1, *size], np.float32), ops.constant(np.array([0, 3, 1, 2])))


def _rescaling(layer: Layer, inputs: list[Node]) -> Node:
    rank = _rank(inputs[0])
    scale, offset = (np.asarray(layer.config[key], dtype=np.float32) for key in ("scale", "offset"))
    return _ops().add(_ops().multiply(inputs[0], _per_channel(scale, rank)), _per_channel(offset, rank))


def _resizing(layer: Layer, inputs: list[Node]) -> Node:
    layer.must_be(interpolation="bilinear", crop_to_aspect_ratio=False, pad_to_aspect_ratio=False)
    ops, image = _ops(), inputs[0]
    height, width = (image.get_partial_shape()[axis].get_length() for axis in (2, 3))
    antialias = bool(layer.config["antialias"])
    rows = _resampling(height, layer.config["height"], antialias)
    columns = _resampling(width, layer.config["width"], antialias)
    image = ops.matmul(_constant(rows), image, False, False)
    return ops.matmul(image, _constant(columns), False, True)


def _resampling(size: int, new_size: int, antialias: bool) -> NDArray[np.float64]:
    """Bilinear resampling of one axis as a matrix (new_size, size); a triangle as wide as the step where it shrinks."""
    step = size / new_size
    reach = max(step, 1.0) if antialias else 1.0
    centres = (np.arange(new_size) + 0.5) * step
    if not antialias:  # samples beyond the outermost pixels' centres repeat those pixels
        centres = np.clip(centres, 0.5, size - 0.5)
    weights = np.maximum(1 - np.abs(np.arange(size) + 0.5 - centres[:, None]) / reach, 0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _zero_padding(layer: Layer, inputs: list[Node]) -> Node:
    (top, bottom), (left, right) = layer.config["padding"]
    begin, end = ([0, 0, top, left], [0, 0, bottom, right])
    return _ops().pad(inputs[0], begin, end, "constant")


def _cropping(layer: Layer, inputs: list[Node]) -> Node:
    """An image without some of its outermost rows and columns."""
    layer.must_be(data_format="channels_last")
    ops, image = _ops(), inputs[0]
    (top, bottom), (left, right) = layer.config["cropping"]
    _, height, width = _shape(image)
    ends = np.array([height - bottom, width - right])
    return ops.slice(image, np.array([top, left]), ends, np.array([1, 1]), np.array([2, 3]))


def _convolution(layer: Layer, inputs: list[Node]) -> Node:
    layer.must_be(groups=1)
    ops, config = _ops(), layer.config
    kernel = _constant(layer.weights[0].transpose(3, 2, 0, 1))
    strides, dilations = config["strides"], config["dilation_rate"]
    image = ops.convolution(inputs[0], kernel, strides, [0, 0], [0, 0], dilations, auto_pad=_padding(layer))
    image.set_friendly_name(layer.name)
    if config["use_bias"]:
        image = ops.add(image, _per_channel(layer.weights[1], 4))
    return _activated(layer, image)


def _batch_normalization(layer: Layer, inputs: list[Node]) -> Node:
    """As trained statistics: one factor and one shift a channel."""
    rank = _rank(inputs[0])
    if layer.config["axis"] not in (-1, rank - 1, [rank - 1]):
        raise layer.refuse(f"has axis={layer.config['axis']!r}")
    weights = [weight.astype(np.float64) for weight in layer.weights]
    gamma = weights.pop(0) if layer.config["scale"] else 1.0
    beta = weights.pop(0) if layer.config["center"] else 0.0
    mean, variance = weights
    factor = gamma / np.sqrt(variance + layer.config["epsilon"])
    scaled = _ops().multiply(inputs[0], _per_channel(factor, rank))
    return _ops().add(scaled, _per_channel(beta - mean * factor, rank))


def _relu(layer: Layer, inputs: list[Node]) -> Node:
    layer.must_be(max_value=None, negative_slope=0.0, threshold=0.0)
    return _ops().relu(inputs[0])


def _activated(layer: Layer, node: Node) -> Node:
    activation = layer.config["activation"]
    if activation not in ("relu", "linear"):
        raise layer.refuse(f"has activation={activation!r}")
    return _ops().relu(node) if activation == "relu" else node


def _max_pooling(layer: Layer, inputs: list[Node]) -> Node:
    strides, size = layer.config["strides"], layer.config["pool_size"]
    return _ops().max_pool(inputs[0], strides, [1, 1], [0, 0], [0, 0], size, auto_pad=_padding(layer))


def _average_pooling(layer: Layer, inputs: list[Node]) -> Node:
    strides, size = layer.config["strides"], layer.config["pool_size"]
    return _ops().avg_pool(inputs[0], strides, [0, 0], [0, 0], size, True, auto_pad=_padding(layer))


def _global_average(layer: Layer, inputs: list[Node]) -> Node:
    layer.must_be(keepdims=False)
    return _ops().reduce_mean(inputs[0], _ops().constant(np.array([2, 3])), False)


def _add(_: Layer, inputs: list[Node]) -> Node:
    node, *others = inputs
    for other in others:
        node = _ops().add(node, other)
    return node


def _concatenate(layer: Layer, inputs: list[Node]) -> Node:
    rank = _rank(inputs[0])
    if layer.config["axis"] not in (-1, rank - 1):
        raise layer.refuse(f"has axis={layer.config['axis']!r}")
    return _ops().concat(inputs, 1)


def _flip(layer: Layer, inputs: list[Node]) -> Node:
    """An image mirrored left to right."""
    if _rank(inputs[0]) != 4 or layer.config["axis"] not in (2, -2, [2]):
        raise layer.refuse(f"flips axis={layer.config['axis']!r}")
    last, before_first, width = (np.array([value]) for value in (-1, np.iinfo(np.int64).min, 3))
    return _ops().slice(inputs[0], last, before_first, last, width)


def _stack(layer: Layer, inputs: list[Node]) -> Node:
    """Several images, or vectors, of each of a batch."""
    layer.must_be(axis=1)
    ops = _ops()
    return ops.concat([ops.unsqueeze(node, ops.constant(np.array(1))) for node in inputs], 1)


def _reshape(layer: Layer, inputs: list[Node]) -> Node:
    """Stacked images as a larger batch, or the vectors of a larger batch side by side."""
    image, new = inputs[0], list(layer.config["newshape"])
    if _rank(image) == 5:
        _, *sides = _shape(image)
        if new != [-1, *sides[1:], sides[0]]:
            raise layer.refuse(f"makes stacked images {new}")
        new = [-1, *sides]
    elif _rank(image) != 2 or new[:1] != [-1] or new[-1:] != _shape(image) or len(new) != 3:
        raise layer.refuse(f"reshapes {_shape(image)} to {new}")
    return _ops().reshape(image, np.array(new), False)


def _mean(layer: Layer, inputs: list[Node]) -> Node:
    """Of vectors that stand side by side."""
    layer.must_be(keepdims=False)
    if _rank(inputs[0]) != 3 or layer.config["axis"] not in (1, [1]):
        raise layer.refuse(f"takes the mean over axis={layer.config['axis']!r}")
    return _ops().reduce_mean(inputs[0], _ops().constant(np.array([1])), False)


def _dense(layer: Layer, inputs: list[Node]) -> Node:
    vector = _ops().matmul(inputs[0], _constant(layer.weights[0]), False, False)
    if layer.config["use_bias"]:
        vector = _ops().add(vector, _constant(layer.weights[1]))
    return _activated(layer, vector)


def _unit_normalization(layer: Layer, inputs: list[Node]) -> Node:
    layer.must_be(axis=-1)
    ops = _ops()
    norm = ops.sqrt(ops.reduce_sum(ops.multiply(inputs[0], inputs[0]), ops.constant(np.array([1])), True))
    return ops.divide(inputs[0], ops.maximum(norm, _constant(np.float32(1e-12))))


def _same(_: Layer, inputs: list[Node]) -> Node:
    return inputs[0]


def _padding(layer: Layer) -> str:
    layer.must_be(data_format="channels_last")
    return {"valid": "valid", "same": "same_upper"}[layer.config["padding"]]


_BUILDERS: dict[str, Callable[[Layer, list[Node]], Node]] = {
    "InputLayer": _input,
    "Rescaling": _rescaling,
    "Resizing": _resizing,
    "ZeroPadding2D": _zero_padding,
    "Cropping2D": _cropping,
    "Conv2D": _convolution,
    "BatchNormalization": _batch_normalization,
    "Activation": lambda layer, inputs: _activated(layer, inputs[0]),
    "ReLU": _relu,
    "MaxPooling2D": _max_pooling,
    "AveragePooling2D": _average_pooling,
    "GlobalAveragePooling2D": _global_average,
    "Add": _add,
    "Concatenate": _concatenate,
    "Dense": _dense,
    "Dropout": _same,
    "Flip": _flip,
    "Stack": _stack,
    "Reshape": _reshape,
    "Mean": _mean,
    "UnitNormalization": _unit_normalization,
}
