"""Networks compiled once, kept privately, rebuilt when the kept form is damaged."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesearch.vision import runtime
from facesearch.vision.network_cache import CACHE_VARIABLE, cache_dir
from facesearch.vision.runtime import RuntimeSettings, load_network

VALUES = np.array([[1.0, -2.0, 3.5]], dtype=np.float32)


class Doubling:
    """Builds x -> (2 x + 1, x - 1) and counts how often it had to."""

    def __init__(self) -> None:
        self.built = 0

    def __call__(self) -> Any:
        import openvino
        from openvino import opset13 as ops

        self.built += 1
        x = ops.parameter([-1, 3], np.float32)
        two, one = ops.constant(np.float32(2)), ops.constant(np.float32(1))
        return openvino.Model([ops.add(ops.multiply(x, two), one), ops.subtract(x, one)], [x], "doubling")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "deep" / "cache"
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    return folder


def test_outputs_come_in_the_networks_order(cache: Path) -> None:
    first, second = load_network("doubling", Doubling())(VALUES)
    np.testing.assert_allclose(first, [[3, -3, 8]])
    np.testing.assert_allclose(second, [[0, -3, 2.5]])


def test_any_number_of_rows_runs_in_one_network(cache: Path) -> None:
    network = load_network("doubling", Doubling())
    for rows in (1, 5, 2):
        np.testing.assert_allclose(network(np.repeat(VALUES, rows, axis=0))[0], np.repeat([[3, -3, 8]], rows, axis=0))


def test_a_network_is_built_once_and_read_from_the_cache_after(cache: Path) -> None:
    build = Doubling()
    load_network("doubling", build)
    again = load_network("doubling", build)
    assert build.built == 1
    np.testing.assert_allclose(again(VALUES)[0], [[3, -3, 8]])
    assert [path.suffix for path in cache.iterdir()] == [".blob"]


@pytest.mark.parametrize("other", [("another", RuntimeSettings()), ("doubling", RuntimeSettings(lanes=2))])
def test_another_key_or_setting_is_another_network(cache: Path, other: tuple[str, RuntimeSettings]) -> None:
    build = Doubling()
    load_network("doubling", build)
    load_network(other[0], build, other[1])
    assert build.built == 2


@pytest.mark.parametrize("damage", [b"", b"no network at all", None])
def test_a_damaged_cache_is_rebuilt(cache: Path, damage: bytes | None) -> None:
    build = Doubling()
    load_network("doubling", build)
    (blob,) = cache.iterdir()
    blob.write_bytes(blob.read_bytes()[:200] if damage is None else damage)
    np.testing.assert_allclose(load_network("doubling", build)(VALUES)[0], [[3, -3, 8]])
    assert build.built == 2
    load_network("doubling", build)
    assert build.built == 2


def test_the_cache_is_private(cache: Path) -> None:
    assert cache_dir() == cache
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


def test_no_cache_folder_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file" / "cache"))
    assert cache_dir() is None
    build = Doubling()
    np.testing.assert_allclose(load_network("doubling", build)(VALUES)[0], [[3, -3, 8]])


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user without root's permissions")
def test_an_unwritable_cache_folder_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o500)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert cache_dir() is None
    assert len(load_network("doubling", Doubling())(VALUES)) == 2


def test_a_cache_that_takes_no_file_is_no_error(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    np.testing.assert_allclose(load_network("doubling", Doubling())(VALUES)[0], [[3, -3, 8]])
    assert list(cache.iterdir()) == []


def test_settings_in_openvinos_words() -> None:
    assert RuntimeSettings().properties() == {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": "1",
        "ENABLE_CPU_PINNING": "NO",
    }
    assert RuntimeSettings(lanes=3, precision="bf16").properties() == {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16",
        "NUM_STREAMS": "3",
        "INFERENCE_NUM_THREADS": "3",
        "ENABLE_CPU_PINNING": "NO",
    }
    assert RuntimeSettings(loads_fast=True).properties() == RuntimeSettings().properties() | {
        "SNIPPETS_MODE": "DISABLE"
    }


def test_threads_do_not_disturb_one_anothers_outputs(cache: Path) -> None:
    network = load_network("doubling", Doubling(), RuntimeSettings(lanes=4))
    values = np.arange(3000, dtype=np.float32).reshape(-1, 3)
    together = threading.Barrier(4)

    def run(offset: int) -> bool:
        outputs = network(values + offset)
        together.wait(timeout=60)  # all four have run before any of them looks
        return bool(np.array_equal(outputs[0], 2 * (values + offset) + 1))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(run, range(4)))


def test_the_mapped_cache_outlives_its_file(cache: Path) -> None:
    build = Doubling()
    load_network("doubling", build)
    again = load_network("doubling", build)
    for blob in cache.iterdir():
        blob.unlink()
    np.testing.assert_allclose(again(VALUES)[0], [[3, -3, 8]])


@pytest.mark.skipif("avx2" not in runtime._processor_features(), reason="OpenVINO compiles chains for AVX2 and later")
def test_what_is_to_load_fast_compiles_no_code_for_chains_of_operations(cache: Path) -> None:
    def build() -> Any:
        import openvino
        from openvino import opset13 as ops

        x = ops.parameter([1, 8, 16, 16], np.float32)
        factors = ops.constant(np.arange(1, 9, dtype=np.float32).reshape(1, 8, 1, 1))
        chain = ops.multiply(ops.relu(ops.add(ops.multiply(x, factors), factors)), x)
        return openvino.Model([ops.concat([chain, x], 1)], [x], "chain")

    values = np.random.default_rng(0).normal(size=(1, 8, 16, 16)).astype(np.float32)
    outputs, kinds = [], []
    for loads_fast in (False, True):
        network = load_network("chain", build, RuntimeSettings(loads_fast=loads_fast))
        outputs.append(network(values)[0].copy())
        nodes = network._compiled.get_runtime_model().get_ops()
        kinds.append({node.get_rt_info()["layerType"].astype(str) for node in nodes})
    np.testing.assert_allclose(outputs[1], outputs[0], rtol=1e-6)
    assert "Subgraph" in kinds[0] - kinds[1]


def test_openvino_comes_without_its_operations_which_are_there_for_whoever_asks() -> None:
    program = (
        "import sys; from facesearch.vision.runtime import load_network, _core; _core();"
        "print(any('openvino.opset' in name for name in sys.modules));"
        "import openvino; print(callable(openvino.opset13.parameter));"
        "from openvino import opset8; print(callable(opset8.relu));"
        "import openvino.opset1.ops; print(hasattr(openvino, 'opset99'), hasattr(openvino, 'nothing'))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "True", "True", "False", "False"]


def test_openvino_comes_without_its_converter() -> None:
    program = (
        "import sys; from facesearch.vision.runtime import load_network, _core; _core();"
        "print('openvino' in sys.modules, 'openvino.tools.ovc' in sys.modules);"
        "from openvino.tools.ovc import convert_model; print(callable(convert_model))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True", "False", "True"]


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> Generator[Callable[[str], None]]:
    """Call it with the flags that the processor is to have."""

    def has(flags: str) -> None:
        monkeypatch.setattr(Path, "read_text", lambda *arguments, **options: f"flags : {flags}\n")
        runtime._processor_features.cache_clear()

    yield has
    monkeypatch.undo()
    runtime._processor_features.cache_clear()


def test_int8_leaves_what_is_not_quantised_to_the_fastest(monkeypatch: pytest.MonkeyPatch) -> None:
    for has_bf16, expected in ((True, "bf16"), (False, "f32")):
        monkeypatch.setattr(runtime, "has_bf16", lambda has_bf16=has_bf16: has_bf16)
        assert RuntimeSettings(precision="int8").properties()["INFERENCE_PRECISION_HINT"] == expected


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("sse2 avx512_vnni", True), ("avx_vnni fma", True), ("amx_int8 amx_tile", True), ("avx2 avx512f", False)],
)
def test_int8_is_taken_only_where_the_processor_adds_up_in_it(
    processor: Callable[[str], None], flags: str, *, expected: bool
) -> None:
    processor(flags)
    assert runtime.has_int8() == expected


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu sse2 avx512f avx512_bf16", "bf16"), ("amx_bf16 amx_tile", "bf16"), ("avx512f avx512bw", "f32")],
)
def test_bf16_is_taken_only_where_the_processor_multiplies_in_it(
    processor: Callable[[str], None], flags: str, expected: str
) -> None:
    processor(flags)
    assert runtime.fastest_precision() == expected
