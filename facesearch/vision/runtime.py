"""Run a network on the CPU with OpenVINO: compile once, keep the compiled form in the cache, infer from many threads.

Knows nothing of what a network means. Keeps OpenVINO from reporting anything to its maker. The first inference of a
process imports OpenVINO.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from facesearch.vision import network_cache

if TYPE_CHECKING:
    import openvino

Precision = Literal["f32", "bf16", "int8"]
# A compiled network from another layout of this file is not read again: raise this when the graphs' builders change.
_CACHE_FORMAT = 1
_CONVERTER = "openvino.tools.ovc"
_OPERATIONS = re.compile(r"openvino\.opset\d+")


@dataclass(frozen=True)
class RuntimeSettings:
    """How a network is run."""

    # how many threads call it at once, each answered on one core. More cores for one call would wait for one another
    # after every layer: where other programs are busy too, that takes ten times as long instead of half
    lanes: int = 1
    # "bf16" is nearly twice as fast where `has_bf16`, and less exact; slower than "f32" elsewhere. "int8" is for graphs
    # whose convolutions were quantised (see vision.tower.quantisation) and leaves the rest to fastest_precision
    precision: Precision = "f32"
    # for a network that answers a few times: simple operations between convolutions are taken one by one. OpenVINO
    # compiles code for each chain of them otherwise, which takes half of a tower's loading, for answers in 10 instead
    # of 12 ms
    loads_fast: bool = False
    # OpenVINO's name for it. An NPU computes in float16 and takes networks of a fixed size alone; of the settings above
    # it has none
    device: Literal["CPU", "NPU"] = field(default="CPU", repr=False)  # a cached network is named after its hardware

    def properties(self) -> dict[str, str]:
        """These settings in OpenVINO's own words."""
        if self.device == "NPU":
            return {"PERFORMANCE_HINT": "LATENCY"}
        return {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": fastest_precision() if self.precision == "int8" else self.precision,
            "NUM_STREAMS": str(self.lanes),
            "INFERENCE_NUM_THREADS": str(self.lanes),
            "ENABLE_CPU_PINNING": "NO",
            **({"SNIPPETS_MODE": "DISABLE"} if self.loads_fast else {}),
        }


DEFAULT_RUNTIME = RuntimeSettings()


class CompiledNetwork:
    """A network that is ready to run, from any thread: each has a request of its own."""

    def __init__(self, compiled: openvino.CompiledModel, mapped: NDArray[np.uint8] | None = None) -> None:
        self._compiled = compiled
        self._mapped = mapped  # the file that the network's weights lie in
        self._outputs = len(compiled.outputs)
        self._of_thread = threading.local()

    def __call__(self, *inputs: NDArray[Any]) -> list[NDArray[np.float32]]:
        """The outputs in the network's order. They are views that this thread's next call overwrites: copy what must
        stay."""
        request = getattr(self._of_thread, "request", None)
        if request is None:
            request = self._of_thread.request = self._compiled.create_infer_request()
        request.infer(list(inputs), share_inputs=True)
        return [request.get_output_tensor(index).data for index in range(self._outputs)]


def load_network(
    key: str, build: Callable[[], openvino.Model], settings: RuntimeSettings = DEFAULT_RUNTIME
) -> CompiledNetwork:
    """The compiled network of `key`: from the cache, or built, compiled and cached for the next process.

    key: names the weights and the graph exactly (a digest); another processor or OpenVINO version compiles again.
    build: makes the graph; called only when the cache has nothing.
    """
    core = _core()
    folder = network_cache.cache_dir()
    blob = folder / f"{_digest(key, settings)}.blob" if folder else None
    kept = _import(core, blob, settings) if blob else None
    if kept is not None:
        return kept
    compiled = core.compile_model(build(), settings.device, settings.properties())
    if blob:
        network_cache.keep(blob, compiled.export_model().getvalue())
    return CompiledNetwork(compiled)


def compile_network(model: openvino.Model, settings: RuntimeSettings = DEFAULT_RUNTIME) -> CompiledNetwork:
    """A network for this process alone: nothing is read from the cache or written to it."""
    return CompiledNetwork(_core().compile_model(model, settings.device, settings.properties()))


def read_graph(path: Path) -> openvino.Model:
    """The graph of an ONNX file, with everything computed in it that needs no input."""
    graph = _core().read_model(path)
    from openvino.passes import ConstantFolding, Manager

    passes = Manager()
    passes.register_pass(ConstantFolding())
    passes.run_passes(graph)
    return graph


def available_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_bf16() -> bool:
    """Whether this processor multiplies in bf16. OpenVINO cannot be asked: it takes what AVX-512 imitates for it, which
    is slower than float32. Linux only; elsewhere False."""
    return not _processor_features().isdisjoint({"avx512_bf16", "amx_bf16"})


def has_int8() -> bool:
    """Whether this processor multiplies and adds up 8-bit numbers at once. Linux only; elsewhere False."""
    return not _processor_features().isdisjoint({"avx512_vnni", "avx_vnni", "amx_int8"})


@cache
def _processor_features() -> frozenset[str]:
    """What Linux says that the processor has; nothing elsewhere."""
    try:
        return frozenset(Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split())
    except OSError:
        return frozenset()


def fastest_precision() -> Precision:
    """What this processor is fastest in, for any network."""
    return "bf16" if has_bf16() else "f32"


def has_npu() -> bool:
    """Whether OpenVINO sees an NPU."""
    return any(device.partition(".")[0] == "NPU" for device in _core().available_devices)


def load_runtime() -> None:
    """Import OpenVINO, before the first network is loaded in another thread."""
    _core()


def openvino_devices() -> dict[str, str]:
    """The devices that OpenVINO sees, "CPU" or "GPU.0", each with the name of its hardware. Raises ImportError where
    OpenVINO cannot be loaded."""
    core = _core()
    return {device: core.get_property(device, "FULL_DEVICE_NAME").strip() for device in core.available_devices}


@cache
def _core() -> openvino.Core:
    # Importing OpenVINO reports that to its maker over the network, unless this package of its is not to be found.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    # Its converter of other frameworks' models takes as long to import as all the rest of it, and is not needed here.
    has_converter = _CONVERTER in sys.modules
    sys.modules.setdefault(_CONVERTER, None)  # type: ignore[arg-type]
    is_loaded = "openvino" in sys.modules
    sys.meta_path.insert(0, _Placeholders)
    try:
        import openvino
    finally:
        sys.meta_path.remove(_Placeholders)
        if not has_converter:
            del sys.modules[_CONVERTER]
    if not is_loaded:
        _import_operations_later(openvino)
    return openvino.Core()


class _Placeholders:
    """Finds empty modules in the place of OpenVINO's seventeen sets of operations: to import those takes as long as all
    the rest, and only who builds a graph needs one. No subclass of Python's Loader, whose module imports many others.
    """

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(name, cls()) if _OPERATIONS.fullmatch(name) else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """Let Python make it."""

    def exec_module(self, module: ModuleType) -> None:
        """Leave it empty."""


def _import_operations_later(openvino: ModuleType) -> None:
    """Let each set of operations be imported when somebody first asks for it, in whatever way."""
    for name in [*filter(_OPERATIONS.fullmatch, sys.modules)]:
        del sys.modules[name]
        delattr(openvino, name.rpartition(".")[2])

    def find(name: str) -> ModuleType:
        if not _OPERATIONS.fullmatch(f"{openvino.__name__}.{name}"):
            raise AttributeError(f"module {openvino.__name__!r} has no attribute {name!r}")
        try:
            return import_module(f"{openvino.__name__}.{name}")
        except ModuleNotFoundError as error:
            raise AttributeError(str(error)) from error

    openvino.__dict__["__getattr__"] = find  # PEP 562


def _digest(key: str, settings: RuntimeSettings) -> str:
    core = _core()
    parts: Sequence[str] = (
        str(_CACHE_FORMAT),
        key,
        core.get_versions(settings.device)[settings.device].build_number,
        core.get_property(settings.device, "FULL_DEVICE_NAME"),
        repr(settings),
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _import(core: openvino.Core, blob: Path, settings: RuntimeSettings) -> CompiledNetwork | None:
    """The cached network, or None when there is none or OpenVINO does not accept it."""
    import openvino

    data = network_cache.mapped(blob)
    if data is None:
        return None
    try:
        tensor = openvino.Tensor(data, shared_memory=True)
        return CompiledNetwork(core.import_model(tensor, settings.device, settings.properties()), data)
    except RuntimeError:
        with suppress(OSError):  # Windows deletes no file that is mapped
            blob.unlink()
        return None
