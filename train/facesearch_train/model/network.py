"""The networks: a DenseNet tower and the Siamese pair that shares it. Defines shapes only; training lives in `loop`.

Source: Huang, Liu, van der Maaten and Weinberger, "Densely Connected Convolutional Networks", CVPR 2017.
Written in Keras 3, so that TensorFlow, JAX and Torch run the same code; `backend_layers` has faster layers for some.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, ops

from facesearch.records import EMBEDDING_SIZE
from facesearch_train.model import backend_layers

# The batch normalisation that keras.applications' DenseNet uses, so that weights can be exchanged with it.
BN_EPSILON = 1.001e-5
DROPOUT_NAME = "dropout"
EMBEDDING_NAME = "embedding"


@dataclass(frozen=True)
class DenseNetShape:
    """What a DenseNet is made of; the defaults are DenseNet-121."""

    units: tuple[int, ...] = (6, 12, 24, 16)  # dense units in each block
    # feature maps that a unit adds. A unit's 1x1 bottleneck has `bottleneck * growth_rate` maps; between blocks
    # `compression` of the maps remain
    growth_rate: int = 32
    bottleneck: int = 4
    compression: float = 0.5
    # the 3x3 max pool after the first convolution; large photos need it, small crops do not
    initial_pool: bool = True
    bn_momentum: float = 0.99  # the share of the running statistics that a step keeps


DENSENET_121 = DenseNetShape()


def _kinds(fused: bool) -> Any:
    """Where the kinds of layers are: Keras' own, or those with a faster form."""
    return backend_layers if fused else layers


def _bn_relu(x: Any, name: str, momentum: float, fused: bool) -> Any:
    x = _kinds(fused).BatchNormalization(epsilon=BN_EPSILON, momentum=momentum, name=f"{name}_bn")(x)
    return _kinds(fused).Activation("relu", name=f"{name}_relu")(x)


def dense_unit(x: Any, shape: DenseNetShape, name: str, *, fused: bool = False) -> Any:
    """BN-ReLU-1x1-BN-ReLU-3x3, its k = `growth_rate` maps appended to all before: (B, H, W, C) -> (B, H, W, C + k)."""
    k, momentum = shape.growth_rate, shape.bn_momentum
    new = _bn_relu(x, f"{name}_0", momentum, fused)
    new = _kinds(fused).Conv2D(shape.bottleneck * k, 1, use_bias=False, name=f"{name}_1_conv")(new)
    new = _bn_relu(new, f"{name}_1", momentum, fused)
    new = _kinds(fused).Conv2D(k, 3, padding="same", use_bias=False, name=f"{name}_2_conv")(new)
    return layers.Concatenate(name=f"{name}_concat")([x, new])


def transition(x: Any, shape: DenseNetShape, name: str, *, fused: bool = False) -> Any:
    """Fewer maps at half the resolution: (B, H, W, C) -> (B, H/2, W/2, C * compression)."""
    channels = int(x.shape[-1] * shape.compression)
    x = _bn_relu(x, name, shape.bn_momentum, fused)
    x = _kinds(fused).Conv2D(channels, 1, use_bias=False, name=f"{name}_conv")(x)
    return _kinds(fused).AveragePooling2D(2, strides=2, name=f"{name}_pool")(x)


def resize_layer(crop_size_px: int, input_size_px: int) -> keras.layers.Layer | None:
    """The layer that resizes a crop to the input size: means of whole blocks if the sizes allow, else bilinear."""
    if crop_size_px == input_size_px:
        return None
    if crop_size_px % input_size_px == 0:
        return layers.AveragePooling2D(crop_size_px // input_size_px, name="resize")
    shrinks = input_size_px < crop_size_px
    return layers.Resizing(input_size_px, input_size_px, interpolation="bilinear", antialias=shrinks, name="resize")


def build_tower(
    crop_size_px: int,
    embedding_size: int = EMBEDDING_SIZE,
    shape: DenseNetShape = DENSENET_121,
    input_size_px: int | None = None,
    *,
    radius: float | None = None,
    mirrored: bool = False,
    dropout: float = 0.0,
    fused: bool = False,
) -> keras.Model:
    """A DenseNet that ends in `embedding_size` numbers: (B, S, S, 3) RGB 0..255 -> (B, embedding_size) float32.

    crop_size_px is S. input_size_px: the size that the convolutions see, by default S; crops are brought to it first.
    The preprocessing (to -1..1) is part of the network. The weights do not depend on the sizes, so that training can
    begin on small crops. radius: the length that all embeddings are brought to; by default they have the length that
    the contrastive loss gives them. mirrored: the embedding is the mean of those of the crop and of its mirror image,
    at twice the cost: a face and its mirror image are then one point. dropout: the share of the features before the
    last layer that a training step leaves out (Srivastava et al., "Dropout", JMLR 2014). fused: for training, see
    `backend_layers`; a tower that is saved whole goes without, since its file names Keras' own layers.
    """
    inputs = keras.Input((crop_size_px, crop_size_px, 3), name="crop")
    resize = resize_layer(crop_size_px, input_size_px or crop_size_px)
    x = with_mirror_images(inputs) if mirrored else inputs
    x = resize(x) if resize else x
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="preprocessing")(x)
    x = layers.ZeroPadding2D(3, name="conv1_pad")(x)
    x = _kinds(fused).Conv2D(2 * shape.growth_rate, 7, strides=2, use_bias=False, name="conv1_conv")(x)
    x = _bn_relu(x, "conv1", shape.bn_momentum, fused)
    if shape.initial_pool:
        x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
        x = _kinds(fused).MaxPooling2D(3, strides=2, name="pool1")(x)
    for block, units in enumerate(shape.units, start=2):
        for unit in range(1, units + 1):
            x = dense_unit(x, shape, f"conv{block}_block{unit}", fused=fused)
        if block < len(shape.units) + 1:
            x = transition(x, shape, f"pool{block}", fused=fused)
    x = _bn_relu(x, "final", shape.bn_momentum, fused)
    x = layers.GlobalAveragePooling2D(name="average_pool")(x)
    if mirrored:  # of the features, from which the embedding follows linearly
        x = ops.mean(ops.reshape(x, (-1, 2, x.shape[-1])), axis=1)
    if dropout:
        x = layers.Dropout(dropout, name=DROPOUT_NAME)(x)
    embedding = layers.Dense(embedding_size, dtype="float32", name=EMBEDDING_NAME)(x)
    if radius is not None:
        embedding = layers.UnitNormalization(dtype="float32", name="unit_length")(embedding)
        embedding = layers.Rescaling(radius, dtype="float32", name="radius")(embedding)
    return keras.Model(inputs, embedding, name="tower")


def freeze_blocks(tower: keras.Model, blocks: int) -> None:
    """Freeze the first convolution and the first `blocks` dense blocks with the transitions after them, including their
    batch normalisation; 0 freezes nothing."""
    if blocks:
        still = ("conv1_", *(f"{name}{block}_" for block in range(2, blocks + 2) for name in ("conv", "pool")))
        for layer in tower.layers:
            if layer.name.startswith(still):
                layer.trainable = False


def split_tower(tower: keras.Model, blocks: int) -> tuple[keras.Model, keras.Model]:
    """The tower cut after its first `blocks` dense blocks and their transition: crops to maps, and maps to embeddings.

    Both share the tower's weights. blocks: from 1 to one less than the tower has.
    """
    maps = tower.get_layer(f"pool{blocks + 1}_pool").output
    return keras.Model(tower.inputs, maps, name="trunk"), keras.Model(maps, tower.outputs[0], name="tail")


def with_mirror_images(crops: Any) -> Any:
    """Each crop followed by its mirror image: (B, S, S, 3) -> (2B, S, S, 3)."""
    both = ops.stack([crops, ops.flip(crops, axis=2)], axis=1)
    return ops.reshape(both, (-1, *crops.shape[1:]))


def build_siamese(tower: keras.Model) -> keras.Model:
    """One tower for both sides: two (B, S, S, 3) crops -> (B, 2, D), each pair's embeddings, shared weights."""
    first = keras.Input(tower.input_shape[1:], name="first")
    second = keras.Input(tower.input_shape[1:], name="second")
    pair = keras.ops.stack([tower(first), tower(second)], axis=1)
    return keras.Model([first, second], pair, name="siamese")
