"""The three networks of MTCNN as TensorFlow functions, for a GPU. TensorFlow is imported here by whoever loads one.

The same weights, inputs and outputs as `mtcnn_networks`, which runs on a CPU and says what they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from facesearch.records import Floats
from facesearch.vision.detector.mtcnn_openvino import NetworkName, Weights, weights_file

Network = Callable[[Any], list[Floats]]


def load(name: NetworkName, device: str = "GPU:0") -> Network:
    """A network ready to run on a TensorFlow device: one array in, a list of new arrays out, from any thread.

    Convolutions are computed in full float32: what a GPU's tensor cores round away decides about faces at the edge.
    """
    import joblib
    import tensorflow as tf

    shape, kind, graph = {
        "pnet": ((1, None, None, 3), tf.uint8, _pnet),
        "rnet": ((None, 24, 24, 3), tf.float32, _rnet),
        "onet": ((None, 48, 48, 3), tf.float32, _onet),
    }[name]
    with tf.device(device):
        weights = [tf.constant(values) for values in joblib.load(weights_file(name))]

    def compute(pixels: Any) -> list[Any]:
        with tf.device(device):
            return graph((tf.cast(pixels, tf.float32) - 127.5) / 128, weights)

    tf.config.experimental.enable_tensor_float_32_execution(False)
    compiled = tf.function(compute, input_signature=[tf.TensorSpec(shape, kind)], autograph=False)

    def run(pixels: Any) -> list[Floats]:
        return [np.asarray(answer) for answer in compiled(tf.constant(pixels))]

    return run


def _pnet(x: Any, weights: Weights) -> list[Any]:
    import tensorflow as tf

    x = _pool(_conv_prelu(x, weights[0:3]), 2, "SAME")
    x = _conv_prelu(_conv_prelu(x, weights[3:6]), weights[6:9])
    offsets = tf.transpose(_conv(x, *weights[9:11]), [0, 3, 1, 2])
    return [offsets, _face_probability(_conv(x, *weights[11:13]))]


def _rnet(x: Any, weights: Weights) -> list[Any]:
    x = _pool(_conv_prelu(x, weights[0:3]), 3, "SAME")
    x = _pool(_conv_prelu(x, weights[3:6]), 3, "VALID")
    x = _dense_prelu(_flat(_conv_prelu(x, weights[6:9])), weights[9:12])
    return [_dense(x, *weights[12:14]), _face_probability(_dense(x, *weights[14:16]))]


def _onet(x: Any, weights: Weights) -> list[Any]:
    x = _pool(_conv_prelu(x, weights[0:3]), 3, "SAME")
    x = _pool(_conv_prelu(x, weights[3:6]), 3, "VALID")
    x = _pool(_conv_prelu(x, weights[6:9]), 2, "SAME")
    x = _dense_prelu(_flat(_conv_prelu(x, weights[9:12])), weights[12:15])
    return [_dense(x, *weights[15:17]), _dense(x, *weights[17:19]), _face_probability(_dense(x, *weights[19:21]))]


def _conv(x: Any, kernel: Any, bias: Any) -> Any:
    import tensorflow as tf

    return tf.nn.conv2d(x, kernel, 1, "VALID") + tf.reshape(bias, [-1])


def _conv_prelu(x: Any, weights: Weights) -> Any:
    kernel, bias, slope = weights
    return _prelu(_conv(x, kernel, bias), slope)


def _dense(x: Any, kernel: Any, bias: Any) -> Any:
    return x @ kernel + bias


def _dense_prelu(x: Any, weights: Weights) -> Any:
    kernel, bias, slope = weights
    return _prelu(_dense(x, kernel, bias), slope)


def _prelu(x: Any, slope: Any) -> Any:
    import tensorflow as tf

    return tf.nn.relu(x) - tf.reshape(slope, [-1]) * tf.nn.relu(-x)


def _pool(x: Any, size: int, padding: str) -> Any:
    import tensorflow as tf

    return tf.nn.max_pool2d(x, size, 2, padding)


def _flat(x: Any) -> Any:
    """(N, H, W, C) -> (N, W * H * C), as `mtcnn_networks` explains."""
    import tensorflow as tf

    x = tf.transpose(x, [0, 2, 1, 3])
    return tf.reshape(x, [-1, x.shape[1] * x.shape[2] * x.shape[3]])


def _face_probability(logits: Any) -> Any:
    import tensorflow as tf

    return tf.nn.softmax(logits)[..., 1]
