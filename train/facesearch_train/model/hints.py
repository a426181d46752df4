"""What the teacher sees at each place of a face: the tower learns to predict it from its own maps. A photo gives
thousands of such numbers, and only a few distances.

Small layers on the tower predict the teacher's maps and embedding from the tower's maps; they never ship. Source:
Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from facesearch.records import Floats
from facesearch_train.model.dlib_teacher import CHIP_LEFT, CHIP_PX, CHIP_TOP, CHIP_WIDTH, MAP_STRIDES
from facesearch_train.model.network import DenseNetShape

# A channel of the teacher that is the same everywhere has nothing to teach.
_LEAST_VARIANCE = 1e-4


def hinted_tower(tower: keras.Model, shape: DenseNetShape) -> keras.Model:
    """The tower with its maps: (B, S, S, 3) -> embeddings, the maps of its second to last block, and of its last."""
    middle = tower.get_layer(f"pool{len(shape.units)}_relu").output
    return keras.Model(tower.inputs, [tower.outputs[0], middle, tower.get_layer("final_relu").output], name="hinted")


def map_strides(shape: DenseNetShape) -> tuple[int, int]:
    """The pixels of the input between two cells, for each of the two maps of `hinted_tower`."""
    middle = 2 ** (len(shape.units) - 1) * (2 if shape.initial_pool else 1)
    return middle, 2 * middle


@keras.saving.register_keras_serializable("facesearch")
class Hints(keras.layers.Layer):
    """How badly the tower's maps predict the teacher's: the mean of three squared errors, 1 for a constant prediction.

    Two maps of the tower (see `hinted_tower`), the teacher's embedding (B, 128) and its maps of 8 x 8 and 4 x 4 cells
    -> (B,). Each channel of the teacher weighs alike, whatever its scale.
    """

    def __init__(self, strides: tuple[int, int], input_size_px: int, **options: Any) -> None:
        super().__init__(dtype="float32", **options)
        self.strides, self.input_size_px = strides, input_size_px

    def build(self, input_shape: Sequence[Sequence[int | None]]) -> None:
        """Tower's two maps, teacher's embedding and its two maps."""
        tower_maps, teacher_maps = input_shape[:2], input_shape[3:]
        self.foretold = [
            keras.layers.Dense(int(taught[-1] or 0), name=f"maps{number}", dtype="float32")
            for number, taught in enumerate(teacher_maps)
        ]
        for layer, maps in zip(self.foretold, tower_maps, strict=True):
            layer.build((None, maps[-1]))
        self.embedding = keras.layers.Dense(int(input_shape[2][-1] or 0), name="embedding", dtype="float32")
        self.embedding.build((None, tower_maps[1][-1]))
        self.places = [
            tuple(
                ops.convert_to_tensor(weights)
                for weights in interpolation(int(taught[1] or 0), int(maps[1] or 0), stride / self.input_size_px)
            )
            for taught, maps, stride in zip(teacher_maps, tower_maps, self.strides, strict=True)
        ]
        super().build(input_shape)

    def call(self, inputs: Sequence[Any]) -> Any:
        middle, last, embedding, *taught = (ops.cast(each, "float32") for each in inputs)
        errors = [_error(self.embedding(ops.mean(last, axis=(1, 2))), embedding)]
        each = zip((middle, last), self.foretold, self.places, taught, strict=True)
        for maps, layer, (rows, columns), wanted in each:
            placed = ops.einsum("yh,bhwc->bywc", rows, ops.einsum("xw,bhwc->bhxc", columns, layer(maps)))
            errors.append(_error(placed, wanted))
        return sum(errors) / len(errors)

    def compute_output_shape(self, input_shape: Sequence[Any]) -> tuple[int | None]:
        return (input_shape[0][0],)


def _error(foretold: Any, wanted: Any) -> Any:
    """The mean squared error of each crop, every channel of `wanted` scaled to variance 1 in the batch: -> (B,)."""
    axes = tuple(range(len(wanted.shape) - 1))
    wanted = ops.stop_gradient(wanted)
    mean, variance = ops.moments(wanted, axes=axes, keepdims=True)
    wanted = (wanted - mean) / ops.sqrt(variance + _LEAST_VARIANCE)
    return ops.mean(ops.square(foretold - wanted), axis=tuple(range(1, len(wanted.shape))))


def interpolation(teacher_cells: int, tower_cells: int, stride: float) -> tuple[Floats, Floats]:
    """How to read the tower's maps at the teacher's cells: weights of rows and of columns, each (teacher's cells,
    tower's cells). teacher_cells: a key of MAP_STRIDES. stride: between two cells of the tower, as a share of its
    input."""
    teacher_stride = MAP_STRIDES[teacher_cells]
    centres = (teacher_stride * np.arange(teacher_cells) + teacher_stride + 1) / CHIP_PX * CHIP_WIDTH
    rows, columns = ((first + centres) / stride - 0.5 for first in (CHIP_TOP, CHIP_LEFT))
    return _linear(rows, tower_cells), _linear(columns, tower_cells)


def _linear(positions: NDArray[np.float64], cells: int) -> Floats:
    """Weights of linear interpolation: (P,) -> (P, cells); a position outside takes the cell at the edge."""
    distance = np.abs(np.clip(positions, 0, cells - 1)[:, None] - np.arange(cells)[None, :])
    weights: Floats = np.maximum(0, 1 - distance).astype(np.float32)
    return weights
