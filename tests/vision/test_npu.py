"""An NPU, for which OpenVINO's CPU stands in: the tower there, and what happens when it fails or is missing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command_line import CommandLine
from support.small_tower import write_small_tower

from facesearch.api.library import open_library
from facesearch.errors import TowerError
from facesearch.vision import runtime
from facesearch.vision.detector.detector import load_detector
from facesearch.vision.network_cache import CACHE_VARIABLE
from facesearch.vision.runtime import CompiledNetwork, RuntimeSettings
from facesearch.vision.tower.tower import Tower

CROPS = np.random.default_rng(0).integers(0, 256, (83, 112, 112, 3), dtype=np.uint8)


class StandInNpu:
    """OpenVINO on a machine with an NPU, which is the CPU by another name. compiles: whether its driver does."""

    def __init__(self, core: Any, *, compiles: bool = True) -> None:
        self._core, self._compiles = core, compiles
        self.compiled: list[list[int]] = []
        """The shapes of the networks that were compiled for the NPU."""

    @property
    def available_devices(self) -> list[str]:
        return [*self._core.available_devices, "NPU"]

    def get_property(self, device: str, name: str) -> Any:
        return "Intel(R) AI Boost" if device == "NPU" else self._core.get_property(device, name)

    def get_versions(self, device: str) -> Any:
        return {device: self._core.get_versions("CPU")["CPU"]}

    def read_model(self, path: Path) -> Any:
        return self._core.read_model(path)

    def import_model(self, tensor: Any, device: str, properties: dict[str, str]) -> Any:
        return self._core.import_model(tensor, "CPU", self._checked(device, properties))

    def compile_model(self, model: Any, device: str, properties: dict[str, str]) -> Any:
        if device == "NPU":
            if not self._compiles:
                raise RuntimeError("Exception from src/core.cpp:\n[NPU] ZE_RESULT_ERROR_UNINITIALIZED")
            self.compiled.append([int(str(side)) for side in model.input(0).partial_shape])  # fails for an open size
        return self._core.compile_model(model, "CPU", self._checked(device, properties))

    def _checked(self, device: str, properties: dict[str, str]) -> dict[str, str]:
        """An NPU refuses settings of a CPU. In float32, so that its answers can be compared."""
        if device != "NPU":
            return properties
        assert properties == {"PERFORMANCE_HINT": "LATENCY"}
        return {**properties, "INFERENCE_PRECISION_HINT": "f32"}


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_tower(tmp_path_factory.mktemp("tower"))


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., StandInNpu]:
    """Call it to put an NPU into this machine."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    core = runtime._core()

    def put(*, compiles: bool = True) -> StandInNpu:
        npu = StandInNpu(core, compiles=compiles)
        monkeypatch.setattr(runtime, "_core", lambda: npu)
        return npu

    return put


def test_the_tower_runs_on_the_npu_and_gives_the_cpus_embeddings(
    tower: Path, plug_in: Callable[..., StandInNpu]
) -> None:
    expected = Tower.load(tower, "cpu").embed(CROPS)
    npu = plug_in()
    loaded = Tower.load(tower, "npu")
    np.testing.assert_allclose(loaded.embed(CROPS), expected, atol=1e-5 * np.abs(expected).max())
    assert (loaded.device, loaded.precision) == ("npu (OpenVINO)", "f32")
    assert npu.compiled == [[1, 112, 112, 3], [16, 112, 112, 3]]  # of fixed sizes
    again = Tower.load(tower, "npu")  # from the cache, in which the CPU's networks are others
    np.testing.assert_array_equal(again.embed(CROPS[:3]), loaded.embed(CROPS[:3]))
    assert len(npu.compiled) == 2


def test_the_detector_stays_on_the_cpu(plug_in: Callable[..., StandInNpu]) -> None:
    npu = plug_in()
    load_detector(device="npu").detect(np.zeros((64, 96, 3), np.uint8))
    assert npu.compiled == []


def test_an_npu_that_does_not_compile_leaves_the_tower_to_the_cpu(
    tower: Path, plug_in: Callable[..., StandInNpu], caplog: pytest.LogCaptureFixture
) -> None:
    expected = Tower.load(tower, "cpu").embed(CROPS)
    plug_in(compiles=False)
    with caplog.at_level(logging.WARNING):
        loaded = Tower.load(tower, "npu")
        np.testing.assert_array_equal(loaded.embed(CROPS), expected)
    assert [record.getMessage() for record in caplog.records] == [
        "the NPU failed ([NPU] ZE_RESULT_ERROR_UNINITIALIZED): going on with the CPU"
    ]
    assert loaded.device == "cpu (OpenVINO), after the NPU failed"


def test_an_npu_that_fails_on_the_way_is_replaced_by_the_cpu(
    tower: Path, plug_in: Callable[..., StandInNpu], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = Tower.load(tower, "cpu").embed(CROPS)
    plug_in()
    loaded = Tower.load(tower, "npu")
    loaded.embed(CROPS[:2])
    answer, calls = CompiledNetwork.__call__, []

    def fail_once(self: CompiledNetwork, *inputs: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("the device was lost")
        return answer(self, *inputs)

    monkeypatch.setattr(CompiledNetwork, "__call__", fail_once)
    np.testing.assert_allclose(loaded.embed(CROPS), expected, atol=1e-5 * np.abs(expected).max())
    assert "the NPU failed (the device was lost): going on with the CPU" in caplog.text
    assert loaded.device == "cpu (OpenVINO), after the NPU failed"


def test_without_an_npu_it_says_what_to_install(tower: Path, tmp_path: Path) -> None:
    if runtime.has_npu():
        pytest.skip("there is an NPU")
    with pytest.raises(TowerError, match="no NPU that OpenVINO sees: install Intel's driver"):
        Tower.load(tower, "npu")
    (tmp_path / "album").mkdir()
    with open_library(tmp_path / "library", tower=tower, device="npu") as library, pytest.raises(TowerError):
        library.index(tmp_path / "album")
    assert not (tmp_path / "library").exists()


def test_doctor_names_the_npu(plug_in: Callable[..., StandInNpu], capsys: pytest.CaptureFixture[str]) -> None:
    plug_in()
    assert "OpenVINO NPU" in CommandLine(capsys)("doctor").out


def test_an_npu_takes_no_settings_of_a_cpu() -> None:
    assert RuntimeSettings(lanes=4, device="NPU").properties() == {"PERFORMANCE_HINT": "LATENCY"}
