"""A network's convolutions in 8 bits: what goes into each of them on some crops, and the graph that rounds to that.

Post-training quantisation, without labels: a kernel has a scale for each of its output channels, what goes into a
convolution one for the whole of it, and values beyond what was seen are clamped. All else stays as it is. OpenVINO
turns such a graph into 8-bit arithmetic. Source: Jacob et al., "Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference", CVPR 2018.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from facesearch.errors import TowerError
from facesearch.records import Pixels
from facesearch.vision.runtime import compile_network, has_int8

if TYPE_CHECKING:
    import openvino

Ranges = dict[str, list[float]]  # by the convolution's name: the least and the largest value that goes into it

_BATCH = 16
_LEVELS, _KERNEL_LEVELS = 256, 255  # a kernel's are symmetric about 0
_LEAST_RANGE = 1e-6


def observe_ranges(network: openvino.Model, crops: Pixels) -> Ranges:
    """The range of what goes into each convolution on crops, uint8 (N, H, W, 3). network: is reshaped for that."""
    import openvino
    from openvino import opset13 as ops

    network.reshape([-1, *crops.shape[1:]])
    found = _convolutions(network)
    inputs = openvino.Model([ops.result(each.input_value(0)) for each in found], network.get_parameters())
    run = compile_network(inputs)
    low, high = np.full(len(found), np.inf), np.full(len(found), -np.inf)
    for start in range(0, len(crops), _BATCH):
        values = run(crops[start : start + _BATCH].astype(np.float32))
        low = np.minimum(low, [each.min() for each in values])
        high = np.maximum(high, [each.max() for each in values])
    return {
        each.get_friendly_name(): [float(f"{least:.6g}"), float(f"{most:.6g}")]
        for each, least, most in zip(found, low, high, strict=True)
    }


def quantise(network: openvino.Model, ranges: Ranges) -> None:
    """Round each convolution's kernel and what goes into it to 8 bits, in place.

    A processor without instructions for 8-bit sums computes the rounded values in float32: slower, but right. Its
    16-bit sums would overflow (with AVX2 alone, embeddings moved by a sixth of their length).

    Raises TowerError where a convolution has no range.
    """
    from openvino import opset13 as ops

    for convolution in _convolutions(network):
        name = convolution.get_friendly_name()
        if name not in ranges:
            raise TowerError(f"the tower's card has no range for layer {name!r} in int8: export the tower again")
        low, high = ranges[name]
        limits = [np.float32(value) for value in (low, max(high, low + _LEAST_RANGE))] * 2
        rounded = ops.fake_quantize(convolution.input_value(0), *limits, _LEVELS)
        convolution.input(0).replace_source_output(rounded.output(0))
        kernel = convolution.input_value(1)
        values = kernel.get_node().data
        largest = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True).astype(np.float32)
        largest = np.maximum(largest, np.float32(_LEAST_RANGE))
        if has_int8():
            kernel_8_bit = ops.fake_quantize(kernel, -largest, largest, -largest, largest, _KERNEL_LEVELS)
        else:
            step = largest / np.float32(_KERNEL_LEVELS // 2)
            kernel_8_bit = ops.constant(np.rint(values / step) * step, dtype=np.float32)
        convolution.input(1).replace_source_output(kernel_8_bit.output(0))
    network.validate_nodes_and_infer_types()


def _convolutions(network: openvino.Model) -> list[Any]:
    return [each for each in network.get_ordered_ops() if each.get_type_name() == "Convolution"]
