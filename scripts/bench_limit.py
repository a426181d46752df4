"""How near embedding comes to what the processor can do, and how fast it could be at most beside Keras' `predict`.

python scripts/bench_limit.py

The processor's own rate is that of a large 1x1 convolution, which is a product of two square matrices, in the same
runtime and precision, one a core; the tower's is its multiplications and additions, counted in its graph, over the time
that a full batch takes. A tower that computed at the processor's own rate would be as many times as fast as Keras as
the last column says.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from facesearch.vision.runtime import Precision, RuntimeSettings, available_cores, compile_network, fastest_precision
from facesearch.vision.tower.keras_archive import read_keras_archive
from facesearch.vision.tower.quantisation import quantise
from facesearch.vision.tower.tower import SHIPPED_TOWER, WEIGHTS_NAME, Tower

BATCH = 64  # crops
SIDES = (512, 1024, 2048)  # of the matrices: the fastest counts


def median_s(action: Callable[[], object], rounds: int) -> float:
    """The median of the rounds, after one to warm up."""
    action()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def square_product(side: int, precision: Precision) -> Any:
    """A graph that multiplies a matrix with a constant one."""
    import openvino
    from openvino import opset13 as ops

    rng = np.random.default_rng(0)
    matrix = ops.parameter([1, side, side, 1], np.float32)
    kernel = ops.constant(rng.normal(size=(side, side, 1, 1)).astype(np.float32))
    product = ops.convolution(matrix, kernel, [1, 1], [0, 0], [0, 0], [1, 1])
    product.set_friendly_name("product")
    model = openvino.Model([product], [matrix])
    if precision == "int8":
        quantise(model, {"product": [-4.0, 4.0]})
    return model


def processor_rate(precision: Precision, cores: int, rounds: int, side: int) -> float:
    """Operations a second of as many products at once as there are cores."""
    network = compile_network(square_product(side, precision), RuntimeSettings(cores, precision))
    matrix = np.random.default_rng(1).normal(size=(1, side, side, 1)).astype(np.float32)
    products = 8 * cores
    with ThreadPoolExecutor(cores) as pool:
        taken_s = median_s(lambda: list(pool.map(lambda _: network(matrix) and None, range(products))), rounds)
    return 2 * side**3 * products / taken_s


def operations_a_crop() -> int:
    """Multiplications and additions of the shipped tower's convolutions and products for one crop."""
    model = read_keras_archive(SHIPPED_TOWER / WEIGHTS_NAME)
    side = Tower.load(prepared=False).card.input_size_px
    model.reshape([1, side, side, 3])
    operations = 0
    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        if kind in {"Convolution", "MatMul"}:
            results = int(np.prod(list(node.output(0).shape)))
            kernel = list(node.input_value(1).shape)
            terms = int(np.prod(kernel[1:])) if kind == "Convolution" else list(node.input_value(0).shape)[-1]
            operations += 2 * results * terms
    return operations


def keras_rate(crops: Any, rounds: int) -> float:
    """Crops a second of Keras' `predict`."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    model = keras.saving.load_model(SHIPPED_TOWER / WEIGHTS_NAME, compile=False)
    return BATCH / median_s(lambda: model.predict(crops, verbose=0), rounds)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds of each, whose median counts (7)")
    rounds = parser.parse_args().rounds
    crops = np.random.default_rng(2).integers(0, 256, (BATCH, 112, 112, 3), dtype=np.uint8)
    operations, cores = operations_a_crop(), available_cores()
    keras = keras_rate(crops, rounds)
    print(f"{operations / 1e9:.3f} thousand million operations a crop; {cores} cores")
    print("| | crops/s | GFLOP/s | the processor's, one core | all cores | share of all | beside Keras | at most |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    print(f"| Keras, float32 | {keras:.0f} | {keras * operations / 1e9:.0f} | | | | 1 | |")
    wanted: set[Precision] = {"f32", fastest_precision(), "int8"}
    for precision in sorted(wanted, reverse=True):
        tower = Tower.load(SHIPPED_TOWER, "cpu", precision)
        if tower.precision != precision:
            continue
        ours = BATCH / median_s(lambda tower=tower: tower.embed(crops), rounds)  # type: ignore[misc]
        one, most = (
            max(processor_rate(precision, count, rounds, side) for side in SIDES) / 1e9 for count in (1, cores)
        )
        reached = ours * operations / 1e9
        print(
            f"| facesearch, {precision} | {ours:.0f} | {reached:.0f} | {one:.0f} | {most:.0f} | {reached / most:.0%} "
            f"| {ours / keras:.1f} | {most * 1e9 / operations / keras:.1f} |"
        )


if __name__ == "__main__":
    main()
