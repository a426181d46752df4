"""Run a network on the CPU with OpenVINO: compile once, keep the compiled form on disk, infer in bounded threads.

Refuses to know what a network means, and to let OpenVINO report anything to its maker; never imports TensorFlow. The
first inference of a process imports OpenVINO.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import openvino

CACHE_VARIABLE = "FACESEARCH_CACHE"
# A compiled network from another layout of this file is not read again: raise this when the graphs' builders change.
_CACHE_FORMAT = 1


@dataclass(frozen=True)
class RuntimeSettings:
    """How a network is run.

    hint: "latency" answers one caller as fast as the machine can; "throughput" is for many batches in flight.
    precision: "f32" gives the trained figures; "bf16" is twice as fast on CPUs with AMX, and 1 to 2 % less exact.
    threads: 0 lets OpenVINO take the machine's physical cores.
    """

    hint: Literal["latency", "throughput"] = "latency"
    precision: Literal["f32", "bf16"] = "f32"
    threads: int = 0

    def properties(self) -> dict[str, str]:
        """These settings in OpenVINO's own words."""
        properties = {"PERFORMANCE_HINT": self.hint.upper(), "INFERENCE_PRECISION_HINT": self.precision}
        if self.hint == "latency":
            properties["NUM_STREAMS"] = "1"
        if self.threads:
            properties["INFERENCE_NUM_THREADS"] = str(self.threads)
        return properties


DEFAULT_RUNTIME = RuntimeSettings()


class CompiledNetwork:
    """A network that is ready to run. Not for two threads at once: each takes its own."""

    def __init__(self, compiled: openvino.CompiledModel) -> None:
        self._request = compiled.create_infer_request()
        self._outputs = len(compiled.outputs)

    def __call__(self, *inputs: NDArray[Any]) -> list[NDArray[np.float32]]:
        """The outputs in the network's order. They are views that the next call overwrites: copy what must stay."""
        self._request.infer(list(inputs), share_inputs=True)
        return [self._request.get_output_tensor(index).data for index in range(self._outputs)]


def cache_dir() -> Path | None:
    """The private folder (0700) of compiled networks, made when missing; None where it cannot be written."""
    folder = os.environ.get(CACHE_VARIABLE)
    if folder:
        path = Path(folder)
    else:
        import platformdirs

        path = Path(platformdirs.user_cache_dir("facesearch"))
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    return path if os.access(path, os.W_OK | os.X_OK) else None


def load_network(
    key: str, build: Callable[[], openvino.Model], settings: RuntimeSettings = DEFAULT_RUNTIME
) -> CompiledNetwork:
    """The compiled network of `key`: from the cache, or built, compiled and cached for the next process.

    key: names the weights and the graph exactly (a digest); another processor or OpenVINO version compiles anew.
    build: makes the graph; called only when the cache has nothing.
    """
    core = _core()
    folder = cache_dir()
    blob = folder / f"{_digest(key, settings)}.blob" if folder else None
    compiled = _import(core, blob, settings) if blob else None
    if compiled is None:
        compiled = core.compile_model(build(), "CPU", settings.properties())
        if blob:
            _keep(blob, compiled.export_model().getvalue())
    return CompiledNetwork(compiled)


@cache
def has_gpu() -> bool:
    """Whether NVIDIA's driver sees a GPU; asks the driver, so that no framework has to be imported to find out."""
    import ctypes

    for name in ("libcuda.so.1", "nvcuda.dll"):
        try:
            driver = ctypes.CDLL(name)
        except OSError:
            continue
        count = ctypes.c_int(0)
        if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0:
            return count.value > 0
    return False


@cache
def _core() -> openvino.Core:
    # Importing OpenVINO reports that to its maker over the network, unless this package of its is not to be found.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino.Core()


def _digest(key: str, settings: RuntimeSettings) -> str:
    core = _core()
    parts: Sequence[str] = (
        str(_CACHE_FORMAT),
        key,
        core.get_versions("CPU")["CPU"].build_number,
        core.get_property("CPU", "FULL_DEVICE_NAME"),
        repr(settings),
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _import(core: openvino.Core, blob: Path, settings: RuntimeSettings) -> openvino.CompiledModel | None:
    """The cached network, or None when there is none or OpenVINO does not accept it."""
    import openvino

    try:
        data = np.fromfile(blob, dtype=np.uint8)
    except OSError:
        return None
    try:
        return core.import_model(openvino.Tensor(data), "CPU", settings.properties())
    except RuntimeError:
        blob.unlink(missing_ok=True)
        return None


def _keep(blob: Path, data: bytes) -> None:
    """Write beside and rename over, so that no reader sees half a file. A full disk costs the cache, not the answer."""
    try:
        with tempfile.NamedTemporaryFile(dir=blob.parent, suffix=".part", delete=False) as part:
            part.write(data)
        Path(part.name).replace(blob)
    except OSError:
        Path(part.name).unlink(missing_ok=True)
