"""Layers with a faster form for some backends: the weights and the numbers of Keras' own, which other backends use.

On a processor, Keras' own steps copy each map to another memory layout and back around every convolution and pool under
Torch, and normalise a batch in several passes under Torch and TensorFlow. Here Torch sees the maps as they lie.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers


def _under_torch() -> bool:
    return bool(keras.backend.backend() == "torch")


def _channels_first(maps: Any) -> Any:
    """A view for Torch: (B, H, W, C) -> (B, C, H, W), the numbers staying where they lie (its `channels_last`)."""
    return maps.permute(0, 3, 1, 2)


def _channels_last(maps: Any) -> Any:
    """The view back: (B, C, H, W) -> (B, H, W, C)."""
    return maps.permute(0, 2, 3, 1)


class BatchNormalization(layers.BatchNormalization):
    """Batch normalisation in one kernel of TensorFlow's or Torch's."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """(B, H, W, C) -> (B, H, W, C), normalised by the batch's own statistics while it trains."""
        trains = bool(training and self.trainable)
        backend = keras.backend.backend()
        if len(inputs.shape) == 4 and backend == "torch":
            return self._by_torch(inputs, trains)
        if len(inputs.shape) == 4 and backend == "tensorflow" and trains:
            return self._by_tensorflow(inputs)
        return super().call(inputs, training=training, mask=mask)

    def _by_torch(self, inputs: Any, trains: bool) -> Any:
        import torch  # only where it is the backend

        maps, learnt = _channels_first(inputs), (self.gamma.value, self.beta.value)
        if not trains:
            seen = self.moving_mean.value, self.moving_variance.value
            return _channels_last(torch.nn.functional.batch_norm(maps, *seen, *learnt, eps=self.epsilon))
        outputs, mean, inverse = torch.native_batch_norm(maps, *learnt, None, None, True, 0.0, self.epsilon)
        with torch.no_grad():  # of the batch itself, as Keras keeps it: Torch's own statistics are the sample's
            self._keep_statistics(mean, inverse**-2 - self.epsilon)
        return _channels_last(outputs)

    def _by_tensorflow(self, inputs: Any) -> Any:
        import tensorflow as tf  # only where it is the backend

        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.cast(self.gamma, tf.float32),
            offset=tf.cast(self.beta, tf.float32),
            mean=tf.zeros((0,)),
            variance=tf.zeros((0,)),
            epsilon=self.epsilon,
            is_training=True,
        )
        values = tf.cast(tf.size(inputs[..., 0]), tf.float32)
        # the kernel gives the sample's variance; Keras keeps the batch's own
        self._keep_statistics(mean, variance * ((values - 1) / values))
        return outputs

    def _keep_statistics(self, mean: Any, variance: Any) -> None:
        """Move the running statistics towards a batch's."""
        self.moving_mean.assign(self.moving_mean * self.momentum + mean * (1 - self.momentum))
        self.moving_variance.assign(self.moving_variance * self.momentum + variance * (1 - self.momentum))


class Activation(layers.Activation):
    """An activation. Under Torch a ReLU overwrites its input, which nothing else may read: it stands behind a batch
    normalisation."""

    def call(self, inputs: Any) -> Any:
        """Any shape -> the same."""
        if _under_torch() and self.activation is keras.activations.relu:
            return inputs.relu_()
        return super().call(inputs)


class Conv2D(layers.Conv2D):
    """A convolution that Torch computes from the maps as they lie."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """(B, H, W, C) and the kernel (rows, columns, C, K) -> (B, h, w, K), without bias and activation."""
        uneven = self.padding == "same" and (max(self.strides) > 1 or not all(side % 2 for side in self.kernel_size))
        if not _under_torch() or uneven:
            return super().convolution_op(inputs, kernel)
        import torch

        padding = [side // 2 if self.padding == "same" else 0 for side in self.kernel_size]
        kernel = keras.ops.convert_to_tensor(kernel).permute(3, 2, 0, 1)
        return _channels_last(
            torch.nn.functional.conv2d(_channels_first(inputs), kernel, stride=self.strides, padding=padding)
        )


class MaxPooling2D(layers.MaxPooling2D):
    """A pool without padding that Torch computes from the maps as they lie."""

    def call(self, inputs: Any) -> Any:
        """(B, H, W, C) -> (B, h, w, C)."""
        if not _under_torch():
            return super().call(inputs)
        import torch

        return _channels_last(torch.nn.functional.max_pool2d(_channels_first(inputs), self.pool_size, self.strides))


class AveragePooling2D(layers.AveragePooling2D):
    """Means without padding that Torch computes from the maps as they lie."""

    def call(self, inputs: Any) -> Any:
        """(B, H, W, C) -> (B, h, w, C)."""
        if not _under_torch():
            return super().call(inputs)
        import torch

        return _channels_last(torch.nn.functional.avg_pool2d(_channels_first(inputs), self.pool_size, self.strides))
