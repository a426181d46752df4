"""Read a network that Keras saved (`.keras`) into an OpenVINO graph, without Keras and without TensorFlow.

Source of the format: https://keras.io/guides/serialization_and_saving/. The archive is a zip of `config.json` (layers
and how they connect) and `model.weights.h5` (their weights, float32 or float16). What a layer becomes, and which are
refused, is in `keras_layers`. Runs no code from the file.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facesearch.errors import TowerError
from facesearch.vision.tower.keras_layers import Layer, Node, build_layer

if TYPE_CHECKING:
    import openvino


def read_keras_archive(path: Path) -> openvino.Model:
    """The saved network as a graph: float32 (N, H, W, C) -> its single output.

    Raises TowerError that names the file, and the layer where one cannot be built.
    """
    import openvino

    config, weights = _read_archive(path)
    if config.get("class_name") != "Functional":
        raise TowerError(
            f"{path} holds a {config.get('class_name')} model, not a Functional one: export the tower again"
        )
    nodes: dict[str, Node] = {}
    parameters = []
    try:
        for layer in _layers(config["config"], weights):
            built = build_layer(layer, [nodes[name] for name in layer.inputs])
            if layer.kind == "InputLayer":
                parameters.append(built.input_value(0).get_node())
            nodes[layer.name] = built if isinstance(built, openvino.Output) else built.output(0)
        output = nodes[_output_name(config["config"])]
    except (KeyError, IndexError, TypeError) as error:
        raise TowerError(
            f"{path} is not laid out as Keras 3 saves a network ({error!r}): export the tower again"
        ) from error
    except TowerError as error:
        raise TowerError(f"{path}: {error}") from error
    return openvino.Model([output], parameters, config["config"]["name"])


def _read_archive(path: Path) -> tuple[dict[str, Any], dict[str, list[NDArray[np.float32]]]]:
    """config.json, and each layer's weights by its name."""
    import h5py

    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
            store = io.BytesIO(archive.read("model.weights.h5"))
        with h5py.File(store, "r") as file:
            weights = _weights_by_layer(file)
    except FileNotFoundError as error:
        raise TowerError(f"{path} does not exist: name the folder that holds tower.keras and tower.json") from error
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise TowerError(f"{path} is not a network that Keras saved ({error}): export or download it again") from error
    return config, weights


def _weights_by_layer(file: Any) -> dict[str, list[NDArray[np.float32]]]:
    """Groups are numbered by kind (`layers/conv2d_4/vars/0`); the layer's name is an attribute of `vars`."""
    weights = {}
    for group in file["layers"].values():
        saved = group["vars"]
        weights[str(saved.attrs["name"])] = [np.asarray(saved[key], np.float32) for key in sorted(saved, key=int)]
    return weights


def _layers(config: dict[str, Any], weights: dict[str, list[NDArray[np.float32]]]) -> list[Layer]:
    """The layers, each after those that it takes its input from: the order in which Keras saves them."""
    layers = []
    for saved in config["layers"]:
        nodes = saved["inbound_nodes"]
        sources = _tensors(nodes[0]["args"]) if nodes else []
        name = saved["name"]
        layers.append(Layer(saved["class_name"], name, saved["config"], weights.get(name, []), sources))
    return layers


def _tensors(arguments: Any) -> list[str]:
    """Names of the layers whose outputs stand in a call's arguments."""
    if isinstance(arguments, list):
        return [name for argument in arguments for name in _tensors(argument)]
    if isinstance(arguments, dict) and arguments.get("class_name") == "__keras_tensor__":
        return [arguments["config"]["keras_history"][0]]
    return []


def _output_name(config: dict[str, Any]) -> str:
    output = config["output_layers"]
    return str(output[0] if isinstance(output[0], str) else output[0][0])
